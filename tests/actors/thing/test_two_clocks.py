"""A reading's time is compared with times of the same clock alone: the hub's says nothing about the device's."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from firm import INSTALLATION, NOW, PROFILE, record, told
from msgspec.structs import replace

from actors.model.readings import AnyDeviceMessage, DeviceMessage, PlainMessage
from actors.runtime.cells import Kind
from actors.runtime.journal import SnapshotRow
from actors.thing.absorb import absorb
from actors.thing.core import ThingCore
from actors.thing.plan import Plan
from actors.thing.state import ThingState

HOUR = timedelta(hours=1)
PLAN = Plan.of(PROFILE)
REFILLED = 100.0


def untimed(at: datetime, ink: float) -> DeviceMessage:
    return told("b:1", at=at, ink=ink)


def plain(at: datetime, ink: float) -> PlainMessage:
    return PlainMessage(message_id="b:1", received_at=at, names=("ink",), values=(ink,))


def timed(at: datetime, ink: float, observed_at: datetime) -> DeviceMessage:
    return told("b:1", at=at, ink=ink, observed_at=observed_at)


def reckoned(at: datetime, ink: float, observed_at: datetime) -> DeviceMessage:
    """Tell a value of so long ago, as devices without a clock do."""
    message = timed(at, ink, observed_at)
    return replace(message, readings=tuple(replace(reading, by_receipt=True) for reading in message.readings))


def heard(*messages: AnyDeviceMessage, state: ThingState | None = None) -> ThingState:
    state = state or ThingState(record=record(), profile="printer@1")
    for message in messages:
        state = absorb(state, message, PLAN)
    return state


def ink(state: ThingState) -> Any:
    return state.newest()["ink"].value


@pytest.mark.parametrize("stamped", [untimed, plain])
def test_a_refill_in_the_devices_time_counts_while_the_hubs_clock_is_ahead(stamped: Any) -> None:
    ahead = NOW + 30 * HOUR
    state = heard(stamped(ahead, 5.0), timed(ahead + HOUR, REFILLED, NOW + HOUR))
    assert (ink(state), state.slots["black"].refills) == (REFILLED, 1)


@pytest.mark.parametrize("stamped", [untimed, plain])
def test_a_late_value_stays_late_after_one_that_the_hub_stamped(stamped: Any) -> None:
    state = heard(timed(NOW, 60.0, NOW), stamped(NOW + HOUR, 50.0), timed(NOW + 2 * HOUR, 61.0, NOW - HOUR))
    assert ink(state) == 50.0


def test_a_late_value_stays_late_when_other_properties_were_told_between() -> None:
    pages = PlainMessage(message_id="b:2", received_at=NOW + HOUR, names=("pages",), values=(7.0,))
    both = PlainMessage(message_id="b:3", received_at=NOW + HOUR, names=("ink", "pages"), values=(50.0, 7.0))
    state = heard(timed(NOW, 60.0, NOW), pages, both, timed(NOW + 2 * HOUR, 61.0, NOW))
    assert ink(state) == 50.0


def test_what_a_device_without_a_clock_repeats_is_no_second_refill() -> None:
    state = heard(untimed(NOW, 5.0), untimed(NOW + HOUR, REFILLED))
    again = [reckoned(NOW + 2 * HOUR, 5.0, NOW), reckoned(NOW + 2 * HOUR, REFILLED, NOW + HOUR)]
    assert heard(*again, state=state).slots == state.slots


def test_what_a_device_without_a_clock_reckons_counts_once_the_hubs_clock_went_back() -> None:
    state = heard(untimed(NOW + 30 * HOUR, 5.0), reckoned(NOW + HOUR, REFILLED, NOW))
    assert ink(state) == REFILLED


def test_a_life_that_ended_before_it_began_by_the_clock_is_none() -> None:
    without = replace(PROFILE, slots={"black": replace(PROFILE.slots["black"], usage=None)})
    plan = Plan.of(without)
    state = ThingState(record=record(), profile="printer@1")
    for message in (untimed(NOW + 30 * HOUR, 5.0), timed(NOW + 31 * HOUR, REFILLED, NOW + HOUR)):
        state = absorb(state, message, plan)
    assert (state.slots["black"].refills, state.slots["black"].last_life) == (1, None)


def test_an_older_hubs_snapshot_is_read_and_what_comes_next_is_taken() -> None:
    core = ThingCore({}, None, INSTALLATION)  # type: ignore[arg-type] # no model is asked
    numbers = (("ink",), heard(untimed(NOW, 60.0)).numbers.values, NOW.timestamp(), b"", b"")
    former = {
        "record": record(),
        "profile": "printer@1",
        "numbers": numbers,
        "latest": {"fault": {"value": "OK", "at": 1.0}},
    }
    row = SnapshotRow(address="thing/a", position=1, turn=1, schema=2, state=msgspec.msgpack.encode(former))
    state = heard(timed(NOW + HOUR, 50.0, NOW - HOUR), state=Kind(core).read_state(row))
    assert {name: known.value for name, known in state.newest().items()} == {"ink": 50.0, "fault": "OK"}
