"""Readings over CoAP on real sockets: acknowledgement, identity, and every error."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import cbor2
import pytest
from aiocoap import CON, GET, NON, POST, PUT, Code, Context, Message
from aiocoap.numbers import OptionNumber
from aiocoap.options import Options
from aiocoap.optiontypes import OpaqueOption

from actors.model.errors import ConfigError
from actors.model.readings import PrincipalKind, Reading, ReadingRefusal
from protocols.coap import SPEC, CoapAdapter, CoapConfig
from protocols.testing import TANK, ProtocolAdapterContract, ProtocolKit, sample_profile, sample_thing

JSON, SENML_JSON, SENML_CBOR = 50, 110, 112
SENML = [{"bn": "urn:dev:tank:", "n": "level", "u": "%", "v": 41.5}]
LOCAL = ("127.0.0.0/8",)


@dataclass
class Device:
    """A client with its own socket, and the adapter it talks to."""

    kit: ProtocolKit
    adapter: CoapAdapter
    context: Context
    seq: "count[int]"

    async def send(self, body: Any, form: int | None = SENML_JSON, *, thing: str = TANK, **message: Any) -> Message:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"code": POST, "payload": payload, "uri": f"{self.adapter.urls[0]}/t/{thing}"} | message
        request = Message(**given)
        if form is not None:
            request.opt.content_format = form
        return await self.context.request(request).response

    async def report(self, level: float) -> bool:
        body = {"boot": "b1", "seq": next(self.seq), "readings": [{"name": "level", "value": level}]}
        return (await self.send(body, JSON)).code is Code.CHANGED


@asynccontextmanager
async def connected(kit: ProtocolKit, *, address: str | None = "127.0.0.1", **config: Any) -> AsyncGenerator[Device]:
    kit.things.register(sample_thing(options={} if address is None else {"address": address}))
    settings = CoapConfig(**{"port": 0, "plain_from": LOCAL} | config)
    async with SPEC.open(settings, kit.deps()) as adapter:
        assert isinstance(adapter, CoapAdapter)
        context = await Context.create_client_context(transports=["udp6"])
        try:
            yield Device(kit=kit, adapter=adapter, context=context, seq=count())
        finally:
            await context.shutdown()


@pytest.fixture
async def device() -> AsyncGenerator[Device]:
    async with connected(ProtocolKit()) as device:
        yield device


class TestCoapContract(ProtocolAdapterContract):
    """The contract of all protocol adapters."""

    def connect(self, kit: ProtocolKit) -> Any:
        return connected(kit)


@pytest.mark.parametrize("code", [POST, PUT])
@pytest.mark.parametrize("mtype", [CON, NON])
@pytest.mark.parametrize(
    ("form", "body"),
    [
        (JSON, {"name": "level", "value": 41.5, "unit": "%"}),
        (SENML_JSON, SENML),
        (SENML_CBOR, cbor2.dumps([{-2: "urn:dev:tank:", 0: "level", 1: "%", 2: 41.5}])),
    ],
)
async def test_each_format_and_method_brings_the_reading(
    device: Device, code: Code, mtype: Any, form: int, body: Any
) -> None:
    response = await device.send(body, form, code=code, _mtype=mtype)
    assert (response.code, response.payload) == (Code.CHANGED, b"")
    ((principal, message),) = device.kit.sink.received
    assert (principal.kind, principal.thing_id) == (PrincipalKind.THING, TANK)
    assert message.readings == (Reading(name="level", value=41.5, unit="%"),)
    assert (message.thing_id, message.protocol, message.received_at) == (TANK, "coap", device.kit.clock.now())


async def test_names_of_the_wire_become_the_profiles_properties() -> None:
    profile = sample_profile()
    fields = {name: getattr(profile, name) for name in profile.__struct_fields__}
    lwm2m = type(profile)(**fields | {"sources": {"coap": {"level": "3435/0/2"}}})
    kit = ProtocolKit()
    async with connected(kit) as device:
        kit.things.register(sample_thing(profile=lwm2m, options={"address": "127.0.0.1"}))
        await device.send([{"n": "3435/0/2", "v": 3}])
    assert kit.sink.stored[0].readings[0].name == "level"


async def test_boot_and_sequence_number_are_the_identity(device: Device) -> None:
    body = {"boot": "b1", "seq": 7, "readings": [{"name": "level", "value": 3}]}
    for _ in range(2):
        assert (await device.send(body, JSON)).code is Code.CHANGED
    assert [message.message_id for message in device.kit.sink.stored] == ["b1:7"]
    assert device.adapter.counters()["duplicates"] == 1


async def test_a_pack_that_names_its_times_is_its_own_identity(device: Device) -> None:
    for _ in range(2):
        assert (await device.send([{"n": "level", "t": 1.7e9, "v": 1}])).code is Code.CHANGED
    assert len(device.kit.sink.received) == 2
    assert len(device.kit.sink.stored) == 1


async def test_the_same_value_in_a_new_exchange_is_a_message_of_its_own(device: Device) -> None:
    for _ in range(2):
        assert (await device.send(SENML)).code is Code.CHANGED
    assert len(device.kit.sink.stored) == 2


async def test_blocks_are_put_together(device: Device) -> None:
    pack = [{"n": "level", "u": "%", "t": 1.7e9 + number, "v": number % 100} for number in range(200)]
    assert (await device.send(pack)).code is Code.CHANGED
    assert len(device.kit.sink.stored[0].readings) == 200


@dataclass
class Wrong:
    """A request that is refused, and what the device is told."""

    code: Code
    reason: str
    request: dict[str, Any]
    text: str


WRONG = [
    Wrong(Code.BAD_REQUEST, "malformed", {"body": b""}, "SenML JSON"),
    Wrong(Code.BAD_REQUEST, "malformed", {"body": [{"n": "level"}]}, "record 0: expected one of v, vs, vb, vd"),
    Wrong(Code.BAD_REQUEST, "malformed", {"body": b"\xff", "form": SENML_CBOR}, "SenML CBOR"),
    Wrong(Code.BAD_REQUEST, "malformed", {"body": {"name": "level"}, "form": JSON}, "expected 'readings'"),
    Wrong(Code.NOT_FOUND, "unknown_thing", {"body": SENML, "thing": "ghost"}, "ghost is not registered"),
    Wrong(Code.NOT_FOUND, "unknown_thing", {"body": SENML, "thing": f"{TANK}/x"}, "is not registered"),
    Wrong(Code.UNSUPPORTED_CONTENT_FORMAT, "unsupported", {"body": SENML, "form": 0}, "got 0"),
    Wrong(Code.UNSUPPORTED_CONTENT_FORMAT, "unsupported", {"body": SENML, "form": None}, "got none"),
    Wrong(Code.REQUEST_ENTITY_TOO_LARGE, "too_large", {"body": b" " * 1025}, "up to 1024 bytes"),
    Wrong(Code.REQUEST_ENTITY_TOO_LARGE, "too_large", {"body": b" " * 50_000}, "up to 1024 bytes"),
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: f"{wrong.code.dotted} {wrong.text}")
async def test_a_wrong_request_is_told_why_and_stores_nothing(wrong: Wrong) -> None:
    kit = ProtocolKit()
    async with connected(kit, max_payload_bytes=1024) as device:
        response = await device.send(**wrong.request)
        assert response.code is wrong.code
        assert wrong.text in response.payload.decode()
        counts = device.adapter.counters()
    assert not kit.sink.received
    assert counts["malformed" if wrong.reason == "malformed" else f"refused_{wrong.reason}"] == 1
    assert counts["malformed"] + counts["refused"] == 1


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"plain_from": ()}, "plain CoAP from 127.0.0.1 is not allowed"),
        ({"plain_from": ("10.0.0.0/8", "::1")}, "plain CoAP from 127.0.0.1 is not allowed"),
        ({"address": None}, "127.0.0.1 is not the address"),
        ({"address": "127.0.0.2"}, "127.0.0.1 is not the address"),
        ({"address": "tank.example"}, "127.0.0.1 is not the address"),
    ],
)
async def test_a_sender_without_identity_gets_401_with_the_reason(config: dict[str, Any], text: str) -> None:
    kit = ProtocolKit()
    async with connected(kit, **config) as device:
        response = await device.send(SENML)
        assert response.code is Code.UNAUTHORIZED
        assert text in response.payload.decode()
    assert not kit.sink.received


async def test_no_blocks_are_kept_for_strangers() -> None:
    async with connected(ProtocolKit(), plain_from=()) as device:
        assert (await device.send(b" " * 5000)).code is Code.UNAUTHORIZED
        assert device.adapter.counters()["datagrams"] == 1


async def test_ipv6_addresses_are_identities_too() -> None:
    kit = ProtocolKit()
    async with connected(kit, address="0:0::1", host="::1", plain_from=("::1",)) as device:
        assert (await device.send(SENML)).code is Code.CHANGED
        assert device.adapter.urls[0].startswith("coap://[::1]:")


REFUSALS = {
    ReadingRefusal.UNKNOWN_THING: Code.NOT_FOUND,
    ReadingRefusal.RETIRED_THING: Code.NOT_FOUND,
    ReadingRefusal.FOREIGN_THING: Code.FORBIDDEN,
    ReadingRefusal.EMPTY: Code.BAD_REQUEST,
    ReadingRefusal.UNKNOWN_PROPERTY: Code.UNPROCESSABLE_ENTITY,
    ReadingRefusal.WRONG_UNIT: Code.UNPROCESSABLE_ENTITY,
    ReadingRefusal.WRONG_TYPE: Code.UNPROCESSABLE_ENTITY,
    ReadingRefusal.OUT_OF_RANGE: Code.UNPROCESSABLE_ENTITY,
    ReadingRefusal.BUSY: Code.SERVICE_UNAVAILABLE,
    ReadingRefusal.STORAGE_DOWN: Code.SERVICE_UNAVAILABLE,
    ReadingRefusal.INTERNAL: Code.INTERNAL_SERVER_ERROR,
    ReadingRefusal.STOPPING: Code.SERVICE_UNAVAILABLE,
}


@pytest.mark.parametrize("refusal", ReadingRefusal)
async def test_each_refusal_of_the_inside_has_its_code(device: Device, refusal: ReadingRefusal) -> None:
    device.kit.sink.refuse(refusal, "level is 400 %", retry_after_s=2.2)
    response = await device.send(SENML)
    assert response.code is REFUSALS[refusal]
    assert response.payload.decode() == f"{refusal}: level is 400 %"
    assert response.opt.max_age == (3 if response.code is Code.SERVICE_UNAVAILABLE else None)


async def test_a_message_not_stored_in_time_gets_503() -> None:
    kit = ProtocolKit()
    kit.sink.withhold()
    async with connected(kit, reply_within_s=0.05, retry_after_s=9.0) as device:
        response = await device.send(SENML)
        assert (response.code, response.opt.max_age) == (Code.SERVICE_UNAVAILABLE, 9)
        kit.sink.release()
        assert len(kit.sink.stored) == 1


async def test_a_critical_option_that_is_not_understood_gets_402(device: Device) -> None:
    options = Options()
    options.add_option(OpaqueOption(OptionNumber(2049), b"x"))
    request = Message(code=POST, payload=b"[]", uri=f"{device.adapter.urls[0]}/t/{TANK}")
    request.opt.add_option(next(iter(options.option_list())))
    response = await device.context.request(request).response
    assert response.code is Code.BAD_OPTION
    assert b"2049" in response.payload
    assert device.adapter.counters()["refused_bad_option"] == 1


async def test_other_methods_and_paths_are_refused(device: Device) -> None:
    url = device.adapter.urls[0]
    for path, code in ((f"/t/{TANK}", Code.METHOD_NOT_ALLOWED), ("/x", Code.NOT_FOUND), ("/t", Code.NOT_FOUND)):
        response = await device.context.request(Message(code=GET, uri=url + path)).response
        assert response.code is code


async def test_the_well_known_core_lists_the_resource_and_no_thing(device: Device) -> None:
    uri = f"{device.adapter.urls[0]}/.well-known/core"
    request: Any = Message(code=GET, uri=uri)
    request.opt.block2 = (0, False, 2)
    listing = (await device.context.request(request).response).payload.decode()
    assert "</t>" in listing
    assert 'rt="iot2crm.readings"' in listing
    assert TANK not in listing


async def test_a_second_hub_on_the_port_is_refused(device: Device) -> None:
    port = int(device.adapter.urls[0].rpartition(":")[2])
    with pytest.raises(ConfigError, match=f"127.0.0.1 port {port}"):
        async with SPEC.open(CoapConfig(port=port), device.kit.deps()):
            pass


def test_a_network_that_is_none_is_a_configuration_error() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.1/33"):
        CoapConfig(plain_from=("10.0.0.1/33",))
