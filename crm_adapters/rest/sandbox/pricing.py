"""Offers and order totals of the shop: the same arithmetic for both."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from actors.model.money import Money
from crm_adapters.rest.sandbox.forms import OrderForm, Refusal, refuse_field
from crm_adapters.sandboxing import CatalogItem, Quote, quote

_VALID = timedelta(hours=24)


class Totals(Struct, frozen=True, kw_only=True):
    """What an order costs, in minor units."""

    goods_minor: int
    discount_minor: int
    shipping_minor: int
    tax_minor: int

    @property
    def total_minor(self) -> int:
        """What is paid in the end."""
        return self.goods_minor - self.discount_minor + self.shipping_minor + self.tax_minor


def offer(item: CatalogItem, quantity: int, coupons: Sequence[str], now: datetime) -> dict[str, Any]:
    """Return the shop's offer, as its API shows it."""
    priced = quote(item, quantity, coupons)

    def amount(minor: int) -> str:
        return decimal(minor, item.currency)

    return {
        "offer_id": "/".join([item.sku, str(quantity), priced.coupon or "-"]),
        "seller": "Sandbox Shop",
        "sku": item.sku,
        "title": item.title,
        "quantity": quantity,
        "currency": item.currency,
        "unit_price": amount(item.list_price_minor),
        "goods": amount(priced.goods_minor),
        "discounts": _discounts(item, priced),
        "coupon": priced.coupon,
        "refused_coupons": [{"code": code, "reason": why} for code, why in priced.refused_coupons.items()],
        "shipping": amount(priced.shipping_minor),
        "tax": amount(priced.tax_minor),
        "total": amount(priced.total_minor),
        "delivery_days": item.delivery_days,
        "valid_until": (now + _VALID).isoformat(),
    }


def totals(form: OrderForm, catalog: Mapping[str, CatalogItem]) -> Totals:
    """Return what an order costs.

    Raises:
        Refusal: an article is unknown or sold in another currency, or the total is not the expected one.
    """
    quotes = [
        quote(_item(catalog, number, line.sku, form.currency), line.quantity, form.coupons)
        for number, line in enumerate(form.lines)
    ]
    summed = Totals(
        goods_minor=sum(each.goods_minor for each in quotes),
        discount_minor=sum(each.discount_minor for each in quotes),
        shipping_minor=sum(each.shipping_minor for each in quotes),
        tax_minor=sum(each.tax_minor for each in quotes),
    )
    _check_expected(form, summed)
    return summed


def decimal(minor: int, currency: str) -> str:
    """Return an amount in major units."""
    return str(Money(minor=minor, currency=currency).decimal())


def _item(catalog: Mapping[str, CatalogItem], number: int, sku: str, currency: str) -> CatalogItem:
    item = catalog.get(sku)
    if item is None:
        raise refuse_field(f"lines[{number}].sku", f"article {sku!r} is not in the catalogue")
    if item.currency != currency:
        raise refuse_field("currency", f"article {sku!r} is sold in {item.currency}, not in {currency}")
    return item


def _check_expected(form: OrderForm, summed: Totals) -> None:
    if form.expected_total is None:
        return
    if Money.of(form.expected_total, form.currency).minor != summed.total_minor:
        now = decimal(summed.total_minor, form.currency)
        raise Refusal(409, "price_changed", f"The total is {now} {form.currency}, not {form.expected_total}.")


def _discounts(item: CatalogItem, priced: Quote) -> list[dict[str, str]]:
    named = {
        "Machine price": priced.machine_discount_minor,
        f"Coupon {priced.coupon}": priced.coupon_discount_minor,
    }
    return [
        {"title": title, "amount": decimal(minor, item.currency), "currency": item.currency}
        for title, minor in named.items()
        if minor
    ]
