"""What an endpoint's actor knows: what waits, and how the last deliveries went."""

from datetime import datetime
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from actors.model.base import Instant
from actors.model.endpoints import Endpoint, Notice

MOST_WAITING: Final = 1000
"""Notices that wait for one endpoint; beyond that the oldest is dropped, and counted."""


class EndpointState(Struct, frozen=True, kw_only=True):
    """One endpoint. The first of ``waiting`` is the one that is being told."""

    endpoint: Endpoint | None = None
    waiting: tuple[Notice, ...] = ()
    sending: bool = False
    attempt: int = 0
    """Deliveries of the first notice that were begun."""
    delivered: int = 0
    dropped: int = 0
    delivered_at: Instant | None = None
    failing_since: Instant | None = None
    last_failure: str = ""
    next_try_at: Instant | None = None
    disabled: str = ""


class Event(Struct, frozen=True, kw_only=True, tag=True):
    """Base of an endpoint's events."""


class EndpointOpened(Event, frozen=True, kw_only=True):
    """It is told from now on."""

    endpoint: Endpoint


class EndpointClosed(Event, frozen=True, kw_only=True):
    """It is forgotten."""


class NoticeQueued(Event, frozen=True, kw_only=True):
    """Something waits for it."""

    notice: Notice


class NoticeMissed(Event, frozen=True, kw_only=True):
    """It was not told of this: it is disabled, or nothing is left to tell."""

    notice_id: str


class DeliveryBegun(Event, frozen=True, kw_only=True):
    """The first notice is on its way."""


class NoticeDelivered(Event, frozen=True, kw_only=True):
    """The first notice was taken."""


class DeliveryFailed(Event, frozen=True, kw_only=True):
    """It was not taken, and is tried again."""

    reason: str
    next_try_at: Instant


class EndpointDisabled(Event, frozen=True, kw_only=True):
    """Nothing is tried any more until somebody enables it."""

    reason: str


class EndpointEnabled(Event, frozen=True, kw_only=True):
    """It is tried again."""


EndpointEvent = (
    EndpointOpened
    | EndpointClosed
    | NoticeQueued
    | NoticeMissed
    | DeliveryBegun
    | NoticeDelivered
    | DeliveryFailed
    | EndpointDisabled
    | EndpointEnabled
)


def evolve(state: EndpointState, event: EndpointEvent, at: datetime) -> EndpointState:
    """Return what is known after an event."""
    match event:
        case EndpointOpened(endpoint=endpoint):
            return replace(state, endpoint=endpoint)
        case EndpointClosed():
            return EndpointState()
        case NoticeQueued(notice=notice):
            return _queued(state, notice)
        case NoticeMissed(notice_id=notice_id):
            return _missed(state, notice_id)
        case DeliveryBegun():
            return replace(state, sending=True, attempt=state.attempt + 1, next_try_at=None)
        case NoticeDelivered():
            told = replace(state, waiting=state.waiting[1:], sending=False, attempt=0, delivered=state.delivered + 1)
            return replace(told, delivered_at=at, failing_since=None, last_failure="")
        case DeliveryFailed(reason=reason, next_try_at=next_try_at):
            since = state.failing_since or at
            return replace(state, sending=False, failing_since=since, last_failure=reason, next_try_at=next_try_at)
        case EndpointDisabled(reason=reason):
            return replace(state, sending=False, disabled=reason, next_try_at=None)
        case EndpointEnabled():
            return replace(state, disabled="", failing_since=None, attempt=0)


def _queued(state: EndpointState, notice: Notice) -> EndpointState:
    """Add a notice; the oldest that is not on its way makes room."""
    waiting = state.waiting
    if len(waiting) < MOST_WAITING:
        return replace(state, waiting=(*waiting, notice))
    kept = (*waiting[:1], *waiting[2:]) if state.sending else waiting[1:]
    return replace(state, waiting=(*kept, notice), dropped=state.dropped + 1)


def _missed(state: EndpointState, notice_id: str) -> EndpointState:
    missed = replace(state, dropped=state.dropped + 1)
    if state.waiting and state.waiting[0].notice_id == notice_id:
        return replace(missed, waiting=state.waiting[1:], sending=False, attempt=0)
    return missed
