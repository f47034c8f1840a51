"""LwM2M's content formats: TLV both ways against the specification's own bytes, and values under their paths."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model.errors import MalformedPayload
from protocols.coap.lwm2m.objects import ResourcePath, ValueType, path_of, resource_at
from protocols.coap.lwm2m.tlv import TlvEntry, TlvKind, decode_tlv, encode_tlv, whole, whole_bytes
from protocols.coap.lwm2m.values import decode_values, encode_resource, encode_text

NOW = datetime(2026, 1, 1, tzinfo=UTC)

DEVICE = bytes.fromhex(
    "c800144f70656e204d6f62696c6520416c6c69616e6365c801164c69676874776569676874204d324d20436c69656e74"
    "c80209333435303030313233c303312e30860641000141010588070842000ed842011388870841007d42010384c10964"
    "c10a0f830b410000c40d5182428fc60e2b30323a3030c11055"
)


def told(body: bytes, form: int | None, path: str, **types: ValueType) -> dict[str, object]:
    hints = {f"/{name[1:].replace('_', '/')}": kind for name, kind in types.items()}
    return {value.path: value.value for value in decode_values(body, form, path, NOW, hints)}


def test_the_device_object_of_the_specification_is_read() -> None:
    values = told(DEVICE, 11542, "/3/0")
    assert values["/3/0/0"] == "Open Mobile Alliance"
    assert values["/3/0/2"] == "345000123"
    assert (values["/3/0/9"], values["/3/0/10"]) == (100.0, 15.0)
    assert (values["/3/0/6/0"], values["/3/0/6/1"]) == (1.0, 5.0)
    assert (values["/3/0/7/0"], values["/3/0/8/1"]) == (3800.0, 900.0)
    assert values["/3/0/13"] == 1367491215.0


def test_a_value_of_so_long_ago_is_in_the_hubs_time() -> None:
    body = b'[{"bn":"/3303/0/","n":"5700","t":-60,"v":21.5},{"n":"5701","t":1.7e9,"vs":"Cel"}]'
    values = decode_values(body, 110, "/3303/0", NOW)
    assert [(value.by_receipt, value.observed_at == NOW - timedelta(seconds=60)) for value in values] == [
        (True, True),
        (False, False),
    ]


def test_an_object_with_instances_is_read_under_their_numbers() -> None:
    temperature = encode_resource(ResourcePath(3303, 0, 5700), 21.5)
    body = b"".join(bytes([0x08, number, len(temperature)]) + temperature for number in (0, 4))
    assert told(body, 11542, "/3303") == {"/3303/0/5700": 21.5, "/3303/4/5700": 21.5}


@pytest.mark.parametrize("path", ["/3303/0", "/3303/0/5700"])
def test_a_resource_is_the_same_when_its_instance_was_asked_for(path: str) -> None:
    assert told(encode_resource(ResourcePath(3303, 0, 5700), -1.25), 11542, path) == {"/3303/0/5700": -1.25}


@pytest.mark.parametrize(
    ("body", "form", "value"),
    [
        (b"21.5", None, 21.5),
        (b"21.5", 0, 21.5),
        (b'[{"bn":"/3303/0/","n":"5700","v":21.5}]', 110, 21.5),
        (b"\x81\xa2\x00\x6c/3303/0/5700\x02\xf9\x4d\x60", 112, 21.5),
        (b'{"bn":"/3303/0/","e":[{"n":"5700","v":21.5}]}', 11543, 21.5),
    ],
)
def test_each_content_format_tells_the_same(body: bytes, form: int | None, value: float) -> None:
    assert told(body, form, "/3303/0/5700") == {"/3303/0/5700": value}


def test_opaque_bytes_come_as_text() -> None:
    assert told(b"\xff\x00", 42, "/5/0/0") == {"/5/0/0": "_wA="}


@pytest.mark.parametrize(
    ("body", "form", "why"),
    [
        (b"", None, "expected a finite number, got ''"),
        (b"nan", 0, "expected a finite number"),
        (b"1_0", 0, "expected a finite number"),
        (b"\xff", 0, "UTF-8"),
        (b"\xe3", 11542, "byte 0: expected an identifier and a length"),
        (b"\xe2\x16\x44\x01", 11542, "expected 2 bytes of value, got 1"),
        (b"\xe3\x16\x44\x01\x02\x03", 11542, "1, 2, 4 or 8 bytes, got 3"),
        (b"\xe4\x16\x44\x7f\xc0\x00\x00", 11542, "expected a finite number"),
        (b'{"e":[{"n":"5700"}]}', 11543, "one of v, bv, sv, ov, got 0"),
        (b'{"e":[{"n":"a","v":1}]}', 11543, "expected a path"),
        (b'[{"n":"5700","v":1}]', 110, "first a slash"),
        (b"x", 60, "Content-Format"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(body: bytes, form: int | None, why: str) -> None:
    with pytest.raises(MalformedPayload, match=why):
        told(body, form, "/3303/0/5700")


@pytest.mark.parametrize(
    ("path", "operations"),
    [("/0/0/0", "-"), ("/1/0/1", "RW"), ("/1/0/8", "E"), ("/3/0/4", "E"), ("/5/0/1", "RW"), ("/3303/0/5700", "R")],
)
def test_what_may_be_done_with_a_resource_is_known(path: str, operations: str) -> None:
    found = path_of(path)
    assert found is not None
    known = resource_at(found)
    assert known is not None
    assert known.operations == operations


@pytest.mark.parametrize("text", ["", "/", "3303/0", "/a", "/1/2/3/4/5", "/65535", "/1/2/3 "])
def test_what_is_no_path_is_none(text: str) -> None:
    assert path_of(text) is None


def test_values_are_written_as_text_and_as_their_type() -> None:
    assert [encode_text(value) for value in (True, 3.0, 2.5, "on")] == [b"1", b"3", b"2.5", b"on"]
    assert encode_resource(ResourcePath(1, 0, 1), 300.0) == b"\xc2\x01\x01\x2c"
    assert encode_resource(ResourcePath(3303, 0, 5700), 1.0)[:4] == b"\xe8\x16\x44\x08"
    with pytest.raises(ValueError, match="whole number"):
        encode_resource(ResourcePath(1, 0, 1), 1.5)


LEAVES = st.builds(
    lambda kind, number, value: TlvEntry(kind=kind, number=number, value=value),
    st.sampled_from([TlvKind.RESOURCE]),
    st.integers(0, 65535),
    st.binary(max_size=300),
)
INSTANCES = st.builds(
    lambda number, values: TlvEntry(
        kind=TlvKind.MULTIPLE_RESOURCE,
        number=number,
        entries=tuple(TlvEntry(kind=TlvKind.RESOURCE_INSTANCE, number=at, value=value) for at, value in values),
    ),
    st.integers(0, 65535),
    st.lists(st.tuples(st.integers(0, 65535), st.binary(max_size=20)), max_size=4),
)
OBJECTS = st.builds(
    lambda number, held: TlvEntry(kind=TlvKind.OBJECT_INSTANCE, number=number, entries=tuple(held)),
    st.integers(0, 65535),
    st.lists(LEAVES | INSTANCES, max_size=4),
)


@given(st.lists(LEAVES | INSTANCES | OBJECTS, max_size=6))
def test_entries_are_read_as_they_were_written(entries: list[TlvEntry]) -> None:
    assert decode_tlv(encode_tlv(entries)) == tuple(entries)


@given(st.integers(-(2**63), 2**63 - 1))
def test_whole_numbers_are_read_as_they_were_written(number: int) -> None:
    assert whole(whole_bytes(number)) == number


def test_more_entries_than_any_device_has_are_refused() -> None:
    with pytest.raises(MalformedPayload, match="4096"):
        decode_tlv(b"\xc1\x01\x01" * 4097)
