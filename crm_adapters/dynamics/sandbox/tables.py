"""The tables of the sandbox's environment: what sales and field service need, as in Dynamics 365.

Names, levels and choice values follow the public table reference; ``new_`` columns are what ``docs`` of the adapter ask
an administrator to add.
"""

from typing import Final

from crm_adapters.dynamics.sandbox.schema import (
    Collection,
    Column,
    Kind,
    Level,
    Lookup,
    Table,
    automatic,
    choice,
    flag,
    moment,
    money,
    number,
    text,
    to,
    whole,
)

HUB_KEY: Final = "new_hubkey"
HUB_FINGERPRINT: Final = "new_hubfingerprint"
HUB_THING: Final = "new_thingid"

ORDER_ACTIVE, ORDER_SUBMITTED, ORDER_CANCELED, ORDER_FULFILLED, ORDER_INVOICED = range(5)
ORDER_STATUS: Final[dict[int, tuple[int, ...]]] = {
    ORDER_ACTIVE: (1, 2, 690970000),
    ORDER_SUBMITTED: (3,),
    ORDER_CANCELED: (4,),
    ORDER_FULFILLED: (100001, 100002),
    ORDER_INVOICED: (100003,),
}
CASE_STATUS: Final[dict[int, tuple[int, ...]]] = {0: (1, 2, 3, 4), 1: (5, 1000), 2: (6, 2000)}
PRODUCT_STATUS: Final[dict[int, tuple[int, ...]]] = {2: (0,), 0: (1,), 1: (2,), 3: (3,)}
PLAIN_STATUS: Final[dict[int, tuple[int, ...]]] = {0: (1,), 1: (2,)}
STATUS_OF_STATE: Final[dict[str, dict[int, tuple[int, ...]]]] = {
    "salesorder": ORDER_STATUS,
    "incident": CASE_STATUS,
    "product": PRODUCT_STATUS,
}

UNSCHEDULED, SCHEDULED, IN_PROGRESS, COMPLETED, POSTED, CANCELED = range(690970000, 690970006)


def status_reasons(table: str) -> dict[int, tuple[int, ...]]:
    """Return which status reasons belong to which state; the first of each is its default."""
    return STATUS_OF_STATE.get(table, PLAIN_STATUS)


def _table(
    name: str,
    *columns: Column,
    plural: str = "",
    primary_name: str = "name",
    lookups: tuple[Lookup, ...] = (),
    collections: tuple[Collection, ...] = (),
    keys: tuple[str, ...] = (),
) -> Table:
    return Table(
        name=name,
        entity_set=plural or f"{name}s",
        primary_id=f"{name}id",
        primary_name=primary_name,
        columns={column.name: column for column in (*columns, *_platform_columns(name))},
        lookups={lookup.navigation: lookup for lookup in lookups},
        collections={collection.navigation: collection for collection in collections},
        keys=keys,
    )


def _platform_columns(name: str) -> tuple[Column, ...]:
    states = status_reasons(name)
    return (
        Column(name="createdon", kind=Kind.TIME, read_only=True),
        Column(name="modifiedon", kind=Kind.TIME, read_only=True),
        Column(name="versionnumber", kind=Kind.WHOLE, read_only=True),
        choice("statecode", *states),
        choice("statuscode", *(reason for reasons in states.values() for reason in reasons)),
    )


def _hub_columns() -> tuple[Column, ...]:
    return (text(HUB_KEY), text(HUB_FINGERPRINT), text(HUB_THING))


def _address(prefix: str) -> tuple[Column, ...]:
    lengths = {"name": 200, "line1": 250, "city": 80, "postalcode": 20, "country": 80}
    return tuple(text(f"{prefix}_{part}", length=length) for part, length in lengths.items())


_MONEY = "transactioncurrency"
_CURRENCY: Final = to("transactioncurrencyid", _MONEY)

_CUSTOMERS: Final = (
    _table(
        _MONEY,
        text("currencyname", level=Level.SYSTEM),
        text("isocurrencycode", length=5, level=Level.SYSTEM),
        plural="transactioncurrencies",
        primary_name="currencyname",
    ),
    _table(
        "account",
        text("name", length=160, level=Level.APPLICATION),
        text("accountnumber", length=100),  # 20 as delivered; the adapter's README asks to lengthen it
        text("description", length=2000),
        text("telephone1", length=50),
        *_address("address1"),
        lookups=(to("primarycontactid", "contact"), _CURRENCY),
        keys=("accountnumber",),
    ),
    _table(
        "contact",
        text("firstname", length=50),
        text("lastname", length=50, level=Level.APPLICATION),
        text("emailaddress1"),
        text("telephone1", length=50),
        text(HUB_KEY),
        primary_name="lastname",
        lookups=(to("parentcustomerid", "account", navigation="parentcustomerid_account"),),
        keys=(HUB_KEY,),
    ),
)

