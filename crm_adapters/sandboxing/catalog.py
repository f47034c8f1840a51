"""What a sandbox sells, and the arithmetic every sandbox prices it with."""

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from actors.model.errors import ConfigError
from actors.model.money import Currency

Minor = Annotated[int, Meta(ge=0)]


class CatalogItem(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One article. People pay ``list_price_minor``, machines ``price_minor``: the difference is their discount.

    ``price_breaks`` maps a quantity to the machines' price from there on. ``coupons`` maps a code to the percentage it
    takes off the goods. ``stock`` None is unlimited.
    """

    sku: str
    title: str
    list_price_minor: Minor
    price_minor: Minor
    currency: Currency = "EUR"
    delivery_days: float = 3.0
    shipping_minor: Minor = 0
    tax_percent: float = 0.0
    stock: int | None = None
    coupons: dict[str, float] = {}
    price_breaks: dict[int, Minor] = {}

    def price_for(self, quantity: int) -> int:
        """Return what a machine pays for one piece when it takes ``quantity`` of them."""
        reached = [price for least, price in self.price_breaks.items() if quantity >= least]
        return min([self.price_minor, *reached])


class CouponRefusal(StrEnum):
    """Why a coupon did not count (the reasons of ACP's discount extension that can occur here)."""

    INVALID = "discount_code_invalid"
    NOT_COMBINABLE = "discount_code_combination_disallowed"


class Quote(Struct, frozen=True, kw_only=True):
    """What a quantity of one article costs; ``total`` = goods - discounts + shipping + tax, all in minor units."""

    sku: str
    quantity: int
    currency: str
    goods_minor: int
    machine_discount_minor: int
    coupon_discount_minor: int
    coupon: str | None
    refused_coupons: dict[str, CouponRefusal]
    shipping_minor: int
    tax_minor: int

    @property
    def discount_minor(self) -> int:
        """Everything that is taken off the goods."""
        return self.machine_discount_minor + self.coupon_discount_minor

    @property
    def total_minor(self) -> int:
        """What is paid in the end."""
        return self.goods_minor - self.discount_minor + self.shipping_minor + self.tax_minor


def quote(item: CatalogItem, quantity: int, coupons: Iterable[str] = ()) -> Quote:
    """Return the price of ``quantity`` pieces with the best one of ``coupons``; tax is on goods and shipping."""
    reduced = item.price_for(quantity) * quantity
    best, refused = _best_coupon(item, tuple(coupons))
    coupon_discount = percent_of(reduced, item.coupons[best]) if best else 0
    taxable = reduced - coupon_discount + item.shipping_minor
    return Quote(
        sku=item.sku,
        quantity=quantity,
        currency=item.currency,
        goods_minor=item.list_price_minor * quantity,
        machine_discount_minor=item.list_price_minor * quantity - reduced,
        coupon_discount_minor=coupon_discount,
        coupon=best,
        refused_coupons=refused,
        shipping_minor=item.shipping_minor,
        tax_minor=percent_of(taxable, item.tax_percent),
    )


def percent_of(minor: int, percent: float) -> int:
    """Return a percentage of an amount, half-even to whole minor units."""
    exact = Decimal(minor) * Decimal(str(percent)) / 100
    return int(exact.quantize(Decimal(1), ROUND_HALF_EVEN))


def load_catalog(path: Path) -> tuple[CatalogItem, ...]:
    """Return the articles of a JSON file.

    Raises:
        ConfigError: the file cannot be read or is no list of articles; the text says where.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[CatalogItem, ...])
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"catalogue {path}: expected a JSON list of articles: {error}") from error


def _best_coupon(item: CatalogItem, coupons: tuple[str, ...]) -> tuple[str | None, dict[str, CouponRefusal]]:
    known = [code for code in coupons if code in item.coupons]
    best = max(known, key=lambda code: item.coupons[code], default=None)
    refused = {code: CouponRefusal.INVALID for code in coupons if code not in item.coupons}
    refused |= {code: CouponRefusal.NOT_COMBINABLE for code in known if code != best}
    return best, refused


DEFAULT_CATALOG: Final = (
    CatalogItem(
        sku="INK-XL-BK",
        title="Black ink, XL cartridge, 220 ml",
        list_price_minor=3990,
        price_minor=3590,
        delivery_days=2.0,
        shipping_minor=490,
        tax_percent=19.0,
        coupons={"MACHINE5": 5.0},
        price_breaks={6: 3390, 12: 3190},
    ),
    CatalogItem(
        sku="INK-STD-BK",
        title="Black ink, standard cartridge, 90 ml",
        list_price_minor=2190,
        price_minor=2090,
        delivery_days=2.0,
        shipping_minor=490,
        tax_percent=19.0,
    ),
    CatalogItem(
        sku="CHEM-20L",
        title="Cleaning agent, refill of 20 l",
        list_price_minor=8400,
        price_minor=7900,
        delivery_days=4.0,
        shipping_minor=1250,
        tax_percent=19.0,
    ),
    CatalogItem(
        sku="ENGINE-MOD-1",
        title="Replacement module, compressor stage",
        list_price_minor=789_000,
        price_minor=740_000,
        delivery_days=6.0,
        shipping_minor=9_500,
        tax_percent=19.0,
        stock=50,
    ),
    CatalogItem(
        sku="FILTER-7",
        title="Filter cartridge, class F7",
        list_price_minor=2450,
        price_minor=2290,
        delivery_days=3.0,
        shipping_minor=390,
        tax_percent=19.0,
    ),
)
