"""Rules of single objects: price books, the life of an order, sums, appointments.

Source: Salesforce object reference for Order, OrderItem, PricebookEntry and ServiceAppointment.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from crm_adapters.salesforce.sandbox.errors import bad_request
from crm_adapters.salesforce.sandbox.ids import USER_ID
from crm_adapters.salesforce.sandbox.schema import CASE_CLOSED, OBJECTS, ORDER_CATEGORY, WORK_CLOSED, SObject
from crm_adapters.salesforce.sandbox.store import Record, Store

_ORDER: Final = OBJECTS["order"]
_ITEM: Final = OBJECTS["orderitem"]
_ENTRY: Final = OBJECTS["pricebookentry"]
_BOOK: Final = OBJECTS["pricebook2"]
_SHOWN: Final = OBJECTS["fieldpermissions"]
_ASSIGNED: Final = OBJECTS["permissionsetassignment"]
_ACCESS: Final = frozenset({_SHOWN.name, _ASSIGNED.name})
_CENT: Final = Decimal("0.01")
_FINAL_STATUSES: Final = frozenset({"Shipped", "Delivered"})

Rule = Callable[[Store, Record, Record | None], Record]
"""Given the record as it would be and as it was (None: new), return it completed, or refuse it."""


def apply_rules(store: Store, kind: SObject, record: Record, before: Record | None) -> Record:
    """Return the record with its computed fields, or refuse it."""
    rule = _RULES.get(kind.name)
    return rule(store, record, before) if rule else record


def after_write(store: Store, kind: SObject, record: Record) -> None:
    """Bring up to date what follows from a record that was written or deleted."""
    if kind.name in _ACCESS:
        _show_fields(store)
    if kind.name == _ITEM.name:
        _sum_up(store, record["OrderId"])


def refuse_delete(store: Store, kind: SObject, record: Record) -> None:
    """Refuse to delete what must stay."""
    order = record if kind.name == _ORDER.name else _order_of_item(store, kind, record)
    if order is not None and order["StatusCode"] != "Draft":
        raise bad_request("DELETE_FAILED", "An activated order and its products cannot be deleted")


def _order_of_item(store: Store, kind: SObject, record: Record) -> Record | None:
    return store.get(_ORDER, str(record.get("OrderId"))) if kind.name == _ITEM.name else None


def _show_fields(store: Store) -> None:
    """Let the integration user see the fields that a permission set which is assigned to it makes readable."""
    sets = {row["PermissionSetId"] for row in store.rows(_ASSIGNED) if row["AssigneeId"] == USER_ID}
    for row in store.rows(_SHOWN):
        if row["ParentId"] in sets and row["PermissionsRead"]:
            store.model.show_field(row["Field"])


def _order(store: Store, record: Record, before: Record | None) -> Record:
    category = ORDER_CATEGORY[record["Status"]]
    if before is None:
        if category != "Draft":
            raise bad_request("FAILED_ACTIVATION", "An order is created as a draft and activated later", "Status")
    else:
        _order_change(store, record, before, category)
    return {**record, "StatusCode": category}


def _order_change(store: Store, record: Record, before: Record, category: str) -> None:
    items = store.with_key(_ITEM, "OrderId", record["Id"])
    if before["StatusCode"] == "Draft" and category == "Activated" and not items:
        raise bad_request("FAILED_ACTIVATION", "An order must have at least one product to be activated", "Status")
    if before["StatusCode"] != "Draft" and record["AccountId"] != before["AccountId"]:
        raise bad_request("FIELD_INTEGRITY_EXCEPTION", "The account of an activated order cannot change", "AccountId")
    if before["Status"] in _FINAL_STATUSES and category == "Canceled":
        said = "An order that has been shipped cannot be cancelled"
        raise bad_request("FIELD_CUSTOM_VALIDATION_EXCEPTION", said, "Status")
    if before["StatusCode"] == "Canceled" and category != "Canceled":
        raise bad_request("INVALID_STATUS", "A cancelled order cannot be opened again", "Status")
    if items and record["Pricebook2Id"] != before["Pricebook2Id"]:
        raise bad_request("FIELD_INTEGRITY_EXCEPTION", "The price book of an order with products cannot change")


def _item(store: Store, record: Record, before: Record | None) -> Record:
    order = store.get(_ORDER, record["OrderId"]) or {}
    entry = store.get(_ENTRY, record["PricebookEntryId"]) or {}
    if order["StatusCode"] != "Draft":
        raise bad_request("FIELD_INTEGRITY_EXCEPTION", "Products of an activated order cannot be edited", "OrderId")
    if before is None:
        _item_fits(order, entry)
    if record["Quantity"] <= 0:
        raise bad_request("FIELD_INTEGRITY_EXCEPTION", "The quantity must be greater than zero", "Quantity")
    price = entry["UnitPrice"] if record["UnitPrice"] is None else record["UnitPrice"]
    total = float((_exact(price) * _exact(record["Quantity"])).quantize(_CENT))
    derived = {"Product2Id": entry["Product2Id"], "ListPrice": entry["UnitPrice"], "TotalPrice": total}
    return {**record, "UnitPrice": price, **derived}


def _item_fits(order: Record, entry: Record) -> None:
    if order["Pricebook2Id"] is None:
        raise bad_request("FIELD_INTEGRITY_EXCEPTION", "The order has no price book yet", "PricebookEntryId")
    if entry["Pricebook2Id"] != order["Pricebook2Id"]:
        said = "The price book entry belongs to another price book than the order"
        raise bad_request("FIELD_INTEGRITY_EXCEPTION", said, "PricebookEntryId")
    if entry["CurrencyIsoCode"] != order["CurrencyIsoCode"]:
        said = "The price book entry has another currency than the order"
        raise bad_request("FIELD_INTEGRITY_EXCEPTION", said, "PricebookEntryId")
    if not entry["IsActive"]:
        raise bad_request("FIELD_INTEGRITY_EXCEPTION", "The price book entry is not active", "PricebookEntryId")


def _entry(store: Store, record: Record, before: Record | None) -> Record:
    siblings = [
        row
        for row in store.with_key(_ENTRY, "Product2Id", record["Product2Id"])
        if row["CurrencyIsoCode"] == record["CurrencyIsoCode"] and row["Id"] != record["Id"]
    ]
    if before is None and any(row["Pricebook2Id"] == record["Pricebook2Id"] for row in siblings):
        raise bad_request("DUPLICATE_VALUE", "This price definition already exists in this price book")
    book = store.get(_BOOK, record["Pricebook2Id"]) or {}
    standard = next((row for row in siblings if _is_standard(store, row)), None)
    if not book["IsStandard"] and standard is None:
        said = "No standard price defined for this product: create it before adding the product to other price books"
        raise bad_request("STANDARD_PRICE_NOT_DEFINED", said)
    return {**record, "UnitPrice": _entry_price(record, standard)}


def _entry_price(record: Record, standard: Record | None) -> float:
    given = record["UnitPrice"]
    if record["UseStandardPrice"]:
        if standard is None or given not in {None, standard["UnitPrice"]}:
            said = "The unit price is given only when the standard price is not used"
            raise bad_request("FIELD_INTEGRITY_EXCEPTION", said, "UnitPrice")
        return float(standard["UnitPrice"])
    if given is None:
        raise bad_request("REQUIRED_FIELD_MISSING", "Required fields are missing: [UnitPrice]", "UnitPrice")
    return float(given)


def _is_standard(store: Store, entry: Record) -> bool:
    return bool((store.get(_BOOK, entry["Pricebook2Id"]) or {}).get("IsStandard"))


def _asset(_store: Store, record: Record, _before: Record | None) -> Record:
    if record["AccountId"] is None and record["ContactId"] is None:
        said = "Every asset needs an account, a contact, or both"
        raise bad_request("FIELD_INTEGRITY_EXCEPTION", said, "AccountId", "ContactId")
    return record


def _case(_store: Store, record: Record, before: Record | None) -> Record:
    closed = record["Status"] in CASE_CLOSED
    was_closed = before is not None and before["IsClosed"]
    moment = (before or {}).get("ClosedDate") if was_closed else (before or record).get("SystemModstamp")
    return {**record, "IsClosed": closed, "ClosedDate": moment if closed else None}


def _work_order(_store: Store, record: Record, before: Record | None) -> Record:
    if before is not None and before["IsClosed"] and record["Status"] not in WORK_CLOSED:
        raise bad_request("INVALID_STATUS", "A closed work order cannot be opened again", "Status")
    return {**record, "IsClosed": record["Status"] in WORK_CLOSED}


def _appointment(store: Store, record: Record, _before: Record | None) -> Record:
    if record["DueDate"] <= record["EarliestStartTime"]:
        said = "The due date must be later than the earliest start permitted"
        raise bad_request("FIELD_INTEGRITY_EXCEPTION", said, "DueDate")
    start, end = record["SchedStartTime"], record["SchedEndTime"]
    if (start is None) != (end is None) or (start is not None and end <= start):
        said = "Scheduled start and end are given together, the end after the start"
        raise bad_request("FIELD_INTEGRITY_EXCEPTION", said, "SchedEndTime")
    if record["Status"] in {"Scheduled", "Dispatched"} and start is None:
        said = "A scheduled appointment needs its scheduled start and end"
        raise bad_request("FIELD_INTEGRITY_EXCEPTION", said, "SchedStartTime")
    parent = store.get(OBJECTS["workorder"], record["ParentRecordId"])
    return {**record, "AccountId": parent["AccountId"] if parent else None}


def _return_line(store: Store, record: Record, before: Record | None) -> Record:
    named = ("AssetId", "OrderItemId", "Product2Id")
    if all(record[name] is None for name in named):
        said = "A return order line item names an asset, an order product or a product"
        raise bad_request("FIELD_INTEGRITY_EXCEPTION", said, *named)
    item = store.get(_ITEM, str(record["OrderItemId"]))
    if item is None or before is not None:
        return record
    siblings = store.with_key(OBJECTS["returnorderlineitem"], "OrderItemId", item["Id"])
    gone = sum(_exact(row["QuantityReturned"]) for row in siblings if row["Id"] != record["Id"])
    if gone + _exact(record["QuantityReturned"]) > _exact(item["Quantity"]):
        said = "The quantity returned is more than what was ordered and not yet returned"
        raise bad_request("FIELD_INTEGRITY_EXCEPTION", said, "QuantityReturned")
    return {**record, "Product2Id": item["Product2Id"]}


def _return_order(_store: Store, record: Record, before: Record | None) -> Record:
    if before is not None and before["Status"] in {"Closed", "Canceled"} and record["Status"] != before["Status"]:
        raise bad_request("INVALID_STATUS", "A return order that is over cannot be opened again", "Status")
    return record


def _sum_up(store: Store, order_id: str) -> None:
    order = store.get(_ORDER, order_id)
    if order is None:
        return
    items = store.with_key(_ITEM, "OrderId", order_id)
    total = float(sum((_exact(row["TotalPrice"]) for row in items), Decimal(0)))
    if total != order["TotalAmount"]:
        store.update(_ORDER, order_id, {"TotalAmount": total})


def _exact(number: float) -> Decimal:
    return Decimal(str(number))


_RULES: Final[dict[str, Rule]] = {
    "Order": _order,
    "OrderItem": _item,
    "PricebookEntry": _entry,
    "Asset": _asset,
    "Case": _case,
    "WorkOrder": _work_order,
    "ServiceAppointment": _appointment,
    "ReturnOrder": _return_order,
    "ReturnOrderLineItem": _return_line,
}
