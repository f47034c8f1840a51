"""The reading sink: who may say what about which thing, in which unit, before a message enters the engine."""

from collections import Counter
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from msgspec.structs import replace

from actors.dialogue import thing_address
from actors.model.profiles import PropertyKind, PropertySpec, ThingProfile
from actors.model.readings import (
    DeviceMessage,
    PlainMessage,
    Principal,
    PrincipalKind,
    Quality,
    Reading,
    ReadingRefusal,
    Receipt,
    Refused,
    Stored,
)
from actors.model.units import NoConversion, UnknownUnit, convert, known
from actors.ports import ConnectedThing
from actors.runtime.cells import NotTaken, Outcome, Taken
from actors.runtime.contract import Engine
from actors.runtime.encoding import encode
from actors.runtime.journal import JournalUnavailable
from actors.thing.swift import swift_things
from hub.registry import Registry

_REFUSALS = {
    "busy": ReadingRefusal.BUSY,
    "storage_down": ReadingRefusal.STORAGE_DOWN,
    "stopping": ReadingRefusal.STOPPING,
}
_UNREADABLE = Refused(code=ReadingRefusal.STORAGE_DOWN, detail="the hub cannot read its disk", retry_after_s=5.0)
_TYPES: dict[PropertyKind, type | tuple[type, ...]] = {
    PropertyKind.NUMBER: (int, float),
    PropertyKind.FLAG: bool,
    PropertyKind.TEXT: str,
    PropertyKind.NUMBERS: tuple,
}


_PLAIN = PropertyKind.NUMBER
_GOOD = Quality.GOOD
_THING = PrincipalKind.THING
_STORED = Stored()
_AGAIN = Stored(duplicate=True)


