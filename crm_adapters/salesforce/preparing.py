"""Makes what an organisation needs: custom fields, the right to see them, the price book of things.

Source: Salesforce Tooling API guide, CustomField; object reference, PermissionSet and FieldPermissions.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from actors.model.outcomes import Failure, Permanent
from crm_adapters.proving import Preview, said_of
from crm_adapters.readiness import Step, StepState
from crm_adapters.salesforce.config import SalesforceConfig
from crm_adapters.salesforce.requirements import FieldKind, NeededField, needed_fields
from crm_adapters.salesforce.soql import select, text
from crm_adapters.salesforce.wire import Wire

PERMISSION_SET: Final = "IoT2CRM"
_EXISTS: Final = frozenset({"DUPLICATE_DEVELOPER_NAME", "DUPLICATE_VALUE"})
_SET_ID: Final = "«id of the permission set»"
_USER_ID: Final = "«id of the integration user»"
_NUMBERS: Final = {"type": "Number", "precision": 18, "scale": 2}
_TYPES: Final[dict[FieldKind, dict[str, Any]]] = {
    FieldKind.KEY: {"type": "Text", "externalId": True, "unique": True, "caseSensitive": True},
    FieldKind.TEXT: {"type": "Text"},
    FieldKind.NUMBER: _NUMBERS,
    FieldKind.CURRENCY: {"type": "Currency", "precision": 18, "scale": 2},
}


class Preparer:
    """Prepares one organisation; what is there already is left as it is."""

    def __init__(self, wire: Wire, config: SalesforceConfig) -> None:
        self._wire = wire
        self._config = config

    def preparation(self) -> list[Step]:
        """Return all that an organisation without any of it needs; nothing is sent."""
        shown = [self._wanted(need) for need in _custom(self._config)]
        access = [self._shown_request(path, body) for path, body in self._access(_SET_ID, _USER_ID)]
        about = f"permission set {PERMISSION_SET}"
        rights = Step(about=about, state=StepState.WANTED, said="lets the user see the fields", requests=tuple(access))
        return [*shown, rights, self._book_step(), *_by_hand(self._config)]

    async def prepare(self) -> list[Step]:
        """Make what is missing, and say what became of each step."""
        described = await self._described()
        if isinstance(described, Failure):
            return [Step(about="the organisation", state=StepState.FAILED, said=said_of(described))]
        steps = [await self._field(need, described) for need in _custom(self._config)]
        steps.append(await self._rights([need for need in _custom(self._config) if need.full_name not in described]))
        return [*steps, await self._book(), *_by_hand(self._config)]

    async def _described(self) -> set[str] | Failure:
        """Return the full names of the fields that the user sees."""
        seen: set[str] = set()
        for name in dict.fromkeys(need.object for need in _custom(self._config)):
            answer = await self._wire.send("GET", f"/sobjects/{name}/describe", writes=False)
            if isinstance(answer, Permanent) and answer.code == "NOT_FOUND":
                continue
            if isinstance(answer, Failure):
                return answer
            seen |= {f"{name}.{field['name']}" for field in answer.get("fields", [])}
        return seen

    async def _field(self, need: NeededField, seen: set[str]) -> Step:
        wanted = self._wanted(need)
        if need.full_name in seen:
            return replace(wanted, state=StepState.THERE, requests=())
        answer = await self._wire.send("POST", "/tooling/sobjects/CustomField", writes=True, body=_custom_field(need))
        if isinstance(answer, Permanent) and answer.code in _EXISTS:
            return replace(wanted, state=StepState.THERE, said="it was hidden from the user", requests=())
        if isinstance(answer, Failure):
            said = f"{said_of(answer)}; it takes a user with the permission Customize Application (see --print)"
            return replace(wanted, state=StepState.FAILED, said=said)
        return replace(wanted, state=StepState.MADE)

    async def _rights(self, needs: Sequence[NeededField]) -> Step:
        """Let the user see the fields through a permission set of ours."""
        about = f"permission set {PERMISSION_SET}"
        if not needs:
            return Step(about=about, state=StepState.THERE, said="the user sees all fields")
        user = await self._wire.user_id()
        permission_set = await self._made("PermissionSet", {"Name": PERMISSION_SET}, {"Label": PERMISSION_SET})
        for failure in (user, permission_set):
            if isinstance(failure, Failure):
                return Step(about=about, state=StepState.FAILED, said=said_of(failure))
        for path, body in self._access(str(permission_set), str(user), needs)[1:]:
            name = path.rpartition("/")[2]
            unique = {key: value for key, value in body.items() if isinstance(value, str)}
            rest = {key: value for key, value in body.items() if key not in unique}
            made = await self._made(name, unique, rest)
            if isinstance(made, Failure):
                return Step(about=about, state=StepState.FAILED, said=f"{name}: {said_of(made)}")
        said = "the user sees " + ", ".join(need.full_name for need in needs)
        return Step(about=about, state=StepState.MADE, said=said)

    async def _book(self) -> Step:
        step = self._book_step()
        where = (f"Name = {text(self._config.price_book)}",)
        rows = await self._wire.query(select(("Id",), "Pricebook2", where, "Id"))
        if isinstance(rows, list) and rows:
            return replace(step, state=StepState.THERE, requests=())
        body = step.requests[0].body
        made = rows if isinstance(rows, Failure) else await self._wire.send("POST", _BOOKS, writes=True, body=body)
        if isinstance(made, Failure):
            return replace(step, state=StepState.FAILED, said=said_of(made))
        return replace(step, state=StepState.MADE)

    async def _made(self, name: str, unique: Mapping[str, str], rest: Mapping[str, Any]) -> str | Failure:
        """Return the id of the record with these values; it is made where there is none."""
        where = [f"{field} = {text(value)}" for field, value in unique.items()]
        rows = await self._wire.query(select(("Id",), name, where, "Id"))
        if isinstance(rows, Failure):
            return rows
        if rows:
            return str(rows[0]["Id"])
        answer = await self._wire.send("POST", f"/sobjects/{name}", writes=True, body={**unique, **rest})
        return answer if isinstance(answer, Failure) else str(answer["id"])

    def _wanted(self, need: NeededField) -> Step:
        request = self._shown_request("/tooling/sobjects/CustomField", _custom_field(need))
        return Step(about=need.full_name, state=StepState.WANTED, requests=(request,))

    def _book_step(self) -> Step:
        book = {"Name": self._config.price_book, "IsActive": True}
        request = self._shown_request(_BOOKS, book)
        return Step(about=f"price book {self._config.price_book}", state=StepState.WANTED, requests=(request,))

    def _access(
        self, permission_set: str, user: str, needs: Sequence[NeededField] = ()
    ) -> list[tuple[str, dict[str, Any]]]:
        """Return paths and bodies that make a permission set, let it see fields, and give it to the user."""
        fields = [
            {
                "ParentId": permission_set,
                "SobjectType": need.object,
                "Field": need.full_name,
                "PermissionsRead": True,
                "PermissionsEdit": True,
            }
            for need in needs or _custom(self._config)
        ]
        return [
            ("/sobjects/PermissionSet", {"Name": PERMISSION_SET, "Label": PERMISSION_SET}),
            *(("/sobjects/FieldPermissions", body) for body in fields),
            ("/sobjects/PermissionSetAssignment", {"PermissionSetId": permission_set, "AssigneeId": user}),
        ]

    def _shown_request(self, path: str, body: Mapping[str, Any]) -> Preview:
        return Preview(step=path.rpartition("/")[2], method="POST", url=self._wire.address_of(path), body=dict(body))


_BOOKS: Final = "/sobjects/Pricebook2"


def _custom(config: SalesforceConfig) -> list[NeededField]:
    """Return the fields that the vendor's API can add."""
    return [need for need in needed_fields(config) if need.is_custom and need.kind in _TYPES]


def _custom_field(need: NeededField) -> dict[str, Any]:
    label = need.name.removesuffix("__c")
    length = {"length": need.length} if need.length else {}
    return {"FullName": need.full_name, "Metadata": {"label": label, **_TYPES[need.kind], **length}}


def _by_hand(config: SalesforceConfig) -> list[Step]:
    """Return what a person does in Setup."""
    told = {
        "permission Activate Orders": "give it to the integration user (Setup > Permission Sets > System Permissions)",
        "labels of picklists": "add those that iot2crm crm check NAME misses (Setup > Object Manager)",
        f"entries of price book {config.price_book}": "price what things buy in the standard book, then in this one",
    }
    if config.adds_charge_lines:
        charges = f"{config.shipping_sku} and {config.tax_sku}"
        told[f"products {charges}"] = "add both to the standard price book and to this one; a price of 0 will do"
    return [Step(about=about, state=StepState.BY_HAND, said=said) for about, said in told.items()]
