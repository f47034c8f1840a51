"""Goods that go back, as a return merchandise authorisation of Field Service. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from actors.model.orders import ReturnLine, ReturnRequest
from crm_adapters.dynamics.addresses import by_key, with_options
from crm_adapters.dynamics.batch import Operation
from crm_adapters.dynamics.config import DynamicsConfig
from crm_adapters.dynamics.mapping import CREATE_ONLY, account_address, written_time
from crm_adapters.dynamics.records import ORDERS, RMAS

Row = Mapping[str, Any]


class NotOrdered(ValueError):
    """A line that the order does not hold, or not so often."""


class Ordered(Struct, frozen=True, kw_only=True):
    """How many pieces of one product an order holds, in which unit."""

    product_id: str
    unit_id: str
    sku: str
    quantity: int


def order_path(request: ReturnRequest, config: DynamicsConfig) -> str:
    """Return where the order is that the goods are of."""
    path = by_key(ORDERS.entity_set, config.columns.key, request.order_key)
    return with_options(path, select=ORDERS.id_column)


def lines_path(order_id: str) -> str:
    """Return the query for an order's products; write-in lines have none."""
    return with_options(
        "salesorderdetails",
        select="quantity,_uomid_value,_productid_value",
        expand="productid($select=productnumber)",
        filter=f"_salesorderid_value eq {order_id} and _productid_value ne null",
    )


def ordered(rows: Iterable[Row]) -> list[Ordered]:
    """Return what the rows of the query hold.

    Raises:
        KeyError: a column is missing.
    """
    return [
        Ordered(
            product_id=str(row["_productid_value"]),
            unit_id=str(row["_uomid_value"]),
            sku=str(row["productid"]["productnumber"]),
            quantity=int(float(str(row["quantity"]))),
        )
        for row in rows
    ]


def return_operations(request: ReturnRequest, lines: list[Ordered], config: DynamicsConfig) -> list[Operation]:
    """Return the changeset that announces the return, whole or not at all.

    Raises:
        NotOrdered: a line is no part of the order.
    """
    header = by_key(RMAS.entity_set, config.columns.key, request.key)
    products = [_product_of(line, lines) for line in request.lines]
    return [
        Operation(method="PATCH", path=header, body=_header_body(request, config), headers=CREATE_ONLY),
        *(
            Operation(method="POST", path="msdyn_rmaproducts", body=_line_body(header, line, product, config))
            for line, product in zip(request.lines, products, strict=True)
        ),
    ]


def _product_of(line: ReturnLine, lines: list[Ordered]) -> Ordered:
    same = [one for one in lines if one.sku == line.sku]
    count = sum(one.quantity for one in same)
    if not same or count < line.quantity:
        raise NotOrdered(f"{line.quantity} of {line.sku} go back, {count} were ordered")
    return same[0]


def _header_body(request: ReturnRequest, config: DynamicsConfig) -> dict[str, Any]:
    names = config.columns
    test = "TEST: nothing goes back. " if request.is_test else ""
    thing = f"Thing {request.thing_id} {request.thing_serial}".strip()
    return {
        "msdyn_requestdate": written_time(request.requested_at),
        "msdyn_description": f"{test}{request.reason}\n{thing}\nOrder {request.order_key}"[:2000],
        names.fingerprint: request.fingerprint,
        names.thing: request.thing_id,
        f"{config.navigation.rma_account}@odata.bind": f"/{account_address(request.owner_id, config)}",
        **config.extra.get(RMAS.logical_name, {}),
    }


def _line_body(header: str, line: ReturnLine, product: Ordered, config: DynamicsConfig) -> dict[str, Any]:
    names = config.navigation
    return {
        "msdyn_quantity": line.quantity,
        "msdyn_description": line.title[:100],
        f"{names.rma}@odata.bind": f"/{header}",
        f"{names.rma_product}@odata.bind": f"/products({product.product_id})",
        f"{names.rma_unit}@odata.bind": f"/uoms({product.unit_id})",
        **config.extra.get("msdyn_rmaproduct", {}),
    }
