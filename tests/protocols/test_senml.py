"""SenML: the rules of RFC 8428, the way there and back, and what hostile bytes get."""

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import cbor2
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.model.errors import MalformedPayload
from actors.model.readings import Reading
from protocols.senml import MAX_RECORDS, Pack, decode_cbor, decode_json, encode_cbor, encode_json
from protocols.senml.labels import NUMBERS

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def of_json(*records: dict[str, Any]) -> Pack:
    return decode_json(msgspec.json.encode(records), NOW)


def of_cbor(*records: dict[Any, Any]) -> Pack:
    return decode_cbor(cbor2.dumps([{NUMBERS.get(k, k): v for k, v in r.items()} for r in records]), NOW)


@pytest.fixture(params=[of_json, of_cbor], ids=["json", "cbor"])
def read(request: pytest.FixtureRequest) -> Any:
    return request.param


def values(pack: Pack) -> list[Any]:
    return [reading.value for _, reading in pack.entries]


def test_base_fields_carry_over_until_they_change(read: Any) -> None:
    pack = read(
        {"bn": "urn:dev:ow:1:", "bt": 1.7e9, "bu": "A", "bv": 100, "n": "current", "v": 1.5},
        {"n": "current", "t": -5, "v": 2},
        {"bn": "urn:dev:ow:2:", "bu": "V", "n": "voltage", "v": -1},
        {"n": "voltage", "u": "mV", "v": 0},
    )
    assert [name for name, _ in pack.entries] == ["urn:dev:ow:1:current"] * 2 + ["urn:dev:ow:2:voltage"] * 2
    assert [(r.name, r.value, r.unit) for _, r in pack.entries] == [
        ("current", 101.5, "A"),
        ("current", 102.0, "A"),
        ("urn:dev:ow:2:voltage", 99.0, "V"),
        ("urn:dev:ow:2:voltage", 100.0, "mV"),
    ]
    assert pack.entries[1][1].observed_at == datetime.fromtimestamp(1.7e9 - 5, UTC)


def test_a_time_under_2_to_the_28_is_relative_to_now(read: Any) -> None:
    pack = read({"n": "a", "t": -120.5, "v": 1}, {"n": "a", "t": 2**28 - 1, "v": 1}, {"n": "a", "t": 2**28, "v": 1})
    instants = [reading.observed_at for _, reading in pack.entries]
    assert instants[0] == NOW - timedelta(seconds=120.5)
    assert instants[1] == NOW + timedelta(seconds=2**28 - 1)
    assert instants[2] == datetime.fromtimestamp(2**28, UTC)
    assert [reading.by_receipt for _, reading in pack.entries] == [True, True, False]
    assert not pack.timed


def test_only_absolute_times_make_a_pack_its_own_identity(read: Any) -> None:
    assert read({"bt": 1.7e9, "n": "a", "v": 1}, {"n": "a", "t": 1, "v": 1}).timed
    assert not read({"n": "a", "v": 1}).timed
    assert not read({"n": "a", "t": 1.7e9, "v": 1}, {"n": "a", "v": 1}).timed


def test_flags_and_texts_have_no_unit(read: Any) -> None:
    pack = read({"bu": "%", "n": "lid", "vb": True}, {"n": "note", "vs": "full"}, {"n": "level", "v": 3})
    assert [(r.value, r.unit) for _, r in pack.entries] == [(True, None), ("full", None), (3.0, "%")]


def test_data_comes_as_base64url_text() -> None:
    assert values(of_json({"n": "a", "vd": "_-8"})) == values(of_cbor({"n": "a", "vd": b"\xff\xef"})) == ["_-8"]


def test_unknown_labels_are_passed_over_unless_they_must_be_understood(read: Any) -> None:
    assert values(read({"n": "a", "v": 1, "colour": "red: dark"})) == [1.0]
    with pytest.raises(MalformedPayload, match="'colour_'"):
        read({"n": "a", "v": 1, "colour_": "red"})


def test_a_sum_is_allowed_beside_a_value(read: Any) -> None:
    assert values(read({"bs": 10, "n": "a", "v": 1, "s": 5, "ut": 60})) == [1.0]


