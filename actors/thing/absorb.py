"""What readings change: latest values, levels, cycles, faults. Pure, and the same when a journal is folded again."""

from sys import intern
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from actors.model.profiles import HealthSpec, SlotSpec, ThingProfile
from actors.model.readings import DeviceMessage, Quality, Reading, Reported
from actors.thing.levels import Sample, extended, newest, packed
from actors.thing.state import ComponentState, Latest, Row, SlotState, ThingState

_FIRST_CYCLES = 20
_LAST_CYCLES = 80
_LATEST_SKEW_S = 300.0
_OLDEST_S = 30 * 86400.0
_DAY_S = 86400.0
_Told = list[tuple[str, Latest]]
_Levels = dict[str, tuple[tuple[str, SlotSpec], ...]]
_NUMBER = (int, float)
_EMPTY = SlotState()
_NEW = ComponentState()
_NONE: dict[str, Any] = {}
"""Shared by the many things that have nothing of a sort; states are never changed."""


class Plan(Struct, frozen=True, gc=False):
    """A profile, and which of its properties are looked at by a slot, a component or a fault: others are only kept."""

    profile: ThingProfile
    watched: frozenset[str]
    levels: dict[str, tuple[tuple[str, SlotSpec], ...]]
    """By property: the slots whose level it tells."""

    @classmethod
    def of(cls, profile: ThingProfile) -> "Plan":
        """Return the plan for a profile."""
        slots = profile.slots.items()
        levels = {spec.level: tuple(slot for slot in slots if slot[1].level == spec.level) for _, spec in slots}
        components = (name for spec in profile.components.values() for name in (spec.snapshot, spec.cycle))
        faults = (spec.code for spec in profile.faults.values())
        return cls(profile, frozenset((*levels, *components, *faults)), levels)


def absorb(state: ThingState, message: DeviceMessage, plan: Plan) -> ThingState:
    """Return the state after a device message: its readings in the order of their times, each one counted.

    A pack may hold many values of one property, as after an outage. Values as old as what is known, or older, change
    nothing.
    """
    latest = state.latest.copy()
    told = _take(latest, message, plan.watched)
    if len(latest) != len(state.latest):  # names are read anew from each message: things of a kind share them
        latest = {intern(name): value for name, value in latest.items()}
    profile = plan.profile
    return ThingState(
        record=state.record,
        profile=state.profile,
        communities=state.communities,
        latest=latest,
        slots=_slots(state.slots, plan.levels, told, latest) if told else state.slots,
        components=_components(state, profile, told) if profile.components else state.components or _NONE,
        faults=_faults(state, profile, dict(told)) if profile.faults else state.faults or _NONE,
        needs=state.needs or _NONE,
        messages=state.messages + 1,
    )


def _take(latest: dict[str, Latest], message: DeviceMessage, watched: frozenset[str]) -> _Told:
    """Put the readings into ``latest``; return the good ones of the watched properties."""
    told: _Told = []
    received = message.received_at.timestamp()
    for reading in message.readings:
        if reading.observed_at is not None:
            return _take_in_time(latest, message, watched, received)
    for reading in message.readings:
        name = reading.name
        value = latest[name] = Latest(reading.value, received, reading.quality)
        if name in watched and reading.quality is not Quality.BAD:
            told.append((name, value))
    return told


def _take_in_time(latest: dict[str, Latest], message: DeviceMessage, watched: frozenset[str], received: float) -> _Told:
    told: _Told = []
    timed = [(_time_of(reading, received), reading) for reading in message.readings]
    timed.sort(key=_when)
    for at, reading in timed:
        known = latest.get(reading.name)
        if known is not None and at <= known.at and reading.observed_at is not None:
            continue
        value = latest[reading.name] = Latest(reading.value, at, reading.quality)
        if reading.name in watched and reading.quality is not Quality.BAD:
            told.append((reading.name, value))
    return told


def _when(timed: tuple[float, Reading]) -> float:
    return timed[0]


def _time_of(reading: Reading, received: float) -> float:
    """Return the source's time, or the time of receipt where the source's clock cannot be right."""
    if reading.observed_at is None:
        return received
    at = reading.observed_at.timestamp()
    return at if received - _OLDEST_S <= at <= received + _LATEST_SKEW_S else received


def _slots(
    slots: dict[str, SlotState], levels: _Levels, told: _Told, latest: dict[str, Latest]
) -> dict[str, SlotState]:
    after: dict[str, SlotState] | None = None
    for told_name, told_level in told:
        level = told_level.value
        if told_name not in levels or not isinstance(level, _NUMBER):
            continue
        if after is None:
            after = slots.copy()
        sample = (told_level.at, float(level))
        for name, spec in levels[told_name]:
            usage = None if spec.usage is None else _usage(latest, spec.usage)
            after[name] = _level(after.get(name, _EMPTY), spec, sample, usage)
    return slots if after is None else after


def _usage(latest: dict[str, Latest], usage: str) -> float | None:
    counter = latest.get(usage)
    return float(counter.value) if counter is not None and isinstance(counter.value, _NUMBER) else None


def _level(slot: SlotState, spec: SlotSpec, sample: Sample, usage: float | None) -> SlotState:
    at, level = sample
    levels = slot.levels
    if not levels:
        return replace(slot, levels=packed((sample,)), filled_at=at, filled_to=level, usage_at_fill=usage)
    if level >= newest(levels)[1] + spec.refill_step:
        return replace(
            slot,
            levels=packed((sample,)),
            refills=slot.refills + 1,
            filled_at=at,
            filled_to=level,
            usage_at_fill=usage,
            last_life=_life(slot, at, usage),
        )
    return replace(slot, levels=extended(levels, at, level), last_life=None)


def _life(slot: SlotState, at: float, usage: float | None) -> float:
    if usage is not None and slot.usage_at_fill is not None:
        return max(0.0, usage - slot.usage_at_fill)
    return (at - slot.filled_at) / _DAY_S


def _components(state: ThingState, profile: ThingProfile, told: _Told) -> dict[str, ComponentState]:
    components = state.components
    if not told and len(components) == len(profile.components):
        return components
    for name, spec in profile.components.items():
        component = components.get(name, _NEW)
        for told_name, value in told:
            component = _component(component, spec, told_name, value.value)
        components = {**components, name: component}
    return components


def _component(component: ComponentState, spec: HealthSpec, name: str, value: Reported) -> ComponentState:
    """Take one value; a cycle counts when its counter comes after a snapshot of the right length."""
    if name == spec.snapshot and isinstance(value, tuple) and len(value) == spec.settings + spec.sensors:
        return replace(component, pending=tuple(value))
    if name != spec.cycle or component.pending is None or not isinstance(value, _NUMBER):
        return component
    cycle = float(value)
    if cycle < component.cycle:
        component = ComponentState(pending=component.pending)
    elif cycle == component.cycle:
        return component
    return _lived(component, cycle, component.pending or ())


def _lived(component: ComponentState, cycle: float, row: Row) -> ComponentState:
    first = component.first if len(component.first) >= _FIRST_CYCLES else (*component.first, row)
    last = (*component.last[-(_LAST_CYCLES - 1) :], row)
    return replace(component, cycle=cycle, cycles=component.cycles + 1, first=first, last=last, pending=None)


def _faults(state: ThingState, profile: ThingProfile, fresh: dict[str, Latest]) -> dict[str, bool]:
    told = {
        name: str(fresh[spec.code].value) == spec.equals for name, spec in profile.faults.items() if spec.code in fresh
    }
    return {**state.faults, **told} if told else state.faults
