"""Salesforce records to the vocabulary: what is read of them, and what it means. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from actors.model.ids import OrderKey
from actors.model.money import Money
from actors.model.orders import RecordKind, TimeSlot
from actors.model.outcomes import CrmRecord, RecordStatus
from crm_adapters.salesforce.config import STANDARD_MEANINGS, SalesforceConfig

Row = Mapping[str, Any]

_NUMBERS: Final = {
    "Order": "OrderNumber",
    "WorkOrder": "WorkOrderNumber",
    "Case": "CaseNumber",
    "ServiceAppointment": "AppointmentNumber",
    "ReturnOrder": "ReturnOrderNumber",
}
_CATEGORIES: Final = {"Draft": RecordStatus.OPEN, "Canceled": RecordStatus.CANCELLED}


def object_of(kind: RecordKind, config: SalesforceConfig) -> str:
    """Return the object that holds this kind of record."""
    match kind:
        case RecordKind.ORDER:
            return "Order"
        case RecordKind.SERVICE:
            return config.service_object
        case RecordKind.APPOINTMENT:
            return "ServiceAppointment"
        case RecordKind.RETURN:
            return "ReturnOrder"


def record_fields(kind: RecordKind, config: SalesforceConfig) -> list[str]:
    """Return the fields that ``record_of`` reads."""
    name = object_of(kind, config)
    own = {
        "Order": ["StatusCode", "TotalAmount", *([] if config.currency else ["CurrencyIsoCode"])],
        "WorkOrder": ["IsClosed"],
        "Case": ["IsClosed"],
        "ServiceAppointment": ["SchedStartTime", "SchedEndTime"],
        "ReturnOrder": [],
    }[name]
    total = [config.fields.order_total] if name == "Order" and not config.adds_charge_lines else []
    shared = ["Id", _NUMBERS[name], "Status", "SystemModstamp", config.fields.key, config.fields.fingerprint]
    return [*shared, *own, *total]


def record_of(kind: RecordKind, row: Row, config: SalesforceConfig, instance_url: str) -> CrmRecord:
    """Return a record as Salesforce holds it.

    Raises:
        KeyError: the row lacks a field that every record has.
        ValueError: a field holds what it cannot hold.
    """
    name = object_of(kind, config)
    changed = row.get("SystemModstamp")
    mark = row.get(config.fields.fingerprint)
    return CrmRecord(
        record_id=str(row["Id"]),
        number=str(row.get(_NUMBERS[name]) or ""),
        kind=kind,
        key=OrderKey(str(row[config.fields.key] or "")),
        fingerprint=None if mark is None else str(mark),
        status=status_of(row, config),
        status_text=str(row["Status"]),
        total=_total(row, config) if kind is RecordKind.ORDER else None,
        url=f"{instance_url}/lightning/r/{name}/{row['Id']}/view",
        changed_at=None if changed is None else parse_moment(str(changed)),
        scheduled=_scheduled(row),
    )


def status_of(row: Row, config: SalesforceConfig) -> RecordStatus:
    """Return what a record's status means: by its label, else by category or whether it is closed."""
    label = str(row["Status"])
    meaning = config.statuses.meanings.get(label) or STANDARD_MEANINGS.get(label)
    if meaning is not None:
        return meaning
    if "StatusCode" in row:
        return _CATEGORIES.get(str(row["StatusCode"]), RecordStatus.CONFIRMED)
    return RecordStatus.FULFILLED if row.get("IsClosed") else RecordStatus.OPEN


def parse_moment(written: str) -> datetime:
    """Return the moment that the API wrote.

    Raises:
        ValueError: it is none.
    """
    moment_text = written[:-5] + "+00:00" if written.endswith("+0000") else written
    parsed = datetime.fromisoformat(moment_text)
    if parsed.tzinfo is None:
        raise ValueError(f"{written} names no time zone")
    return parsed


def _total(row: Row, config: SalesforceConfig) -> Money | None:
    amount = row.get("TotalAmount" if config.adds_charge_lines else config.fields.order_total)
    currency = config.currency or row.get("CurrencyIsoCode")
    return None if amount is None or not currency else Money.of(str(amount), str(currency))


def _scheduled(row: Row) -> TimeSlot | None:
    start, end = row.get("SchedStartTime"), row.get("SchedEndTime")
    if start is None or end is None:
        return None
    return TimeSlot(starts_at=parse_moment(str(start)), ends_at=parse_moment(str(end)), resource="", reference="")
