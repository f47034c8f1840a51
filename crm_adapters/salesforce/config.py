"""What the operator writes for a Salesforce connection."""

from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from actors.model.outcomes import RecordStatus
from actors.model.secrets import Secret

FieldName = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,79}$")]
OptionalField = Annotated[str, Meta(pattern=r"^([A-Za-z][A-Za-z0-9_]{0,79})?$")]
"""The API name of a field; empty: the organisation has none, and it is neither read nor written."""
WebUrl = Annotated[str, Meta(pattern="^https?://[^/?#]+/?$")]
Seconds = Annotated[float, Meta(gt=0)]

STANDARD_MEANINGS: Final = {
    "Draft": RecordStatus.OPEN,
    "New": RecordStatus.OPEN,
    "None": RecordStatus.OPEN,
    "Activated": RecordStatus.CONFIRMED,
    "Shipped": RecordStatus.CONFIRMED,
    "Working": RecordStatus.CONFIRMED,
    "Escalated": RecordStatus.CONFIRMED,
    "In Progress": RecordStatus.CONFIRMED,
    "On Hold": RecordStatus.CONFIRMED,
    "Scheduled": RecordStatus.CONFIRMED,
    "Submitted": RecordStatus.OPEN,
    "Approved": RecordStatus.CONFIRMED,
    "Dispatched": RecordStatus.CONFIRMED,
    "Delivered": RecordStatus.FULFILLED,
    "Completed": RecordStatus.FULFILLED,
    "Closed": RecordStatus.FULFILLED,
    "Cancelled": RecordStatus.CANCELLED,
    "Canceled": RecordStatus.CANCELLED,
    "Cannot Complete": RecordStatus.CANCELLED,
}
"""What the labels of a fresh organisation mean, and those that the sandbox adds."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class FieldNames(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """API names of the fields that organisations may call otherwise.

    ``key`` must be an External ID and unique on Order, OrderItem, WorkOrder (or Case), ServiceAppointment, Asset,
    ReturnOrder and Contact.
    """

    key: FieldName = "HubKey__c"
    fingerprint: FieldName = "HubFingerprint__c"
    thing: OptionalField = "HubThing__c"
    cancel_reason: OptionalField = "HubCancelReason__c"
    account: FieldName = "AccountNumber"
    """The field of Account that holds the owner's id."""
    order_asset: OptionalField = ""
    """A look-up from Order to Asset, where the organisation has one."""
    sku: FieldName = "StockKeepingUnit"
    delivery_days: OptionalField = "DeliveryDays__c"
    shipping_minor: OptionalField = "ShippingMinor__c"
    tax_percent: OptionalField = "TaxPercent__c"
    coupons: OptionalField = "Coupons__c"
    """Percentages off the goods by code, as in ``MACHINE5=5;SPRING=10``."""
    order_shipping: FieldName = "HubShipping__c"
    order_tax: FieldName = "HubTax__c"
    order_total: FieldName = "HubTotal__c"


class StatusNames(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Picklist labels that are written, and what the labels that are read mean.

    A label without a meaning counts by its category (orders) or by whether the record is closed.
    """

    order_draft: str = "Draft"
    order_active: str = "Activated"
    order_cancelled: str = "Cancelled"
    work_order_new: str = "New"
    work_order_cancelled: str = "Canceled"
    case_new: str = "New"
    case_cancelled: str = "Cancelled"
    case_origin: str = "Thing"
    appointment_booked: str = "Scheduled"
    appointment_cancelled: str = "Canceled"
    return_new: str = "Submitted"
    return_cancelled: str = "Canceled"
    priorities: tuple[str, str, str] = ("High", "Medium", "Low")
    """Labels of the priorities 1 to 3."""
    meanings: dict[str, RecordStatus] = {}
    """What an organisation's own labels mean, beside ``STANDARD_MEANINGS``."""


class SalesforceConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One Salesforce organisation, by client secret or by private key. The secret works on its My Domain host only."""

    login_url: str
    """``https://<my-domain>.my.salesforce.com``; plain http only to this machine (a sandbox)."""
    client_id: Annotated[str, Meta(min_length=1)]
    client_secret: Secret | None = None
    """Of the client credentials flow."""
    private_key: Secret | None = None
    """Of the JWT bearer flow: RSA in PEM form, whose certificate the app knows; ``username`` is who it acts as."""
    username: str = ""
    audience: WebUrl = "https://login.salesforce.com"
    """Whom the signed assertion is for: ``https://test.salesforce.com`` for the vendor's sandboxes."""
    api_version: Annotated[str, Meta(pattern=r"^[5-9][0-9]\.0$")] = "64.0"
    seller: str = ""
    """How the seller is called in offers; empty: the connection's name."""
    currency: Annotated[str, Meta(pattern="^([A-Z]{3})?$")] = ""
    """The currency of an organisation that has only one; empty: it has several, and records name theirs."""
    price_book: str = "Things"
    """The price book that things buy from; what is not in it is offered from the standard price book."""
    charges: Literal["lines", "fields"] = "lines"
    """Shipping and tax as order products of their own, or in fields of the order."""
    shipping_sku: str = "SHIPPING"
    tax_sku: str = "TAX"
    service_object: Literal["WorkOrder", "Case"] = "WorkOrder"
    work_order_line: bool = True
    """Add the work as a line item to each work order."""
    appointments: bool = True
    """Whether Field Service is enabled. A case has no appointments in Salesforce."""
    service_territory: str = ""
    """Id of the territory whose technicians are searched; empty: all."""
    returns: bool = True
    """Whether the organisation has return orders (Order Management or Field Service)."""
    slot_step_minutes: Annotated[int, Meta(ge=5)] = 30
    create_accounts: bool = True
    create_assets: bool = True
    fields: FieldNames = FieldNames()
    statuses: StatusNames = StatusNames()
    change_overlap_s: Annotated[float, Meta(ge=0)] = 30.0
    """How far behind the newest change seen the next search for changes begins again."""
    settle_s: Annotated[float, Meta(ge=0, le=3600)] = 150.0
    """How long after a lost answer an absent record proves nothing: a request may still be worked on."""
    connect_timeout_s: Seconds = 5.0
    timeout_s: Seconds = 30.0
    connections: Annotated[int, Meta(ge=1)] = 16

    def __post_init__(self) -> None:
        """Refuse an address that would send the secret in clear, and other than one way to prove who we are."""
        self._check_identity()
        parts = urlsplit(self.login_url)
        if parts.scheme == "https" and parts.hostname:
            return
        if parts.scheme != "http" or parts.hostname not in _LOOPBACK:
            raise ValueError(f"login_url: expected https://<my-domain>.my.salesforce.com, got {self.login_url!r}")

    def _check_identity(self) -> None:
        if (self.client_secret is None) == (self.private_key is None):
            raise ValueError("client_secret: expected either client_secret or private_key, write exactly one of them")
        if self.private_key is not None and not self.username:
            raise ValueError("username: expected whom private_key signs for, such as hub@acme.example")

    @property
    def books_appointments(self) -> bool:
        """Say whether service requests can get appointments."""
        return self.appointments and self.service_object == "WorkOrder"

    @property
    def adds_charge_lines(self) -> bool:
        """Say whether shipping and tax are order products."""
        return self.charges == "lines"
