"""What a connection's actor knows: how far changes were followed, and which visits belong to which orders."""

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from actors.model.base import Instant
from actors.model.ids import OrderKey


class ConnectionState(Struct, frozen=True, kw_only=True):
    """One CRM connection."""

    cursor: str = ""
    """How far the CRM's changes were read."""
    followed_at: Instant | None = None
    """When the cursor was kept."""
    visits: dict[OrderKey, OrderKey] = {}
    """The key of a booking -> the order it is for."""
    trouble: str = ""
    """Why the changes cannot be read, as the CRM says it; empty while they can."""


class Event(Struct, frozen=True, kw_only=True, tag=True):
    """Base of a connection's events."""


class ChangesFollowed(Event, frozen=True, kw_only=True):
    """All that changed before this cursor is told."""

    cursor: str


class ChangesRefused(Event, frozen=True, kw_only=True):
    """The CRM does not tell what changed; its records are looked up one by one until it does."""

    reason: str


class VisitFollowed(Event, frozen=True, kw_only=True):
    """A booking belongs to an order."""

    key: OrderKey
    order: OrderKey


class VisitDropped(Event, frozen=True, kw_only=True):
    """A booking concerns nobody any more."""

    key: OrderKey


ConnectionEvent = ChangesFollowed | ChangesRefused | VisitFollowed | VisitDropped


def evolve(state: ConnectionState, event: ConnectionEvent, at: Any) -> ConnectionState:
    """Return the state after an event."""
    match event:
        case ChangesFollowed(cursor=cursor):
            return replace(state, cursor=cursor, followed_at=at, trouble="")
        case ChangesRefused(reason=reason):
            return replace(state, cursor="", trouble=reason)
        case VisitFollowed(key=key, order=order):
            return replace(state, visits={**state.visits, key: order})
        case VisitDropped(key=gone):
            return replace(state, visits={key: order for key, order in state.visits.items() if key != gone})
