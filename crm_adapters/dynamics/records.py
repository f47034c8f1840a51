"""Rows as records: where each kind is, what is read of it, and what its status means."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, cast

from msgspec import Struct

from actors.model.ids import OrderKey
from actors.model.money import Money
from actors.model.orders import RecordKind, TimeSlot
from actors.model.outcomes import CrmRecord, Permanent, RecordStatus
from crm_adapters.dynamics.addresses import by_key, with_options
from crm_adapters.dynamics.batch import Operation
from crm_adapters.dynamics.config import DynamicsConfig, ServiceTable

Row = Mapping[str, Any]

WORK_CANCELED: Final = 690970005
NEW_ORDER: Final = (0, 1)
BOOKING_CANCELED: Final = 3
BOOKING_COMPLETED: Final = 690970004

_ORDER_STATUS: Final = {0: RecordStatus.OPEN, 1: RecordStatus.CONFIRMED, 2: RecordStatus.CANCELLED}
_CASE_STATUS: Final = {0: RecordStatus.OPEN, 1: RecordStatus.FULFILLED, 2: RecordStatus.CANCELLED}
_WORK_STATUS: Final = {
    690970000: (RecordStatus.OPEN, "Unscheduled"),
    690970001: (RecordStatus.CONFIRMED, "Scheduled"),
    690970002: (RecordStatus.CONFIRMED, "In Progress"),
    690970003: (RecordStatus.FULFILLED, "Completed"),
    690970004: (RecordStatus.FULFILLED, "Posted"),
    WORK_CANCELED: (RecordStatus.CANCELLED, "Canceled"),
}
RMA_CANCELED: Final = 690970003
_RMA_STATUS: Final = {
    690970000: (RecordStatus.OPEN, "Pending"),
    690970001: (RecordStatus.CONFIRMED, "Products Received"),
    690970002: (RecordStatus.FULFILLED, "Posted"),
    RMA_CANCELED: (RecordStatus.CANCELLED, "Canceled"),
}
_ORDER_TEXT: Final = {0: "Active", 1: "Submitted", 2: "Canceled", 3: "Fulfilled", 4: "Invoiced"}
_CASE_TEXT: Final = {0: "Active", 1: "Resolved", 2: "Canceled"}


class RecordTable(Struct, frozen=True, kw_only=True):
    """Where records of one kind are, and what is read of them."""

    kind: RecordKind
    logical_name: str
    entity_set: str
    id_column: str
    number_column: str
    select: str
    expand: str = ""


ORDERS: Final = RecordTable(
    kind=RecordKind.ORDER,
    logical_name="salesorder",
    entity_set="salesorders",
    id_column="salesorderid",
    number_column="ordernumber",
    select="ordernumber,statecode,statuscode,totalamount,modifiedon",
    expand="transactioncurrencyid($select=isocurrencycode)",
)
WORK_ORDERS: Final = RecordTable(
    kind=RecordKind.SERVICE,
    logical_name="msdyn_workorder",
    entity_set="msdyn_workorders",
    id_column="msdyn_workorderid",
    number_column="msdyn_name",
    select="msdyn_name,msdyn_systemstatus,modifiedon",
)
INCIDENTS: Final = RecordTable(
    kind=RecordKind.SERVICE,
    logical_name="incident",
    entity_set="incidents",
    id_column="incidentid",
    number_column="ticketnumber",
    select="ticketnumber,statecode,statuscode,modifiedon",
)
BOOKINGS: Final = RecordTable(
    kind=RecordKind.APPOINTMENT,
    logical_name="bookableresourcebooking",
    entity_set="bookableresourcebookings",
    id_column="bookableresourcebookingid",
    number_column="name",
    select="name,starttime,endtime,modifiedon,_resource_value",
    expand="{status}($select=name,status,msdyn_fieldservicestatus),{resource}($select=name)",
)

RMAS: Final = RecordTable(
    kind=RecordKind.RETURN,
    logical_name="msdyn_rma",
    entity_set="msdyn_rmas",
    id_column="msdyn_rmaid",
    number_column="msdyn_name",
    select="msdyn_name,msdyn_systemstatus,modifiedon",
)


def table_of(kind: RecordKind, config: DynamicsConfig) -> RecordTable:
    """Return where records of this kind are."""
    match kind:
        case RecordKind.ORDER:
            return ORDERS
        case RecordKind.APPOINTMENT:
            return BOOKINGS
        case RecordKind.RETURN:
            return RMAS
        case RecordKind.SERVICE:
            return WORK_ORDERS if config.service_table is ServiceTable.WORK_ORDER else INCIDENTS


def record_options(table: RecordTable, config: DynamicsConfig) -> dict[str, str]:
    """Return ``select`` and ``expand`` that ``read_record`` needs."""
    names = config.navigation
    return {
        "select": f"{table.select},{config.columns.key},{config.columns.fingerprint}",
        "expand": table.expand.format(status=names.booking_status, resource=names.resource),
    }


def read_options(table: RecordTable, config: DynamicsConfig) -> str:
    """Return the query of the request that reads one record of a table."""
    return with_options("", **record_options(table, config))


def keyed_read(table: RecordTable, key: str, config: DynamicsConfig, options: str | None = None) -> Operation:
    """Return the request that reads the record under our key; ``options`` are ``read_options`` where they are known."""
    path = by_key(table.entity_set, config.columns.key, key)
    return Operation(method="GET", path=path + (read_options(table, config) if options is None else options))


def read_record(table: RecordTable, row: Row, config: DynamicsConfig) -> CrmRecord:
    """Return a row as a record.

    Raises:
        KeyError: a column is missing; the answer is not what was asked for.
    """
    record_id = str(row[table.id_column])
    status, text = _status_of(table, row, config)
    fingerprint = row.get(config.columns.fingerprint)
    return CrmRecord(
        record_id=record_id,
        number=str(row.get(table.number_column) or ""),
        kind=table.kind,
        key=OrderKey(str(row[config.columns.key])),
        fingerprint=None if fingerprint is None else str(fingerprint),
        status=status,
        status_text=text,
        total=_total_of(row) if table.kind is RecordKind.ORDER else None,
        url=f"{config.origin}/main.aspx?etn={table.logical_name}&id={record_id}&pagetype=entityrecord",
        changed_at=datetime.fromisoformat(str(row["modifiedon"])),
        scheduled=_slot_of(row, config) if table.kind is RecordKind.APPOINTMENT else None,
    )


def is_unsubmitted(row: Row) -> bool:
    """Say whether an order was never submitted and no person put it on hold."""
    return (row.get("statecode"), row.get("statuscode")) == NEW_ORDER


def refusal_to_move(row: Row, config: DynamicsConfig) -> Permanent | None:
    """Return why a booking cannot be moved: it is canceled or done."""
    try:
        status, text = _booking_status(_related(row, config.navigation.booking_status))
    except (KeyError, TypeError):
        return Permanent(code="unreadable", message="the booking names no status")
    if status is RecordStatus.CONFIRMED:
        return None
    return Permanent(code="already_over", message=f"the booking is {text}: it can be made anew, not moved")


def _status_of(table: RecordTable, row: Row, config: DynamicsConfig) -> tuple[RecordStatus, str]:
    match table.logical_name:
        case "salesorder":
            state = int(row["statecode"])
            return _ORDER_STATUS.get(state, RecordStatus.FULFILLED), _ORDER_TEXT.get(state, str(state))
        case "incident":
            state = int(row["statecode"])
            return _CASE_STATUS.get(state, RecordStatus.OPEN), _CASE_TEXT.get(state, str(state))
        case "msdyn_workorder" | "msdyn_rma":
            number = int(row["msdyn_systemstatus"])
            known = _WORK_STATUS if table is WORK_ORDERS else _RMA_STATUS
            return known.get(number, (RecordStatus.CONFIRMED, str(number)))
        case _:
            return _booking_status(_related(row, config.navigation.booking_status))


def _booking_status(status: Row) -> tuple[RecordStatus, str]:
    text = str(status.get("name") or "")
    if status.get("status") == BOOKING_CANCELED:
        return RecordStatus.CANCELLED, text
    done = status.get("msdyn_fieldservicestatus") == BOOKING_COMPLETED
    return (RecordStatus.FULFILLED if done else RecordStatus.CONFIRMED), text


def _total_of(row: Row) -> Money | None:
    amount, currency = row.get("totalamount"), _related(row, "transactioncurrencyid").get("isocurrencycode")
    return None if amount is None or currency is None else Money.of(Decimal(str(amount)), str(currency))


def _slot_of(row: Row, config: DynamicsConfig) -> TimeSlot:
    return TimeSlot(
        starts_at=datetime.fromisoformat(str(row["starttime"])),
        ends_at=datetime.fromisoformat(str(row["endtime"])),
        resource=str(_related(row, config.navigation.resource).get("name") or ""),
        reference=str(row["_resource_value"]),
    )


def _related(row: Row, navigation: str) -> dict[str, Any]:
    """Return the expanded row, an empty one where the lookup is empty."""
    return cast("dict[str, Any]", row.get(navigation) or {})
