"""What an environment needs for a configuration: tables and privileges, columns, alternate keys. Pure."""

from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct

from actors.model.orders import RecordKind
from crm_adapters.dynamics.config import DynamicsConfig
from crm_adapters.dynamics.records import table_of

KEY_LENGTH = 100
CREATE, READ, WRITE = "Create", "Read", "Write"


class ColumnKind(StrEnum):
    """What a column holds, as definitions call it."""

    TEXT = "String"
    DECIMAL = "Decimal"
    WHOLE = "Integer"
    ANY = ""


class NeededTable(Struct, frozen=True, kw_only=True):
    """A table, what is done with its rows, and what to change where it is missing."""

    name: str
    privileges: tuple[str, ...] = (READ,)
    otherwise: str = ""


class NeededColumn(Struct, frozen=True, kw_only=True):
    """A column that is named by the configuration; ``is_key``: it must be an alternate key of its own."""

    table: str
    name: str
    kind: ColumnKind
    is_key: bool = False

    @property
    def full_name(self) -> str:
        """Return the name with its table."""
        return f"{self.table}.{self.name}"

    @property
    def is_custom(self) -> bool:
        """Say whether it is a column that an environment adds: its name begins with a publisher's prefix."""
        return "_" in self.name and not self.name.startswith("msdyn_")


def needed_tables(config: DynamicsConfig) -> list[NeededTable]:
    """Return the tables, those first without which nothing works."""
    everything = (CREATE, READ, WRITE)
    account = everything if config.create_accounts or config.work_orders else (READ,)
    return [
        NeededTable(name="salesorder", privileges=everything, otherwise="install Dynamics 365 Sales"),
        NeededTable(name="salesorderdetail", privileges=everything),
        NeededTable(name="account", privileges=account),
        *(NeededTable(name=name) for name in ("product", "productpricelevel", "pricelevel", "transactioncurrency")),
        *_service_tables(config),
    ]


def needed_columns(config: DynamicsConfig) -> list[NeededColumn]:
    """Return the columns whose names the configuration gives."""
    return [*_request_columns(config), *_other_keys(config), *_product_columns(config)]


def followed_tables(config: DynamicsConfig) -> list[str]:
    """Return the tables whose changes are followed."""
    return [table_of(kind, config).logical_name for kind in _request_kinds(config)]


def _request_kinds(config: DynamicsConfig) -> list[RecordKind]:
    visits = [RecordKind.APPOINTMENT] if config.work_orders else []
    returns = [RecordKind.RETURN] if config.takes_returns else []
    return [RecordKind.ORDER, RecordKind.SERVICE, *visits, *returns]


def _service_tables(config: DynamicsConfig) -> Iterator[NeededTable]:
    everything = (CREATE, READ, WRITE)
    if not config.work_orders:
        yield NeededTable(name="incident", privileges=everything, otherwise="install Dynamics 365 Customer Service")
        return
    without = 'install Dynamics 365 Field Service, or set service_table = "incident"'
    for name in ("msdyn_workorder", "msdyn_customerasset", "bookableresourcebooking", "contact"):
        yield NeededTable(name=name, privileges=everything, otherwise=without)
    for name in ("bookableresource", "bookingstatus", *(["msdyn_workordertype"] if config.work_order_type else [])):
        yield NeededTable(name=name, otherwise=without)
    if config.iot_alerts:
        yield NeededTable(name="msdyn_iotalert", privileges=(CREATE,), otherwise="set iot_alerts = false")
    if config.takes_returns:
        yield NeededTable(name="msdyn_rma", privileges=everything, otherwise="set returns = false")
        yield NeededTable(name="msdyn_rmaproduct", privileges=(CREATE, READ), otherwise="set returns = false")


def _request_columns(config: DynamicsConfig) -> Iterator[NeededColumn]:
    names = config.columns
    for kind in _request_kinds(config):
        table = table_of(kind, config).logical_name
        yield NeededColumn(table=table, name=names.key, kind=ColumnKind.TEXT, is_key=True)
        yield NeededColumn(table=table, name=names.fingerprint, kind=ColumnKind.TEXT)
        yield NeededColumn(table=table, name=names.thing, kind=ColumnKind.TEXT)


def _other_keys(config: DynamicsConfig) -> Iterator[NeededColumn]:
    yield NeededColumn(table="account", name=config.columns.account, kind=ColumnKind.TEXT, is_key=True)
    for table in ("salesorderdetail", *(("msdyn_customerasset", "contact") if config.work_orders else ())):
        yield NeededColumn(table=table, name=config.columns.key, kind=ColumnKind.TEXT, is_key=True)


def _product_columns(config: DynamicsConfig) -> Iterator[NeededColumn]:
    names = config.columns
    yield NeededColumn(table="product", name=names.delivery_days, kind=ColumnKind.DECIMAL)
    yield NeededColumn(table="product", name=names.tax_percent, kind=ColumnKind.DECIMAL)
    yield NeededColumn(table="product", name=names.shipping_minor, kind=ColumnKind.WHOLE)
    if names.coupons:
        yield NeededColumn(table="product", name=names.coupons, kind=ColumnKind.TEXT)
    if names.installed_on and config.work_orders:
        yield NeededColumn(table="msdyn_customerasset", name=names.installed_on, kind=ColumnKind.ANY)
