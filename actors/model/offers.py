"""Offers: what sellers ask for what a thing needs, compared by landed cost."""

from actors.model.base import Instant, Value
from actors.model.ids import OfferId
from actors.model.money import Money


class OfferQuery(Value, frozen=True, kw_only=True):
    """What is looked for: any of ``skus``, ``quantity`` pieces, delivered to ``country``."""

    skus: tuple[str, ...]
    quantity: int
    currency: str
    country: str = ""
    coupons: tuple[str, ...] = ()


class Discount(Value, frozen=True, kw_only=True):
    """An amount off the goods, and why."""

    title: str
    amount: Money


class RefusedCoupon(Value, frozen=True, kw_only=True):
    """A coupon that did not count, with the seller's machine-readable reason (as in ACP's discount extension)."""

    code: str
    reason: str


class Offer(Value, frozen=True, kw_only=True):
    """One seller's terms for one SKU. ``landed`` = goods - discounts + shipping + tax, for the whole quantity."""

    offer_id: OfferId
    connection: str
    """The name of the CRM connection through which it can be ordered."""
    seller: str
    sku: str
    title: str
    quantity: int
    unit_price: Money
    goods: Money
    discounts: tuple[Discount, ...] = ()
    refused_coupons: tuple[RefusedCoupon, ...] = ()
    shipping: Money
    tax: Money
    landed: Money
    delivery_days: float | None = None
    expires_at: Instant | None = None
    references: dict[str, str] = {}
    """The seller's own ids that an order must name, such as a price book entry."""


def landed_cost(goods: Money, discounts: tuple[Discount, ...], shipping: Money, tax: Money) -> Money:
    """Return what the owner pays in the end; all amounts must share one currency."""
    total = goods + shipping + tax
    for discount in discounts:
        total -= discount.amount
    return total