@pytest.mark.parametrize(
    ("records", "position", "expectation"),
    [
        ([{"n": "a", "v": 1}, {"n": "a"}], "record 1", "expected one of v, vs, vb, vd, got none"),
        ([{"n": "a", "v": 1, "vs": "x"}], "record 0", "expected one of v, vs, vb, vd, got v, vs"),
        ([{"n": "a", "s": 1}], "record 0", "got a sum alone"),
        ([{"n": "a", "v": "1"}], "record 0, 'v'", "expected a number, got text"),
        ([{"n": "a", "v": True}], "record 0, 'v'", "expected a number, got a flag"),
        ([{"n": "a", "v": None}], "record 0, 'v'", "expected a number, got null"),
        ([{"n": "a", "v": [1]}], "", "depth|expected a number, got an array"),
        ([{"n": "a", "vb": 1}], "record 0, 'vb'", "expected a flag, got a whole number"),
        ([{"n": 7, "v": 1}], "record 0, 'n'", "expected text"),
        ([{"n": "a", "t": "now", "v": 1}], "record 0, 't'", "expected a number"),
        ([{"n": "a", "t": 1e300, "v": 1}], "record 0, 't'", "expected a time in the years 1 to 9999"),
        ([{"n": "a", "t": -1e12, "v": 1}], "record 0, 't'", "expected a time in the years 1 to 9999"),
        ([{"v": 1}], "record 0, name", "expected 1 to 200 of"),
        ([{"n": "-a", "v": 1}], "record 0, name", "first a letter or digit"),
        ([{"n": "a b", "v": 1}], "record 0, name", "expected 1 to 200 of"),
        ([{"n": "a\n", "v": 1}], "record 0, name", "expected 1 to 200 of"),
        ([{"bn": "a" * 150, "n": "b" * 51, "v": 1}], "record 0, name", "expected 1 to 200 of"),
        ([{"bver": 11, "n": "a", "v": 1}], "record 0, 'bver'", "expected a version from 1 to 10, got 11"),
        ([{"bver": 0, "n": "a", "v": 1}], "record 0, 'bver'", "expected a version from 1 to 10, got 0"),
        ([{"bver": 5, "n": "a", "v": 1}, {"bver": 10, "n": "a", "v": 1}], "record 1, 'bver'", "one version"),
        ([{"bv": 1e308, "n": "a", "v": 1e308}], "record 0, 'v'", "expected a finite number"),
        ([{"bs": 1e308, "n": "a", "v": 1, "s": 1e308}], "record 0, 's'", "expected a finite number"),
        ([{"n": "a", "v": 1, "deep": {"x": 1}}], "", "depth|expected a plain value"),
        ([{"n": "a", "v": 1}] * (MAX_RECORDS + 1), "", f"expected 1 to {MAX_RECORDS} records"),
        ([], "", "expected 1 to"),
        ([5], "record 0", "expected an object, got a whole number"),
    ],
)
def test_a_bad_record_is_refused_with_place_and_expectation(records: Any, position: str, expectation: str) -> None:
    numbered = [{NUMBERS.get(k, k): v for k, v in r.items()} if isinstance(r, dict) else r for r in records]
    for refuse in (
        lambda: decode_json(msgspec.json.encode(records), NOW),
        lambda: decode_cbor(cbor2.dumps(numbered), NOW),
    ):
        with pytest.raises(MalformedPayload, match=expectation) as caught:
            refuse()
        assert position in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("label", ["v", "t", "bv", "bt", "s"])
def test_numbers_that_are_not_finite_are_refused(label: str, value: float) -> None:
    with pytest.raises(MalformedPayload, match=f"'{label}': expected a finite number"):
        of_cbor({"n": "a", "v": 1, label: value})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"n":"a","v":1}',
        b'[{"n":"a","v":NaN}]',
        b'[{"n":"a","v":1e999}]',
        b'[{"n":"a","v":' + b"9" * 400 + b"}]",
        b'[{"n":"a\xff","v":1}]',
        b"[" * 100_000,
        b'[{"n":"a","v":1}]x',
    ],
)
def test_what_is_no_json_pack_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedPayload, match="SenML"):
        decode_json(body, NOW)


@pytest.mark.parametrize(
    "body",
    [
        b'[{"n":"a","v":1,"v":2}]',
        b'[{"n":"a","v":1},{"n":"b" , "n" :"c","v":1}]',
        b'[{"n":"a:b","vs":"::","vs":":","v":1}]',
        b'[{"n":"a","v":1,"\\u0076":2}]',
        b'[{"n":"a","v":1,"x":1,"x":1}]',
    ],
)
def test_a_label_twice_in_a_json_record_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedPayload, match=r"each label once|expected one of"):
        decode_json(body, NOW)


