"""The machine interface over datagrams: a thing asks, orders, and observes what came of it."""

import asyncio
import json
import socket
from collections.abc import Iterator
from typing import Any

import cbor2
import pytest
from coap_wire import (
    ACK,
    CON,
    GET,
    NON,
    POST,
    RST,
    Address,
    Option,
    asked,
    coap_listening,
    options_of,
    payload_of,
    received,
    request,
    udp_peer,
    until,
)

from actors.model.machine import DeclineCode, RequestEnding, Wanted
from actors.model.orders import OrderState
from protocols.testing import ORDER, TANK, ProtocolKit, sample_order

CREATED, CHANGED, CONTENT, UNAUTHORIZED, NOT_FOUND = 0x41, 0x44, 0x45, 0x81, 0x84
JSON, CBOR = (12, b"\x32"), (12, b"\x3c")
OBSERVE = (6, b"")


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    with udp_peer() as sock:
        yield sock


def at(path: str, *more: Option, message_id: int = 1, thing: str = TANK, **rest: Any) -> bytes:
    segments = [(11, part.encode()) for part in ("m", thing, *path.split("/"))]
    return request(message_id, *segments, *more, **rest)


def says(answer: bytes) -> Any:
    return json.loads(payload_of(answer))


def observe_value(answer: bytes) -> int:
    return int.from_bytes(dict(options_of(answer))[6], "big")


async def observing(peer: socket.socket, address: Address, path: str = "orders", **more: Any) -> bytes:
    answer = await asked(peer, address, at(path, OBSERVE, code=GET, **more))
    assert answer[1] == CONTENT
    return answer


async def notified(peer: socket.socket, address: Address, kind: int = ACK) -> bytes:
    """Wait for a notification and acknowledge or reset it."""
    notification = await received(peer)
    assert notification[0] & 0xF0 == CON
    peer.sendto(bytes([kind, 0]) + notification[2:4], address)
    return notification


async def test_a_thing_asks_its_peers_in_json_or_cbor(peer: socket.socket) -> None:
    kit = ProtocolKit()
    async with coap_listening(kit, echo=False) as (_, address):
        answer = await asked(peer, address, at("advice", JSON, body=b'{"subject":"content"}'))
        assert answer[1] == CONTENT
        assert says(answer)["sentence"] == "peers say so"
        body = cbor2.dumps({"subject": "content"})
        again = await asked(peer, address, at("advice", CBOR, (17, b"\x3c"), message_id=2, body=body))
        assert cbor2.loads(payload_of(again)) == says(answer)
    method, principal, subject = kit.machine.asked[0]
    assert (method, principal.thing_id, subject) == ("ask_peers", TANK, "content")


async def test_a_thing_searches_offers_orders_and_ends_it(peer: socket.socket) -> None:
    kit = ProtocolKit()
    async with coap_listening(kit, echo=False) as (_, address):
        wanted = b'{"subject":"content","sku":"REFILL-1","quantity":2}'
        assert says(await asked(peer, address, at("offers", JSON, body=wanted)))["silent"] == {"shop": "closed"}
        placed = await asked(peer, address, at("requests", JSON, message_id=2, body=wanted))
        assert placed[1] == CREATED
        assert [value.decode() for number, value in options_of(placed) if number == 8] == ["m", TANK, "orders", ORDER]
        assert (await asked(peer, address, at("requests", JSON, message_id=3, body=wanted)))[1] == CHANGED
        ending = b'{"subject":"content","met":true}'
        assert (await asked(peer, address, at("requests/end", JSON, message_id=4, body=ending)))[1] == CHANGED
    told = [what for _, _, what in kit.machine.asked]
    assert told[1] == Wanted(subject="content", sku="REFILL-1", quantity=2)
    assert told[-1] == RequestEnding(subject="content", met=True)


async def test_a_repeated_order_is_asked_for_once(peer: socket.socket) -> None:
    kit = ProtocolKit()
    async with coap_listening(kit, echo=False) as (_, address):
        datagram = at("requests", JSON, body=b'{"subject":"content"}')
        assert await asked(peer, address, datagram) == await asked(peer, address, datagram)
    assert len(kit.machine.asked) == 1


@pytest.mark.parametrize("kind", [CON, NON])
async def test_the_outcome_of_an_order_is_observed(peer: socket.socket, kind: int) -> None:
    kit = ProtocolKit()
    kit.machine.progress(sample_order(OrderState.DRAFTED))
    async with coap_listening(kit, echo=False) as (_, address):
        first = await observing(peer, address, f"orders/{ORDER}", kind=kind)
        values = [observe_value(first)]
        for state in (OrderState.PLACED, OrderState.CONFIRMED):
            kit.machine.progress(sample_order(state))
            notification = await notified(peer, address)
            assert says(notification)["state"] == state
            assert notification[4:5] == b"\x01"
            values.append(observe_value(notification))
    assert values == sorted(set(values))