_CATALOGUE: Final = (
    _table("uomschedule", text("name", length=200, level=Level.SYSTEM), text("baseuomname")),
    _table(
        "uom",
        text("name", level=Level.SYSTEM),
        number("quantity"),
        lookups=(to("uomscheduleid", "uomschedule", level=Level.SYSTEM), to("baseuom", "uom")),
    ),
    _table(
        "product",
        text("name", level=Level.SYSTEM),
        text("productnumber", level=Level.SYSTEM),
        text("description", length=2000),
        whole("quantitydecimal", default=0, level=Level.SYSTEM),
        choice("productstructure", 1, 2, 3, default=1),
        number("new_deliverydays"),
        whole("new_shippingminor"),
        number("new_taxpercent"),
        text("new_coupons", length=500),
        lookups=(
            to("defaultuomscheduleid", "uomschedule", level=Level.SYSTEM),
            to("defaultuomid", "uom", level=Level.SYSTEM),
            _CURRENCY,
        ),
        keys=("productnumber",),
    ),
    _table(
        "pricelevel",
        text("name", level=Level.SYSTEM),
        moment("begindate"),
        moment("enddate"),
        lookups=(to("transactioncurrencyid", _MONEY, level=Level.SYSTEM),),
    ),
    _table(
        "productpricelevel",
        money("amount"),
        choice("pricingmethodcode", 1, 2, 3, 4, 5, 6, default=1),
        primary_name="productpricelevelid",
        lookups=(
            to("productid", "product", level=Level.SYSTEM),
            to("pricelevelid", "pricelevel", level=Level.SYSTEM),
            to("uomid", "uom", level=Level.SYSTEM),
            _CURRENCY,
        ),
    ),
)

_ORDER_TOTALS: Final = ("totallineitemamount", "totalamountlessfreight", "totaltax", "totalamount")

_SALES: Final = (
    _table(
        "salesorder",
        text("name", length=300, level=Level.APPLICATION),
        automatic("ordernumber"),
        text("description", length=2000),
        moment("requestdeliveryby"),
        moment("submitdate"),
        money("freightamount"),
        money("discountamount"),
        number("discountpercentage"),
        whole("pricingerrorcode", default=0),
        *(money(total, read_only=True) for total in _ORDER_TOTALS),
        *_address("shipto"),
        *_address("billto"),
        *_hub_columns(),
        lookups=(
            to("customerid", "account", navigation="customerid_account", level=Level.APPLICATION),
            to("customerid", "contact", navigation="customerid_contact"),
            to("pricelevelid", "pricelevel", level=Level.APPLICATION),
            to("transactioncurrencyid", _MONEY, level=Level.APPLICATION),
        ),
        collections=(
            Collection(navigation="order_details", table="salesorderdetail", column="salesorderid", cascade=True),
        ),
        keys=(HUB_KEY,),
    ),
    _table(
        "salesorderdetail",
        text("productdescription", length=500),
        text("description", length=2000),
        number("quantity", level=Level.APPLICATION),
        whole("lineitemnumber"),
        flag("isproductoverridden"),
        flag("ispriceoverridden"),
        money("priceperunit"),
        money("manualdiscountamount"),
        money("tax"),
        money("baseamount", read_only=True),
        money("extendedamount", read_only=True),
        whole("pricingerrorcode", default=0),
        *_hub_columns(),
        primary_name="productdescription",
        lookups=(
            to("salesorderid", "salesorder", level=Level.SYSTEM),
            to("productid", "product"),
            to("uomid", "uom"),
            _CURRENCY,
        ),
        keys=(HUB_KEY,),
    ),
    _table(
        "orderclose",
        text("subject", length=200),
        text("description", length=2000),
        plural="ordercloses",
        primary_name="subject",
        lookups=(to("salesorderid", "salesorder", level=Level.SYSTEM),),
    ),
)

