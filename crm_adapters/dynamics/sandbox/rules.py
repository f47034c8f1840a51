"""What the platform's own logic does around a write: numbering, pricing, states, schedules."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from crm_adapters.dynamics.sandbox.environment import Environment, cents
from crm_adapters.dynamics.sandbox.errors import refuse
from crm_adapters.dynamics.sandbox.tables import (
    CANCELED,
    ORDER_ACTIVE,
    ORDER_SUBMITTED,
    SCHEDULED,
    UNSCHEDULED,
)

Row = Mapping[str, Any]
PRICE_MISSING: Final = 11
"""``pricingerrorcode`` "Price Missing From Price Level"."""
_BOOKING_CANCELED: Final = 3
_RMA_POSTED, _RMA_CANCELED = 690970002, 690970003


def _nothing(_environment: Environment, _row: Any) -> None:
    """Leave everything as it is."""


def _no_change(_environment: Environment, _old: Row, _new: Any) -> None:
    """Leave everything as it is."""


class Rules(Struct, frozen=True, kw_only=True):
    """One table's logic. The ``before`` hooks may fill and refuse values; the ``after`` hooks change other rows."""

    before_create: Callable[[Environment, dict[str, Any]], None] = _nothing
    after_create: Callable[[Environment, Row], None] = _nothing
    before_update: Callable[[Environment, Row, dict[str, Any]], None] = _no_change
    after_update: Callable[[Environment, Row, Row], None] = _no_change
    after_delete: Callable[[Environment, Row], None] = _nothing


def numbered(environment: Environment, counter: str, form: str) -> str:
    """Return the next automatic number."""
    return form.format(environment.number(counter))


def _prepare_order(environment: Environment, order: dict[str, Any]) -> None:
    order.setdefault("ordernumber", numbered(environment, "salesorder", "ORD-{:05d}"))
    price_list = _optional(environment, "pricelevel", order.get("_pricelevelid_value"))
    if price_list is not None:
        currency = order.setdefault("_transactioncurrencyid_value", price_list["_transactioncurrencyid_value"])
        if currency != price_list["_transactioncurrencyid_value"]:
            raise refuse(400, "NotAllowed", "The currency of the record does not match the currency of the price list.")


def _price_order(environment: Environment, order: Row) -> None:
    lines = environment.pointing("salesorderdetail", "_salesorderid_value", str(order["salesorderid"]))
    goods = sum((cents(line["extendedamount"]) - cents(line.get("tax")) for line in lines), Decimal(0))
    percent = Decimal(str(order.get("discountpercentage") or 0))
    reduced = goods - cents(order.get("discountamount")) - cents(goods * percent / 100)
    tax = sum((cents(line.get("tax")) for line in lines), Decimal(0))
    totals = {
        "totallineitemamount": goods,
        "totalamountlessfreight": reduced,
        "totaltax": tax,
        "totalamount": reduced + cents(order.get("freightamount")) + tax,
    }
    written = {name: str(cents(amount)) for name, amount in totals.items()}
    worst = max((int(line.get("pricingerrorcode") or 0) for line in lines), default=0)
    environment.change("salesorder", str(order["salesorderid"]), {**written, "pricingerrorcode": worst})


def _guard_order(environment: Environment, order: Row, changes: dict[str, Any]) -> None:
    state = changes.get("statecode", order["statecode"])
    if order["statecode"] != ORDER_ACTIVE and changes:
        raise refuse(400, "NotAllowed", "The order is not active and cannot be edited.")
    if state not in {ORDER_ACTIVE, ORDER_SUBMITTED}:
        raise refuse(400, "NotAllowed", "Use CancelSalesOrder or FulfillSalesOrder to close an order.")
    if state == ORDER_SUBMITTED:
        changes.setdefault("submitdate", environment.now())


def _reprice_order(environment: Environment, _old: Row, order: Row) -> None:
    _price_order(environment, order)


