"""Our own decoder of notifications: it agrees with asyncua's, and no bytes bring it down."""

import math
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary, variant_to_binary
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.opcua.binary import Cursor, Flaw, Malformed
from protocols.opcua.examining import UNREADABLE, examine_response, examine_value
from protocols.opcua.notifications import read_publish_response
from protocols.opcua.variants import Sample, read_variant

KIND = ua.VariantType
TIMES = st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - made aware
NUMBERS = st.one_of(
    st.tuples(st.just(KIND.Boolean), st.booleans()),
    st.tuples(st.just(KIND.Double), st.floats(allow_nan=False)),
    st.tuples(st.just(KIND.Int16), st.integers(-(2**15), 2**15 - 1)),
    st.tuples(st.just(KIND.UInt32), st.integers(0, 2**32 - 1)),
    st.tuples(st.just(KIND.Int64), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just(KIND.String), st.text(st.characters(exclude_categories=["Cs"]))),
    st.tuples(st.just(KIND.DateTime), TIMES),
    st.tuples(st.just(KIND.Guid), st.uuids()),
    st.tuples(st.just(KIND.Double), st.lists(st.floats(allow_nan=False))),
    st.tuples(st.just(KIND.String), st.lists(st.text("abc"))),
)
CODES = {*Flaw, UNREADABLE}


def response(*values: ua.DataValue, number: int = 5) -> bytes:
    items = [ua.MonitoredItemNotification(handle, value) for handle, value in enumerate(values)]
    result = ua.PublishResult(SubscriptionId=7, AvailableSequenceNumbers=[number], MoreNotifications=False)
    result.NotificationMessage = ua.NotificationMessage(
        SequenceNumber=number, NotificationData=[ua.DataChangeNotification(items)] if values else []
    )
    return struct_to_binary(ua.PublishResponse(Parameters=result))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(NUMBERS, st.sampled_from([0, 0x80310000, 0x40000480]), st.none() | TIMES, st.none() | TIMES)))
def test_every_form_of_a_value_is_read_as_it_was_written(told: list[Any]) -> None:
    values = [
        ua.DataValue(ua.Variant(value, kind), ua.StatusCode(status), source, server)
        for (kind, value), status, source, server in told
    ]
    notice = read_publish_response(response(*values))
    expected = [Sample(value, status, source, server) for (_, value), status, source, server in told]
    assert list(notice.values) == list(enumerate(expected))
    assert (notice.subscription_id, notice.sequence_number, notice.is_keep_alive) == (7, 5, not told)


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        (ua.Variant(ua.LocalizedText("Öl", "de")), "Öl"),
        (ua.Variant(ua.QualifiedName("Level", 3)), "Level"),
        (ua.Variant(ua.NodeId("Pump", 2)), "ns=2;s=Pump"),
        (ua.Variant(ua.NodeId(UUID(int=5), 2)), "ns=2;g=00000000-0000-0000-0000-000000000005"),
        (ua.Variant(ua.StatusCode(0x80310000)), "BadNoCommunication"),
        (ua.Variant([[1, 2], [3, 4]], KIND.Int32), [1, 2, 3, 4]),
        (ua.Variant([ua.Variant(1.5), ua.Variant("a")], KIND.Variant), [1.5, "a"]),
        (ua.Variant(b"\0", KIND.ByteString), b"\0"),
        (ua.Variant(None), None),
    ],
)
def test_other_types_become_plain_values(variant: ua.Variant, expected: Any) -> None:
    assert read_variant(Cursor(variant_to_binary(variant))) == expected


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert read_variant(Cursor(b"\x0c\x03\0\0\0a\xffb")) == "a\ufffdb"


@pytest.mark.parametrize(
    ("data", "flaw"),
    [
        (b"", Flaw.TRUNCATED),
        (b"\x0b\0\0", Flaw.TRUNCATED),
        (b"\x8b\xff\xff\xff\x7f", Flaw.BAD_LENGTH),
        (b"\x96\xff\xff\xff\x7f", Flaw.BAD_LENGTH),
        (b"\x18" * 5000, Flaw.TOO_DEEP),
        (b"\x11\x3f", Flaw.UNKNOWN_ENCODING),
    ],
)
def test_what_is_wrong_has_a_code(data: bytes, flaw: Flaw) -> None:
    with pytest.raises(Malformed) as raised:
        read_variant(Cursor(data))
    assert raised.value.flaw is flaw


def test_another_message_is_no_notification() -> None:
    assert examine_response(struct_to_binary(ua.ReadResponse())).refusals == (Flaw.NOT_A_NOTIFICATION,)


def test_a_number_that_is_none_is_refused_and_the_others_are_read() -> None:
    found = examine_response(response(ua.DataValue(ua.Variant(math.nan)), ua.DataValue(ua.Variant(Value=True))))
    assert [reading.value for reading in found.readings] == [True]
    assert found.refusals == (UNREADABLE,)


SEEDS = [response(ua.DataValue(ua.Variant(1.5), ua.StatusCode(), datetime.now(UTC))), response(), bytes(64)]  # noqa: TID251 - a seed
EDITS = st.lists(st.tuples(st.integers(0, 200), st.binary(min_size=1, max_size=9)), max_size=5)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SEEDS), EDITS, st.binary(max_size=80))
def test_whatever_bytes_come_are_readings_or_refusals_with_codes(seed: bytes, edits: list[Any], tail: bytes) -> None:
    data = seed
    for at, piece in edits:
        data = data[:at] + piece + data[at + len(piece) :]
    for examined in (examine_response(data + tail), examine_value(tail)):
        assert {*examined.refusals} <= CODES
        msgspec.json.encode(examined.readings)


def test_hostile_lengths_take_no_time() -> None:
    nested = b"\x98\x0f\0\0\0" * 16 + b"\x01" * 40
    started = time.thread_time()
    for data in (b"\xcb\xff\xff\xff\x7f\xff\xff\xff\x7f", nested, b"\x99" + b"\xff\xff\xff\x7f" * 9):
        examine_value(b"\x01" + data)
    assert time.thread_time() - started < 0.1
