"""Mandates: what an owner allows things to do. No mandate, no budget: no buying."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from actors.model.base import Instant, Value
from actors.model.ids import MandateId, OwnerId, ThingId
from actors.model.money import Money
from actors.model.needs import NeedKind


class Level(StrEnum):
    """A ceiling on what a thing may do by itself."""

    OFF = "off"
    ANNOUNCER = "announcer"
    """Informs; never buys."""
    FIXED = "fixed"
    """One product from one seller."""
    ADAPTABLE = "adaptable"
    """Chooses among approved sellers and products."""
    AUTONOMOUS = "autonomous"
    """Timing, product and terms, inside the budget."""


class Period(StrEnum):
    """The span that a budget renews in, by the UTC calendar."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"


class Mandate(Value, frozen=True, kw_only=True):
    """An owner's signed permission. Constraint names follow AP2 0.2; amounts are integer minor units.

    ``things`` and ``allowed_items`` empty mean all of the owner's things and all SKUs that a profile names;
    ``allowed_payees`` (CRM connection names) must be listed. ``signature`` seals the content with the hub's key.
    """

    mandate_id: MandateId
    owner_id: OwnerId
    things: tuple[ThingId, ...] = ()
    levels: dict[NeedKind, Level]
    budget: Money
    budget_period: Period = Period.MONTH
    per_order_limit: Money
    approval_above: Money | None = None
    approval_kinds: tuple[NeedKind, ...] = (NeedKind.REPLACEMENT,)
    allowed_payees: Annotated[tuple[str, ...], Meta(min_length=1)]
    allowed_items: tuple[str, ...] = ()
    valid_from: Instant
    valid_until: Instant
    revoked_at: Instant | None = None
    nonce: str = ""
    signature: str = ""


class Verdict(StrEnum):
    """What a mandate says to an intended order. Anything but the first two is a refusal, and its reason code."""

    ALLOWED = "allowed"
    NEEDS_APPROVAL = "needs_approval"
    NO_MANDATE = "no_mandate"
    MANDATE_EXPIRED = "mandate_expired"
    MANDATE_REVOKED = "mandate_revoked"
    THING_OFF = "thing_off"
    ALL_OFF = "all_off"
    LEVEL_TOO_LOW = "level_too_low"
    PAYEE_NOT_ALLOWED = "payee_not_allowed"
    ITEM_NOT_ALLOWED = "item_not_allowed"
    OVER_ORDER_LIMIT = "over_order_limit"
    OVER_BUDGET = "over_budget"
    WRONG_CURRENCY = "wrong_currency"
    TOO_MANY_ORDERS = "too_many_orders"
    TOO_SOON = "too_soon"
