"""Price book entries to offers, priced as people and as things pay."""

import re
from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from msgspec import Struct

from actors.model.ids import OfferId
from actors.model.money import Money
from actors.model.offers import Discount, Offer, OfferQuery, RefusedCoupon, landed_cost
from crm_adapters.salesforce.config import FieldNames, SalesforceConfig
from crm_adapters.salesforce.soql import select, text, texts

Row = Mapping[str, Any]
_HUNDRED = Decimal(100)


class Prices(Struct, frozen=True, kw_only=True):
    """The entry that things buy from, and the standard entry where there is one."""

    entry: Row
    standard: Row | None


def prices_query(config: SalesforceConfig, skus: Iterable[str], currency: str) -> str:
    """Return the query for the active entries of some SKUs in the machine's and the standard price book."""
    names = config.fields
    optional = (names.delivery_days, names.shipping_minor, names.tax_percent, names.coupons)
    fields = (
        "Id",
        "Pricebook2Id",
        "Pricebook2.IsStandard",
        "UnitPrice",
        "Product2.Name",
        *(f"Product2.{name}" for name in (names.sku, *optional) if name),
    )
    conditions = (
        "IsActive = true",
        "Product2.IsActive = true",
        "Pricebook2.IsActive = true",
        f"(Pricebook2.IsStandard = true OR Pricebook2.Name = {text(config.price_book)})",
        f"Product2.{names.sku} IN {texts(skus)}",
        f"CurrencyIsoCode = {text(currency)}" if not config.currency else "",
    )
    return select(fields, "PricebookEntry", conditions, "Id")


def prices_by_sku(rows: Iterable[Row], names: FieldNames) -> dict[str, Prices]:
    """Return what each SKU costs; the machine's price book goes before the standard one."""
    standard: dict[str, Row] = {}
    reduced: dict[str, Row] = {}
    for row in rows:
        kept = standard if row["Pricebook2"]["IsStandard"] else reduced
        kept.setdefault(str(row["Product2"][names.sku]), row)
    return {
        sku: Prices(entry=reduced.get(sku) or standard[sku], standard=standard.get(sku))
        for sku in (*reduced, *(sku for sku in standard if sku not in reduced))
    }


def offer_of(prices: Prices, query: OfferQuery, config: SalesforceConfig, connection: str) -> Offer:
    """Return the offer for the whole quantity; tax is on the reduced goods and on shipping."""
    names = config.fields
    product: Row = prices.entry["Product2"]
    sku = str(product[names.sku])
    price = _price(prices.entry, query.currency)
    listed = _price(prices.standard or prices.entry, query.currency)
    unit = listed if listed.exceeds(price) else price
    goods = unit.times(query.quantity)
    reduced = price.times(query.quantity)
    off_by_coupon, refused = _coupons(product, query, names, reduced)
    machine = () if goods == reduced else (Discount(title=f"price book {config.price_book}", amount=goods - reduced),)
    discounts = (*machine, *off_by_coupon)
    shipping = Money(minor=int(_number(product, names.shipping_minor)), currency=query.currency)
    taxable = landed_cost(goods, discounts, shipping, Money.zero(query.currency))
    tax = percent_of(taxable, _number(product, names.tax_percent))
    delivery = product.get(names.delivery_days)
    return Offer(
        offer_id=OfferId(f"{connection}:{prices.entry['Id']}:{query.quantity}"),
        connection=connection,
        seller=config.seller or connection,
        sku=sku,
        title=str(product.get("Name") or sku),
        quantity=query.quantity,
        unit_price=unit,
        goods=goods,
        discounts=discounts,
        refused_coupons=refused,
        shipping=shipping,
        tax=tax,
        landed=landed_cost(goods, discounts, shipping, tax),
        delivery_days=None if delivery is None else float(delivery),
        references={"price_book": str(prices.entry["Pricebook2Id"]), "price_book_entry": str(prices.entry["Id"])},
    )


def percent_of(amount: Money, percent: Decimal) -> Money:
    """Return a percentage, half-even to whole minor units."""
    exact = Decimal(amount.minor) * percent / _HUNDRED
    return Money(minor=int(exact.quantize(Decimal(1), ROUND_HALF_EVEN)), currency=amount.currency)


def _price(entry: Row, currency: str) -> Money:
    return Money.of(str(entry["UnitPrice"]), currency)


def _number(product: Row, field: str) -> Decimal:
    value = product.get(field)
    return Decimal(0) if value is None else Decimal(str(value))


def _coupons(
    product: Row, query: OfferQuery, names: FieldNames, goods: Money
) -> tuple[tuple[Discount, ...], tuple[RefusedCoupon, ...]]:
    """Return what the best coupon takes off, and why the others do not count (reasons of ACP's discount extension)."""
    known = _percentages(str(product.get(names.coupons) or ""))
    usable = [code for code in query.coupons if code in known]
    best = max(usable, key=lambda code: known[code], default=None)
    refused = tuple(
        RefusedCoupon(
            code=code, reason="discount_code_combination_disallowed" if code in known else "discount_code_invalid"
        )
        for code in query.coupons
        if code != best
    )
    if best is None:
        return (), refused
    return (Discount(title=f"coupon {best}", amount=percent_of(goods, known[best])),), refused


def _percentages(written: str) -> dict[str, Decimal]:
    pairs = (pair.partition("=") for pair in written.split(";"))
    return {code.strip(): Decimal(percent) for code, _, percent in pairs if _is_number(percent)}


def _is_number(written: str) -> bool:
    return re.fullmatch(r"\s*\d+(\.\d+)?\s*", written) is not None
