"""Records of many things hold equal texts once, however they came to be."""

from typing import Any

import msgspec
import pytest
from firm import PROFILE, record, told
from msgspec.structs import replace

from actors.model.things import Connection, Place, ThingRecord
from actors.thing.absorb import absorb
from actors.thing.plan import Plan
from actors.thing.state import ThingState


def decoded(kind: str, value: ThingRecord) -> ThingRecord:
    codec: Any = {"json": msgspec.json, "msgpack": msgspec.msgpack}[kind]
    copy: ThingRecord = codec.decode(codec.encode(value), type=ThingRecord)
    return copy


@pytest.mark.parametrize(("first", "second"), [("json", "msgpack"), ("json", "json"), ("msgpack", "msgpack")])
def test_texts_that_are_equal_are_one(first: str, second: str) -> None:
    told = record(serial="SN 7", place=Place(name="Hall 2", city="Bonn"), connection=Connection(protocol="http"))
    one, other = decoded(first, told), decoded(second, told)
    assert one == other == told
    assert one.place is not other.place
    pairs = [(one.thing_id, other.thing_id), (one.owner_id, other.owner_id), (one.serial, other.serial)]
    pairs += [(one.place.name, other.place.name), (one.connection.protocol, other.connection.protocol)]
    assert all(a is b for a, b in pairs)
    assert one.connection.options is other.connection.options


def test_options_of_one_connection_are_its_own() -> None:
    one, other = (decoded("json", record(connection=Connection(protocol="coap", options={"a": n}))) for n in "12")
    assert (one.connection.options, other.connection.options) == ({"a": "1"}, {"a": "2"})
    assert replace(one.connection, options={}).options == {}


def test_things_share_the_names_of_what_they_tell() -> None:
    plan = Plan.of(PROFILE)
    messages = [msgspec.msgpack.encode(told("b:1", ink=5.0, pages=1.0, fault="E1")) for _ in range(2)]
    one, other = (
        absorb(ThingState(), msgspec.msgpack.decode(packed, type=type(told("b:1"))), plan) for packed in messages
    )
    assert one.numbers.names == ("ink", "pages")
    assert one.numbers.names is other.numbers.names
    assert all(a is b for a, b in zip(one.latest, other.latest, strict=True))