_SERVICE: Final = (
    _table(
        "incident",
        text("title", length=200, level=Level.APPLICATION),
        automatic("ticketnumber"),
        text("description", length=2000),
        choice("prioritycode", 1, 2, 3, default=2),
        choice("caseorigincode", 1, 2, 3, 2483, 3986, 700610000),
        choice("casetypecode", 1, 2, 3),
        *_hub_columns(),
        primary_name="title",
        lookups=(
            to("customerid", "account", navigation="customerid_account", level=Level.SYSTEM),
            to("customerid", "contact", navigation="customerid_contact"),
            to("productid", "product"),
            to("primarycontactid", "contact"),
            to("msdyn_iotalert", "msdyn_iotalert"),
        ),
        keys=(HUB_KEY,),
    ),
    _table(
        "incidentresolution",
        text("subject", length=200),
        primary_name="subject",
        lookups=(to("incidentid", "incident", level=Level.SYSTEM),),
    ),
    _table(
        "msdyn_customerasset",
        text("msdyn_name", level=Level.APPLICATION),
        text("msdyn_deviceid"),
        choice("msdyn_registrationstatus", *range(192350000, 192350005), default=192350000),
        *_hub_columns(),
        primary_name="msdyn_name",
        lookups=(
            to("msdyn_account", "account"),
            to("msdyn_product", "product"),
            to("msdyn_parentasset", "msdyn_customerasset"),
        ),
        keys=(HUB_KEY,),
    ),
    _table(
        "msdyn_iotalert",
        text("msdyn_description", level=Level.APPLICATION),
        moment("msdyn_alerttime"),
        choice("msdyn_alerttype", *range(192350000, 192350004)),
        text("msdyn_alertdata", length=100_000),
        text("msdyn_alerttoken"),
        text("msdyn_deviceid"),
        text("msdyn_alerturl", length=500),
        primary_name="msdyn_description",
        lookups=(
            to("msdyn_customerasset", "msdyn_customerasset"),
            to("msdyn_case", "incident"),
            to("msdyn_workorder", "msdyn_workorder"),
        ),
    ),
    _table("msdyn_workordertype", text("msdyn_name", level=Level.APPLICATION), primary_name="msdyn_name"),
    _table(
        "msdyn_workorder",
        automatic("msdyn_name"),
        choice("msdyn_systemstatus", *range(690970000, 690970006), default=UNSCHEDULED, level=Level.APPLICATION),
        flag("msdyn_taxable"),
        text("msdyn_workordersummary", length=4000),
        text("msdyn_primaryincidentdescription", length=4000),
        text("msdyn_instructions", length=4000),
        whole("msdyn_totalestimatedduration"),
        moment("msdyn_timefrompromised"),
        moment("msdyn_timetopromised"),
        *(text(f"msdyn_{part}") for part in ("addressname", "address1", "city", "postalcode", "country")),
        *_hub_columns(),
        primary_name="msdyn_name",
        lookups=(
            to("msdyn_serviceaccount", "account", level=Level.APPLICATION),
            to("msdyn_billingaccount", "account"),
            to("msdyn_pricelist", "pricelevel", level=Level.APPLICATION),
            to("msdyn_workordertype", "msdyn_workordertype", level=Level.APPLICATION),
            to("msdyn_customerasset", "msdyn_customerasset"),
            to("msdyn_servicerequest", "incident"),
            to("msdyn_iotalert", "msdyn_iotalert"),
        ),
        collections=(
            Collection(
                navigation="msdyn_msdyn_workorder_bookableresourcebooking_WorkOrder",
                table="bookableresourcebooking",
                column="msdyn_workorder",
            ),
        ),
        keys=(HUB_KEY,),
    ),
)

_RETURNS: Final = (
    _table(
        "msdyn_rma",
        automatic("msdyn_name"),
        text("msdyn_description", length=2000),
        moment("msdyn_requestdate", level=Level.APPLICATION),
        choice("msdyn_systemstatus", *range(690970000, 690970004), default=690970000),
        *_hub_columns(),
        primary_name="msdyn_name",
        lookups=(
            to("msdyn_serviceaccount", "account", level=Level.APPLICATION),
            to("msdyn_workorder", "msdyn_workorder"),
        ),
        keys=(HUB_KEY,),
    ),
    _table(
        "msdyn_rmaproduct",
        text("msdyn_description"),
        number("msdyn_quantity", level=Level.APPLICATION),
        primary_name="msdyn_description",
        lookups=(
            to("msdyn_rma", "msdyn_rma", level=Level.SYSTEM),
            to("msdyn_product", "product", level=Level.APPLICATION),
            to("msdyn_unit", "uom", level=Level.APPLICATION),
            to("msdyn_customerasset", "msdyn_customerasset"),
        ),
    ),
)

_SCHEDULE: Final = (
    _table(
        "bookableresource",
        text("name", level=Level.SYSTEM),
        choice("resourcetype", 1, 2, 3, 4, 5, 6, 7, 8, default=1, level=Level.SYSTEM),
        whole("timezone"),
        lookups=(to("accountid", "account", navigation="AccountId"),),
    ),
    _table(
        "bookingstatus",
        text("name", level=Level.SYSTEM),
        choice("status", 1, 2, 3, level=Level.SYSTEM),
        choice("msdyn_fieldservicestatus", *range(690970000, 690970006)),
        plural="bookingstatuses",
    ),
    _table(
        "bookableresourcebooking",
        text("name"),
        moment("starttime", level=Level.SYSTEM),
        moment("endtime", level=Level.SYSTEM),
        whole("duration", level=Level.SYSTEM),
        choice("bookingtype", 1, 2, level=Level.SYSTEM),
        *_hub_columns(),
        lookups=(
            to("resource", "bookableresource", navigation="Resource", level=Level.SYSTEM),
            to("bookingstatus", "bookingstatus", navigation="BookingStatus", level=Level.SYSTEM),
            to("msdyn_workorder", "msdyn_workorder"),
        ),
        keys=(HUB_KEY,),
    ),
)

TABLES: Final = {table.name: table for table in (*_CUSTOMERS, *_CATALOGUE, *_SALES, *_SERVICE, *_RETURNS, *_SCHEDULE)}
BY_ENTITY_SET: Final = {table.entity_set: table for table in TABLES.values()}
