"""What an owner's actor knows: mandates, switches, and the money that is spoken for."""

from datetime import timedelta
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from actors.model.base import Instant
from actors.model.ids import MandateId, OrderKey, ThingId
from actors.model.mandates import Mandate
from actors.model.money import Money

REMEMBERED: Final = timedelta(days=7)
_UNNAMED = "somebody"


class Reservation(Struct, frozen=True, kw_only=True):
    """Money set aside for one order, and whether its request is on its way."""

    thing_id: ThingId
    mandate_id: MandateId
    connection: str
    sku: str
    amount: Money | None
    meter: str
    needs_approval: bool = False
    """It may leave only because a person approved it."""
    under_way: bool = False


class RecentOrder(Struct, frozen=True, kw_only=True):
    """An order that a thing was allowed; ``at`` is when it was first reserved."""

    key: OrderKey
    subject: str
    at: Instant


class OwnerState(Struct, frozen=True, kw_only=True):
    """One owner's rules and their use."""

    mandates: dict[MandateId, Mandate] = {}
    things_off: dict[ThingId, str] = {}
    """Thing -> who switched it off."""
    all_off_by: str = ""
    reservations: dict[OrderKey, Reservation] = {}
    used: dict[str, int] = {}
    """Meter -> minor units reserved or spent."""
    blocked: tuple[OrderKey, ...] = ()
    """Orders to tell when something changes."""
    recent: dict[ThingId, tuple[RecentOrder, ...]] = {}
    """What each thing ordered lately, for the limits that hold whatever the deciding code thinks."""


class Event(Struct, frozen=True, kw_only=True, tag=True):
    """Base of an owner's events."""


class MandateGranted(Event, frozen=True, kw_only=True):
    """A mandate stands."""

    mandate: Mandate


class SwitchedOff(Event, frozen=True, kw_only=True):
    """A thing, or all of them, may not order."""

    thing_id: ThingId | None
    by: str


class SwitchedOn(Event, frozen=True, kw_only=True):
    """A thing, or all of them, may order again."""

    thing_id: ThingId | None


class Reserved(Event, frozen=True, kw_only=True):
    """Money is set aside."""

    key: OrderKey
    reservation: Reservation
    order: RecentOrder


class Blocked(Event, frozen=True, kw_only=True):
    """An order was refused and waits for a change."""

    key: OrderKey


class Cleared(Event, frozen=True, kw_only=True):
    """A request may leave."""

    key: OrderKey


class Landed(Event, frozen=True, kw_only=True):
    """A request is no longer under way."""

    key: OrderKey


class Settled(Event, frozen=True, kw_only=True):
    """An order ended; ``spent_minor`` of its reservation stays used."""

    key: OrderKey
    spent_minor: int


OwnerEvent = MandateGranted | SwitchedOff | SwitchedOn | Reserved | Blocked | Cleared | Landed | Settled


def evolve(state: OwnerState, event: OwnerEvent) -> OwnerState:
    """Return the state after an event."""
    match event:
        case MandateGranted(mandate=mandate):
            return replace(state, mandates={**state.mandates, mandate.mandate_id: mandate})
        case SwitchedOff(thing_id=None, by=by):
            return replace(state, all_off_by=by or _UNNAMED)
        case SwitchedOff(thing_id=thing_id, by=by):
            return replace(state, things_off={**state.things_off, thing_id: by or _UNNAMED})
        case SwitchedOn(thing_id=None):
            return replace(state, all_off_by="", blocked=())
        case SwitchedOn(thing_id=thing_id):
            return replace(state, things_off=_without(state.things_off, thing_id), blocked=())
        case Reserved(key=key, reservation=reservation, order=order):
            return _remember(_reserve(state, key, reservation), reservation.thing_id, order)
        case Blocked(key=key):
            return replace(state, blocked=(*(k for k in state.blocked if k != key), key))
        case Cleared(key=key):
            return _mark(state, key, under_way=True)
        case Landed(key=key):
            return _mark(state, key, under_way=False)
        case Settled(key=key, spent_minor=spent_minor):
            return _settle(state, key, spent_minor)


def _without(mapping: dict[Any, Any], key: Any) -> dict[Any, Any]:
    return {k: v for k, v in mapping.items() if k != key}


def _reserve(state: OwnerState, key: OrderKey, reservation: Reservation) -> OwnerState:
    minor = reservation.amount.minor if reservation.amount else 0
    used = {**state.used, reservation.meter: state.used.get(reservation.meter, 0) + minor}
    blocked = tuple(k for k in state.blocked if k != key)
    return replace(state, reservations={**state.reservations, key: reservation}, used=used, blocked=blocked)


def _remember(state: OwnerState, thing_id: ThingId, order: RecentOrder) -> OwnerState:
    known = state.recent.get(thing_id, ())
    if any(former.key == order.key for former in known):
        return state
    since = order.at - REMEMBERED
    kept = (*(former for former in known if former.at > since), order)
    return replace(state, recent={**state.recent, thing_id: kept})


def _mark(state: OwnerState, key: OrderKey, *, under_way: bool) -> OwnerState:
    marked = replace(state.reservations[key], under_way=under_way)
    return replace(state, reservations={**state.reservations, key: marked})


def _settle(state: OwnerState, key: OrderKey, spent_minor: int) -> OwnerState:
    blocked = tuple(k for k in state.blocked if k != key)
    reservation = state.reservations.get(key)
    if reservation is None:
        return replace(state, blocked=blocked)
    minor = reservation.amount.minor if reservation.amount else 0
    used = {**state.used, reservation.meter: state.used.get(reservation.meter, 0) - minor + spent_minor}
    return replace(state, reservations=_without(state.reservations, key), used=used, blocked=blocked)
