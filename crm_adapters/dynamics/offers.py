"""Price lists as offers: what a thing's owner would pay in the end."""

import re
from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final

from msgspec import Struct

from actors.model.ids import OfferId
from actors.model.money import Money
from actors.model.offers import Discount, Offer, OfferQuery, RefusedCoupon, landed_cost
from crm_adapters.dynamics.addresses import any_of, literal, with_options
from crm_adapters.dynamics.config import DynamicsConfig

Row = Mapping[str, Any]

_PERCENT: Final = re.compile(r"^\d{1,3}(\.\d+)?$")
INVALID_COUPON: Final = "discount_code_invalid"
NOT_COMBINABLE: Final = "discount_code_combination_disallowed"
"""Reasons of ACP's discount extension."""


class Listing(Struct, frozen=True, kw_only=True):
    """One product on the machines' price list, and what people pay for it."""

    sku: str
    title: str
    machine_price: Money
    people_price: Money
    shipping: Money
    tax_percent: Decimal
    coupons: dict[str, Decimal]
    """Percentages off the goods by code."""
    delivery_days: float | None
    references: dict[str, str]


def price_query(skus: Iterable[str], currency: str, config: DynamicsConfig) -> str:
    """Return the address that lists the active products' prices on both lists."""
    lists = tuple(dict.fromkeys(name for name in (config.price_list, config.people_price_list) if name))
    names = config.columns
    optional = (names.delivery_days, names.shipping_minor, names.tax_percent, names.coupons)
    product = ",".join(("name", "productnumber", *(name for name in optional if name)))
    return with_options(
        "productpricelevels",
        select="amount,_productid_value,_pricelevelid_value,_uomid_value,_transactioncurrencyid_value",
        filter=(
            f"{any_of('productid/productnumber', tuple(skus))} and productid/statecode eq 0"
            f" and {any_of('pricelevelid/name', lists)} and pricelevelid/statecode eq 0"
            f" and transactioncurrencyid/isocurrencycode eq {literal(currency)}"
        ),
        expand=f"productid($select={product}),pricelevelid($select=name)",
    )


def read_listings(rows: Iterable[Row], currency: str, config: DynamicsConfig) -> list[Listing]:
    """Return one listing a product and unit, in the order of the products' numbers.

    Raises:
        KeyError: a column is missing; the answer is not what was asked for.
    """
    by_product: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        prices = by_product.setdefault((str(row["_productid_value"]), str(row["_uomid_value"])), {})
        prices[str(row["pricelevelid"]["name"])] = row
    listings = [_listing(prices, currency, config) for prices in by_product.values()]
    return sorted((listing for listing in listings if listing is not None), key=lambda listing: listing.sku)


def offer_of(listing: Listing, query: OfferQuery, connection: str, config: DynamicsConfig) -> Offer:
    """Return the offer for the wanted quantity: tax is on the reduced goods and on shipping."""
    goods = listing.people_price.times(query.quantity)
    reduced = listing.machine_price.times(query.quantity)
    machine = (Discount(title=f"price list {config.price_list}", amount=goods - reduced),) if goods != reduced else ()
    by_coupon, refused = _coupons(listing, query.coupons, reduced)
    discounts = (*machine, *by_coupon)
    taxable = landed_cost(goods, discounts, listing.shipping, Money.zero(query.currency))
    tax = percent_of(taxable, listing.tax_percent)
    return Offer(
        offer_id=OfferId(f"{connection}:{listing.sku}:{listing.references['uomid']}"),
        connection=connection,
        seller=config.seller or connection,
        sku=listing.sku,
        title=listing.title,
        quantity=query.quantity,
        unit_price=listing.people_price,
        goods=goods,
        discounts=discounts,
        refused_coupons=refused,
        shipping=listing.shipping,
        tax=tax,
        landed=landed_cost(goods, discounts, listing.shipping, tax),
        delivery_days=listing.delivery_days,
        references=listing.references,
    )


def percent_of(amount: Money, percent: Decimal) -> Money:
    """Return a percentage of an amount, rounded half-even to minor units."""
    exact = Decimal(amount.minor) * percent / 100
    return Money(minor=int(exact.quantize(Decimal(1), ROUND_HALF_EVEN)), currency=amount.currency)


def percentages(written: str) -> dict[str, Decimal]:
    """Return the percentages of coupons written as in ``MACHINE5=5;SPRING=10``; what cannot be read does not count."""
    pairs = (pair.partition("=") for pair in written.split(";"))
    return {code.strip(): Decimal(percent.strip()) for code, _, percent in pairs if _PERCENT.match(percent.strip())}


def _coupons(
    listing: Listing, codes: tuple[str, ...], reduced: Money
) -> tuple[tuple[Discount, ...], tuple[RefusedCoupon, ...]]:
    """Return what the best coupon takes off the reduced goods, and why the others do not count."""
    best = max(
        (code for code in codes if code in listing.coupons), key=lambda code: listing.coupons[code], default=None
    )
    refused = tuple(
        RefusedCoupon(code=code, reason=NOT_COMBINABLE if code in listing.coupons else INVALID_COUPON)
        for code in codes
        if code != best
    )
    if best is None:
        return (), refused
    return (Discount(title=f"coupon {best}", amount=percent_of(reduced, listing.coupons[best])),), refused


def _listing(prices: Mapping[str, Row], currency: str, config: DynamicsConfig) -> Listing | None:
    """Return a listing; without a price for machines people's price counts, and the reverse."""
    row = prices.get(config.price_list) or prices.get(config.people_price_list)
    if row is None or row.get("amount") is None:
        return None
    machine = _amount(row, currency)
    people = prices.get(config.people_price_list)
    listed = machine if people is None or people.get("amount") is None else _amount(people, currency)
    product, names = row["productid"], config.columns
    days = product.get(names.delivery_days)
    return Listing(
        sku=str(product["productnumber"]),
        title=str(product["name"]),
        machine_price=machine,
        people_price=max(listed, machine),
        shipping=Money(minor=int(product.get(names.shipping_minor) or 0), currency=currency),
        tax_percent=Decimal(str(product.get(names.tax_percent) or 0)),
        coupons=percentages(str(product.get(names.coupons) or "")),
        delivery_days=None if days is None else float(days),
        references={
            "productid": str(row["_productid_value"]),
            "uomid": str(row["_uomid_value"]),
            "pricelevelid": str(row["_pricelevelid_value"]),
            "transactioncurrencyid": str(row["_transactioncurrencyid_value"]),
        },
    )


def _amount(row: Row, currency: str) -> Money:
    return Money.of(Decimal(str(row["amount"])), currency)
