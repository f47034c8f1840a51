"""Events and alarms (Part 9): which fields are asked for, and what they make of a property that is text."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from msgspec import Struct

from protocols.opcua.addressing import ItemKey
from protocols.opcua.mapping import Subject
from protocols.opcua.publishing import EventFields
from protocols.opcua.sources import EventView
from protocols.opcua.variants import Sample

BASE_EVENT: Final = 2041
CONDITION: Final = 2782
ACKNOWLEDGEABLE: Final = 2881
ALARM: Final = 2915
_REFRESH_START: Final = "ns=0;i=2787"
_REFRESH_END: Final = "ns=0;i=2788"


class Clause(NamedTuple):
    """One field of an event: the type that has it, and the way there. Without a way it is the condition's node."""

    type_id: int
    path: tuple[str, ...]


CLAUSES: Final = (
    Clause(BASE_EVENT, ("EventId",)),
    Clause(BASE_EVENT, ("EventType",)),
    Clause(BASE_EVENT, ("Time",)),
    Clause(BASE_EVENT, ("Message",)),
    Clause(BASE_EVENT, ("Severity",)),
    Clause(CONDITION, ()),
    Clause(CONDITION, ("ConditionName",)),
    Clause(CONDITION, ("Retain",)),
    Clause(ALARM, ("ActiveState", "Id")),
    Clause(ACKNOWLEDGEABLE, ("AckedState", "Id")),
)
"""In the order of ``_Event``."""


class _Event(NamedTuple):
    event_id: object
    event_type: object
    time: object
    message: object
    severity: object
    condition: object
    name: object
    retain: object
    is_active: object
    is_acknowledged: object


class Condition(Struct, frozen=True, kw_only=True):
    """An alarm that a person should know of."""

    node: str
    event_id: bytes
    name: str
    severity: int
    is_active: bool
    is_acknowledged: bool


class Alarms:
    """The conditions of one link's event items, as the server told them."""

    def __init__(self) -> None:
        self._conditions: dict[ItemKey, dict[str, Condition]] = {}
        self._refreshing: dict[ItemKey, set[str]] = {}

    def values_of(self, events: Sequence[tuple[Subject, EventView, EventFields]]) -> Iterator[tuple[Subject, Sample]]:
        """Take events and yield what each makes of its property; events without all fields are passed over."""
        for subject, view, told in events:
            if len(told.fields) != len(CLAUSES):
                continue
            event = _Event(*told.fields)
            text = self._active_after(subject.key, event) if view is EventView.ACTIVE else _text(event.message)
            if text is not None:
                time = event.time if isinstance(event.time, datetime) else None
                yield subject, Sample(text, 0, time, None)

    def begin_refresh(self, subjects: Sequence[Subject]) -> None:
        """Expect all conditions of these items anew: a new subscription knows nothing of those that ended meanwhile."""
        for subject in subjects:
            self._refreshing[subject.key] = set(self._conditions.get(subject.key, {}))

    def end_refresh(self, subjects: Sequence[Subject], now: datetime) -> Iterator[tuple[Subject, Sample]]:
        """Forget what did not come, and yield what is left, where the server did not say itself that it is done."""
        for subject in subjects:
            if subject.key in self._refreshing:
                yield subject, Sample(self._refreshed(subject.key), 0, now, None)

    def unacknowledged(self, key: ItemKey) -> Sequence[Condition]:
        """Return the alarms of an item that nobody has acknowledged."""
        return [found for found in self._conditions.get(key, {}).values() if not found.is_acknowledged]

    def _active_after(self, key: ItemKey, event: _Event) -> str | None:
        known = self._conditions.setdefault(key, {})
        if event.event_type == _REFRESH_START:
            self._refreshing[key] = set(known)
            return None
        if event.event_type == _REFRESH_END:
            return self._refreshed(key)
        if not isinstance(event.condition, str):
            return None  # an event that is no condition
        self._refreshing.get(key, set()).discard(event.condition)
        if event.retain is True:
            known[event.condition] = _condition(event.condition, event)
        else:
            known.pop(event.condition, None)
        return None if key in self._refreshing else _worst(known)

    def _refreshed(self, key: ItemKey) -> str:
        known = self._conditions.setdefault(key, {})
        for gone in self._refreshing.pop(key, set()):
            known.pop(gone, None)
        return _worst(known)


def _condition(node: str, event: _Event) -> Condition:
    return Condition(
        node=node,
        event_id=event.event_id if isinstance(event.event_id, bytes) else b"",
        name=_text(event.name) or _text(event.message) or node,
        severity=event.severity if isinstance(event.severity, int) else 0,
        is_active=event.is_active is not False,  # what has no such state is there as long as it is retained
        is_acknowledged=event.is_acknowledged is not False,
    )


def _worst(known: Mapping[str, Condition]) -> str:
    """Return the name of the most severe active alarm; empty when there is none."""
    active = [found for found in known.values() if found.is_active]
    return max(active, key=lambda found: (found.severity, found.name)).name if active else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
