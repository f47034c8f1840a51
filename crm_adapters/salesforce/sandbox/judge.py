"""The judge's view of an organisation, and the steps a person in it would take."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from actors.model.money import Money
from actors.model.orders import RecordKind
from actors.model.outcomes import RecordStatus
from crm_adapters.salesforce.sandbox.errors import Refusal
from crm_adapters.salesforce.sandbox.organisation import Organisation
from crm_adapters.salesforce.sandbox.schema import BY_PREFIX, OBJECTS, SObject
from crm_adapters.salesforce.sandbox.seed import CHARGES
from crm_adapters.salesforce.sandbox.store import Record, Store
from crm_adapters.salesforce.sandbox.validation import parse_datetime
from crm_adapters.sandboxing import SandboxRecord, UnknownRecord

_KINDS: Final = {
    "Order": RecordKind.ORDER,
    "Case": RecordKind.SERVICE,
    "WorkOrder": RecordKind.SERVICE,
    "ServiceAppointment": RecordKind.APPOINTMENT,
    "ReturnOrder": RecordKind.RETURN,
}
_OPEN, _CONFIRMED, _FULFILLED, _CANCELLED = RecordStatus
_LABELS: Final[Mapping[str, Mapping[RecordStatus, str]]] = {
    "Order": {_OPEN: "Draft", _CONFIRMED: "Activated", _FULFILLED: "Delivered", _CANCELLED: "Cancelled"},
    "Case": {_OPEN: "New", _CONFIRMED: "Working", _FULFILLED: "Closed", _CANCELLED: "Cancelled"},
    "WorkOrder": {_OPEN: "New", _CONFIRMED: "In Progress", _FULFILLED: "Completed", _CANCELLED: "Canceled"},
    "ServiceAppointment": {_OPEN: "None", _CONFIRMED: "Scheduled", _FULFILLED: "Completed", _CANCELLED: "Canceled"},
    "ReturnOrder": {_OPEN: "Submitted", _CONFIRMED: "Approved", _FULFILLED: "Closed", _CANCELLED: "Canceled"},
}
_MEANINGS: Final = {name: {label: status for status, label in labels.items()} for name, labels in _LABELS.items()}


def judged(store: Store) -> list[SandboxRecord]:
    """Return all orders, service requests and appointments, in the order they were made."""
    found = [(row["CreatedDate"], kind, row) for kind in map(_kind, _KINDS) for row in store.rows(kind)]
    found.sort(key=lambda entry: entry[0])
    return [_judged(store, kind, row) for _, kind, row in found]


def advance(organisation: Organisation, record_id: str, status: RecordStatus) -> None:
    """Set the status label that stands for ``status``.

    Raises:
        UnknownRecord: there is no such record.
        ValueError: a rule forbids the step.
    """
    kind = BY_PREFIX.get(record_id[:3])
    if kind is None or kind.name not in _KINDS:
        raise UnknownRecord(record_id)
    try:
        record = organisation.existing(kind, record_id)
    except Refusal:
        raise UnknownRecord(record_id) from None
    try:
        organisation.update(kind, record["Id"], {"Status": _LABELS[kind.name][status]})
    except Refusal as refusal:
        raise ValueError(f"{refusal.code}: {refusal.message}") from refusal


def _kind(name: str) -> SObject:
    return OBJECTS[name.lower()]


def _judged(store: Store, kind: SObject, row: Record) -> SandboxRecord:
    account = store.get(_kind("Account"), str(row["AccountId"])) or {}
    asset = store.get(_kind("Asset"), str(row.get("AssetId"))) or {}
    start = row.get("SchedStartTime")
    return SandboxRecord(
        kind=_KINDS[kind.name],
        record_id=row["Id"],
        number=row[kind.number_field],
        key=row.get("HubKey__c") or "",
        fingerprint=row.get("HubFingerprint__c") or "",
        owner=account.get("AccountNumber") or "",
        thing=row.get("HubThing__c") or asset.get("Name") or "",
        status=_MEANINGS[kind.name].get(row["Status"], _otherwise(row)),
        status_text=row["Status"],
        scheduled_start=None if start is None else parse_datetime(start),
        raw=row,
        **_contents(store, kind, row),
    )


def _otherwise(row: Record) -> RecordStatus:
    return _FULFILLED if row.get("IsClosed") else _CONFIRMED


def _contents(store: Store, kind: SObject, row: Record) -> dict[str, Any]:
    match kind.name:
        case "Order":
            return _sums(store, row)
        case "ReturnOrder":
            return {"lines": _returned(store, row)}
        case _:
            return {}


def _returned(store: Store, row: Record) -> dict[str, int]:
    lines: dict[str, int] = {}
    for line in store.with_key(_kind("ReturnOrderLineItem"), "ReturnOrderId", row["Id"]):
        sku = (store.get(_kind("Product2"), line["Product2Id"]) or {}).get("StockKeepingUnit") or ""
        lines[sku] = lines.get(sku, 0) + int(line["QuantityReturned"])
    return lines


def _sums(store: Store, order: Record) -> dict[str, Any]:
    lines: dict[str, int] = {}
    for item in store.with_key(_kind("OrderItem"), "OrderId", order["Id"]):
        product = store.get(_kind("Product2"), item["Product2Id"]) or {}
        if product.get("Family") != CHARGES:
            sku = product.get("StockKeepingUnit") or ""
            lines[sku] = lines.get(sku, 0) + int(item["Quantity"])
    amount = order["TotalAmount"] if order.get("HubTotal__c") is None else order["HubTotal__c"]
    currency = order["CurrencyIsoCode"]
    total = Money.of(Decimal(str(amount)), currency).minor
    return {"total_minor": total, "currency": currency, "lines": lines}
