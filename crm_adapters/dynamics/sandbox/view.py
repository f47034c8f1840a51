"""The judge's view of the rows, and what a person at the CRM does to them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from actors.model.money import Money
from actors.model.orders import RecordKind
from actors.model.outcomes import RecordStatus
from crm_adapters.dynamics.sandbox.environment import MADE, Environment
from crm_adapters.dynamics.sandbox.tables import (
    CANCELED,
    COMPLETED,
    HUB_FINGERPRINT,
    HUB_KEY,
    ORDER_ACTIVE,
    ORDER_CANCELED,
    ORDER_FULFILLED,
    ORDER_SUBMITTED,
    POSTED,
    SCHEDULED,
    TABLES,
    UNSCHEDULED,
    status_reasons,
)
from crm_adapters.dynamics.sandbox.writes import Writer
from crm_adapters.sandboxing import SandboxRecord, UnknownRecord

Row = Mapping[str, Any]
_S = RecordStatus
_KINDS: Final = {
    "salesorder": RecordKind.ORDER,
    "msdyn_workorder": RecordKind.SERVICE,
    "incident": RecordKind.SERVICE,
    "bookableresourcebooking": RecordKind.APPOINTMENT,
    "msdyn_rma": RecordKind.RETURN,
}
JUDGED: Final = tuple(_KINDS)
"""The tables whose rows are somebody's orders, requests, appointments and returns."""
_ORDER_STATES: Final = {_S.OPEN: 0, _S.CONFIRMED: ORDER_SUBMITTED, _S.CANCELLED: ORDER_CANCELED}
_CASE_STATES: Final = {_S.OPEN: 0, _S.FULFILLED: 1, _S.CANCELLED: 2}
_WORK_STATES: Final = {_S.OPEN: UNSCHEDULED, _S.CONFIRMED: SCHEDULED, _S.FULFILLED: COMPLETED, _S.CANCELLED: CANCELED}
_RMA_STATES: Final = {_S.OPEN: 690970000, _S.CONFIRMED: 690970001, _S.FULFILLED: 690970002, _S.CANCELLED: 690970003}
_BOOKING_STATES: Final = {_S.CONFIRMED: "Scheduled", _S.FULFILLED: "Completed", _S.CANCELLED: "Canceled"}


def records_of(environment: Environment) -> list[SandboxRecord]:
    """Return orders, service requests and appointments in the order they were made."""
    rows = [(int(row[MADE]), table, row) for table in JUDGED for row in environment.rows(table)]
    rows.sort(key=lambda entry: entry[0])
    return [_record(environment, table, row) for _, table, row in rows]


def advance(environment: Environment, record_id: str, status: RecordStatus) -> None:
    """Change a record's status as a person in the CRM would.

    Raises:
        UnknownRecord: there is no such record.
        ValueError: the table has no such status, or the record is closed.
    """
    table = next((name for name in _KINDS if environment.tables.get(name, record_id) is not None), None)
    if table is None:
        raise UnknownRecord(record_id)
    with environment.tables.transaction():
        match table:
            case "salesorder":
                _advance_state(environment, table, record_id, _ORDER_STATES | {_S.FULFILLED: ORDER_FULFILLED}, status)
            case "incident":
                _advance_state(environment, table, record_id, _CASE_STATES, status)
            case "msdyn_workorder":
                _write(environment, table, record_id, {"msdyn_systemstatus": _wanted(_WORK_STATES, status)})
            case "msdyn_rma":
                _write(environment, table, record_id, {"msdyn_systemstatus": _wanted(_RMA_STATES, status)})
            case _:
                _write(environment, table, record_id, _booking_bind(environment, status))


def _advance_state(
    environment: Environment, table: str, record_id: str, states: Mapping[RecordStatus, int], status: RecordStatus
) -> None:
    now, wanted = environment.get(table, record_id)["statecode"], _wanted(states, status)
    closed = {ORDER_CANCELED, ORDER_FULFILLED} if table == "salesorder" else {1, 2}
    if now in closed and now != wanted:
        raise ValueError(f"{table} {record_id} is closed (state {now}); expected one that is open")
    reason = status_reasons(table)[wanted][0]
    environment.change(table, record_id, {"statecode": wanted, "statuscode": reason})


def _write(environment: Environment, table: str, record_id: str, body: Mapping[str, Any]) -> None:
    Writer(environment, {}, strict=False).update(
        environment.model.table(table), environment.get(table, record_id), body
    )


def _booking_bind(environment: Environment, status: RecordStatus) -> dict[str, str]:
    name = _wanted(_BOOKING_STATES, status)
    found = next(row["bookingstatusid"] for row in environment.rows("bookingstatus") if row["name"] == name)
    return {"BookingStatus@odata.bind": f"/bookingstatuses({found})"}


