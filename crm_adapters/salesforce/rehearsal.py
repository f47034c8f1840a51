"""An order and a call for help, each made twice in a transaction that cannot succeed: what ordering would meet.

All parts of a composite with ``allOrNone`` are rolled back when one fails, and the last one always does.
"""

from collections.abc import Collection
from typing import Any, Final

from msgspec import Struct

from actors.model.ids import OwnerId
from actors.model.outcomes import Failure
from actors.ports import Clock
from crm_adapters.readiness import NOBODYS, Finding, failed, fine, unsure, wrong
from crm_adapters.salesforce.classification import DUPLICATE, ApiError, error_in
from crm_adapters.salesforce.config import SalesforceConfig
from crm_adapters.salesforce.mapping import ACCOUNT, REQUEST, Part, account_part, reference_to
from crm_adapters.salesforce.soql import select, text
from crm_adapters.salesforce.wire import Done, Refused, Row, Wire

AGAIN: Final = "again"
ACTIVATE: Final = "activate"
STOP: Final = "stop"
_NO_RECORD: Final = "000000000000000AAA"
_OWNER: Final = OwnerId("I2CCHECK")


class _Stage(Struct, frozen=True, kw_only=True):
    """What an order is tried with: an account (None: one is made), an entry of the price book (None: no product)."""

    account: str | None
    entry: Row | None


class Rehearsal:
    """Tries what placing does, and leaves nothing behind."""

    def __init__(self, wire: Wire, config: SalesforceConfig, clock: Clock) -> None:
        self._wire = wire
        self._config = config
        self._clock = clock

    async def findings(self, objects: Collection[str]) -> list[Finding]:
        """Return what became of it; only objects that the organisation shows are tried."""
        findings: list[Finding] = []
        if "Order" in objects:
            findings += await self._order()
        service = self._config.service_object
        if service in objects:
            body = {self._config.fields.key: NOBODYS, "Subject": "a check of the connection; it is taken back"}
            answer = await self._wire.composite(_twice(service, body, ()), writes=True)
            findings.append(self._judged(service, answer))
        return findings

    async def _order(self) -> list[Finding]:
        stage = await self._stage()
        if not isinstance(stage, _Stage):
            remedy = "let the integration user read accounts and price book entries"
            return [failed("a rehearsed order", stage, expected="an order can be tried", remedy=remedy)]
        answer = await self._wire.composite(self._order_parts(stage), writes=True)
        key = self._judged("Order", answer)
        if stage.entry is None:
            remedy = "add what things may buy to the price book, and check again"
            return [key, unsure("activation", found="no product to try it with", expected="an order", remedy=remedy)]
        if isinstance(answer, Refused) and answer.reference in {AGAIN, STOP}:
            return [key, fine("activation", "a rehearsed order was activated and taken back")]
        return [key]

    async def _stage(self) -> _Stage | Failure:
        account = None if self._config.create_accounts else await self._first(select(("Id",), "Account", (), "Id"))
        if isinstance(account, Failure):
            return account
        currency = "" if self._config.currency else "CurrencyIsoCode"
        wanted = (f"Pricebook2.Name = {text(self._config.price_book)}", "IsActive = true", "Product2.IsActive = true")
        entry = await self._first(select(("Id", "Pricebook2Id", currency), "PricebookEntry", wanted, "Id"))
        if isinstance(entry, Failure):
            return entry
        return _Stage(account=None if account is None else str(account["Id"]), entry=entry)

    async def _first(self, query: str) -> Row | Failure | None:
        rows = await self._wire.query(f"{query} LIMIT 1")
        return rows if isinstance(rows, Failure) else next(iter(rows), None)

    def _order_parts(self, stage: _Stage) -> tuple[Part, ...]:
        body: dict[str, Any] = {
            self._config.fields.key: NOBODYS,
            "AccountId": stage.account or reference_to(ACCOUNT),
            "EffectiveDate": self._clock.now().date().isoformat(),
            "Status": self._config.statuses.order_draft,
            "Description": "a check of the connection; it is taken back",
        }
        made = () if stage.account else (account_part(_OWNER, self._config),)
        if stage.entry is None:
            return (*made, *_twice("Order", body, ()))
        body["Pricebook2Id"] = stage.entry["Pricebook2Id"]
        if not self._config.currency:
            body["CurrencyIsoCode"] = stage.entry["CurrencyIsoCode"]
        return (*made, *_twice("Order", body, self._sold(str(stage.entry["Id"]))))

    def _sold(self, entry: str) -> tuple[Part, ...]:
        """Return the product of the order, and its activation."""
        item = {"OrderId": reference_to(REQUEST), "PricebookEntryId": entry, "Quantity": 1, "UnitPrice": 1.0}
        item[self._config.fields.key] = f"{NOBODYS}L001"
        path = f"/sobjects/Order/{reference_to(REQUEST)}"
        active = {"Status": self._config.statuses.order_active}
        return (
            Part(reference="item", method="POST", path="/sobjects/OrderItem", body=item),
            Part(reference=ACTIVATE, method="PATCH", path=path, body=active),
        )

    def _judged(self, name: str, answer: Done | Refused | Failure) -> Finding:
        about, key = f"{name}, made once", self._config.fields.key
        expected = f"a second {name} with the same {key} is refused (tried and taken back)"
        setup = f"Setup > Object Manager > {name} > {key}: tick Unique and External ID"
        if isinstance(answer, Failure):
            return failed(about, answer, expected=expected, remedy="see that the integration user may use the REST API")
        if isinstance(answer, Done):  # the last part cannot succeed
            return wrong(about, found="the organisation takes changes of no record", expected=expected, remedy=setup)
        error = error_in(answer.body) or ApiError(code=f"HTTP_{answer.status}", message="without an error code")
        if answer.reference == AGAIN and error.code == DUPLICATE and key.lower() in error.message.lower():
            return fine(about, "the second one was refused", expected=expected)
        if answer.reference == STOP:
            return wrong(
                about, found="the second one was taken: it would be ordered twice", expected=expected, remedy=setup
            )
        return _refused_part(about, answer.reference, error, expected)


def _refused_part(about: str, part: str, error: ApiError, expected: str) -> Finding:
    found = f"{part} was refused: {error.code}: {error.message}"
    if part == ACTIVATE:
        remedy = (
            "give the integration user the permission Activate Orders, and read the organisation's own rules for it"
        )
        return wrong("activation", found=found, expected="a draft with a product can be activated", remedy=remedy)
    remedy = (
        "let the integration user create it; what the organisation itself requires must be optional or have a default"
    )
    return wrong(about, found=found, expected=expected, remedy=remedy)


def _twice(name: str, body: dict[str, Any], between: tuple[Part, ...]) -> tuple[Part, ...]:
    """Return a record made, what is done with it, the same record made again, and a part that cannot succeed."""
    return (
        Part(reference=REQUEST, method="POST", path=f"/sobjects/{name}", body=body),
        *between,
        Part(reference=AGAIN, method="POST", path=f"/sobjects/{name}", body=body),
        Part(reference=STOP, method="PATCH", path=f"/sobjects/{name}/{_NO_RECORD}", body={}),
    )
