"""Numbers are kept in columns: whatever way they came, the same values make the same state."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from firm import INSTALLATION, NOW, PRINTER, PROFILE, record
from hypothesis import given
from hypothesis import strategies as st

from actors.model.readings import AnyDeviceMessage, DeviceMessage, PlainMessage, Quality, Reading
from actors.runtime.cells import Kind
from actors.runtime.journal import SnapshotRow
from actors.thing.absorb import absorb
from actors.thing.core import ThingCore
from actors.thing.latest import Latest, latest_of, number_of, numbers_of
from actors.thing.levels import packed
from actors.thing.plan import Plan
from actors.thing.state import SlotState, ThingState

_NUMBERS = st.dictionaries(st.sampled_from(["pages", "ink", "cycle"]), st.floats(0, 100), min_size=1)
_TIMES = [0.0, 5.0, NOW.timestamp()]
_LATEST = st.dictionaries(
    st.text(min_size=1, max_size=3),
    st.builds(
        Latest,
        st.floats(allow_nan=False),
        st.sampled_from(_TIMES),
        st.sampled_from(Quality),
        st.sampled_from(_TIMES),
    ),
)


def plain(told: dict[str, float], at: datetime) -> PlainMessage:
    return PlainMessage(message_id="b:1", received_at=at, names=tuple(told), values=tuple(told.values()))


def whole(told: dict[str, float], at: datetime, observed_at: datetime | None = None) -> DeviceMessage:
    readings = tuple(Reading(name=name, value=value, observed_at=observed_at) for name, value in told.items())
    return DeviceMessage(thing_id=PRINTER, message_id="b:1", received_at=at, readings=readings)


def lifted(old: Any) -> ThingState:
    core = ThingCore({}, None, INSTALLATION)  # type: ignore[arg-type] # no model is asked
    row = SnapshotRow(address="thing/a", position=1, turn=1, schema=1, state=msgspec.msgpack.encode(old))
    state: ThingState = Kind(core).read_state(row)
    return state


def heard(messages: list[AnyDeviceMessage], plan: Plan) -> ThingState:
    state = ThingState(record=record(), profile="printer@1")
    for message in messages:
        state = absorb(state, message, plan)
    return state


@given(st.lists(st.tuples(_NUMBERS, st.booleans()), min_size=1, max_size=8), st.integers(0, 3))
def test_a_plain_message_changes_what_the_same_readings_would(
    script: list[tuple[dict[str, float], bool]], timed: int
) -> None:
    plan = Plan.of(PROFILE)
    times = [NOW + timedelta(hours=number) for number in range(len(script))]
    first: list[AnyDeviceMessage] = [whole({"ink": 40.0, "pages": 1.0}, NOW, NOW) for _ in range(timed)]
    mixed = first + [(plain if short else whole)(told, at) for (told, short), at in zip(script, times, strict=True)]
    wanted = first + [whole(told, at) for (told, _), at in zip(script, times, strict=True)]
    assert heard(mixed, plan) == heard(wanted, plan)
    assert [reading.value for reading in mixed[-1].readings] == [reading.value for reading in wanted[-1].readings]


@given(_LATEST)
def test_columns_give_back_what_went_in_through_the_journal_too(latest: dict[str, Latest]) -> None:
    numbers = numbers_of(latest)
    assert latest_of(numbers) == latest
    assert numbers_of(dict(reversed(latest.items()))) == numbers
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(numbers), type=type(numbers)) == numbers
    assert {name: number_of(numbers, name) for name in latest} == {name: v.value for name, v in latest.items()}
    assert number_of(numbers, "not told") is None


@given(_LATEST, st.dictionaries(st.text(min_size=4, max_size=5), st.text(max_size=3)))
def test_the_values_in_an_older_hubs_snapshot_are_sorted_when_it_is_read(
    latest: dict[str, Latest], texts: dict[str, str]
) -> None:
    known = latest | {name: Latest(text, 1.0) for name, text in texts.items()}
    state = lifted({"latest": known})
    assert (state.numbers, len(state.latest)) == (numbers_of(latest), len(texts))
    assert state.newest() == known


def test_the_levels_in_an_older_hubs_snapshot_are_packed_when_it_is_read() -> None:
    samples = ((1.0, 90.0), (2.0, 80.0))
    slots = lifted({"slots": {"black": {"samples": samples, "refills": 2}, "cyan": {"levels": packed(samples)}}}).slots
    assert slots == {"black": SlotState(levels=packed(samples), refills=2), "cyan": SlotState(levels=packed(samples))}


def test_a_property_that_was_a_text_in_a_former_profile_is_a_number_now() -> None:
    plan = Plan.of(PROFILE)
    former = DeviceMessage(
        thing_id=PRINTER, message_id="b:0", received_at=NOW, readings=(Reading(name="ink", value="half"),)
    )
    state = heard([former, plain({"ink": 50.0}, NOW)], plan)
    assert (state.latest, number_of(state.numbers, "ink")) == ({}, 50.0)


def test_a_plan_forgets_shapes_when_a_device_tells_its_properties_in_ever_new_combinations() -> None:
    plan = Plan.of(PROFILE)
    for number in range(3_000):
        plan.shape((f"p{number}", "ink"))
    assert len(plan.shapes) <= 1_001
    assert plan.shape(("pages", "ink")).names == ("ink", "pages")
