"""The test descriptions of the ETSI CoAP plugtests that apply to a server, on raw datagrams: TD_COAP_CORE, OBS, BLOCK.

The resources of the descriptions (/test, /obs, /large ...) are those of the hub that behave so: readings, orders, the
directory. What the descriptions ask of clients, proxies and links of several servers has no place here.
"""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from coap_wire import (
    ACK,
    BODY,
    CHANGED,
    CON,
    DELETE,
    GET,
    NON,
    POST,
    PUT,
    RST,
    SENML_JSON,
    Address,
    Option,
    asked,
    coap_listening,
    options_of,
    payload_of,
    post,
    received,
    request,
    udp_peer,
    until,
)

from actors.model.orders import OrderState
from protocols.testing import ORDER, TANK, ProtocolKit, sample_order

CREATED, DELETED, VALID, CONTENT, CONTINUE = 0x41, 0x42, 0x43, 0x45, 0x5F
TOKEN = b"\xca\xfe"
READINGS = ((11, b"t"), (11, TANK.encode()))
ORDERS = ((11, b"m"), (11, TANK.encode()), (11, b"orders"))
WELL_KNOWN = ((11, b".well-known"), (11, b"core"))
REGISTER = ((11, b"rd"), (12, b"\x28"), (15, b"ep=" + TANK.encode()))
LINKS = b"</a>;rt=x"


class Wire:
    """A client's socket and the hub's address."""

    def __init__(self, kit: ProtocolKit, sock: socket.socket, address: Address, adapter: Any) -> None:
        self.kit = kit
        self.sock = sock
        self.address = address
        self.adapter = adapter

    async def ask(self, *options: Option, code: int, kind: int = CON, message_id: int = 1, **more: Any) -> bytes:
        """Ask once; the answer echoes token and, in an acknowledgement, the message id: as every description checks."""
        token = more.setdefault("token", TOKEN)
        answer = await asked(self.sock, self.address, request(message_id, *options, code=code, kind=kind, **more))
        assert answer[4 : 4 + (answer[0] & 15)] == token
        if kind == CON:
            assert (answer[0] & 0xF0, answer[2:4]) == (ACK, message_id.to_bytes(2, "big"))
        else:
            assert answer[0] & 0xF0 == NON
        return answer

    async def registered(self, kind: int = CON) -> bytes:
        answer = await self.ask(*REGISTER, code=POST, kind=kind, message_id=100, body=LINKS)
        return [value for number, value in options_of(answer) if number == 8][1]


@asynccontextmanager
async def wire(**config: Any) -> AsyncGenerator[Wire]:
    kit = ProtocolKit()
    kit.machine.progress(sample_order(OrderState.PLACED))
    with udp_peer() as sock:
        async with coap_listening(kit, **({"echo": False} | config)) as (adapter, address):
            yield Wire(kit, sock, address, adapter)


# TD_COAP_CORE.


@pytest.mark.parametrize("kind", [CON, NON], ids=["CORE_01", "CORE_05"])
async def test_core_01_05_get(kind: int) -> None:
    async with wire() as hub:
        answer = await hub.ask(*ORDERS, code=GET, kind=kind)
        assert answer[1] == CONTENT
        assert (12, b"\x32") in options_of(answer)
        assert json.loads(payload_of(answer))[0]["key"] == ORDER


@pytest.mark.parametrize("kind", [CON, NON], ids=["CORE_02", "CORE_06"])
async def test_core_02_06_delete(kind: int) -> None:
    async with wire() as hub:
        key = await hub.registered()
        assert (await hub.ask((11, b"rd"), (11, key), code=DELETE, kind=kind, message_id=2))[1] == DELETED


@pytest.mark.parametrize("code", [PUT, POST], ids=["PUT", "POST"])
@pytest.mark.parametrize("kind", [CON, NON])
async def test_core_03_04_07_08_put_and_post(kind: int, code: int) -> None:
    async with wire() as hub:
        assert (await hub.ask(*READINGS, SENML_JSON, code=code, kind=kind, body=BODY))[1] == CHANGED
        assert len(hub.kit.sink.stored) == 1


@pytest.mark.parametrize(
    "token", [b"\x01", b"\x01\x02\x03\x04\x05\x06\x07\x08", b""], ids=["CORE_10", "8 bytes", "CORE_12"]
)
async def test_core_10_12_tokens_are_echoed_whatever_their_length(token: bytes) -> None:
    async with wire() as hub:
        assert (await hub.ask(*WELL_KNOWN, code=GET, token=token))[1] == CONTENT


@pytest.mark.parametrize("kind", [CON, NON], ids=["CORE_09", "CORE_17"])
@pytest.mark.parametrize("token", [TOKEN, b""], ids=["CORE_11", "no token"])
async def test_core_09_11_17_separate_response(kind: int, token: bytes) -> None:
    async with wire() as hub:
        hub.kit.sink.withhold()
        datagram = post(5, kind=kind, token=token)
        hub.sock.sendto(datagram, hub.address)
        await hub.kit.sink.arrived(1)
        if kind == CON:
            assert await received(hub.sock) == bytes([ACK, 0, 0, 5])
        hub.kit.sink.release()
        answer = await received(hub.sock)
        assert (answer[0] & 0xF0, answer[1]) == (kind, CHANGED)
        assert answer[4:] == token
        if kind == CON:
            hub.sock.sendto(bytes([ACK, 0]) + answer[2:4], hub.address)


