"""How long what is confirmed is awaited: as long as was promised and a while, then a person is asked."""

from datetime import datetime, timedelta
from typing import Final

from actors.model.orders import OrderState
from actors.purchasing.events import DeliveryExpected
from actors.purchasing.sourcing import PurchasingSettings
from actors.purchasing.state import OrderData
from actors.purchasing.turn import Turn

OVERDUE: Final = "not_fulfilled"
"""Code of an order that a person was asked about, because nothing said in time that it was fulfilled."""


def is_overdue(data: OrderData) -> bool:
    """Say whether a person was asked about it as overdue: it is still awaited, and may end by itself."""
    return data.state is OrderState.DEAD_LETTER and data.code == OVERDUE


def is_awaited(turn: Turn) -> bool:
    """Say whether it is known until when a confirmed order is awaited, and that time is not over."""
    return turn.data.expected_until is not None and turn.data.expected_until > turn.now


def expect(turn: Turn, settings: PurchasingSettings) -> None:
    """Await a confirmed order until it is overdue; where it was before and goes on, as long again."""
    if not is_awaited(turn):
        turn.happen(DeliveryExpected(until=_until(turn, settings)))
    if turn.data.expected_until is not None:
        turn.remind("overdue", (turn.data.expected_until - turn.now).total_seconds())


def promised(turn: Turn, settings: PurchasingSettings) -> str:
    """Return in words what the wait is counted from."""
    if turn.data.slot is not None:
        return f"visit on {turn.data.slot.starts_at:%d %b %Y}"
    days = _promised_days(turn)
    return f"promised within {days:g} days" if days is not None else f"counted with {settings.delivery_days:g} days"


def _until(turn: Turn, settings: PurchasingSettings) -> datetime:
    days = _promised_days(turn)
    last = turn.now + timedelta(days=settings.delivery_days if days is None else days)
    if turn.data.slot is not None:
        last = max(turn.now, turn.data.slot.ends_at)
    return last + timedelta(days=settings.overdue_after_days)


def _promised_days(turn: Turn) -> float | None:
    return None if turn.data.offer is None else turn.data.offer.delivery_days
