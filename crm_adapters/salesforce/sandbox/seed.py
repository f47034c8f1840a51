"""What a fresh organisation holds: customers, two price books, and a crew with working hours."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from actors.model.money import Money
from crm_adapters.salesforce.sandbox.organisation import Organisation
from crm_adapters.salesforce.sandbox.schema import OBJECTS
from crm_adapters.sandboxing import CatalogItem, SandboxOptions

MACHINE_BOOK: Final = "Things"
CHARGES: Final = "Charges"
"""The product family of shipping and tax: on an order, but not goods."""
_CHARGE_SKUS: Final = {"SHIPPING": "Shipping", "TAX": "Tax"}
_WORKING_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
_CREW: Final = ("Ada Berg", "Jo Winter")


def seed(organisation: Organisation, options: SandboxOptions) -> None:
    """Fill an empty organisation; one that has records is left as it is."""
    if organisation.store.rows(OBJECTS["pricebook2"]):
        return
    with organisation.store.transaction():
        _accounts(organisation, options.accounts)
        _price_books(organisation, options.catalog)
        _crew(organisation)


def _make(organisation: Organisation, name: str, **values: Any) -> str:
    kind = organisation.named(name)
    return organisation.create(kind, {field: value for field, value in values.items() if kind.field(field)})


def _accounts(organisation: Organisation, owners: Iterable[str]) -> None:
    for owner in owners:
        _make(organisation, "Account", Name=owner, AccountNumber=owner)


def _price_books(organisation: Organisation, catalog: tuple[CatalogItem, ...]) -> None:
    kind = organisation.named("Pricebook2")
    standard = _make(organisation, "Pricebook2", Name="Standard Price Book", IsActive=True)
    organisation.store.update(kind, standard, {"IsStandard": True})  # no API writes this field
    books = (standard, _make(organisation, "Pricebook2", Name=MACHINE_BOOK, IsActive=True))
    for item in catalog:
        _article(organisation, item, books)
    for sku, title in _CHARGE_SKUS.items():
        product = _make(
            organisation, "Product2", Name=title, ProductCode=sku, StockKeepingUnit=sku, Family=CHARGES, IsActive=True
        )
        for currency in sorted({item.currency for item in catalog} or {"EUR"}):
            _prices(organisation, product, books, (Decimal(0), Decimal(0)), currency)


def _article(organisation: Organisation, item: CatalogItem, books: tuple[str, str]) -> None:
    product = _make(
        organisation,
        "Product2",
        Name=item.title,
        ProductCode=item.sku,
        StockKeepingUnit=item.sku,
        IsActive=True,
        DeliveryDays__c=item.delivery_days,
        ShippingMinor__c=item.shipping_minor,
        TaxPercent__c=item.tax_percent,
        Coupons__c=";".join(f"{code}={percent:g}" for code, percent in item.coupons.items()) or None,
    )
    amounts = (item.list_price_minor, item.price_minor)
    listed, reduced = (Money(minor=minor, currency=item.currency).decimal() for minor in amounts)
    _prices(organisation, product, books, (listed, reduced), item.currency)


def _prices(
    organisation: Organisation, product: str, books: tuple[str, str], prices: tuple[Decimal, Decimal], currency: str
) -> None:
    for book, price in zip(books, prices, strict=True):
        _make(
            organisation,
            "PricebookEntry",
            Pricebook2Id=book,
            Product2Id=product,
            UnitPrice=float(price),
            CurrencyIsoCode=currency,
            IsActive=True,
        )


def _crew(organisation: Organisation) -> None:
    territory = _make(organisation, "ServiceTerritory", Name="Everywhere", IsActive=True)
    hours = _make(organisation, "OperatingHours", Name="Weekdays 8 to 17", TimeZone="UTC")
    for day in _WORKING_DAYS:
        _make(organisation, "TimeSlot", OperatingHoursId=hours, DayOfWeek=day, StartTime="08:00:00", EndTime="17:00:00")
    for name in _CREW:
        resource = _make(organisation, "ServiceResource", Name=name, IsActive=True)
        _make(
            organisation,
            "ServiceTerritoryMember",
            ServiceResourceId=resource,
            ServiceTerritoryId=territory,
            OperatingHoursId=hours,
        )
