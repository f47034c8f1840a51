"""What an operator writes to connect a Dynamics 365 environment."""

from enum import StrEnum
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta, Struct

from actors.model.secrets import Secret

WebUrl = Annotated[str, Meta(pattern="^https?://[^/?#]+/?$")]
ColumnName = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]*$")]
OptionalColumn = Annotated[str, Meta(pattern="^([a-z][a-z0-9_]*)?$")]
"""Empty: the environment has none."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

Scalar = str | int | float | bool


class ServiceTable(StrEnum):
    """Where service requests go. Only work orders can have appointments."""

    WORK_ORDER = "work_order"
    INCIDENT = "incident"


class AmountPlace(StrEnum):
    """Where shipping or tax stands in an order: in the platform's own column, or as a write-in line."""

    COLUMN = "column"
    LINE = "line"


class ColumnNames(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Columns, as the administrator named them. ``account`` holds an owner's id, ``key`` ours: both alternate keys."""

    key: ColumnName = "new_hubkey"
    fingerprint: ColumnName = "new_hubfingerprint"
    thing: ColumnName = "new_thingid"
    delivery_days: ColumnName = "new_deliverydays"
    shipping_minor: ColumnName = "new_shippingminor"
    tax_percent: ColumnName = "new_taxpercent"
    coupons: OptionalColumn = "new_coupons"
    installed_on: OptionalColumn = ""
    """The column of customer assets that holds when a thing was installed, where there is one."""
    account: ColumnName = "accountnumber"


class NavigationNames(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Navigation properties of lookups. Their case matters, and it differs between solution versions."""

    customer: str = "customerid_account"
    service_account: str = "msdyn_serviceaccount"
    service_price_list: str = "msdyn_pricelist"
    work_order_type: str = "msdyn_workordertype"
    asset: str = "msdyn_customerasset"
    asset_account: str = "msdyn_account"
    asset_product: str = "msdyn_product"
    contact_account: str = "parentcustomerid_account"
    alert: str = "msdyn_iotalert"
    alert_asset: str = "msdyn_customerasset"
    rma_account: str = "msdyn_serviceaccount"
    rma: str = "msdyn_rma"
    rma_product: str = "msdyn_product"
    rma_unit: str = "msdyn_unit"
    resource: str = "Resource"
    booking_status: str = "BookingStatus"
    work_order: str = "msdyn_workorder"


class WorkingHours(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When technicians can come: ISO weekdays (1 is Monday), hours of the day in ``time_zone`` (IANA name)."""

    days: tuple[Annotated[int, Meta(ge=1, le=7)], ...] = (1, 2, 3, 4, 5)
    from_hour: Annotated[int, Meta(ge=0, le=23)] = 8
    to_hour: Annotated[int, Meta(ge=1, le=24)] = 17
    time_zone: str = "UTC"
    step_minutes: Annotated[int, Meta(ge=5, le=240)] = 30

    def __post_init__(self) -> None:
        """Refuse a day that ends before it begins, and a time zone that nobody knows."""
        if self.to_hour <= self.from_hour:
            raise ValueError(f"to_hour: expected more than from_hour ({self.from_hour}), got {self.to_hour}")
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(
                f"time_zone: expected an IANA name such as Europe/Berlin, got {self.time_zone!r}"
            ) from error


class DynamicsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One connection to one environment, by client secret or by certificate (its PEM text with the private key).

    ``extra`` are further columns by table, for what the customer requires.
    """

    org_url: WebUrl
    tenant: Annotated[str, Meta(min_length=1)]
    client_id: Annotated[str, Meta(min_length=1)]
    client_secret: Secret | None = None
    certificate: Secret | None = None
    login_url: WebUrl = "https://login.microsoftonline.com"
    api_version: Annotated[str, Meta(pattern=r"^\d+\.\d+$")] = "9.2"
    seller: str = ""
    price_list: Annotated[str, Meta(min_length=1)] = "Things"
    people_price_list: str = "List"
    submit_orders: bool = True
    shipping_in: AmountPlace = AmountPlace.COLUMN
    tax_in: AmountPlace = AmountPlace.COLUMN
    service_table: ServiceTable = ServiceTable.WORK_ORDER
    work_order_type: str = "Service"
    case_origin: int = 700610000
    case_type: int = 2
    iot_alerts: bool = False
    """Post an IoT alert with each service request, in the same transaction (Connected Field Service)."""
    returns: bool = True
    """Whether return merchandise authorisations are made; only with work orders, as Field Service has them."""
    webhook_key: Secret | None = None
    """What webhooks of the environment carry (authentication WebhookKey or HttpHeader); without it none are taken."""
    create_accounts: bool = True
    account_numbers: dict[str, str] = {}
    booking_status: str = "Scheduled"
    canceled_booking_status: str = "Canceled"
    resource_filter: str = "statecode eq 0 and resourcetype eq 3"
    working_hours: WorkingHours = WorkingHours()
    largest_answer: Annotated[int, Meta(ge=1, le=500)] = 40
    columns: ColumnNames = ColumnNames()
    navigation: NavigationNames = NavigationNames()
    extra: dict[str, dict[str, Scalar]] = {}
    page_size: Annotated[int, Meta(ge=1, le=5000)] = 500
    timeout_s: Annotated[float, Meta(gt=0, le=300)] = 30.0
    settle_s: Annotated[float, Meta(ge=0, le=3600)] = 150.0
    """How long after a lost answer an absent record proves nothing: the platform works on a request for 2 minutes."""
    changes: Literal["polling", "delta"] = "polling"
    """How changes are followed: by ``modifiedon``, or by the change tracking of the tables, where it is enabled."""
    changes_overlap_s: Annotated[float, Meta(ge=0, le=3600)] = 5.0

    def __post_init__(self) -> None:
        """Refuse more or less than one way to prove who we are, and to send it in the clear to another machine."""
        if (self.client_secret is None) == (self.certificate is None):
            raise ValueError("client_secret: expected either client_secret or certificate, write exactly one of them")
        for name, url in (("org_url", self.org_url), ("login_url", self.login_url)):
            parts = urlsplit(url)
            if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
                raise ValueError(f"{name}: expected an https address, got {url!r}")

    @property
    def origin(self) -> str:
        """The environment's address without a slash at the end."""
        return self.org_url.rstrip("/")

    @property
    def root(self) -> str:
        """The service root, with a slash at the end."""
        return f"{self.origin}/api/data/v{self.api_version}/"

    @property
    def token_url(self) -> str:
        """Where tokens are asked for."""
        return f"{self.login_url.rstrip('/')}/{self.tenant}/oauth2/v2.0/token"

    @property
    def takes_returns(self) -> bool:
        """Say whether goods can go back."""
        return self.returns and self.work_orders

    @property
    def work_orders(self) -> bool:
        """Say whether service requests are work orders of Field Service."""
        return self.service_table is ServiceTable.WORK_ORDER