def _wanted(states: Mapping[RecordStatus, Any], status: RecordStatus) -> Any:
    if status not in states:
        raise ValueError(f"status {status.value}: expected one of {', '.join(known.value for known in states)}")
    return states[status]


def _record(environment: Environment, table: str, row: Row) -> SandboxRecord:
    total = _total(environment, row) if table == "salesorder" else None
    start = row.get("starttime")
    return SandboxRecord(
        kind=_KINDS[table],
        record_id=str(row[TABLES[table].primary_id]),
        number=str(row.get("ordernumber") or row.get("ticketnumber") or row.get("msdyn_name") or row.get("name") or ""),
        key=str(row.get(HUB_KEY) or ""),
        fingerprint=str(row.get(HUB_FINGERPRINT) or ""),
        owner=_owner(environment, row),
        thing=str(_related(environment, "msdyn_workorder", row).get("new_thingid") or row.get("new_thingid") or ""),
        status=_status(environment, table, row),
        status_text=_status_text(environment, table, row),
        total_minor=None if total is None else total.minor,
        currency=None if total is None else total.currency,
        lines=_contents(environment, table, row),
        scheduled_start=None if start is None else datetime.fromisoformat(str(start)),
        raw=dict(row),
    )


def _status(environment: Environment, table: str, row: Row) -> RecordStatus:
    match table:
        case "salesorder":
            return {ORDER_ACTIVE: _S.OPEN, ORDER_SUBMITTED: _S.CONFIRMED, ORDER_CANCELED: _S.CANCELLED}.get(
                row["statecode"], _S.FULFILLED
            )
        case "incident":
            return {0: _S.OPEN, 1: _S.FULFILLED}.get(row["statecode"], _S.CANCELLED)
        case "msdyn_workorder":
            ends = {UNSCHEDULED: _S.OPEN, COMPLETED: _S.FULFILLED, POSTED: _S.FULFILLED, CANCELED: _S.CANCELLED}
            return ends.get(row["msdyn_systemstatus"], _S.CONFIRMED)
        case "msdyn_rma":
            return next(status for status, number in _RMA_STATES.items() if number == row["msdyn_systemstatus"])
        case _:
            name = _status_text(environment, table, row)
            return {"Completed": _S.FULFILLED, "Canceled": _S.CANCELLED}.get(name, _S.CONFIRMED)


def _status_text(environment: Environment, table: str, row: Row) -> str:
    if table == "bookableresourcebooking":
        return str(environment.get("bookingstatus", str(row["_bookingstatus_value"]))["name"])
    if table in {"msdyn_workorder", "msdyn_rma"}:
        return str(row["msdyn_systemstatus"])
    return f"{row['statecode']}/{row['statuscode']}"


def _owner(environment: Environment, row: Row) -> str:
    work = _related(environment, "msdyn_workorder", row)
    guid = (
        row.get("_customerid_value")
        or row.get("_msdyn_serviceaccount_value")
        or work.get("_msdyn_serviceaccount_value")
    )
    account = None if guid is None else environment.tables.get("account", str(guid))
    return "" if account is None else str(account.get("accountnumber") or account.get("name") or "")


def _related(environment: Environment, table: str, row: Row) -> Row:
    guid = row.get(f"_{table}_value")
    return {} if guid is None else environment.tables.get(table, str(guid)) or {}


def _total(environment: Environment, order: Row) -> Money | None:
    currency = _related(
        environment, "transactioncurrency", {"_transactioncurrency_value": order.get("_transactioncurrencyid_value")}
    )
    code = currency.get("isocurrencycode")
    return None if code is None else Money.of(str(order["totalamount"]), str(code))


def _contents(environment: Environment, table: str, row: Row) -> dict[str, int]:
    match table:
        case "salesorder":
            return _lines(environment, row)
        case "msdyn_rma":
            return _returned(environment, row)
        case _:
            return {}


def _returned(environment: Environment, rma: Row) -> dict[str, int]:
    counted: dict[str, int] = {}
    for line in environment.pointing("msdyn_rmaproduct", "_msdyn_rma_value", str(rma["msdyn_rmaid"])):
        sku = str(environment.get("product", str(line["_msdyn_product_value"]))["productnumber"])
        counted[sku] = counted.get(sku, 0) + int(float(str(line["msdyn_quantity"])))
    return counted


def _lines(environment: Environment, order: Row) -> dict[str, int]:
    counted: dict[str, int] = {}
    for line in environment.pointing("salesorderdetail", "_salesorderid_value", str(order["salesorderid"])):
        product = line.get("_productid_value")
        if product is None:
            continue
        sku = str(environment.get("product", str(product))["productnumber"])
        counted[sku] = counted.get(sku, 0) + int(float(str(line["quantity"])))
    return counted
