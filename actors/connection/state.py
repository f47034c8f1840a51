"""What a connection's actor knows: how far changes were followed, and which visits belong to which orders."""

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from actors.model.base import Instant
from actors.model.findings import Finding, Reconciliation
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
    compared_to: str = ""
    """How far the CRM's changes were compared with the orders."""
    last: Reconciliation | None = None
    """The last comparison; it is under way while it has no end."""
    findings: dict[str, Finding] = {}
    """What it found, by id."""


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


class ReconciliationStarted(Event, frozen=True, kw_only=True):
    """Orders and records are compared."""

    reconciliation: Reconciliation


class ReconciliationEnded(Event, frozen=True, kw_only=True):
    """They were; ``findings`` are all that differs now. Where it failed, what was found before still stands."""

    reconciliation: Reconciliation
    cursor: str
    findings: tuple[Finding, ...]


ConnectionEvent = (
    ChangesFollowed | ChangesRefused | VisitFollowed | VisitDropped | ReconciliationStarted | ReconciliationEnded
)


def evolve(state: ConnectionState, event: ConnectionEvent, at: datetime) -> ConnectionState:
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
        case ReconciliationStarted(reconciliation=started):
            return replace(state, last=started)
        case ReconciliationEnded(reconciliation=ended, cursor=cursor, findings=findings):
            return replace(state, last=ended, compared_to=cursor, findings={f.finding_id: f for f in findings})


def evolve_all(state: ConnectionState, events: Iterable[ConnectionEvent], at: datetime) -> ConnectionState:
    """Return the state after several events of one turn."""
    for event in events:
        state = evolve(state, event, at)
    return state
