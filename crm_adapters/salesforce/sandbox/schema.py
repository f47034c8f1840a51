"""The organisation's objects: the standard fields that matter here, and the custom ones an integrator adds."""

from enum import StrEnum
from typing import Any, Final

from msgspec import Struct, structs


class Type(StrEnum):
    """The type of a field."""

    ID = "id"
    STRING = "string"
    BOOLEAN = "boolean"
    INT = "int"
    DOUBLE = "double"
    DATE = "date"
    DATETIME = "datetime"
    TIME = "time"
    REFERENCE = "reference"
    PICKLIST = "picklist"


class Field(Struct, frozen=True, kw_only=True):
    """One field. ``refers`` lists the objects a reference may name, ``values`` a restricted picklist."""

    name: str
    type: Type = Type.STRING
    length: int = 255
    required: bool = False
    unique: bool = False
    external_id: bool = False
    createable: bool = True
    updateable: bool = True
    default: Any = None
    values: tuple[str, ...] = ()
    refers: tuple[str, ...] = ()

    @property
    def relationship(self) -> str | None:
        """Return the name under which SOQL reaches the parent."""
        if self.type is not Type.REFERENCE:
            return None
        return self.name[:-1] + "r" if self.name.endswith("__c") else self.name.removesuffix("Id")


class SObject(Struct, frozen=True, kw_only=True):
    """One object; fields are found without regard to case."""

    name: str
    prefix: str
    fields: dict[str, Field]
    number_field: str = ""
    """The auto-number that the object carries, such as ``OrderNumber``."""

    def field(self, name: str) -> Field | None:
        """Return the field of this name, however it is cased."""
        return self.fields.get(name.lower())

    def parent(self, relationship: str) -> Field | None:
        """Return the reference behind a relationship name."""
        wanted = relationship.lower()
        return next((f for f in self.fields.values() if (f.relationship or "").lower() == wanted), None)


def _text(*names: str, length: int = 255, required: bool = False) -> list[Field]:
    return [Field(name=name, length=length, required=required) for name in names]


def _typed(kind: Type, *names: str, required: bool = False, default: Any = None) -> list[Field]:
    return [Field(name=name, type=kind, required=required, default=default) for name in names]


def _to(name: str, *refers: str, required: bool = False, updateable: bool = True) -> Field:
    return Field(name=name, type=Type.REFERENCE, refers=refers, required=required, updateable=updateable)


def _pick(name: str, *values: str, default: str | None = None, required: bool = False) -> Field:
    return Field(name=name, type=Type.PICKLIST, values=values, default=default, required=required)


def _computed(*fields: Field) -> list[Field]:
    return [structs.replace(field, createable=False, updateable=False) for field in fields]


def _hub(*, request: bool = False) -> list[Field]:
    """Return the fields that the adapter asks an organisation to add; ``request`` are the objects it may cancel."""
    key = Field(name="HubKey__c", length=64, unique=True, external_id=True)
    marks = _text("HubFingerprint__c", length=64)
    return [key, *marks, *(_text("HubThing__c", "HubCancelReason__c") if request else [])]


def _address(prefix: str = "") -> list[Field]:
    return _text(f"{prefix}Street", f"{prefix}City", f"{prefix}PostalCode", f"{prefix}Country")


_SYSTEM: Final = _computed(
    Field(name="Id", type=Type.ID),
    *_typed(Type.DATETIME, "CreatedDate", "LastModifiedDate", "SystemModstamp"),
    *_typed(Type.BOOLEAN, "IsDeleted", default=False),
)


def _object(name: str, prefix: str, *fields: Field | list[Field], number: str = "") -> SObject:
    listed = [one for entry in fields for one in (entry if isinstance(entry, list) else [entry])]
    numbered = _computed(*_text(number)) if number else []
    known = {field.name.lower(): field for field in (*_SYSTEM, *numbered, *listed)}
    return SObject(name=name, prefix=prefix, fields=known, number_field=number)


ORDER_CATEGORY: Final = {
    "Draft": "Draft",
    "Activated": "Activated",
    "Shipped": "Activated",
    "Delivered": "Activated",
    "Cancelled": "Canceled",
}
"""Order status label -> status code, the category behind the label."""
CASE_CLOSED: Final = frozenset({"Closed", "Cancelled"})
WORK_CLOSED: Final = frozenset({"Completed", "Cannot Complete", "Closed", "Canceled"})

RETURN_STATUSES: Final = ("Draft", "Submitted", "Approved", "Closed", "Canceled")

_CURRENCY: Final = [Field(name="CurrencyIsoCode", length=3, default="EUR")]
_WORK_STATUS: Final = _pick("Status", "New", "In Progress", "On Hold", *sorted(WORK_CLOSED), default="New")
_PRIORITY: Final = ("Low", "Medium", "High", "Critical")
_WEEK: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MINUTES: Final = _pick("DurationType", "Minutes", "Hours", default="Hours")