def _prepare_line(environment: Environment, line: dict[str, Any]) -> None:
    order_id = line.get("_salesorderid_value")
    if order_id is None:
        raise refuse(400, "InvalidArgument", "Required field 'salesorderid' of 'salesorderdetail' is missing")
    order = _active_order(environment, str(order_id))
    line["_transactioncurrencyid_value"] = order.get("_transactioncurrencyid_value")
    line.setdefault("quantity", "1")
    if line.get("isproductoverridden"):
        _require_write_in(line)
    else:
        _price_product(environment, order, line)
    _extend(line)


def _active_order(environment: Environment, order_id: str) -> Row:
    order = environment.get("salesorder", order_id)
    if order["statecode"] != ORDER_ACTIVE:
        raise refuse(400, "NotAllowed", "The order is not active; its products cannot be changed.")
    return order


def _require_write_in(line: Row) -> None:
    if not line.get("productdescription") or line.get("_productid_value"):
        raise refuse(400, "InvalidArgument", "A write-in product needs productdescription and no productid.")


def _price_product(environment: Environment, order: Row, line: dict[str, Any]) -> None:
    if line.get("_productid_value") is None or line.get("_uomid_value") is None:
        raise refuse(400, "InvalidArgument", "An existing product needs productid and uomid.")
    product = environment.get("product", str(line["_productid_value"]))
    if product["statecode"] != 0:
        raise refuse(400, "NotAllowed", f"The product {product['productnumber']} is not published (active).")
    listed = _listed_price(environment, order, line)
    if line.get("ispriceoverridden") and line.get("priceperunit") is not None:
        return
    line["priceperunit"] = listed
    line["pricingerrorcode"] = PRICE_MISSING if listed is None else 0


def _listed_price(environment: Environment, order: Row, line: Row) -> Any:
    for price in environment.pointing("productpricelevel", "_productid_value", str(line["_productid_value"])):
        same_list = price["_pricelevelid_value"] == order.get("_pricelevelid_value")
        if same_list and price["_uomid_value"] == line["_uomid_value"]:
            return price["amount"]
    return None


def _extend(line: dict[str, Any]) -> None:
    base = cents(Decimal(str(line.get("priceperunit") or 0)) * Decimal(str(line["quantity"])))
    extended = base - cents(line.get("manualdiscountamount")) + cents(line.get("tax"))
    line["baseamount"], line["extendedamount"] = str(base), str(extended)


def _price_parent(environment: Environment, line: Row) -> None:
    order = environment.tables.get("salesorder", str(line["_salesorderid_value"]))
    if order is not None:
        _price_order(environment, order)


def _guard_line(environment: Environment, line: Row, changes: dict[str, Any]) -> None:
    _active_order(environment, str(line["_salesorderid_value"]))
    full = {**line, **changes}
    _extend(full)
    changes.update({name: full[name] for name in ("baseamount", "extendedamount")})


def _reprice_parent(environment: Environment, _old: Row, line: Row) -> None:
    _price_parent(environment, line)


def _refuse_second_price(environment: Environment, price: dict[str, Any]) -> None:
    for other in environment.pointing("productpricelevel", "_productid_value", str(price.get("_productid_value"))):
        if all(other[name] == price.get(name) for name in ("_pricelevelid_value", "_uomid_value")):
            raise refuse(412, "DuplicateRecord", "This product and unit combination has a price for this price list.")


def _prepare_case(environment: Environment, case: dict[str, Any]) -> None:
    case.setdefault("ticketnumber", numbered(environment, "incident", "CAS-{:05d}"))


def _guard_case(_environment: Environment, case: Row, changes: dict[str, Any]) -> None:
    if changes.get("statecode") == 1 and case["statecode"] != 1:
        raise refuse(400, "NotAllowed", "Use CloseIncident to resolve a case.")


def _prepare_work_order(environment: Environment, work: dict[str, Any]) -> None:
    work.setdefault("msdyn_name", numbered(environment, "msdyn_workorder", "{:05d}"))
    if work.get("_msdyn_billingaccount_value") is None:
        work["_msdyn_billingaccount_value"] = work.get("_msdyn_serviceaccount_value")


