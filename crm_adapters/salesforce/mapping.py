"""The vocabulary to Salesforce records. Pure; field names and labels come from the configuration."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from msgspec import Struct

from actors.model.ids import OrderKey, OwnerId, ThingId
from actors.model.money import Money
from actors.model.orders import (
    AppointmentBooking,
    AppointmentMove,
    PurchaseOrder,
    RecordKind,
    Request,
    ServiceRequest,
    TimeSlot,
)
from actors.model.things import Place
from crm_adapters.salesforce.config import SalesforceConfig
from crm_adapters.salesforce.records import object_of, record_fields
from crm_adapters.salesforce.soql import moment

ACCOUNT: Final = "account"
ASSET: Final = "asset"
REQUEST: Final = "request"
RECORD: Final = "record"


class Part(Struct, frozen=True, kw_only=True):
    """One request of a composite; ``path`` is below the version and percent-encoded."""

    reference: str
    method: str
    path: str
    body: Mapping[str, Any] | None = None


class Parties(Struct, frozen=True, kw_only=True):
    """Whose request it is: record ids, or references to records that the same composite creates."""

    account_id: str
    asset_id: str | None = None


class Item(Struct, frozen=True, kw_only=True):
    """One order product."""

    entry_id: str
    quantity: int
    unit_price: Money
    description: str


class TotalMismatch(ValueError):
    """The order's amounts do not add up to its total."""


def reference_to(part: str) -> str:
    """Return how a later request of the composite names the id that ``part`` made."""
    return f"@{{{part}.id}}"


def thing_key(owner: OwnerId, thing: ThingId) -> str:
    """Return the unique key of a thing's asset: 29 capitals and digits, whatever the ids are made of."""
    digest = hashlib.sha256(f"{owner}\x1f{thing}".encode()).digest()
    return "I2T" + base64.b32encode(digest).decode()[:26]


def person_key(owner: OwnerId) -> str:
    """Return the unique key of the contact that we keep up to date at an owner's account."""
    digest = hashlib.sha256(f"{owner}\x1fcontact".encode()).digest()
    return "I2P" + base64.b32encode(digest).decode()[:26]


def account_part(owner: OwnerId, config: SalesforceConfig) -> Part:
    """Return the request that makes an owner a customer."""
    body = {"Name": owner, config.fields.account: owner}
    return Part(reference=ACCOUNT, method="POST", path="/sobjects/Account", body=body)


def asset_part(request: Request, account_id: str, config: SalesforceConfig) -> Part:
    """Return the request that makes a thing the customer's asset."""
    body = {
        "Name": request.thing_id,
        "AccountId": account_id,
        "SerialNumber": request.thing_serial or None,
        config.fields.key: thing_key(request.owner_id, request.thing_id),
    }
    return Part(reference=ASSET, method="POST", path="/sobjects/Asset", body=body)


def order_parts(
    order: PurchaseOrder, parties: Parties, items: tuple[Item, ...], price_book: str, config: SalesforceConfig
) -> tuple[Part, ...]:
    """Return the order as a draft, its products, its activation, and the reading of the result.

    An order of a test thing stays a draft: all of the way is gone, and nothing is sold.
    """
    header = Part(
        reference=REQUEST, method="POST", path="/sobjects/Order", body=_order_body(order, parties, price_book, config)
    )
    products = (_item_part(order.key, number, item, config) for number, item in enumerate(items, 1))
    active = {"Status": config.statuses.order_active}
    path = f"/sobjects/Order/{reference_to(REQUEST)}"
    activate = () if order.is_test else (Part(reference="activate", method="PATCH", path=path, body=active),)
    return (header, *products, *activate, reading_part(RecordKind.ORDER, config))


def order_items(order: PurchaseOrder, entries: Mapping[str, str], config: SalesforceConfig) -> tuple[Item, ...]:
    """Return order products that add up to the total to the last minor unit; ``entries`` are entry ids by SKU.

    The discount is spread over the lines by their price. A line whose net amount its quantity does not divide becomes
    two products, one minor unit apart.

    Raises:
        TotalMismatch: lines, discount, shipping and tax do not make the total.
    """
    gross = [line.unit_price.times(line.quantity) for line in order.lines]
    goods = sum(amount.minor for amount in gross)
    if goods - order.discount.minor + order.shipping.minor + order.tax.minor != order.total.minor:
        raise TotalMismatch(f"lines, discount, shipping and tax of {order.key} do not make {order.total}")
    if not 0 <= order.discount.minor <= goods:
        raise TotalMismatch(f"a discount of {order.discount} on goods of {goods} minor units")
    shares = spread(order.discount.minor, [amount.minor for amount in gross])
    items = [
        Item(entry_id=entries[line.sku], quantity=count, unit_price=_like(order.total, price), description=line.title)
        for line, amount, share in zip(order.lines, gross, shares, strict=True)
        for count, price in split(amount.minor - share, line.quantity)
    ]
    return (*items, *_charge_items(order, entries, config))


