"""Looks whether an organisation has what things need there: everything is read, or rolled back."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from actors.model.outcomes import AuthFailed, Failure, Permanent
from actors.ports import Clock
from crm_adapters.readiness import Finding, Verdict, failed, fine, refused_credentials, unsure, wrong
from crm_adapters.salesforce.config import SalesforceConfig
from crm_adapters.salesforce.rehearsal import Rehearsal
from crm_adapters.salesforce.requirements import (
    FieldKind,
    NeededField,
    NeededLabel,
    NeededObject,
    needed_fields,
    needed_labels,
    needed_objects,
)
from crm_adapters.salesforce.soql import select, text
from crm_adapters.salesforce.wire import Wire

Described = Mapping[str, Mapping[str, Any]]
"""What an organisation says of its objects, by name; those that it does not show are left out."""
_TEXT: Final = frozenset({"string", "textarea", "email", "phone", "url", "id", "reference", "picklist"})
_NUMBER: Final = frozenset({"double", "int", "currency", "percent", "long"})
_SEEN_BY_USER: Final = "let the integration user see and edit it: a permission set with field-level security for it"


class Inspector:
    """Checks one organisation."""

    def __init__(self, wire: Wire, config: SalesforceConfig, clock: Clock) -> None:
        self._wire = wire
        self._config = config
        self._rehearsal = Rehearsal(wire, config, clock)

    async def findings(self) -> Sequence[Finding]:
        """Return every point; where nobody answers, or knows us, there is only one."""
        version = await self._version()
        if version.verdict is not Verdict.FINE:
            return [version]
        described, objects = await self._objects()
        findings = [fine("credentials", "the organisation accepts them"), version, *objects]
        findings += [field_finding(need, described) for need in needed_fields(self._config) if need.object in described]
        findings += [label_finding(need, described) for need in needed_labels(self._config) if need.object in described]
        findings += [*await self._prices(), *_account_key(self._config, described)]
        return [*findings, *await self._rehearsal.findings(described.keys())]

    async def _version(self) -> Finding:
        """Ask for the resources of the configured version: it needs a session and nothing else."""
        about, version = "API version", self._config.api_version
        answer = await self._wire.send("GET", "", writes=False)
        if isinstance(answer, AuthFailed):
            return refused_credentials(answer)
        remedy = "set api_version to one that Setup > Apex Classes > Version Settings offers, such as 64.0"
        if isinstance(answer, Failure):
            return failed(about, answer, expected=f"the organisation speaks version {version}", remedy=remedy)
        return fine(about, version)

    async def _objects(self) -> tuple[Described, list[Finding]]:
        described: dict[str, Mapping[str, Any]] = {}
        findings: list[Finding] = []
        for need in needed_objects(self._config):
            answer = await self._wire.send("GET", f"/sobjects/{need.name}/describe", writes=False)
            if isinstance(answer, Failure):
                findings.append(_missing_object(need, answer))
                continue
            described[need.name] = answer
            findings.append(_rights(need, answer))
        return described, findings

    async def _prices(self) -> list[Finding]:
        book = self._config.price_book
        wanted = {self._config.shipping_sku, self._config.tax_sku} if self._config.adds_charge_lines else set[str]()
        conditions = (f"Pricebook2.Name = {text(book)}", "Pricebook2.IsActive = true", "IsActive = true")
        sku = f"Product2.{self._config.fields.sku}"
        rows = await self._wire.query(select(("Id", sku), "PricebookEntry", conditions, "Id"))
        about, expected = f"price book {book}", "an active price book with active entries"
        remedy = "create it (iot2crm crm prepare NAME), activate it, and add what things may buy; or set price_book"
        if isinstance(rows, Failure):
            return [failed(about, rows, expected=expected, remedy=remedy)]
        if not rows:
            found = "no active entry: things are offered the standard price book's prices"
            return [unsure(about, found=found, expected=expected, remedy=remedy)]
        listed = {str(row["Product2"][self._config.fields.sku]) for row in rows}
        return [fine(about, f"{len(rows)} active entries", expected=expected), *_charges(wanted - listed, book)]


def field_finding(need: NeededField, described: Described) -> Finding:
    """Return how one field is: there, of the right kind, writable, and unique where it holds our key."""
    field = _field(described[need.object], need.name)
    expected = _expectation(need)
    if field is None:
        remedy = f"create {need.full_name} (iot2crm crm prepare NAME) and {_SEEN_BY_USER}"
        if not need.is_custom:
            remedy = f"{_SEEN_BY_USER}; or name another field in [crm.NAME.fields]"
        return wrong(
            need.full_name, found="not there, or hidden from the integration user", expected=expected, remedy=remedy
        )
    flaws = list(_flaws(need, field))
    if not flaws:
        return fine(need.full_name, expected)
    found, remedies = "; ".join(said for said, _ in flaws), "; ".join(remedy for _, remedy in flaws)
    return wrong(need.full_name, found=found, expected=expected, remedy=remedies)


def label_finding(need: NeededLabel, described: Described) -> Finding:
    """Return whether a label that is written is an active value of its picklist."""
    about = f"{need.object}.{need.field} = {need.label}"
    field = _field(described[need.object], need.field) or {}
    values = [str(each.get("value")) for each in field.get("picklistValues", []) if each.get("active", True)]
    if need.label in values:
        return fine(about, "an active value")
    return wrong(
        about,
        found=f"the active values are {', '.join(values) or 'none'}",
        expected=f"an active value {need.label!r}",
        remedy=f"add it in Setup > Object Manager > {need.object}, or set {need.option} in [crm.NAME.statuses]",
    )


def _flaws(need: NeededField, field: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what is wrong with a field that is there, and what mends it."""
    setup = f"in Setup > Object Manager > {need.object} > {need.name}"
    flaws: list[tuple[str, str]] = []
    kinds = {FieldKind.KEY: _TEXT, FieldKind.TEXT: _TEXT, FieldKind.NUMBER: _NUMBER, FieldKind.CURRENCY: _NUMBER}
    if need.kind in kinds and field.get("type") not in kinds[need.kind]:
        flaws.append((f"type {field.get('type')}", f"name a field that holds {need.kind} in [crm.NAME.fields]"))
    if need.kind is FieldKind.KEY and not (field.get("unique") and field.get("externalId")):
        found = "unique, no External ID" if field.get("unique") else "not unique: a second order would be made"
        flaws.append((found, f"tick Unique and External ID {setup}"))
    if need.length and need.kind is not FieldKind.ANY and int(field.get("length") or 0) < need.length:
        flaws.append((f"length {field.get('length')}", f"set the length to {need.length} {setup}"))
    if need.writes and not field.get("createable"):
        flaws.append(("read only for the integration user", _SEEN_BY_USER))
    return flaws


