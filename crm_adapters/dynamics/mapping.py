"""Orders, service requests and bookings as the requests that make them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct

from actors.model.money import Money
from actors.model.orders import (
    OrderLine,
    PurchaseOrder,
    ServiceRequest,
)
from actors.model.outcomes import CrmRecord, Permanent
from actors.model.things import Place
from crm_adapters.dynamics.addresses import by_id, by_key, is_guid
from crm_adapters.dynamics.batch import Operation
from crm_adapters.dynamics.config import AmountPlace, DynamicsConfig
from crm_adapters.dynamics.records import (
    INCIDENTS,
    ORDERS,
    RMA_CANCELED,
    WORK_CANCELED,
    WORK_ORDERS,
    table_of,
)

Body = dict[str, Any]

CREATE_ONLY: Final = {"If-None-Match": "*"}
UPDATE_ONLY: Final = {"If-Match": "*"}
SUBMITTED: Final[Body] = {"statecode": 1, "statuscode": 3}
CASE_CANCELED: Final[Body] = {"statecode": 2, "statuscode": 6}
CANCELED_ORDER_STATUS: Final = 4


class OrderReferences(Struct, frozen=True, kw_only=True):
    """Ids that an order's rows name: its price list and currency, and product and unit by line number."""

    price_list_id: str
    currency_id: str
    products: Mapping[int, tuple[str, str]]


def account_address(owner: str, config: DynamicsConfig) -> str:
    """Return where an owner's account is, by the account number."""
    return by_key("accounts", config.columns.account, config.account_numbers.get(owner, owner))


def asset_address(thing: str, config: DynamicsConfig) -> str:
    """Return where a thing's customer asset is, by our key."""
    return by_key("msdyn_customerassets", config.columns.key, thing)


def account_operation(owner: str, config: DynamicsConfig) -> Operation:
    """Return the create-only request that makes an owner a customer."""
    return Operation(method="PATCH", path=account_address(owner, config), body={"name": owner}, headers=CREATE_ONLY)


def asset_operation(request: ServiceRequest, config: DynamicsConfig) -> Operation:
    """Return the create-only request that makes a thing an asset at its owner's."""
    thing, serial = request.thing_id, request.thing_serial
    body: Body = {
        "msdyn_name": (f"{thing} ({serial})" if serial else thing)[:100],
        "msdyn_deviceid": thing,
        f"{config.navigation.asset_account}@odata.bind": f"/{account_address(request.owner_id, config)}",
        **config.extra.get("msdyn_customerasset", {}),
    }
    return Operation(method="PATCH", path=asset_address(thing, config), body=body, headers=CREATE_ONLY)


def total_mismatch(order: PurchaseOrder) -> Permanent | None:
    """Return a refusal when lines, discount, shipping and tax do not add up to what the owner agreed to pay."""
    if not order.lines:
        return Permanent(code="no_lines", message="an order needs at least one line", field="lines")
    goods = sum(line.unit_price.minor * line.quantity for line in order.lines)
    due = goods - order.discount.minor + order.shipping.minor + order.tax.minor
    currencies = {line.unit_price.currency for line in order.lines}
    currencies |= {order.total.currency, order.discount.currency, order.shipping.currency, order.tax.currency}
    if len(currencies) > 1:
        return Permanent(
            code="mixed_currencies", message=f"one order in {', '.join(sorted(currencies))}", field="total"
        )
    if due != order.total.minor:
        added = Money(minor=due, currency=order.total.currency)
        return Permanent(
            code="total_mismatch", message=f"the parts add up to {added}, not {order.total}", field="total"
        )
    return None


def place_operations(order: PurchaseOrder, references: OrderReferences, config: DynamicsConfig) -> list[Operation]:
    """Return the changeset that makes the order whole or not at all: header, lines, submission (not of a test order).

    The header is a keyed create-only PATCH, which fails where the alternate key is not active. Lines are rows of
    their own and not nested: deep insert is documented for POST only, and OData forbids it in a PATCH.
    """
    header = by_key(ORDERS.entity_set, config.columns.key, order.key)
    operations = [
        Operation(method="PATCH", path=header, body=_order_body(order, references, config), headers=CREATE_ONLY)
    ]
    operations += [
        Operation(method="POST", path="salesorderdetails", body={"salesorderid@odata.bind": f"/{header}", **line})
        for line in _line_bodies(order, references, config)
    ]
    if config.submit_orders and not order.is_test:
        operations.append(Operation(method="PATCH", path=header, body=SUBMITTED, headers=UPDATE_ONLY))
    return operations


def submit_operation(key: str, etag: str, config: DynamicsConfig) -> Operation:
    """Return the request that submits an order as we read it; if somebody changed it since, it is refused."""
    path = by_key(ORDERS.entity_set, config.columns.key, key)
    return Operation(method="PATCH", path=path, body=SUBMITTED, headers={"If-Match": etag})


def cancel_operation(record: CrmRecord, reason: str, config: DynamicsConfig) -> Operation:
    """Return the request that cancels an order, a work order, a case or a return."""
    table = table_of(record.kind, config)
    row = by_id(table.entity_set, record.record_id)
    if table is ORDERS:
        closing = {"subject": reason[:200] or "Canceled", "salesorderid@odata.bind": f"/{row}"}
        body: Body = {"OrderClose": closing, "Status": CANCELED_ORDER_STATUS}
        return Operation(method="POST", path="CancelSalesOrder", body=body)
    if table is INCIDENTS:
        return Operation(method="PATCH", path=row, body=CASE_CANCELED, headers=UPDATE_ONLY)
    status = WORK_CANCELED if table is WORK_ORDERS else RMA_CANCELED
    return Operation(method="PATCH", path=row, body={"msdyn_systemstatus": status}, headers=UPDATE_ONLY)