async def test_a_renewed_observation_counts_on(peer: socket.socket) -> None:
    kit = ProtocolKit()
    async with coap_listening(kit, echo=False) as (_, address):
        first = await observing(peer, address)
        kit.machine.progress(sample_order())
        second = await notified(peer, address)
        renewed = await observing(peer, address, message_id=2)
        assert observe_value(first) < observe_value(second) < observe_value(renewed)


async def test_who_resets_a_notification_or_deregisters_is_told_no_more(peer: socket.socket) -> None:
    kit = ProtocolKit()
    async with coap_listening(kit, echo=False) as (_, address):
        await observing(peer, address)
        kit.machine.progress(sample_order(OrderState.PLACED))
        await notified(peer, address, RST)
        await until_watchers(kit, 0)
        await observing(peer, address, message_id=2)
        answer = await asked(peer, address, at("orders", (6, b"\x01"), code=GET, message_id=3))
        assert 6 not in dict(options_of(answer))
        await until_watchers(kit, 0)


async def until_watchers(kit: ProtocolKit, count: int) -> None:
    async with asyncio.timeout(30):
        while kit.machine.watchers != count:  # noqa: ASYNC110 - a fake has no event
            await asyncio.sleep(0)


async def test_more_observers_than_are_allowed_are_answered_once(peer: socket.socket) -> None:
    kit = ProtocolKit()
    async with coap_listening(kit, echo=False, max_observers=1) as (_, address):
        await observing(peer, address)
        with udp_peer() as other:
            answer = await asked(other, address, at("orders", OBSERVE, code=GET))
            assert answer[1] == CONTENT
            assert 6 not in dict(options_of(answer))


async def test_a_long_list_comes_in_blocks_of_one_state(peer: socket.socket) -> None:
    kit = ProtocolKit()
    kit.machine.progress(sample_order())
    async with coap_listening(kit, echo=False) as (_, address):
        whole, tags, number, more = b"", set[bytes](), 0, True
        while more:
            block = (23, (number << 4 | 2).to_bytes(2, "big"))
            answer = await asked(peer, address, at("orders", block, code=GET, message_id=number + 1))
            options = dict(options_of(answer))
            whole, number = whole + payload_of(answer), number + 1
            more = bool(int.from_bytes(options[23], "big") & 8)
            tags.add(options[4])
        assert json.loads(whole)[0]["key"] == ORDER
        assert (number > 3, len(tags)) == (True, 1)
        beyond = at("orders", (23, (99 << 4 | 2).to_bytes(2, "big")), code=GET, message_id=99)
        assert (await asked(peer, address, beyond))[1] == 0x80


REFUSED = {
    DeclineCode.NOT_PERMITTED: 0x83,
    DeclineCode.UNKNOWN_SUBJECT: 0x96,
    DeclineCode.UNKNOWN_ORDER: 0x84,
    DeclineCode.DISMISSED: 0x89,
    DeclineCode.TOO_OFTEN: 0x9D,
    DeclineCode.BUSY: 0xA3,
    DeclineCode.INTERNAL: 0xA0,
}


@pytest.mark.parametrize("code", REFUSED)
async def test_a_refusal_has_its_code_and_says_what_to_do(peer: socket.socket, code: DeclineCode) -> None:
    kit = ProtocolKit()
    kit.machine.decline(code, retry_after_s=7)
    async with coap_listening(kit, echo=False) as (_, address):
        answer = await asked(peer, address, at("requests", JSON, body=b'{"subject":"content"}'))
        assert answer[1] == REFUSED[code]
        assert payload_of(answer).decode() == f"{code}: as told; do as told"
        assert (14 in dict(options_of(answer))) == (answer[1] in {0x9D, 0xA3})


@pytest.mark.parametrize(
    ("datagram", "code"),
    [
        (at("requests", JSON, body=b"{"), 0x80),
        (at("requests", JSON, body=b'{"subject":"Not a name"}'), 0x80),
        (at("requests", CBOR, body=b"\xbf"), 0x80),
        (at("requests", (12, b"\x00"), body=b"x"), 0x8F),
        (at("requests", JSON, (17, b"\x00"), body=b'{"subject":"content"}'), 0x86),
        (at("nothing", JSON, body=b"{}"), 0x84),
        (at("orders/x/y", code=GET), 0x84),
        (at("orders", code=POST + 2), 0x85),
        (at("orders", code=GET, thing="ghost"), 0x84),
    ],
)
async def test_what_cannot_be_asked_has_its_code(peer: socket.socket, datagram: bytes, code: int) -> None:
    async with coap_listening(ProtocolKit(), echo=False) as (_, address):
        assert (await asked(peer, address, datagram))[1] == code


async def test_nobody_reads_anothers_orders(peer: socket.socket) -> None:
    async with coap_listening(ProtocolKit(), plain_from=()) as (adapter, address):
        assert (await asked(peer, address, at("orders", OBSERVE, code=GET)))[1] == UNAUTHORIZED
        await until(adapter, "refused_unauthenticated")
