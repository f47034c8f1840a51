"""What an organisation needs for a configuration: objects and rights, fields, labels of picklists. Pure."""

from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct

from crm_adapters.salesforce.config import SalesforceConfig

KEY_LENGTH = 64


class FieldKind(StrEnum):
    """What a field must hold."""

    KEY = "key"
    """Text that is an External ID and unique."""
    TEXT = "text"
    NUMBER = "number"
    CURRENCY = "currency"
    ANY = "any"
    """Whatever the organisation chose, such as a look-up."""


class NeededObject(Struct, frozen=True, kw_only=True):
    """An object that is read, and what else is done with it; ``feature`` is the setting without which it is missing."""

    name: str
    creates: bool = False
    updates: bool = False
    feature: str = ""


class NeededField(Struct, frozen=True, kw_only=True):
    """A field that is read, or written where ``writes``."""

    object: str
    name: str
    kind: FieldKind
    length: int = 0
    writes: bool = True

    @property
    def full_name(self) -> str:
        """Return the name with its object."""
        return f"{self.object}.{self.name}"

    @property
    def is_custom(self) -> bool:
        """Say whether it is a field that an organisation adds."""
        return self.name.endswith("__c")


class NeededLabel(Struct, frozen=True, kw_only=True):
    """A label of a picklist that is written; ``option`` is the key of hub.toml that names it."""

    object: str
    field: str
    label: str
    option: str


def needed_objects(config: SalesforceConfig) -> list[NeededObject]:
    """Return the objects, those first without which nothing works."""
    objects = [
        NeededObject(name="Order", creates=True, updates=True, feature="Setup > Order Settings > Enable Orders"),
        NeededObject(name="OrderItem", creates=True),
        NeededObject(name="Account", creates=config.create_accounts, updates=True),
        NeededObject(name="Contact", creates=True, updates=True),
        NeededObject(name="Asset", creates=config.create_assets, updates=True),
        NeededObject(name="Product2"),
        NeededObject(name="Pricebook2"),
        NeededObject(name="PricebookEntry"),
        NeededObject(
            name=config.service_object,
            creates=True,
            updates=True,
            feature='Setup > Field Service Settings, or service_object = "Case"',
        ),
    ]
    if config.service_object == "WorkOrder" and config.work_order_line:
        objects.append(NeededObject(name="WorkOrderLineItem", creates=True))
    if config.books_appointments:
        field_service = "Setup > Field Service Settings, or appointments = false"
        objects += [
            NeededObject(name="ServiceAppointment", creates=True, updates=True, feature=field_service),
            NeededObject(name="AssignedResource", creates=True, updates=True, feature=field_service),
            *(NeededObject(name=name, feature=field_service) for name in ("ServiceResource", "ServiceTerritoryMember")),
        ]
    if config.returns:
        feature = "Order Management or Field Service, or returns = false"
        objects += [
            NeededObject(name="ReturnOrder", creates=True, updates=True, feature=feature),
            NeededObject(name="ReturnOrderLineItem", creates=True, feature=feature),
        ]
    return objects


def needed_fields(config: SalesforceConfig) -> list[NeededField]:
    """Return the fields whose names the configuration gives."""
    return [*_keys(config), *_marks(config), *_product_fields(config), *_order_fields(config)]


def needed_labels(config: SalesforceConfig) -> list[NeededLabel]:
    """Return the labels that are written."""
    names = config.statuses
    told = [
        ("Order", "Status", names.order_draft, "order_draft"),
        ("Order", "Status", names.order_active, "order_active"),
        ("Order", "Status", names.order_cancelled, "order_cancelled"),
        *((config.service_object, "Priority", label, "priorities") for label in names.priorities),
    ]
    if config.service_object == "WorkOrder":
        told.append(("WorkOrder", "Status", names.work_order_new, "work_order_new"))
        told.append(("WorkOrder", "Status", names.work_order_cancelled, "work_order_cancelled"))
    else:
        told.append(("Case", "Status", names.case_new, "case_new"))
        told.append(("Case", "Status", names.case_cancelled, "case_cancelled"))
        told.append(("Case", "Origin", names.case_origin, "case_origin"))
    if config.books_appointments:
        told.append(("ServiceAppointment", "Status", names.appointment_booked, "appointment_booked"))
        told.append(("ServiceAppointment", "Status", names.appointment_cancelled, "appointment_cancelled"))
    if config.returns:
        told.append(("ReturnOrder", "Status", names.return_new, "return_new"))
        told.append(("ReturnOrder", "Status", names.return_cancelled, "return_cancelled"))
    return [NeededLabel(object=one, field=field, label=label, option=option) for one, field, label, option in told]


def request_objects(config: SalesforceConfig) -> list[str]:
    """Return the objects that our requests become."""
    visits = ["ServiceAppointment"] if config.books_appointments else []
    return ["Order", config.service_object, *visits, *(["ReturnOrder"] if config.returns else [])]


def _keys(config: SalesforceConfig) -> Iterator[NeededField]:
    for name in (*request_objects(config), "OrderItem", "Asset", "Contact"):
        yield NeededField(object=name, name=config.fields.key, kind=FieldKind.KEY, length=KEY_LENGTH)


def _marks(config: SalesforceConfig) -> Iterator[NeededField]:
    names = config.fields
    for one in request_objects(config):
        yield NeededField(object=one, name=names.fingerprint, kind=FieldKind.TEXT, length=KEY_LENGTH)
        for optional in filter(None, (names.thing, names.cancel_reason)):
            yield NeededField(object=one, name=optional, kind=FieldKind.TEXT, length=255)


def _product_fields(config: SalesforceConfig) -> Iterator[NeededField]:
    names = config.fields
    yield NeededField(object="Product2", name=names.sku, kind=FieldKind.TEXT, writes=False)
    for number in filter(None, (names.delivery_days, names.tax_percent, names.shipping_minor)):
        yield NeededField(object="Product2", name=number, kind=FieldKind.NUMBER, writes=False)
    if names.coupons:
        yield NeededField(object="Product2", name=names.coupons, kind=FieldKind.TEXT, length=255, writes=False)


def _order_fields(config: SalesforceConfig) -> Iterator[NeededField]:
    names = config.fields
    yield NeededField(object="Account", name=names.account, kind=FieldKind.TEXT, writes=config.create_accounts)
    if not config.adds_charge_lines:
        for amount in (names.order_shipping, names.order_tax, names.order_total):
            yield NeededField(object="Order", name=amount, kind=FieldKind.CURRENCY)
    if names.order_asset:
        yield NeededField(object="Order", name=names.order_asset, kind=FieldKind.ANY)