_SALES: Final = (
    _object(
        "Account",
        "001",
        _text("Name", required=True),
        _text("AccountNumber", length=40),
        Field(name="LegacyNumber__c", external_id=True),
        _text("Phone"),
        _address("Billing"),
        _address("Shipping"),
        _hub(),
    ),
    _object(
        "Contact",
        "003",
        _text("LastName", required=True),
        _text("FirstName", "Email", "Phone"),
        _to("AccountId", "Account"),
        _hub(),
    ),
    _object(
        "Product2",
        "01t",
        _text("Name", required=True),
        _text("ProductCode", "StockKeepingUnit", "Description", "Family", "Coupons__c"),
        _typed(Type.BOOLEAN, "IsActive", default=False),
        _typed(Type.DOUBLE, "DeliveryDays__c", "TaxPercent__c"),
        _typed(Type.INT, "ShippingMinor__c"),
    ),
    _object(
        "Pricebook2",
        "01s",
        _text("Name", required=True),
        _typed(Type.BOOLEAN, "IsActive", default=False),
        _computed(*_typed(Type.BOOLEAN, "IsStandard", default=False)),
    ),
    _object(
        "PricebookEntry",
        "01u",
        _to("Pricebook2Id", "Pricebook2", required=True, updateable=False),
        _to("Product2Id", "Product2", required=True, updateable=False),
        _typed(Type.DOUBLE, "UnitPrice"),
        _typed(Type.BOOLEAN, "IsActive", "UseStandardPrice", default=False),
        _CURRENCY,
    ),
    _object(
        "Order",
        "801",
        _to("AccountId", "Account", required=True),
        _to("Pricebook2Id", "Pricebook2"),
        _typed(Type.DATE, "EffectiveDate", required=True),
        _typed(Type.DATE, "EndDate"),
        _pick("Status", *ORDER_CATEGORY, required=True),
        _computed(_pick("StatusCode", "Draft", "Activated", "Canceled")),
        _text("PoNumber", "Type"),
        _text("Description", length=32000),
        _to("BillToContactId", "Contact"),
        _address("Shipping"),
        _address("Billing"),
        _typed(Type.DOUBLE, "HubShipping__c", "HubTax__c", "HubDiscount__c", "HubTotal__c"),
        _computed(*_typed(Type.DOUBLE, "TotalAmount", default=0.0)),
        _to("HubAsset__c", "Asset"),
        _CURRENCY,
        _hub(request=True),
        number="OrderNumber",
    ),
    _object(
        "OrderItem",
        "802",
        _to("OrderId", "Order", required=True, updateable=False),
        _to("PricebookEntryId", "PricebookEntry", required=True, updateable=False),
        _typed(Type.DOUBLE, "Quantity", required=True),
        _typed(Type.DOUBLE, "UnitPrice"),
        _typed(Type.DATE, "ServiceDate", "EndDate"),
        _text("Description"),
        _computed(_to("Product2Id", "Product2"), *_typed(Type.DOUBLE, "TotalPrice", "ListPrice")),
        _hub(),
        number="OrderItemNumber",
    ),
)