class _Wrong(Exception):
    def __init__(self, code: ReadingRefusal, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class DurableSink:
    """Implements ``ReadingSink`` on the turn engine: ``Stored`` is said after the commit and never before."""

    def __init__(self, engine: Engine, registry: Registry) -> None:
        self._engine = engine
        self._registry = registry
        self._find = registry.find
        self._settle = self._answer
        swift = swift_things()
        self._plain: Callable[..., PlainMessage | None] = plain if swift is None else swift.plain
        self._refusals: Counter[str] = Counter()
        self._accepted = self._duplicates = self._readings = 0

    def counters(self) -> Mapping[str, int]:
        """Return counts of ``accepted``, ``duplicates`` and ``refused_<code>`` messages, and of ``readings`` in."""
        taken = {"accepted": self._accepted, "readings": self._readings, "duplicates": self._duplicates}
        return taken | self._refusals

    def accept(self, principal: Principal, message: DeviceMessage, done: Callable[[Receipt], None]) -> None:
        """Hand in one device message; see ``ReadingSink.accept``."""
        thing_id = message.thing_id
        try:
            thing = self._find(thing_id) if principal.thing_id == thing_id and principal.kind is _THING else None
            if thing is None:
                thing = self._addressee(principal, message)
            checked = self._plain(message, thing.profile.properties) or _fitting(message, thing.profile)
        except _Wrong as wrong:
            self._refuse(done, Refused(code=wrong.code, detail=wrong.detail))
            return
        except JournalUnavailable:
            self._refuse(done, _UNREADABLE)
            return
        packed = encode(checked)  # now, while its parts are in the processor's cache
        if self._engine.deliver(thing_address(thing_id), checked, message.message_id, self._settle, done, packed):
            self._readings += len(message.readings)

    def _answer(self, done: Callable[[Receipt], None], outcome: Outcome) -> None:
        if type(outcome) is Taken:
            self._accepted += 1
            if outcome.duplicate:
                self._duplicates += 1
                done(_AGAIN)
            else:
                done(_STORED)
            return
        assert type(outcome) is NotTaken  # noqa: S101 - for the type checkers
        code = _REFUSALS.get(outcome.code, ReadingRefusal.INTERNAL)
        self._refuse(done, Refused(code=code, detail=outcome.detail, retry_after_s=outcome.retry_after_s))

    def _refuse(self, done: Callable[[Receipt], None], refused: Refused) -> None:
        self._refusals[f"refused_{refused.code}"] += 1
        done(refused)

    def _addressee(self, principal: Principal, message: DeviceMessage) -> ConnectedThing:
        if principal.kind is PrincipalKind.THING:
            if principal.thing_id != message.thing_id:
                raise _Wrong(ReadingRefusal.FOREIGN_THING, f"{principal.name} may not speak for {message.thing_id}")
        elif principal.kind is not PrincipalKind.LINK:
            raise _Wrong(ReadingRefusal.FOREIGN_THING, "only things and their links report readings")
        thing = self._registry.find(message.thing_id)
        if thing is not None:
            return thing
        if self._registry.record(message.thing_id) is not None:
            raise _Wrong(ReadingRefusal.RETIRED_THING, f"{message.thing_id} is retired or its profile is gone")
        raise _Wrong(ReadingRefusal.UNKNOWN_THING, f"{message.thing_id} is not registered")


def _fitting(message: DeviceMessage, profile: ThingProfile) -> DeviceMessage:
    """Return the message with every reading in its profile's unit.

    Raises:
        _Wrong: the first reading that the profile does not allow, with what was expected.
    """
    if not message.readings:
        raise _Wrong(ReadingRefusal.EMPTY, "the message holds no reading")
    return replace(message, readings=tuple(_fitted(reading, profile) for reading in message.readings))


def plain(message: DeviceMessage, properties: Mapping[str, PropertySpec]) -> PlainMessage | None:
    """Return what most messages are, told shortly: numbers in their own units and ranges, and nothing else said."""
    told: dict[str, float] = {}
    value: Any
    for reading in message.readings:
        spec = properties.get(reading.name)
        value = reading.value
        if spec is None or value.__class__ is not float or not isfinite(value):
            return None
        if reading.unit is not None and reading.unit != spec.unit:
            return None
        if spec.minimum is not None and not value >= spec.minimum:
            return None
        if spec.maximum is not None and not value <= spec.maximum:
            return None
        if spec.kind is not _PLAIN or reading.quality is not _GOOD:
            return None
        if reading.observed_at is not None or reading.status is not None:
            return None
        told[reading.name] = value
    if not told or len(told) != len(message.readings):
        return None
    return PlainMessage(
        message_id=message.message_id,
        received_at=message.received_at,
        protocol=message.protocol,
        names=tuple(told),
        values=tuple(told.values()),
    )


def _fitted(reading: Reading, profile: ThingProfile) -> Reading:
    spec = profile.properties.get(reading.name)
    if spec is None:
        names = ", ".join(sorted(profile.properties))
        raise _Wrong(
            ReadingRefusal.UNKNOWN_PROPERTY, f"{reading.name!r} is no property of {profile.name}; it has {names}"
        )
    if not _is_of_kind(reading, spec):
        raise _Wrong(
            ReadingRefusal.WRONG_TYPE, f"{reading.name}: expected {spec.kind}, got {type(reading.value).__name__}"
        )
    if spec.kind is PropertyKind.NUMBERS:
        return _fitted_array(reading, profile)
    if spec.kind is not PropertyKind.NUMBER:
        return reading
    value = _converted(reading, spec)
    _check_range(reading.name, value, spec)
    if isinstance(reading.value, float) and value == reading.value and reading.unit == spec.unit:
        return reading
    return replace(reading, value=value, unit=spec.unit)


def _fitted_array(reading: Reading, profile: ThingProfile) -> Reading:
    """Check an array's length where a component is judged by it: one cycle is its settings and its sensors."""
    values: tuple[float, ...] = reading.value  # type: ignore[assignment] # its kind was checked
    for health in profile.components.values():
        wanted = health.settings + health.sensors
        if health.snapshot == reading.name and len(values) != wanted:
            raise _Wrong(ReadingRefusal.WRONG_TYPE, f"{reading.name}: expected {wanted} numbers, got {len(values)}")
    if all(isinstance(value, float) for value in values):
        return reading
    return replace(reading, value=tuple(_as_float(reading.name, value) for value in values))


def _as_float(name: str, value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        raise _Wrong(ReadingRefusal.OUT_OF_RANGE, f"{name}: expected a number of 64 bits, got a larger one") from None


def _is_of_kind(reading: Reading, spec: PropertySpec) -> bool:
    if spec.kind is PropertyKind.NUMBER and isinstance(reading.value, bool):
        return False
    return isinstance(reading.value, _TYPES[spec.kind])


def _converted(reading: Reading, spec: PropertySpec) -> float:
    value = _as_float(reading.name, reading.value)
    if reading.unit is None or spec.unit is None or reading.unit == spec.unit:
        return value
    try:
        return convert(value, reading.unit, spec.unit)
    except (UnknownUnit, NoConversion) as error:
        hint = "" if known(reading.unit) else " (see the SenML unit registry)"
        raise _Wrong(ReadingRefusal.WRONG_UNIT, f"{reading.name}: {error}{hint}") from error


def _check_range(name: str, value: float, spec: PropertySpec) -> None:
    low = float("-inf") if spec.minimum is None else spec.minimum
    high = float("inf") if spec.maximum is None else spec.maximum
    if not (isfinite(value) and low <= value <= high):
        raise _Wrong(
            ReadingRefusal.OUT_OF_RANGE, f"{name}: expected {low:g} to {high:g} {spec.unit or ''}, got {value:g}"
        )
