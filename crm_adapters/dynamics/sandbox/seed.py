"""What a fresh environment holds: currencies, units, two price lists, the catalogue, customers, technicians."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from actors.model.money import Money
from crm_adapters.dynamics.sandbox.environment import Environment
from crm_adapters.dynamics.sandbox.writes import Writer
from crm_adapters.sandboxing import CatalogItem

PEOPLE_PRICES: Final = "List"
MACHINE_PRICES: Final = "Things"
TECHNICIANS: Final = ("Ada Berg", "Noor Haddad")
_BOOKING_STATUSES: Final = (
    ("Scheduled", 2, 690970000),
    ("In Progress", 2, 690970003),
    ("Completed", 2, 690970004),
    ("Canceled", 3, 690970005),
)


def seed(environment: Environment, catalog: Iterable[CatalogItem], accounts: Iterable[str]) -> None:
    """Fill an empty environment; one that holds currencies already is left alone."""
    if environment.rows("transactioncurrency"):
        return
    with environment.tables.transaction():
        _Seeder(environment).run(tuple(catalog), tuple(accounts))


class _Seeder:
    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._writer = Writer(environment, {}, strict=True)

    def run(self, catalog: tuple[CatalogItem, ...], accounts: tuple[str, ...]) -> None:
        for currency in sorted({item.currency for item in catalog} | {"EUR"}):
            self._seed_currency(currency, [item for item in catalog if item.currency == currency])
        for owner in accounts:
            self._create("account", {"name": owner, "accountnumber": owner})
        for name in TECHNICIANS:
            self._create("bookableresource", {"name": name, "resourcetype": 3})
        for name, status, field_status in _BOOKING_STATUSES:
            self._create("bookingstatus", {"name": name, "status": status, "msdyn_fieldservicestatus": field_status})
        self._create("msdyn_workordertype", {"msdyn_name": "Service"})

    def _seed_currency(self, code: str, items: list[CatalogItem]) -> None:
        currency = self._create("transactioncurrency", {"currencyname": code, "isocurrencycode": code})
        money = {"transactioncurrencyid@odata.bind": f"transactioncurrencies({currency})"}
        lists = {name: self._create("pricelevel", {"name": name, **money}) for name in (PEOPLE_PRICES, MACHINE_PRICES)}
        unit = self._unit()
        for item in items:
            product = self._product(item, unit)
            self._price(product, unit, lists[PEOPLE_PRICES], _major(item.list_price_minor, code))
            self._price(product, unit, lists[MACHINE_PRICES], _major(item.price_minor, code))

    def _unit(self) -> str:
        existing = self._environment.rows("uom")
        if existing:
            return str(existing[0]["uomid"])
        schedule = self._create("uomschedule", {"name": "Default Unit", "baseuomname": "Primary Unit"})
        bind = {"uomscheduleid@odata.bind": f"uomschedules({schedule})"}
        return self._create("uom", {"name": "Primary Unit", "quantity": 1, **bind})

    def _product(self, item: CatalogItem, unit: str) -> str:
        schedule = str(self._environment.rows("uomschedule")[0]["uomscheduleid"])
        body = {
            "name": item.title[:100],
            "productnumber": item.sku,
            "quantitydecimal": 0,
            "productstructure": 1,
            "new_deliverydays": item.delivery_days,
            "new_shippingminor": item.shipping_minor,
            "new_taxpercent": item.tax_percent,
            "new_coupons": ";".join(f"{code}={percent}" for code, percent in item.coupons.items()),
            "defaultuomid@odata.bind": f"/uoms({unit})",
            "defaultuomscheduleid@odata.bind": f"/uomschedules({schedule})",
        }
        guid = self._create("product", body)
        self._writer.update(
            self._environment.model.table("product"), self._environment.get("product", guid), {"statecode": 0}
        )
        return guid

    def _price(self, product: str, unit: str, price_list: str, amount: Decimal) -> None:
        currency = self._environment.get("pricelevel", price_list)["_transactioncurrencyid_value"]
        body = {
            "amount": amount,
            "productid@odata.bind": f"/products({product})",
            "pricelevelid@odata.bind": f"/pricelevels({price_list})",
            "uomid@odata.bind": f"/uoms({unit})",
            "transactioncurrencyid@odata.bind": f"/transactioncurrencies({currency})",
        }
        self._create("productpricelevel", body)

    def _create(self, table: str, body: Mapping[str, Any]) -> str:
        known = self._environment.model.table(table)
        kept = {name: value for name, value in body.items() if "@" in name or name in known.columns}
        return str(self._writer.create(known, kept, {})[known.primary_id])


def _major(minor: int, currency: str) -> Decimal:
    return Money(minor=minor, currency=currency).decimal()
