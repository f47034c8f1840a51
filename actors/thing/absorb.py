"""What readings change: latest values, levels, cycles, faults. Pure, and the same when a journal is folded again."""

from sys import intern
from typing import Any, Final

from msgspec.structs import replace

from actors.model.profiles import HealthSpec, SlotSpec, ThingProfile
from actors.model.readings import AnyDeviceMessage, PlainMessage, Quality, Reading, Reported
from actors.thing.happenings import happened_after
from actors.thing.latest import Latest, Numbers, is_number, latest_of, number_of, numbers_of
from actors.thing.levels import extended, newest, packed
from actors.thing.plan import Plan, Slots
from actors.thing.state import ComponentState, Row, SlotState, ThingState

_FIRST_CYCLES: Final = 20
_LAST_CYCLES: Final = 80
_LATEST_SKEW_S: Final = 300.0
_OLDEST_S: Final = 30 * 86400.0
_DAY_S: Final = 86400.0
_Told = list[tuple[str, Latest]]
_Timed = tuple[float, bool, Reading]
"""(when it was so, whether the source says so, the reading)."""
_UNKNOWN: Final = Latest(0.0, 0.0)
_EMPTY: Final = SlotState()
_NEW: Final = ComponentState()
NONE: Final[dict[str, Any]] = {}
"""Shared by the many things that have nothing of a sort; states are never changed."""


def absorb(state: ThingState, message: AnyDeviceMessage, plan: Plan) -> ThingState:
    """Return the state after a device message: its readings in the order of their times, each one counted.

    A pack may hold many values of one property, as after an outage. Values as old as what is known, or older, change
    nothing; their times are compared with times of the same clock alone (see ``_is_older``).
    """
    texts = state.latest
    if isinstance(message, PlainMessage) and (not texts or texts.keys().isdisjoint(message.names)):
        return _with_numbers(state, message, plan)
    values = state.newest()
    told = _take(values, message, plan)
    numbers = numbers_of({name: value for name, value in values.items() if is_number(value.value)})
    numbers = replace(numbers, names=plan.shape(numbers.names).names)  # read anew from each message: held once
    rest = {intern(name): value for name, value in values.items() if not is_number(value.value)}
    slots = state.slots
    for name, value in told:
        if name in plan.levels and is_number(value.value):
            slots = _filled(slots, plan.levels[name], value.at, float(value.value), numbers)
    return _after(state, numbers, rest or NONE, slots, told, plan.profile)


def _with_numbers(state: ThingState, message: PlainMessage, plan: Plan) -> ThingState:
    """Take numbers that are newer than all that is known, as most messages tell them: all names at once."""
    known, values, at = state.numbers, message.values, message.received_at.timestamp()
    names = known.names if message.names == known.names else message.names  # known ones are found faster
    shape = plan.shapes.get(names) or plan.shape(names)
    if shape.names == known.names or not known.names:
        packed_values = shape.pack(*(values if shape.sort is None else shape.sort(values)))
        numbers = Numbers(shape.names, packed_values, at, b"", b"", known.source_at, known.source_times)
    else:
        merged = latest_of(known)
        for name, value in zip(names, values, strict=True):
            merged[name] = _stamped(value, at, merged.get(name))
        numbers = numbers_of(merged)
        numbers = replace(numbers, names=plan.shape(numbers.names).names)
    slots = state.slots
    for place, told_slots in shape.levels:
        slots = _filled(slots, told_slots, at, values[place], numbers)
    told = [(name, Latest(values[place], at)) for place, name in shape.watched] if shape.watched else []
    return _after(state, numbers, state.latest or NONE, slots, told, plan.profile)


def _stamped(value: float, at: float, known: Latest | None) -> Latest:
    """Return a good value as of its receipt."""
    return Latest(value, at) if known is None else Latest(value, at, Quality.GOOD, known.source_at)


def _after(
    state: ThingState,
    numbers: Numbers,
    latest: dict[str, Latest],
    slots: dict[str, SlotState],
    told: _Told,
    profile: ThingProfile,
) -> ThingState:
    return ThingState(
        record=state.record,
        profile=state.profile,
        communities=state.communities,
        numbers=numbers,
        latest=latest,
        slots=slots,
        components=_components(state, profile, told) if profile.components else state.components or NONE,
        faults=_faults(state, profile, dict(told)) if profile.faults else state.faults or NONE,
        happened=happened_after(state.happened, profile.events, told, numbers) if profile.events else state.happened,
        needs=state.needs or NONE,
        messages=state.messages + 1,
    )


def _take(latest: dict[str, Latest], message: AnyDeviceMessage, plan: Plan) -> _Told:
    """Put the readings into ``latest``; return the good ones of the properties that are looked at."""
    told: _Told = []
    received = message.received_at.timestamp()
    timed = [_timed(reading, received) for reading in message.readings]
    timed.sort(key=_when)
    for at, by_source, reading in timed:
        known = latest.get(reading.name, _UNKNOWN)
        if _is_older(known, at, received, reading, by_source=by_source):
            continue
        source_at = at if by_source else known.source_at
        value = latest[reading.name] = Latest(reading.value, at, reading.quality, source_at)
        if reading.quality is not Quality.BAD and (reading.name in plan.levels or reading.name in plan.watched):
            told.append((reading.name, value))
    return told


def _when(timed: _Timed) -> float:
    return timed[0]


def _timed(reading: Reading, received: float) -> _Timed:
    """Take the source's time, or the time of receipt where there is none or the source's clock cannot be right."""
    if reading.observed_at is None:
        return received, False, reading
    at = reading.observed_at.timestamp()
    if not received - _OLDEST_S <= at <= received + _LATEST_SKEW_S:
        return received, False, reading
    return at, not reading.by_receipt, reading


def _is_older(known: Latest, at: float, received: float, reading: Reading, *, by_source: bool) -> bool:
    """Say whether a reading tells nothing new.

    Only a source's time is older than a source's time: while the hub's clock is ahead, all that a device with a right
    clock tells would seem older than what the hub stamped. A time reckoned from the receipt is compared with what the
    hub stamped, unless the hub's clock went back since. What came without a time was so when it came.
    """
    if by_source:
        return at <= known.source_at
    return reading.by_receipt and known.at != known.source_at and at <= known.at <= received


def _filled(
    slots: dict[str, SlotState], told: Slots, at: float, level: float, numbers: Numbers
) -> dict[str, SlotState]:
    """Return the slots after a level was told that says how full some of them are."""
    after = slots.copy()
    for name, spec in told:
        after[name] = _level(after.get(name, _EMPTY), spec, at, level, numbers)
    return after


def _level(slot: SlotState, spec: SlotSpec, at: float, level: float, numbers: Numbers) -> SlotState:
    levels = slot.levels
    if levels and level < newest(levels)[1] + spec.refill_step:
        return replace(slot, levels=extended(levels, at, level), last_life=None)
    usage = None if spec.usage is None else number_of(numbers, spec.usage)
    filled = replace(slot, levels=packed(((at, level),)), filled_at=at, filled_to=level, usage_at_fill=usage)
    if not levels:
        return filled
    return replace(filled, refills=slot.refills + 1, last_life=_life(slot, at, usage))


def _life(slot: SlotState, at: float, usage: float | None) -> float | None:
    """Return how long the last piece lasted; nothing where the clocks that timed its two ends contradict each other."""
    if usage is not None and slot.usage_at_fill is not None:
        return max(0.0, usage - slot.usage_at_fill)
    return (at - slot.filled_at) / _DAY_S if at >= slot.filled_at else None


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
    if name != spec.cycle or component.pending is None or not is_number(value):
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
