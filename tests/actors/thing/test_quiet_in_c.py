"""What is compiled says what the Python code says, whatever comes; what it does not know it leaves alone."""

import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from firm import INSTALLATION, NOW, registration
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.model.profiles import FaultSpec, PropertyKind, PropertySpec, SkuChoice, SlotSpec, ThingProfile
from actors.model.readings import DeviceMessage, PlainMessage, Quality, Reading
from actors.runtime.turns import Step
from actors.thing.asking import NoModels
from actors.thing.core import ThingCore
from actors.thing.state import ThingState
from actors.thing.swift import swift_things
from hub.ingest import plain

SWIFT = swift_things()
pytestmark = pytest.mark.skipif(SWIFT is None, reason="the parts in C are not compiled or not wanted")

_SKUS = (SkuChoice(sku="S"),)
PROFILE = ThingProfile(
    name="printer",
    title="printer",
    model="M",
    properties={
        "ink": PropertySpec(unit="%", minimum=0, maximum=100.0),
        "dust": PropertySpec(unit="g", minimum=-1.5),
        "pages": PropertySpec(),
        "fault": PropertySpec(kind=PropertyKind.TEXT),
    },
    slots={
        "black": SlotSpec(level="ink", capacity=100, low_at=15, refill_step=30, skus=_SKUS),
        "filter": SlotSpec(level="dust", usage="pages", capacity=50, low_at=2.5, refill_step=10, skus=_SKUS),
    },
    faults={"jam": FaultSpec(code="fault", equals="E1", title="jam", work="unjam")},
)
_NAMES = st.sampled_from(["ink", "dust", "pages", "fault", "nothing"])
_NUMBERS = st.one_of(st.floats(), st.floats(0, 110), st.integers(0, 110).map(float))
_ODD: Any = st.one_of(st.booleans(), st.integers(), st.text(max_size=3), st.just((1.0, 2.0)), st.just("E1"))
_READINGS = st.builds(
    Reading,
    name=_NAMES,
    value=st.one_of(_NUMBERS, _NUMBERS, _NUMBERS, _ODD),
    unit=st.sampled_from([None, None, "%", "g", "kg"]),
    quality=st.sampled_from([Quality.GOOD, Quality.GOOD, Quality.GOOD, Quality.BAD]),
    status=st.sampled_from([None, None, None, "Good"]),
    observed_at=st.sampled_from([None, None, None, NOW]),
)


def device(*readings: Reading, number: int = 1, at: datetime = NOW) -> DeviceMessage:
    return DeviceMessage(
        thing_id=registration().record.thing_id,
        message_id=f"b:{number}",
        received_at=at,
        readings=readings,
        protocol="http",
    )


def numbers(at: datetime = NOW, **values: float) -> PlainMessage:
    return PlainMessage(message_id="b:1", received_at=at, names=tuple(values), values=tuple(values.values()))


def core() -> ThingCore:
    return ThingCore({"printer@1": PROFILE}, NoModels(), INSTALLATION)


def registered(rules: ThingCore) -> ThingState:
    return rules.step(ThingState(), registration(), NOW).state


def quick(rules: ThingCore, state: ThingState, message: Any) -> ThingState | None:
    assert rules.quick is not None
    return rules.quick(state, message)


@given(st.lists(_READINGS, max_size=4))
@hypothesis_settings(max_examples=400, deadline=None)
def test_messages_are_told_shortly_alike(readings: list[Reading]) -> None:
    message = device(*readings)
    assert SWIFT.plain(message, PROFILE.properties) == plain(message, PROFILE.properties)


_PLAIN = st.dictionaries(st.sampled_from(["ink", "dust", "pages"]), st.floats(-5, 110), min_size=1).map(
    lambda told: numbers(**told)
)
_TOLD = st.one_of(
    _PLAIN,
    _PLAIN,
    st.lists(_READINGS.filter(lambda reading: reading.name != "nothing"), min_size=1, max_size=3).map(
        lambda readings: device(*readings)
    ),
)
_STEPS = st.lists(st.tuples(st.integers(-60, 60 * 24 * 3), _TOLD), max_size=80)


@given(_STEPS)
@hypothesis_settings(max_examples=150, deadline=None)
def test_states_after_plain_messages_are_alike(steps: list[tuple[int, Any]]) -> None:
    rules = core()
    state, now = registered(rules), NOW
    for minutes, told in steps:
        now += timedelta(minutes=minutes)
        message = replace(told, received_at=now)
        quickly = quick(rules, state, message)
        slowly = rules.step(state, message, now)
        assert quickly is None or Step(quickly) == slowly
        state = slowly.state


@given(st.datetimes(datetime(1960, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - made aware there
def test_times_are_told_alike(at: datetime) -> None:
    rules = core()
    first = rules.step(registered(rules), numbers(NOW, pages=1.0), NOW).state
    after = quick(rules, first, numbers(at, pages=2.0))
    assert after is None or after.numbers.at == at.timestamp()
    assert (after is None) == (not 0 <= at.timestamp() < 2**32 + 1)


def test_what_nearly_all_messages_say_is_taken_in_c() -> None:
    rules = core()
    state = rules.step(registered(rules), numbers(NOW, ink=90.0, pages=1.0), NOW).state
    for number in range(200):  # over six hours, and over the levels that a slot keeps
        at = NOW + timedelta(minutes=10 * number)
        after = quick(rules, state, numbers(at, ink=90.0 - number / 100, pages=2.0 + number))
        assert after == rules.step(state, numbers(at, ink=90.0 - number / 100, pages=2.0 + number), at).state
        assert after is not None
        state = after


@pytest.mark.parametrize(
    "message",
    [numbers(ink=10.0), numbers(ink=99.0), numbers(fault=1.0), numbers(pages=1.0), device(), object(), None],
    ids=["low", "refilled", "watched", "other names", "not plain", "no message", "nothing"],
)
def test_what_may_decide_something_is_left_to_python(message: Any) -> None:
    rules = core()
    state = rules.step(registered(rules), numbers(ink=60.0), NOW).state
    assert quick(rules, state, message) is None


def test_a_state_of_another_kind_and_an_unknown_profile_are_left_to_python() -> None:
    rules = core()
    state = registered(rules)
    for odd in (None, object(), ThingState(), replace(state, profile="gone@1"), replace(state, faults={"jam": True})):
        assert SWIFT.quiet({}, {}, odd, numbers(ink=60.0)) is None
        assert quick(rules, odd, numbers(ink=60.0)) is None  # type: ignore[arg-type]
    assert SWIFT.quiet() is None
    assert SWIFT.plain(None, None) is None


def test_nothing_is_kept_of_what_passed() -> None:
    rules = core()
    state = rules.step(registered(rules), numbers(ink=90.0), NOW).state
    message, other = device(Reading(name="ink", value=80.0)), numbers(ink=10.0)
    told = SWIFT.plain(message, PROFILE.properties)

    def live(rounds: int) -> None:
        for _ in range(rounds):
            SWIFT.plain(message, PROFILE.properties)
            quick(rules, state, told)
            quick(rules, state, other)

    live(100)
    watched = (NOW, None, message, state, told, state.record, state.numbers.names, PROFILE)
    before = sys.getallocatedblocks(), [sys.getrefcount(each) for each in watched]
    live(20_000)
    after = sys.getallocatedblocks(), [sys.getrefcount(each) for each in watched]
    assert abs(after[0] - before[0]) < 100
    assert all(abs(now - then) < 50 for now, then in zip(after[1], before[1], strict=True))