def _guard_work_order(_environment: Environment, work: Row, changes: dict[str, Any]) -> None:
    status = changes.get("msdyn_systemstatus", work["msdyn_systemstatus"])
    if work["msdyn_systemstatus"] == CANCELED and status != CANCELED:
        raise refuse(400, "PlugInRefused", "A canceled work order cannot be opened again.")


def _prepare_rma(environment: Environment, rma: dict[str, Any]) -> None:
    rma.setdefault("msdyn_name", numbered(environment, "msdyn_rma", "RMA-{:05d}"))


def _guard_rma(_environment: Environment, rma: Row, changes: dict[str, Any]) -> None:
    over = {_RMA_POSTED, _RMA_CANCELED}
    status = changes.get("msdyn_systemstatus", rma["msdyn_systemstatus"])
    if rma["msdyn_systemstatus"] in over and status != rma["msdyn_systemstatus"]:
        raise refuse(400, "PlugInRefused", "An RMA that is posted or canceled cannot be changed.")


def _prepare_booking(environment: Environment, booking: dict[str, Any]) -> None:
    start, end = booking.get("starttime"), booking.get("endtime")
    if start is not None and end is not None and str(end) <= str(start):
        raise refuse(400, "InvalidArgument", "The end time of a booking must be after its start time.")
    resource = _optional(environment, "bookableresource", booking.get("_resource_value"))
    booking.setdefault("name", "" if resource is None else resource["name"])


def _schedule_work(environment: Environment, booking: Row) -> None:
    """Move the work order between Unscheduled and Scheduled as its bookings come and go."""
    work = _optional(environment, "msdyn_workorder", booking.get("_msdyn_workorder_value"))
    if work is None or work["msdyn_systemstatus"] not in {UNSCHEDULED, SCHEDULED}:
        return
    booked = any(
        is_active_booking(environment, row) for row in _bookings_of(environment, str(work["msdyn_workorderid"]))
    )
    wanted = SCHEDULED if booked else UNSCHEDULED
    if work["msdyn_systemstatus"] != wanted:
        environment.change("msdyn_workorder", str(work["msdyn_workorderid"]), {"msdyn_systemstatus": wanted})


def _reschedule_work(environment: Environment, _old: Row, booking: Row) -> None:
    _schedule_work(environment, booking)


def is_active_booking(environment: Environment, booking: Row) -> bool:
    """Say whether a booking takes its resource's time."""
    status = environment.get("bookingstatus", str(booking["_bookingstatus_value"]))
    return bool(status["status"] != _BOOKING_CANCELED)


def _bookings_of(environment: Environment, work_id: str) -> list[Row]:
    return environment.pointing("bookableresourcebooking", "_msdyn_workorder_value", work_id)


def _optional(environment: Environment, table: str, guid: Any) -> Row | None:
    return None if guid is None else environment.get(table, str(guid))


NO_RULES: Final = Rules()
RULES: Final[dict[str, Rules]] = {
    "salesorder": Rules(
        before_create=_prepare_order,
        after_create=_price_order,
        before_update=_guard_order,
        after_update=_reprice_order,
    ),
    "salesorderdetail": Rules(
        before_create=_prepare_line,
        after_create=_price_parent,
        before_update=_guard_line,
        after_update=_reprice_parent,
        after_delete=_price_parent,
    ),
    "productpricelevel": Rules(before_create=_refuse_second_price),
    "incident": Rules(before_create=_prepare_case, before_update=_guard_case),
    "msdyn_workorder": Rules(before_create=_prepare_work_order, before_update=_guard_work_order),
    "msdyn_rma": Rules(before_create=_prepare_rma, before_update=_guard_rma),
    "bookableresourcebooking": Rules(
        before_create=_prepare_booking,
        after_create=_schedule_work,
        after_update=_reschedule_work,
        after_delete=_schedule_work,
    ),
}
