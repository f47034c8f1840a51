"""The CoAP port on raw datagrams: repeats, unsound bytes, and peers that vanish."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols.coap import SPEC, CoapAdapter, CoapConfig
from protocols.testing import DEADLINE_S, TANK, ProtocolKit, sample_thing

POST, CHANGED, CON, ACK = 0x02, 0x44, 0x40, 0x60


def post(message_id: int, body: bytes = b'[{"n":"level","v":1}]', token: bytes = b"\x01") -> bytes:
    path = b"\xb1t" + bytes([len(TANK)]) + TANK.encode() + b"\x11\x6e"  # Uri-Path t, TANK; Content-Format 110
    return bytes([CON | len(token), POST]) + message_id.to_bytes(2, "big") + token + path + b"\xff" + body


@asynccontextmanager
async def listening(kit: ProtocolKit) -> AsyncGenerator[tuple[CoapAdapter, tuple[str, int]]]:
    kit.things.register(sample_thing(options={"address": "127.0.0.1"}))
    async with SPEC.open(CoapConfig(port=0, plain_from=("127.0.0.1",)), kit.deps()) as adapter:
        assert isinstance(adapter, CoapAdapter)
        url = urlsplit(adapter.urls[0])
        yield adapter, ("127.0.0.1", url.port or 0)


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        yield sock


async def received(peer: socket.socket) -> bytes:
    async with asyncio.timeout(DEADLINE_S):
        return await asyncio.get_running_loop().sock_recv(peer, 2048)


async def test_a_late_commit_is_answered_separately_and_not_before(peer: socket.socket) -> None:
    kit = ProtocolKit()
    kit.sink.withhold()
    async with listening(kit) as (_, address):
        peer.sendto(post(7), address)
        assert await received(peer) == bytes([ACK, 0, 0, 7])  # says only that the request came
        assert not kit.sink.stored
        kit.sink.release()
        answer = await received(peer)
        assert (answer[0], answer[1], answer[4:]) == (CON | 1, CHANGED, b"\x01")
        peer.sendto(bytes([ACK, 0]) + answer[2:4], address)
    assert len(kit.sink.stored) == 1


async def test_a_repeated_datagram_gets_the_same_bytes_and_is_taken_once(peer: socket.socket) -> None:
    kit = ProtocolKit()
    async with listening(kit) as (_, address):
        answers = []
        for _ in range(3):
            peer.sendto(post(7), address)
            answers.append(await received(peer))
    assert answers == [bytes([ACK | 1, CHANGED, 0, 7, 1])] * 3
    assert len(kit.sink.received) == 1


async def test_the_same_message_id_and_bytes_are_one_message_to_a_restarted_hub(peer: socket.socket) -> None:
    kit = ProtocolKit()
    for _ in range(2):
        async with listening(kit) as (_, address):
            peer.sendto(post(7), address)
            assert (await received(peer))[1] == CHANGED
    kit.clock.advance(247)
    async with listening(kit) as (_, address):
        peer.sendto(post(7), address)
        assert (await received(peer))[1] == CHANGED
    assert len(kit.sink.received) == 3
    assert len(kit.sink.stored) == 2


@pytest.mark.parametrize(
    "noise", [b"", b"\x40", b"\x40\x02\x00", b"\x4f\x02\x00\x01" + b"x" * 15, b"\x80\x02\x00\x01", b"\x00" * 60_000]
)
async def test_unsound_datagrams_are_dropped_and_counted(peer: socket.socket, noise: bytes) -> None:
    async with listening(ProtocolKit()) as (adapter, address):
        peer.sendto(noise, address)
        peer.sendto(post(7), address)
        assert (await received(peer))[2:4] == b"\x00\x07"
        assert adapter.counters()["datagrams_dropped"] == 1


async def test_a_peer_that_vanished_does_not_deafen_the_port(peer: socket.socket) -> None:
    kit = ProtocolKit()
    kit.sink.withhold()
    async with listening(kit) as (adapter, address):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ghost:
            ghost.sendto(post(1), address)
            await kit.sink.arrived(1)
        kit.sink.release()  # the answer goes to a closed port
        async with asyncio.timeout(DEADLINE_S):
            while not adapter.counters()["unreachable"]:  # noqa: ASYNC110 - a counter has no event
                await asyncio.sleep(0)
        peer.sendto(post(7), address)
        assert (await received(peer))[1] == CHANGED


def test_a_peer_that_vanished_does_not_deafen_the_port_on_uvloop(peer: socket.socket) -> None:
    uvloop = pytest.importorskip("uvloop", reason="uvloop cannot be had here")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(test_a_peer_that_vanished_does_not_deafen_the_port(peer))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=60) | st.binary(max_size=60).map(lambda noise: post(3, noise)), max_size=50))
def test_whatever_comes_the_next_request_is_answered(peer: socket.socket, noise: list[bytes]) -> None:
    async def disturb() -> None:
        async with listening(ProtocolKit()) as (_, address):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                for datagram in noise:
                    stranger.sendto(datagram, address)
                peer.sendto(post(7), address)
                assert (await received(peer))[1] == CHANGED

    asyncio.run(disturb())