def test_colons_and_escapes_in_texts_are_no_repeated_labels() -> None:
    body = b'[{"n":"a","vs":"::\\"x\\":1"},{"bn" : "urn:dev:" , "n":"b","vs":"a: \\u003a"}]'
    assert values(decode_json(body, NOW)) == ['::"x":1', "a: :"]


@pytest.mark.parametrize(
    ("body", "expectation"),
    [
        (b"", "expected an array of maps"),
        (b"\x80", "expected 1 to"),
        (bytes.fromhex("81a3006161020102f6"), "Duplicate"),
        (bytes.fromhex("81a20061610201") + b"\x00", "expected the end"),
        (bytes.fromhex("81a2616e61610201"), "expected the label 0 for 'n'"),
        (bytes.fromhex("81a200616102f7"), "expected a number"),
        (bytes.fromhex("81a200616102c24101"), "depth"),
        (bytes.fromhex("81a3006161020180f6"), "expected whole numbers as labels"),
        (bytes.fromhex("81a30061610201f500"), "expected whole numbers as labels"),
        (bytes.fromhex("81a2006161086161"), "'vd': expected bytes"),
        (b"\x81" * 100_000, "depth"),
        (b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff", "expected an array of maps"),
    ],
)
def test_what_is_no_cbor_pack_is_refused(body: bytes, expectation: str) -> None:
    with pytest.raises(MalformedPayload, match=expectation):
        decode_cbor(body, NOW)


def test_decimal_fractions_are_numbers() -> None:
    assert values(of_cbor({"n": "a", "v": cbor2.CBORTag(4, [-1, 415])})) == [41.5]
    with pytest.raises(MalformedPayload, match="expected a number"):
        of_cbor({"n": "a", "v": cbor2.CBORTag(4, [10**9, 1])})


def test_what_has_no_senml_form_is_not_packed() -> None:
    for value in ((1.0, 2.0), float("nan")):
        with pytest.raises(ValueError, match="no SenML form"):
            encode_json([Reading(name="a", value=value)])
    with pytest.raises(ValueError, match="relative to now"):
        encode_cbor([Reading(name="a", value=1.0, observed_at=datetime(1975, 1, 1, tzinfo=UTC))])


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9\-:./_]{0,30}", fullmatch=True)
INSTANTS = st.datetimes(datetime(1979, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
NUMBERS_WITH_UNIT = st.builds(
    Reading,
    name=NAMES,
    value=st.floats(allow_nan=False, allow_infinity=False),
    unit=st.none() | st.sampled_from(["%", "Cel", "l"]),
    observed_at=st.none() | INSTANTS,
)
OTHERS = st.builds(Reading, name=NAMES, value=st.booleans() | TEXTS, observed_at=st.none() | INSTANTS)


@given(st.lists(NUMBERS_WITH_UNIT | OTHERS, min_size=1, max_size=8), st.just("") | NAMES)
def test_readings_survive_the_way_through_a_pack(readings: list[Reading], base: str) -> None:
    expected = tuple((base + reading.name, reading) for reading in readings)
    assert decode_json(encode_json(readings, base_name=base), NOW).entries == expected
    assert decode_cbor(encode_cbor(readings, base_name=base), NOW).entries == expected


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.binary(max_size=20)
LABELS = st.sampled_from([*NUMBERS, "x", "x_"]) | st.integers(-8, 10) | TEXTS
RECORDS = st.dictionaries(LABELS, LEAVES | st.lists(LEAVES, max_size=3) | st.datetimes(), max_size=6)


def _told(body: bytes) -> None:
    for decode in (decode_json, decode_cbor):
        started_s = time.thread_time()
        with suppress(MalformedPayload):
            decode(body, NOW)
        assert time.thread_time() - started_s < 0.1


@settings(max_examples=700, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=400))
def test_random_bytes_are_refused_and_nothing_worse(body: bytes) -> None:
    _told(body)


@settings(max_examples=700, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(RECORDS, max_size=5), st.integers(0, 200), st.binary(max_size=2))
def test_bent_cbor_packs_are_refused_and_nothing_worse(records: Any, place: int, noise: bytes) -> None:
    body = cbor2.dumps(records, timezone=UTC)
    _told(body[:place] + noise + body[place + len(noise) :])


@settings(max_examples=700, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(RECORDS, max_size=5), st.integers(0, 200), st.binary(max_size=2))
def test_bent_json_packs_are_refused_and_nothing_worse(records: Any, place: int, noise: bytes) -> None:
    body = msgspec.json.encode([{str(k): v for k, v in record.items()} for record in records])
    _told(body[:place] + noise + body[place + len(noise) :])