def order_references(order: PurchaseOrder) -> OrderReferences | None:
    """Return the ids that the order's lines took from the offer; None where one is missing or lists differ."""
    lists = {
        (line.references.get("pricelevelid", ""), line.references.get("transactioncurrencyid", ""))
        for line in order.lines
    }
    products = {
        line.line: (line.references.get("productid", ""), line.references.get("uomid", "")) for line in order.lines
    }
    ids = {guid for pair in (*lists, *products.values()) for guid in pair}
    if len(lists) != 1 or not all(is_guid(guid) for guid in ids):
        return None
    ((price_list, currency),) = lists
    return OrderReferences(price_list_id=price_list, currency_id=currency, products=products)


def listed_references(order: PurchaseOrder, listings: Mapping[str, Mapping[str, str]]) -> OrderReferences | Permanent:
    """Return the ids as the price list names them now, by SKU."""
    missing = [line.sku for line in order.lines if line.sku not in listings]
    if missing:
        return Permanent(code="unknown_sku", message=f"no price list sells {', '.join(missing)}", field="sku")
    first = listings[order.lines[0].sku]
    return OrderReferences(
        price_list_id=first["pricelevelid"],
        currency_id=first["transactioncurrencyid"],
        products={line.line: (listings[line.sku]["productid"], listings[line.sku]["uomid"]) for line in order.lines},
    )


def written_time(moment: datetime) -> str:
    """Return a time as Edm.DateTimeOffset in UTC with whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def address_columns(prefix: str, place: Place) -> Body:
    """Return the columns of an address that are known."""
    parts = {
        "name": place.name[:200],
        "line1": place.street[:250],
        "postalcode": place.postal_code[:20],
        "city": place.city[:80],
        "country": place.country,
    }
    return {prefix + name: text for name, text in parts.items() if text}


def _order_body(order: PurchaseOrder, references: OrderReferences, config: DynamicsConfig) -> Body:
    body: Body = {
        "name": _name_of(order)[:300],
        "description": f"{order.reason}\nThing {order.thing_id} {order.thing_serial}".strip()[:2000],
        config.columns.fingerprint: order.fingerprint,
        config.columns.thing: order.thing_id,
        f"{config.navigation.customer}@odata.bind": f"/{account_address(order.owner_id, config)}",
        "pricelevelid@odata.bind": f"/pricelevels({references.price_list_id})",
        "transactioncurrencyid@odata.bind": f"/transactioncurrencies({references.currency_id})",
        **address_columns("shipto_", order.deliver_to),
        **config.extra.get(ORDERS.logical_name, {}),
    }
    if order.discount.minor:
        body["discountamount"] = order.discount.decimal()
    if order.shipping.minor and config.shipping_in is AmountPlace.COLUMN:
        body["freightamount"] = order.shipping.decimal()
    return body


def _line_bodies(order: PurchaseOrder, references: OrderReferences, config: DynamicsConfig) -> list[Body]:
    taxes = spread(order.tax, [line.unit_price.minor * line.quantity for line in order.lines])
    in_column = config.tax_in is AmountPlace.COLUMN
    bodies = [
        _line_body(order, line, references.products[line.line], tax if in_column else 0, config)
        for line, tax in zip(order.lines, taxes, strict=True)
    ]
    if order.shipping.minor and config.shipping_in is AmountPlace.LINE:
        bodies.append(_write_in(order, "Shipping", order.shipping, config))
    if order.tax.minor and not in_column:
        bodies.append(_write_in(order, "Tax", order.tax, config))
    return bodies


def _line_body(
    order: PurchaseOrder, line: OrderLine, product: tuple[str, str], tax: int, config: DynamicsConfig
) -> Body:
    product_id, unit_id = product
    body: Body = {
        config.columns.key: f"{order.key}-{line.line}",
        "productid@odata.bind": f"/products({product_id})",
        "uomid@odata.bind": f"/uoms({unit_id})",
        "quantity": line.quantity,
        "ispriceoverridden": True,
        "priceperunit": line.unit_price.decimal(),
        **config.extra.get("salesorderdetail", {}),
    }
    if tax:
        body["tax"] = Money(minor=tax, currency=order.total.currency).decimal()
    return body


def _write_in(order: PurchaseOrder, title: str, amount: Money, config: DynamicsConfig) -> Body:
    return {
        config.columns.key: f"{order.key}-{title.lower()}",
        "isproductoverridden": True,
        "productdescription": title,
        "quantity": 1,
        "priceperunit": amount.decimal(),
        **config.extra.get("salesorderdetail", {}),
    }


def spread(amount: Money, weights: list[int]) -> list[int]:
    """Return the amount's minor units spread over the weights; the parts add up to the amount exactly."""
    shares = weights if any(weights) else [1] * len(weights)
    whole = sum(shares)
    parts: list[int] = []
    seen = given = 0
    for share in shares:
        seen += share
        up_to_here = amount.minor * seen // whole
        parts.append(up_to_here - given)
        given = up_to_here
    return parts


def _name_of(order: PurchaseOrder) -> str:
    titles = ", ".join(f"{line.quantity} x {line.title}" for line in order.lines)
    return f"TEST {titles}" if order.is_test else titles
