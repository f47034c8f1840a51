"""From values to messages: types, quality, order, identity."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from asyncua import ua
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.model.ids import ThingId
from actors.model.readings import DeviceMessage, Quality
from protocols.opcua.addressing import ItemKey
from protocols.opcua.mapping import Decoded, Decoder, Origin, Subject, status_text
from protocols.opcua.values import Unreadable, reported
from protocols.opcua.variants import Sample

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LEVEL = Subject(key=ItemKey(ThingId("tank-1"), "level"))
OTHER = Subject(key=ItemKey(ThingId("tank-1"), "other"))
GOOD, BAD_NO_COMMUNICATION, OVERFLOW = 0, 0x80310000, 0x0480
TIMES = st.none() | st.datetimes(timezones=st.just(UTC))
NUMBERS = st.integers() | st.floats()
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | NUMBERS
    | st.text()
    | st.binary()
    | st.uuids()
    | st.datetimes()
    | st.just(ua.Variant(1)),
    st.lists,
    max_leaves=5,
)


def sample(value: Any, at_s: float | None = 0.0, status: int = GOOD) -> Sample:
    time = None if at_s is None else NOON + timedelta(seconds=at_s)
    return Sample(value=value, status=status, source_time=time, server_time=time)


def decode(*values: tuple[Subject, Sample], sequence_number: int = 1, epoch: str = "e1") -> Decoded:
    return Decoder().decode(values, Origin(epoch=epoch, sequence_number=sequence_number, received_at=NOON))


def only(decoded: Decoded) -> DeviceMessage:
    (message,) = decoded.messages
    return message


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (7, 7.0),
        (True, True),
        ([1, 2.5], (1.0, 2.5)),
        ([[1, 2], [3, 4]], (1.0, 2.0, 3.0, 4.0)),
        (NOON, "2026-03-01T12:00:00+00:00"),
        ("caf\udce9", "caf?"),
    ],
)
def test_values_become_what_a_property_can_hold(value: Any, expected: Any) -> None:
    held = reported(value)
    assert held == expected
    assert type(held) is type(expected)


@pytest.mark.parametrize("value", [math.nan, [1.0, math.inf], ["a"], b"\0", ua.BuildInfo()])
def test_what_no_property_can_hold_is_unreadable(value: Any) -> None:
    with pytest.raises(Unreadable):
        reported(value)


def test_readings_are_ordered_by_source_time_over_all_items() -> None:
    message = only(decode((LEVEL, sample(1, 0)), (LEVEL, sample(2, 2)), (OTHER, sample(3, 1)), (OTHER, sample(4, 3))))
    assert [(reading.name, reading.value) for reading in message.readings] == [
        ("level", 1.0),
        ("other", 3.0),
        ("level", 2.0),
        ("other", 4.0),
    ]


def test_with_a_bad_status_the_last_value_stands_in() -> None:
    message = only(decode((LEVEL, sample(40.0)), (LEVEL, sample(math.nan, 1, BAD_NO_COMMUNICATION))))
    assert [(reading.value, reading.quality, reading.status) for reading in message.readings] == [
        (40.0, Quality.GOOD, None),
        (40.0, Quality.BAD, "BadNoCommunication"),
    ]


def test_an_item_without_any_value_yet_is_no_reading() -> None:
    decoded = decode((LEVEL, sample(None, 0, BAD_NO_COMMUNICATION)))
    assert not decoded.messages
    assert decoded.without_news == 1


def test_an_overflow_of_the_server_s_queue_is_told() -> None:
    decoded = decode((LEVEL, sample(40.0, 0, OVERFLOW)))
    assert decoded.overflowed == 1
    assert only(decoded).readings[0].status == "Good, Overflow"
    assert status_text(BAD_NO_COMMUNICATION | OVERFLOW) == "BadNoCommunication, Overflow"


def test_a_notification_sent_again_keeps_its_id_even_after_restarts() -> None:
    first = only(decode((LEVEL, sample(40.0)), sequence_number=9, epoch="e1"))
    again = only(decode((LEVEL, sample(40.0)), sequence_number=1, epoch="e2"))
    assert first.message_id == again.message_id


@pytest.mark.parametrize(
    "other",
    [sample(41.0), sample(40.0, 1), sample(40.0, 0, BAD_NO_COMMUNICATION), msgspec.structs.replace(sample(40.0))],
)
def test_only_the_same_content_has_the_same_id(other: Sample) -> None:
    first, second = only(decode((LEVEL, sample(40.0)))), only(decode((LEVEL, other)))
    assert (first.message_id == second.message_id) == (other == sample(40.0))


def test_the_same_value_back_after_a_bad_spell_is_news_though_its_source_time_is_old() -> None:
    spell = [sample(40.0), sample(40.0, 0, BAD_NO_COMMUNICATION), sample(40.0)]
    told = [msgspec.structs.replace(item, server_time=NOON + timedelta(seconds=n)) for n, item in enumerate(spell)]
    assert len({only(decode((LEVEL, item))).message_id for item in told}) == 3


def test_without_any_time_the_place_in_the_subscription_is_the_id() -> None:
    ids = {
        only(decode((LEVEL, sample(40.0, None)), sequence_number=number, epoch=epoch)).message_id
        for number in (1, 2)
        for epoch in ("e1", "e2")
    }
    assert len(ids) == 4


def test_present_values_told_again_are_no_news() -> None:
    decoder = Decoder()
    origin = Origin(epoch="e1", sequence_number=1, received_at=NOON)
    assert decoder.decode([(LEVEL, sample(40.0))], origin).messages
    assert not decoder.decode([(LEVEL, sample(40.0))], origin).messages
    decoder.forget(LEVEL.key)
    assert decoder.decode([(LEVEL, sample(40.0))], origin).messages


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([LEVEL, OTHER]), VALUES, st.integers(0, 2**32 - 1), TIMES, TIMES), max_size=6)
)
def test_whatever_a_server_sends_is_a_message_or_counted(told: list[Any]) -> None:
    samples = [(key, Sample(value, status, source, server)) for key, value, status, source, server in told]
    decoded = decode(*samples)
    readings = sum(len(message.readings) for message in decoded.messages)
    unreadable = sum(subject.key in decoded.unreadable for subject, *_ in told)
    assert readings + decoded.without_news <= len(told) <= readings + decoded.without_news + unreadable
    assert msgspec.json.decode(msgspec.json.encode(decoded.messages), type=list[DeviceMessage]) == decoded.messages