@pytest.mark.parametrize("path", [(*ORDERS, (11, ORDER.encode()))], ids=["CORE_13"])
async def test_core_13_several_uri_path_options(path: tuple[Option, ...]) -> None:
    async with wire() as hub:
        assert json.loads(payload_of(await hub.ask(*path, code=GET)))["key"] == ORDER


async def test_core_14_several_uri_query_options() -> None:
    async with wire() as hub:
        await hub.registered()
        look_up = ((11, b"rd-lookup"), (11, b"res"), (15, b"rt=x"), (15, b"ep=" + TANK.encode()))
        assert b"/a>" in payload_of(await hub.ask(*look_up, code=GET))
        assert payload_of(await hub.ask(*look_up, (15, b"if=y"), code=GET, message_id=2)) == b""


async def test_core_15_a_lost_acknowledgement_is_repeated() -> None:
    async with wire() as hub:
        first = await hub.ask(*READINGS, SENML_JSON, code=POST, body=BODY)
        assert await hub.ask(*READINGS, SENML_JSON, code=POST, body=BODY) == first
        assert len(hub.kit.sink.received) == 1


async def test_core_16_a_lost_separate_response_is_repeated() -> None:
    async with wire() as hub:
        hub.kit.sink.withhold()
        assert await asked(hub.sock, hub.address, post(5)) == bytes([ACK, 0, 0, 5])
        hub.kit.sink.release()
        first = await received(hub.sock)
        assert await received(hub.sock) == first  # ACK_TIMEOUT later
        hub.sock.sendto(bytes([ACK, 0]) + first[2:4], hub.address)


async def test_core_18_location_path() -> None:
    async with wire() as hub:
        answer = await hub.ask(*REGISTER, code=POST, body=LINKS)
        assert answer[1] == CREATED
        assert [number for number, _ in options_of(answer)] == [8, 8]


@pytest.mark.parametrize("accept", [b"\x32", b"\x3c"])
async def test_core_19_20_accept_chooses_the_format(accept: bytes) -> None:
    async with wire() as hub:
        answer = await hub.ask(*ORDERS, (17, accept), code=GET)
        assert (answer[1], dict(options_of(answer))[12]) == (CONTENT, accept)


async def test_core_21_etag() -> None:
    async with wire() as hub:
        tag = dict(options_of(await hub.ask(*ORDERS, code=GET)))[4]
        valid = await hub.ask(*ORDERS, (4, tag), code=GET, message_id=2)
        assert (valid[1], dict(options_of(valid))[4], payload_of(valid)) == (VALID, tag, b"")
        hub.kit.machine.progress(sample_order(OrderState.CONFIRMED))
        fresh = await hub.ask(*ORDERS, (4, tag), code=GET, message_id=3)
        assert fresh[1] == CONTENT
        assert dict(options_of(fresh))[4] != tag


@pytest.mark.parametrize("condition", [(1, b"\x01"), (5, b"")], ids=["CORE_22", "CORE_23"])
async def test_core_22_23_conditions_that_are_not_kept_are_refused(condition: Option) -> None:
    async with wire() as hub:
        assert (await hub.ask(*READINGS, SENML_JSON, condition, code=PUT, body=BODY))[1] == 0x82
        assert not hub.kit.sink.received


async def test_core_31_ping() -> None:
    async with wire() as hub:
        assert await asked(hub.sock, hub.address, b"\x40\0\x12\x34") == b"\x70\0\x12\x34"


# TD_COAP_OBS.


async def observing(hub: Wire, message_id: int = 1, kind: int = CON, **more: Any) -> bytes:
    answer = await hub.ask((6, b""), *ORDERS, code=GET, message_id=message_id, kind=kind, **more)
    assert 6 in dict(options_of(answer))
    return answer


async def changed(hub: Wire, state: OrderState, reply: int | None = ACK) -> bytes:
    hub.kit.machine.progress(sample_order(state))
    notification = await received(hub.sock)
    assert notification[4:6] == TOKEN
    assert json.loads(payload_of(notification))[0]["state"] == state
    if reply is not None:
        hub.sock.sendto(bytes([reply, 0]) + notification[2:4], hub.address)
    return notification


async def unobserved(hub: Wire) -> None:
    """Wait until nobody is told any more."""
    async with asyncio.timeout(30):
        while hub.kit.machine.watchers:  # noqa: ASYNC110 - a fake has no event
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("kind", [CON, NON], ids=["OBS_01", "OBS_03"])
async def test_obs_01_03_register_and_be_told(kind: int) -> None:
    async with wire() as hub:
        first = await observing(hub, kind=kind)
        second = await changed(hub, OrderState.CONFIRMED)
        third = await changed(hub, OrderState.FULFILLED)
        values = [int.from_bytes(dict(options_of(told))[6], "big") for told in (first, second, third)]
        assert values == sorted(set(values))


