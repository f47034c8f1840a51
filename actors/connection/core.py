"""The rules of one CRM connection: when its changes are read, and whom they are told."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec import Struct

from actors.connection import reconciling
from actors.connection.state import (
    ChangesFollowed,
    ChangesRefused,
    ConnectionEvent,
    ConnectionState,
    VisitDropped,
    VisitFollowed,
    evolve_all,
)
from actors.dialogue import (
    ChangesReported,
    ConnectionWoke,
    CustomerIntroduced,
    DropVisit,
    FollowVisit,
    OpenConnection,
    ReadChanges,
    Reconcile,
    RecordHeard,
    RecordsCompared,
    RecordsHeard,
    ThingIntroduced,
    Use,
    UseCounted,
    desk_relay,
    order_address,
)
from actors.model.base import Instant, Value
from actors.model.ids import OrderKey
from actors.model.orders import RecordKind
from actors.model.outcomes import Capabilities, Changes, CrmRecord
from actors.runtime.turns import Effect, Emit, Forget, Put, Remind, Step, Tell

ConnectionMessage = (
    OpenConnection
    | ConnectionWoke
    | ChangesReported
    | RecordsHeard
    | FollowVisit
    | DropVisit
    | Reconcile
    | RecordsCompared
    | ThingIntroduced
    | CustomerIntroduced
    | UseCounted
)

_KEPT_AT_LEAST: Final = timedelta(hours=1)
"""A cursor that brought nothing is kept so often: its kind may lapse in the CRM, and each costs a row for good."""
_WATCHDOG: Final = timedelta(hours=1)
"""So long after a question without an answer it is asked again; a desk that still has the first drops the second."""
_OF_ORDERS: Final = frozenset({RecordKind.ORDER, RecordKind.SERVICE})


class Introduced(Value, frozen=True, kw_only=True):
    """The record of the kinds ``introduced`` and ``customer``: what a CRM was told of a thing, of an owner."""

    version: str
    record_id: str
    at: Instant


class UsedDay(Value, frozen=True, kw_only=True):
    """The record of the kind ``crm_use``: what a connection used of its day."""

    used: tuple[Use, ...]


class ConnectionSettings(Struct, frozen=True, kw_only=True):
    """What the composition tells a connection's actor. ``changes_s`` is how often the CRM's changes are read."""

    can: Capabilities = Capabilities()
    changes_s: float = 60.0
    reconcile_minute: int = 3 * 60
    """Minute of the day (UTC) at which orders and records are compared."""


class ConnectionCore:
    """The durable actor of one connection; its name is the connection's."""

    kind = "connection"
    schema = 1
    state_type = ConnectionState
    message_type = ConnectionMessage
    event_type = ConnectionEvent

    def __init__(self, settings: Mapping[str, ConnectionSettings]) -> None:
        self._settings = settings

    def initial(self, name: str) -> ConnectionState:
        """Return a connection of which nothing was read."""
        del name
        return ConnectionState()

    def records(self, message: Any) -> bool:
        """Keep decisions only."""
        del message
        return False

    def fold(
        self, state: ConnectionState, message: Any, events: tuple[ConnectionEvent, ...], at: datetime
    ) -> ConnectionState:
        """Return the state after a recorded turn."""
        del message
        return evolve_all(state, events, at)

    def step(self, state: ConnectionState, message: ConnectionMessage, now: datetime) -> Step[ConnectionState]:
        """Decide on one message."""
        events, effects = self._decide(state, message, now)
        reply = ("started" if events else "under way") if isinstance(message, Reconcile) else None
        return Step(self.fold(state, message, events, now), events, effects, reply)

    def _decide(
        self, state: ConnectionState, message: ConnectionMessage, now: datetime
    ) -> tuple[tuple[ConnectionEvent, ...], tuple[Effect, ...]]:
        match message:
            case OpenConnection(connection=name):
                return (), self._begin(name, state, now)
            case ConnectionWoke(connection=name, name="reconcile"):
                return self._compare(name, state, now)
            case ConnectionWoke(connection=name):
                return (), self._ask(name, state, now)
            case Reconcile():
                return reconciling.start(state, message, now)
            case RecordsCompared(connection=name, records=records):
                events, effects = reconciling.take_result(state, message, now)
                return events, (*effects, *(_told(name, state, records) if events else ()))
            case ChangesReported(connection=name):
                return self._take_changes(name, state, message, now)
            case RecordsHeard(connection=name, records=records):
                return (), _told(name, state, records)
            case FollowVisit(key=key, order=order):
                return (VisitFollowed(key=key, order=order),), ()
            case ThingIntroduced() | CustomerIntroduced() | UseCounted():
                return (), (_shown(message, now),)
            case DropVisit(key=key):
                return ((VisitDropped(key=key),) if key in state.visits else ()), ()

    def _follows(self, name: str) -> ConnectionSettings | None:
        settings = self._settings.get(name)
        return settings if settings is not None and settings.can.changes else None

    def _begin(self, name: str, state: ConnectionState, now: datetime) -> tuple[Effect, ...]:
        changes = Forget("changes") if self._follows(name) is None else _wake(name, now)
        settings = self._settings.get(name)
        if settings is None:
            return (changes, Forget("reconcile"))
        night = reconciling.next_night(state, settings.reconcile_minute, now)
        return (changes, reconciling.remind(name, max(night, now)))

    def _compare(
        self, name: str, state: ConnectionState, now: datetime
    ) -> tuple[tuple[ConnectionEvent, ...], tuple[Effect, ...]]:
        settings = self._settings.get(name)
        if settings is None:
            return (), ()
        wanted = Reconcile(connection=name, by=reconciling.NIGHTLY)
        events, effects = reconciling.start(state, wanted, now)
        night = reconciling.next_night(evolve_all(state, events, now), settings.reconcile_minute, now)
        return events, (*effects, reconciling.remind(name, max(night, now + _WATCHDOG)))

    def _ask(self, name: str, state: ConnectionState, now: datetime) -> tuple[Effect, ...]:
        settings = self._follows(name)
        if settings is None:
            return ()
        job = ReadChanges(cursor=state.cursor, within_s=settings.changes_s / 10)
        return Emit(desk_relay(name), job), _wake(name, now + _WATCHDOG)

    def _take_changes(
        self, name: str, state: ConnectionState, report: ChangesReported, now: datetime
    ) -> tuple[tuple[ConnectionEvent, ...], tuple[Effect, ...]]:
        settings = self._follows(name)
        again = () if settings is None else (_wake(name, now + timedelta(seconds=settings.changes_s)),)
        outcome = report.outcome
        if not isinstance(outcome, Changes):
            reason = getattr(outcome, "message", "") or getattr(outcome, "reason", "") or type(outcome).__name__
            refused = (ChangesRefused(reason=reason),) if (reason, "") != (state.trouble, state.cursor) else ()
            return refused, again
        if outcome.records and outcome.cursor != state.cursor:  # perhaps a page of more
            again = () if settings is None else (_wake(name, now),)
        due = state.followed_at is None or now - state.followed_at >= _KEPT_AT_LEAST
        moved = outcome.cursor != state.cursor and (bool(outcome.records) or due)
        events = (ChangesFollowed(cursor=outcome.cursor),) if moved or state.trouble else ()
        return events, (*_told(name, state, outcome.records), *again)


def _shown(told: ThingIntroduced | CustomerIntroduced | UseCounted, now: datetime) -> Effect:
    """Keep what the desk told, for its next life."""
    match told:
        case UseCounted():
            return Put("crm_use", told.connection, "", UsedDay(used=told.used))
        case ThingIntroduced():
            kind, key = "introduced", f"{told.connection}/{told.thing_id}"
        case CustomerIntroduced():
            kind, key = "customer", f"{told.connection}/{told.owner_id}"
    return Put(kind, key, told.owner_id, Introduced(version=told.version, record_id=told.record_id, at=now))


def _wake(name: str, at: datetime) -> Remind:
    return Remind("changes", at, ConnectionWoke(connection=name, name="changes"))


def _told(connection: str, state: ConnectionState, records: Iterable[CrmRecord]) -> tuple[Effect, ...]:
    """Tell each record to its order; what belongs to no order of ours is found by reconciliation."""
    return tuple(
        Tell(order_address(order), RecordHeard(connection=connection, record=record))
        for record in records
        if (order := _order_of(state, record)) is not None
    )


def _order_of(state: ConnectionState, record: CrmRecord) -> OrderKey | None:
    if record.kind in _OF_ORDERS:
        return record.key
    return state.visits.get(record.key)