def _expectation(need: NeededField) -> str:
    length = f" of {need.length} characters" if need.length else ""
    how = ", External ID and Unique" if need.kind is FieldKind.KEY else ""
    kind = FieldKind.TEXT if need.kind is FieldKind.KEY else need.kind
    return f"a field of {kind}{length}{how}" if need.kind is not FieldKind.ANY else "a field"


def _field(described: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    fields = described.get("fields", [])
    return next((each for each in fields if str(each.get("name")).lower() == name.lower()), None)


def _missing_object(need: NeededObject, failure: Failure) -> Finding:
    feature = f"enable it ({need.feature}); or " if need.feature else ""
    remedy = f"{feature}let the integration user's permission set read {need.name}"
    expected = f"the integration user sees {need.name}"
    if isinstance(failure, Permanent) and failure.code == "NOT_FOUND":
        return wrong(
            need.name, found="not enabled, or hidden from the integration user", expected=expected, remedy=remedy
        )
    return failed(need.name, failure, expected=expected, remedy=remedy)


def _rights(need: NeededObject, described: Mapping[str, Any]) -> Finding:
    wanted = {"queryable": True, "createable": need.creates, "updateable": need.updates}
    words = {"queryable": "read", "createable": "create", "updateable": "edit"}
    expected = "may " + ", ".join(words[flag] for flag, is_wanted in wanted.items() if is_wanted)
    missing = [words[flag] for flag, is_wanted in wanted.items() if is_wanted and not described.get(flag)]
    if not missing:
        return fine(need.name, expected)
    remedy = f"tick {', '.join(missing)} for {need.name} in the integration user's permission set (Object Settings)"
    return wrong(need.name, found=f"may not {', '.join(missing)}", expected=expected, remedy=remedy)


def _charges(missing: set[str], book: str) -> list[Finding]:
    return [
        wrong(
            f"{sku} in price book {book}",
            found="no active entry",
            expected="a product by which shipping or tax is charged",
            remedy="create a product with this SKU, price it in the standard and in this price book (0 will do);"
            ' or set charges = "fields"',
        )
        for sku in sorted(missing)
    ]


def _account_key(config: SalesforceConfig, described: Described) -> list[Finding]:
    """Return a word of caution where two accounts may carry one owner's id."""
    name = config.fields.account
    field = _field(described.get("Account", {}), name)
    if field is None or field.get("unique"):
        return []
    return [
        unsure(
            f"Account.{name}, unique",
            found="Salesforce does not keep two accounts from having the same one",
            expected="a unique field",
            remedy="add a unique External ID to Account and name it in fields.account, or let nobody reuse a number",
        )
    ]
