"""Goods that go back: the order's products that are meant, and the return order that announces them. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Struct

from actors.model.orders import RecordKind, ReturnLine, ReturnRequest
from crm_adapters.salesforce.config import SalesforceConfig
from crm_adapters.salesforce.mapping import REQUEST, Part, reading_part, reference_to
from crm_adapters.salesforce.soql import select, text

Row = Mapping[str, Any]
RETURN: Final = "ReturnOrder"


class NotOrdered(ValueError):
    """A line that the order does not hold, or not so often."""


class Ordered(Struct, frozen=True, kw_only=True):
    """One product of an order: how many of it there are."""

    item_id: str
    sku: str
    quantity: int


def order_query(request: ReturnRequest, config: SalesforceConfig) -> str:
    """Return the query for the order's header."""
    return select(("Id", "AccountId"), "Order", (f"{config.fields.key} = {text(request.order_key)}",))


def items_query(request: ReturnRequest, config: SalesforceConfig) -> str:
    """Return the query for the order's products."""
    fields = ("Id", "Quantity", f"Product2.{config.fields.sku}")
    return select(fields, "OrderItem", (f"Order.{config.fields.key} = {text(request.order_key)}",), "Id")


def ordered_items(rows: Iterable[Row], config: SalesforceConfig) -> list[Ordered]:
    """Return the products of the query's rows.

    Raises:
        KeyError: a field is missing.
        TypeError: a product is.
    """
    return [
        Ordered(item_id=str(row["Id"]), sku=str(row["Product2"][config.fields.sku]), quantity=int(row["Quantity"]))
        for row in rows
    ]


def return_parts(
    request: ReturnRequest, order: Row, items: Iterable[Ordered], config: SalesforceConfig
) -> tuple[Part, ...]:
    """Return the announcement with its lines, and the reading of the result.

    Raises:
        NotOrdered: a line is no part of the order.
    """
    left = list(items)
    parts = [Part(reference=REQUEST, method="POST", path=f"/sobjects/{RETURN}", body=_body(request, order, config))]
    for line in request.lines:
        for item, quantity in _taken_from(left, line):
            parts.append(_line_part(len(parts), line, item, quantity))
    return (*parts, reading_part(RecordKind.RETURN, config))


def _taken_from(left: list[Ordered], line: ReturnLine) -> list[tuple[Ordered, int]]:
    """Take a line's pieces from the products that are left: a split price made two products of one article."""
    missing = line.quantity
    taken: list[tuple[Ordered, int]] = []
    for place, item in enumerate(left):
        pieces = min(missing, item.quantity) if item.sku == line.sku else 0
        if pieces:
            taken.append((item, pieces))
            left[place] = Ordered(item_id=item.item_id, sku=item.sku, quantity=item.quantity - pieces)
            missing -= pieces
    if missing:
        raise NotOrdered(f"{line.quantity} of {line.sku} go back, {line.quantity - missing} were ordered")
    return taken


def _line_part(number: int, line: ReturnLine, item: Ordered, quantity: int) -> Part:
    body = {
        "ReturnOrderId": reference_to(REQUEST),
        "OrderItemId": item.item_id,
        "QuantityReturned": quantity,
        "Description": line.title[:255],
    }
    return Part(reference=f"line{number}", method="POST", path="/sobjects/ReturnOrderLineItem", body=body)


def _body(request: ReturnRequest, order: Row, config: SalesforceConfig) -> dict[str, Any]:
    names = config.fields
    test = "TEST: nothing goes back.\n" if request.is_test else ""
    thing = f"Thing: {request.thing_id}" + (f" ({request.thing_serial})" if request.thing_serial else "")
    trace = f"Mandate: {request.mandate_id}\nCorrelation: {request.correlation_id}"
    return {
        names.key: request.key,
        names.fingerprint: request.fingerprint,
        "AccountId": order["AccountId"],
        "OrderId": order["Id"],
        "Status": config.statuses.return_new,
        "Description": f"{test}{request.reason}\n{thing}\n{trace}",
        **({names.thing: request.thing_id} if names.thing else {}),
    }