_SERVICE: Final = (
    _object(
        "Asset",
        "02i",
        _text("Name", required=True),
        _to("AccountId", "Account"),
        _to("ContactId", "Contact"),
        _to("Product2Id", "Product2"),
        _to("ParentId", "Asset"),
        _text("SerialNumber", length=80),
        _pick("Status", "Shipped", "Installed", "Registered", "Obsolete", "Purchased"),
        _typed(Type.DATE, "InstallDate"),
        _hub(),
    ),
    _object(
        "Case",
        "500",
        _to("AccountId", "Account"),
        _to("ContactId", "Contact"),
        _to("AssetId", "Asset"),
        _to("ProductId", "Product2"),
        _text("Subject", "Type"),
        _text("Description", length=32000),
        _pick("Origin", "Phone", "Email", "Web", "Thing"),
        _pick("Status", "New", "Working", "Escalated", *sorted(CASE_CLOSED), default="New"),
        _pick("Priority", *_PRIORITY, default="Medium"),
        _computed(*_typed(Type.BOOLEAN, "IsClosed", default=False), *_typed(Type.DATETIME, "ClosedDate")),
        _hub(request=True),
        number="CaseNumber",
    ),
    _object(
        "WorkOrder",
        "0WO",
        _to("AccountId", "Account"),
        _to("AssetId", "Asset"),
        _to("CaseId", "Case"),
        _to("ContactId", "Contact"),
        _text("Subject"),
        _text("Description", length=32000),
        _WORK_STATUS,
        _pick("Priority", *_PRIORITY, default="Medium"),
        _typed(Type.DATETIME, "StartDate", "EndDate"),
        _typed(Type.DOUBLE, "Duration"),
        _MINUTES,
        _address(),
        _computed(*_typed(Type.BOOLEAN, "IsClosed", default=False)),
        _hub(request=True),
        number="WorkOrderNumber",
    ),
    _object(
        "WorkOrderLineItem",
        "1WL",
        _to("WorkOrderId", "WorkOrder", required=True, updateable=False),
        _to("AssetId", "Asset"),
        _to("PricebookEntryId", "PricebookEntry"),
        _typed(Type.DOUBLE, "Quantity", "UnitPrice", "Duration"),
        _MINUTES,
        _WORK_STATUS,
        _text("Description", length=32000),
        number="LineItemNumber",
    ),
    _object(
        "ServiceAppointment",
        "08p",
        _to("ParentRecordId", "WorkOrder", "WorkOrderLineItem", "Account", "Asset", required=True, updateable=False),
        _typed(Type.DATETIME, "EarliestStartTime", "DueDate", required=True),
        _typed(Type.DATETIME, "SchedStartTime", "SchedEndTime"),
        _pick(
            "Status",
            "None",
            "Scheduled",
            "Dispatched",
            "In Progress",
            "Completed",
            "Cannot Complete",
            "Canceled",
            default="None",
        ),
        _text("Subject"),
        _text("Description", length=32000),
        _typed(Type.DOUBLE, "Duration"),
        _MINUTES,
        _address(),
        _computed(_to("AccountId", "Account")),
        _hub(request=True),
        number="AppointmentNumber",
    ),
)

_RETURNS: Final = (
    _object(
        "ReturnOrder",
        "0OR",
        _to("AccountId", "Account"),
        _to("OrderId", "Order"),
        _to("CaseId", "Case"),
        _pick("Status", *RETURN_STATUSES, default="Draft"),
        _text("Description", length=32000),
        _hub(request=True),
        number="ReturnOrderNumber",
    ),
    _object(
        "ReturnOrderLineItem",
        "0OL",
        _to("ReturnOrderId", "ReturnOrder", required=True, updateable=False),
        _typed(Type.DOUBLE, "QuantityReturned", required=True),
        _to("OrderItemId", "OrderItem"),
        _to("AssetId", "Asset"),
        _to("Product2Id", "Product2"),
        _text("Description"),
        number="ReturnOrderLineItemNumber",
    ),
)

_CREW: Final = (
    _object("ServiceResource", "0Hn", _text("Name", required=True), _typed(Type.BOOLEAN, "IsActive", default=False)),
    _object("ServiceTerritory", "0Hh", _text("Name", required=True), _typed(Type.BOOLEAN, "IsActive", default=False)),
    _object("OperatingHours", "0OH", _text("Name", required=True), _text("TimeZone", required=True)),
    _object(
        "TimeSlot",
        "0TS",
        _to("OperatingHoursId", "OperatingHours", required=True),
        _pick("DayOfWeek", *_WEEK, required=True),
        _typed(Type.TIME, "StartTime", "EndTime", required=True),
    ),
    _object(
        "ServiceTerritoryMember",
        "0Hu",
        _to("ServiceResourceId", "ServiceResource", required=True),
        _to("ServiceTerritoryId", "ServiceTerritory", required=True),
        _to("OperatingHoursId", "OperatingHours"),
    ),
    _object(
        "AssignedResource",
        "03r",
        _to("ServiceAppointmentId", "ServiceAppointment", required=True, updateable=False),
        _to("ServiceResourceId", "ServiceResource", required=True),
    ),
    _object(
        "ResourceAbsence",
        "0RA",
        _to("ResourceId", "ServiceResource", required=True),
        _typed(Type.DATETIME, "Start", "End", required=True),
    ),
)

_RIGHTS: Final = (
    _object(
        "PermissionSet",
        "0PS",
        Field(name="Name", length=80, required=True, unique=True),
        _text("Label", length=80, required=True),
    ),
    _object(
        "FieldPermissions",
        "01k",
        _to("ParentId", "PermissionSet", required=True, updateable=False),
        _text("SobjectType", "Field", required=True),
        _typed(Type.BOOLEAN, "PermissionsRead", "PermissionsEdit", default=False),
    ),
    _object(
        "PermissionSetAssignment",
        "0Pa",
        _to("PermissionSetId", "PermissionSet", required=True, updateable=False),
        _text("AssigneeId", length=18, required=True),
    ),
)

OBJECTS: Final = {entry.name.lower(): entry for entry in (*_SALES, *_SERVICE, *_RETURNS, *_CREW, *_RIGHTS)}
BY_PREFIX: Final = {entry.prefix: entry for entry in OBJECTS.values()}