def spread(amount: int, weights: list[int]) -> list[int]:
    """Return whole shares of ``amount`` in proportion to ``weights``; they add up, and none exceeds its weight."""
    total = sum(weights) or 1
    sums = [0]
    for weight in weights:
        sums.append(sums[-1] + weight)
    return [amount * upper // total - amount * lower // total for lower, upper in pairwise(sums)]


def split(amount: int, quantity: int) -> list[tuple[int, int]]:
    """Return counts and whole prices that make ``amount`` with ``quantity`` pieces."""
    price, dearer = divmod(amount, quantity)
    return [(count, each) for count, each in ((quantity - dearer, price), (dearer, price + 1)) if count]


def charge_skus(order: PurchaseOrder, config: SalesforceConfig) -> dict[str, Money]:
    """Return the SKUs of shipping and tax that the order needs as products of their own."""
    if not config.adds_charge_lines:
        return {}
    charges = {config.shipping_sku: order.shipping, config.tax_sku: order.tax}
    return {sku: amount for sku, amount in charges.items() if amount.minor}


def service_parts(request: ServiceRequest, parties: Parties, config: SalesforceConfig) -> tuple[Part, ...]:
    """Return a work order with its line, or a case, and the reading of the result."""
    kind = config.service_object
    own = _work_order_body(request, config) if kind == "WorkOrder" else _case_body(config)
    body = {**_request_body(request, parties, config), **own}
    parts = [Part(reference=REQUEST, method="POST", path=f"/sobjects/{kind}", body=body)]
    if kind == "WorkOrder" and config.work_order_line and request.work:
        line = {"WorkOrderId": reference_to(REQUEST), "AssetId": parties.asset_id, "Description": request.work}
        parts.append(Part(reference="work", method="POST", path="/sobjects/WorkOrderLineItem", body=line))
    return (*parts, reading_part(RecordKind.SERVICE, config))


def booking_parts(booking: AppointmentBooking, config: SalesforceConfig) -> tuple[Part, ...]:
    """Return an appointment with its technician, and the reading of the result."""
    start, end = moment(booking.slot.starts_at), moment(booking.slot.ends_at)
    names = config.fields
    body = {
        names.key: booking.key,
        names.fingerprint: booking.fingerprint,
        "ParentRecordId": booking.record_id,
        "Subject": _visit_by(booking.slot, booking.thing_id),
        "Status": config.statuses.appointment_booked,
        "EarliestStartTime": start,
        "DueDate": end,
        "SchedStartTime": start,
        "SchedEndTime": end,
        **address_fields("", booking.site),
        **({names.thing: booking.thing_id} if names.thing and booking.thing_id else {}),
    }
    assigned = {"ServiceAppointmentId": reference_to(REQUEST), "ServiceResourceId": booking.slot.reference}
    return (
        Part(reference=REQUEST, method="POST", path="/sobjects/ServiceAppointment", body=body),
        Part(reference="assigned", method="POST", path="/sobjects/AssignedResource", body=assigned),
        reading_part(RecordKind.APPOINTMENT, config),
    )


def move_parts(appointment_id: str, assigned: Sequence[str], move: AppointmentMove) -> tuple[Part, ...]:
    """Return an appointment's new time and technician; ``assigned`` are its assignments, normally one."""
    start, end = moment(move.slot.starts_at), moment(move.slot.ends_at)
    times = {"EarliestStartTime": start, "DueDate": end, "SchedStartTime": start, "SchedEndTime": end}
    path = f"/sobjects/ServiceAppointment/{appointment_id}"
    whom = {"ServiceResourceId": move.slot.reference}
    keep = (
        Part(reference=f"assigned{number}", method="PATCH", path=f"/sobjects/AssignedResource/{one}", body=whom)
        for number, one in enumerate(assigned[:1])
    )
    drop = (
        Part(reference=f"dropped{number}", method="DELETE", path=f"/sobjects/AssignedResource/{one}")
        for number, one in enumerate(assigned[1:])
    )
    new = {"ServiceAppointmentId": appointment_id, **whom}
    add = () if assigned else (Part(reference="assigned", method="POST", path="/sobjects/AssignedResource", body=new),)
    return (Part(reference=REQUEST, method="PATCH", path=path, body=times), *keep, *drop, *add)


def reading_part(kind: RecordKind, config: SalesforceConfig) -> Part:
    """Return the request that reads the record which the same composite made."""
    path = f"/sobjects/{object_of(kind, config)}/{reference_to(REQUEST)}?fields={','.join(record_fields(kind, config))}"
    return Part(reference=RECORD, method="GET", path=path)


def cancellation(kind: RecordKind, reason: str, config: SalesforceConfig) -> dict[str, str]:
    """Return the change that cancels a record."""
    labels = {
        "Order": config.statuses.order_cancelled,
        "WorkOrder": config.statuses.work_order_cancelled,
        "Case": config.statuses.case_cancelled,
        "ServiceAppointment": config.statuses.appointment_cancelled,
        "ReturnOrder": config.statuses.return_cancelled,
    }
    body = {"Status": labels[object_of(kind, config)]}
    return body | ({config.fields.cancel_reason: reason[:255]} if config.fields.cancel_reason else {})


def address_fields(prefix: str, place: Place) -> dict[str, str]:
    """Return the fields of an address that are known."""
    street = "\n".join(part for part in (place.name, place.street) if part)
    parts = {"Street": street, "City": place.city, "PostalCode": place.postal_code, "Country": place.country}
    return {f"{prefix}{name}": value for name, value in parts.items() if value}


def _order_body(order: PurchaseOrder, parties: Parties, price_book: str, config: SalesforceConfig) -> dict[str, Any]:
    names = config.fields
    body: dict[str, Any] = {
        names.key: order.key,
        names.fingerprint: order.fingerprint,
        "AccountId": parties.account_id,
        "Pricebook2Id": price_book,
        "EffectiveDate": order.ordered_at.date().isoformat(),
        "Status": config.statuses.order_draft,
        "PoNumber": order.key,
        "Description": _story(order, order.reason),
        **address_fields("Shipping", order.deliver_to),
        **({names.thing: order.thing_id} if names.thing else {}),
        **({names.order_asset: parties.asset_id} if names.order_asset else {}),
        **({} if config.currency else {"CurrencyIsoCode": order.total.currency}),
    }
    if not config.adds_charge_lines:
        amounts = {names.order_shipping: order.shipping, names.order_tax: order.tax, names.order_total: order.total}
        body |= {name: float(amount.decimal()) for name, amount in amounts.items()}
    return body


def _item_part(key: OrderKey, number: int, item: Item, config: SalesforceConfig) -> Part:
    body = {
        "OrderId": reference_to(REQUEST),
        "PricebookEntryId": item.entry_id,
        "Quantity": item.quantity,
        "UnitPrice": float(item.unit_price.decimal()),
        "Description": item.description[:255],
        config.fields.key: f"{key}L{number:03d}",
    }
    return Part(reference=f"item{number}", method="POST", path="/sobjects/OrderItem", body=body)


def _charge_items(order: PurchaseOrder, entries: Mapping[str, str], config: SalesforceConfig) -> list[Item]:
    return [
        Item(entry_id=entries[sku], quantity=1, unit_price=amount, description=sku)
        for sku, amount in charge_skus(order, config).items()
    ]


def _request_body(request: ServiceRequest, parties: Parties, config: SalesforceConfig) -> dict[str, Any]:
    names = config.fields
    fault = f"Fault code: {request.fault_code}\n" if request.fault_code else ""
    return {
        names.key: request.key,
        names.fingerprint: request.fingerprint,
        "AccountId": parties.account_id,
        "AssetId": parties.asset_id,
        "Subject": f"{'TEST: ' if request.is_test else ''}{request.title}"[:255],
        "Description": _story(request, f"{request.description}\n{fault}Work: {request.work}"),
        "Priority": config.statuses.priorities[request.priority - 1],
        **({names.thing: request.thing_id} if names.thing else {}),
    }


def _work_order_body(request: ServiceRequest, config: SalesforceConfig) -> dict[str, Any]:
    return {
        "Status": config.statuses.work_order_new,
        "StartDate": moment(request.requested_at),
        "Duration": request.duration_minutes,
        "DurationType": "Minutes",
        **address_fields("", request.site),
    }


def _case_body(config: SalesforceConfig) -> dict[str, Any]:
    return {"Status": config.statuses.case_new, "Origin": config.statuses.case_origin}


def _visit_by(slot: TimeSlot, thing: str = "") -> str:
    return f"Visit by {slot.resource}{f' for {thing}' if thing else ''}"[:255]


def _story(request: Request, told: str) -> str:
    """Return what a person reads in the CRM: why, for which thing, and how to trace it."""
    test = "TEST: nothing is to be delivered.\n" if request.is_test else ""
    serial = f" (serial number {request.thing_serial})" if request.thing_serial else ""
    trace = f"Mandate: {request.mandate_id}\nCorrelation: {request.correlation_id}"
    return f"{test}{told}\nThing: {request.thing_id}{serial}\n{trace}"


def _like(total: Money, minor: int) -> Money:
    return Money(minor=minor, currency=total.currency)