async def test_obs_02_10_a_get_without_observe_ends_it() -> None:
    async with wire() as hub:
        await observing(hub)
        await changed(hub, OrderState.CONFIRMED)
        answer = await hub.ask((6, b"\x01"), *ORDERS, code=GET, message_id=2)
        assert (answer[1], 6 in dict(options_of(answer))) == (CONTENT, False)
        await unobserved(hub)


async def test_obs_05_a_client_that_is_gone_is_told_no_more() -> None:
    async with wire() as hub:
        await observing(hub)
        hub.sock.close()
        hub.kit.machine.progress(sample_order(OrderState.CONFIRMED))
        await unobserved(hub)


async def test_obs_06_a_reset_ends_it() -> None:
    async with wire() as hub:
        await observing(hub)
        await changed(hub, OrderState.CONFIRMED, RST)
        await unobserved(hub)


async def test_obs_07_08_the_end_of_the_resource_is_told_and_ends_it() -> None:
    async with wire() as hub:
        await observing(hub)
        hub.kit.things.retire(TANK)
        hub.kit.machine.progress(sample_order(OrderState.CONFIRMED))
        last = await received(hub.sock)
        assert (last[1] >> 5, 6 in dict(options_of(last))) == (4, False)
        hub.sock.sendto(bytes([ACK, 0]) + last[2:4], hub.address)
        await unobserved(hub)


async def test_obs_09_a_lost_notification_is_repeated_or_overtaken() -> None:
    async with wire() as hub:
        await observing(hub)
        first = await changed(hub, OrderState.CONFIRMED, None)
        again = await received(hub.sock)
        assert again == first
        hub.sock.sendto(bytes([ACK, 0]) + again[2:4], hub.address)


# TD_COAP_BLOCK.


def large(number: int = 40) -> bytes:
    return json.dumps([{"n": "level", "t": 1.7e9 + at, "v": at} for at in range(number)]).encode()


@pytest.mark.parametrize("exponent", [0, 2, 6], ids=["16", "64", "1024"])
async def test_block_01_get_with_a_size_that_the_client_names(exponent: int) -> None:
    async with wire() as hub:
        whole, number, more = b"", 0, True
        while more:
            block = (23, (number << 4 | exponent).to_bytes(2, "big"))
            answer = await hub.ask(*ORDERS, block, code=GET, message_id=number + 1)
            value = int.from_bytes(dict(options_of(answer)).get(23, bytes([exponent])), "big")
            assert (value >> 4, value & 7) == (number, exponent)
            assert len(payload_of(answer)) <= 16 << exponent
            whole, number, more = whole + payload_of(answer), number + 1, bool(value & 8)
        assert json.loads(whole)[0]["key"] == ORDER


async def test_block_02_the_server_cuts_what_is_too_large() -> None:
    async with wire() as hub:
        for number in range(5):
            key = f"{ORDER}{number}"
            hub.kit.machine.progress(msgspec.structs.replace(sample_order(), key=key))
        answer = await hub.ask(*ORDERS, code=GET)
        assert dict(options_of(answer))[23] == b"\x0e"  # block 0 of 1024 bytes, and more
        assert len(payload_of(answer)) == 1024


@pytest.mark.parametrize("code", [PUT, POST], ids=["BLOCK_03", "BLOCK_04"])
async def test_block_03_04_a_body_in_blocks(code: int) -> None:
    body, size = large(), 64
    async with wire() as hub:
        for number in range((len(body) + size - 1) // size):
            part = body[number * size : (number + 1) * size]
            is_last = (number + 1) * size >= len(body)
            block = (27, (number << 4 | (0 if is_last else 8) | 2).to_bytes(2, "big"))
            answer = await hub.ask(*READINGS, SENML_JSON, block, code=code, message_id=number + 1, body=part)
            assert answer[1] == (CHANGED if is_last else CONTINUE)
            assert (27, block[1].lstrip(b"\0")) in options_of(answer)
        assert len(hub.kit.sink.stored[0].readings) == 40


async def test_block_05_a_block_that_is_missing_gets_408() -> None:
    async with wire() as hub:
        block = (27, b"\x1a")  # block 1, and none before
        assert (await hub.ask(*READINGS, SENML_JSON, block, code=PUT, body=large()[64:128]))[1] == 0x88


async def test_block_06_a_body_over_the_cap_gets_413_at_the_first_block_that_shows_it() -> None:
    async with wire(max_payload_bytes=1000) as hub:
        told = await hub.ask(*READINGS, SENML_JSON, (27, b"\x0a"), (60, b"\x27\x10"), code=PUT, body=large()[:64])
        assert told[1] == 0x8D
        late = (27, (16 << 4 | 8 | 2).to_bytes(2, "big"))
        assert (await hub.ask(*READINGS, SENML_JSON, late, code=PUT, message_id=2, body=large()[:64]))[1] == 0x8D
        await until(hub.adapter, "refused_too_large", 2)
