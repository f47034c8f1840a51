"""The CoAP port on raw datagrams: repeats, unsound bytes, and peers that vanish."""

import asyncio
import gc
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from coap_wire import (
    ACK,
    BAD_OPTION,
    BODY,
    CHANGED,
    CON,
    GET,
    NON,
    RST,
    SENML_JSON,
    TOO_MANY,
    UNAVAILABLE,
    asked,
    coap_listening,
    post,
    received,
    request,
    udp_peer,
    until,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.model.readings import ReadingRefusal
from protocols.testing import TANK, ProtocolKit

WELL_KNOWN = ((11, b".well-known"), (11, b"core"))


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    with udp_peer() as sock:
        yield sock


def test_what_was_opened_is_closed(peer: socket.socket) -> None:
    async def serve() -> None:
        async with coap_listening(ProtocolKit(), echo=False) as (_, address):
            assert b"</t>" in await asked(peer, address, request(1, *WELL_KNOWN, code=GET))
            assert (await asked(peer, address, post(2)))[1] == CHANGED
        assert len(asyncio.all_tasks()) == 1

    gc.collect()
    before = set(Path("/proc/self/fd").iterdir())
    asyncio.run(serve())
    assert set(Path("/proc/self/fd").iterdir()) == before


async def test_a_late_commit_is_answered_separately_and_not_before(peer: socket.socket) -> None:
    kit = ProtocolKit()
    kit.sink.withhold()
    async with coap_listening(kit) as (adapter, address):
        assert await asked(peer, address, post(7)) == bytes([ACK, 0, 0, 7])  # says only that the request came
        assert not kit.sink.stored
        kit.sink.release()
        answer = await received(peer)
        assert (answer[0], answer[1], answer[4:]) == (CON | 1, CHANGED, b"\x01")
        peer.sendto(bytes([ACK, 0]) + answer[2:4], address)
        assert await asked(peer, address, post(7)) == bytes([ACK, 0, 0, 7])
        assert adapter.counters()["separate"] == 1
    assert len(kit.sink.received) == len(kit.sink.stored) == 1


async def test_a_repeat_before_the_commit_gets_one_answer(peer: socket.socket) -> None:
    kit = ProtocolKit()
    kit.sink.withhold()
    async with coap_listening(kit) as (adapter, address):
        peer.sendto(post(7), address)
        peer.sendto(post(7), address)
        await until(adapter, "repeats")
        kit.sink.release()
        assert (await received(peer))[:4] == bytes([ACK | 1, CHANGED, 0, 7])
        assert (await asked(peer, address, post(8)))[2:4] == b"\0\x08"
    assert len(kit.sink.received) == 2


async def test_a_repeat_after_the_empty_ack_gets_the_empty_ack_again(peer: socket.socket) -> None:
    kit = ProtocolKit()
    kit.sink.withhold()
    async with coap_listening(kit) as (_, address):
        for _ in range(2):
            assert await asked(peer, address, post(7)) == bytes([ACK, 0, 0, 7])
    assert len(kit.sink.received) == 1


async def test_a_repeated_datagram_gets_the_same_bytes_and_is_taken_once(peer: socket.socket) -> None:
    kit = ProtocolKit()
    async with coap_listening(kit) as (_, address):
        answers = [await asked(peer, address, post(7)) for _ in range(3)]
    assert answers == [bytes([ACK | 1, CHANGED, 0, 7, 1])] * 3
    assert len(kit.sink.received) == 1


async def test_a_repeated_refusal_is_the_same_and_judged_once(peer: socket.socket) -> None:
    async with coap_listening(ProtocolKit()) as (adapter, address):
        first, again = [await asked(peer, address, post(7, body=b"[{}]")) for _ in range(2)]
        assert first == again
        assert first[:5] == bytes([ACK | 1, 0x80, 0, 7, 1])
        assert adapter.counters()["malformed"] == 1


async def test_a_repeated_non_is_taken_once_and_answered_once(peer: socket.socket) -> None:
    kit = ProtocolKit()
    async with coap_listening(kit) as (adapter, address):
        answer = await asked(peer, address, post(7, kind=NON))
        assert (answer[0], answer[1], answer[4:]) == (NON | 1, CHANGED, b"\x01")
        peer.sendto(post(7, kind=NON), address)
        await until(adapter, "repeats")
        assert (await asked(peer, address, post(8)))[2:4] == b"\0\x08"
    assert len(kit.sink.received) == 2


async def test_a_message_id_used_again_for_something_else_is_not_taken_for_a_repeat(peer: socket.socket) -> None:
    kit = ProtocolKit()
    async with coap_listening(kit) as (_, address):
        assert (await asked(peer, address, post(7, token=b"\x01")))[4:] == b"\x01"
        assert (await asked(peer, address, post(7, token=b"\x02")))[4:] == b"\x02"
        assert (await asked(peer, address, post(7, token=b"\x02", body=b'[{"n":"level","v":2}]')))[1] == CHANGED
    assert len(kit.sink.stored) == 3


async def test_an_exchange_is_forgotten_after_its_lifetime(peer: socket.socket) -> None:
    kit = ProtocolKit()
    async with coap_listening(kit) as (adapter, address):
        await asked(peer, address, post(7))
        kit.clock.advance(246)
        await asked(peer, address, post(7))
        assert adapter.counters()["repeats"] == 1
        kit.clock.advance(2)
        await asked(peer, address, post(7))
    assert len(kit.sink.received) == 2


async def test_what_could_not_be_stored_is_taken_when_it_comes_again(peer: socket.socket) -> None:
    kit = ProtocolKit()
    kit.sink.refuse(ReadingRefusal.STORAGE_DOWN, retry_after_s=3)
    async with coap_listening(kit) as (_, address):
        answer = await asked(peer, address, post(7))
        assert answer[1] == UNAVAILABLE
        assert answer[5:8] == b"\xd1\x01\x03"  # Max-Age 3
        kit.sink.store()
        assert (await asked(peer, address, post(7)))[1] == CHANGED
    assert len(kit.sink.stored) == 1


async def test_a_peer_that_sends_too_much_is_told_so_once_a_second(peer: socket.socket) -> None:
    kit = ProtocolKit()
    async with coap_listening(kit, per_peer_per_s=2.0) as (adapter, address):
        answers = [await asked(peer, address, post(number)) for number in range(5)]
        assert [answer[1] for answer in answers] == [CHANGED] * 4 + [TOO_MANY]
        assert answers[4][5:8] == b"\xd1\x01\x01"  # Max-Age 1
        peer.sendto(post(5), address)
        await until(adapter, "limited", 2)
        with udp_peer() as other:
            assert (await asked(other, address, post(1)))[1] == CHANGED
        kit.clock.advance(1)
        assert (await asked(peer, address, post(4)))[1] == CHANGED
    assert len(kit.sink.received) == 6


async def test_repeats_cost_a_peer_nothing_of_what_it_may_send(peer: socket.socket) -> None:
    async with coap_listening(ProtocolKit(), per_peer_per_s=1.0) as (_, address):
        for _ in range(5):
            assert (await asked(peer, address, post(1)))[1] == CHANGED
        assert (await asked(peer, address, post(2)))[1] == CHANGED


async def test_the_same_message_id_and_bytes_are_one_message_to_a_restarted_hub(peer: socket.socket) -> None:
    kit = ProtocolKit()
    for _ in range(2):
        async with coap_listening(kit) as (_, address):
            assert (await asked(peer, address, post(7)))[1] == CHANGED
    kit.clock.advance(247)
    async with coap_listening(kit) as (_, address):
        assert (await asked(peer, address, post(7)))[1] == CHANGED
    assert len(kit.sink.received) == 3
    assert len(kit.sink.stored) == 2


SILENT = [
    b"",
    b"\x40",
    b"\x40\x02\x00",
    b"\x80\x02\x00\x01",
    b"\0" * 65_507,
    b"\x50\x02\0\x07\xff",
    b"\x60\x02\0\x07\xf0",
    b"\x60\x02\0\x07",
    b"\x70\x04\0\x07",
    b"\x70\x45\0\x07",
]


@pytest.mark.parametrize("noise", SILENT)
async def test_unsound_datagrams_get_silence_and_are_counted(peer: socket.socket, noise: bytes) -> None:
    async with coap_listening(ProtocolKit()) as (adapter, address):
        peer.sendto(noise, address)
        assert (await asked(peer, address, post(7)))[2:4] == b"\0\x07"
        assert adapter.counters()["unsound"] == 1


UNSOUND = {
    **{f"token length {length}": bytes([CON | length, 2, 0, 9]) + b"x" * length for length in range(9, 16)},
    "token cut": bytes([CON | 8, 2, 0, 9]) + b"xxx",
    "marker without payload": post(9)[: -len(BODY)],
    "option delta 15": bytes([CON, 2, 0, 9, 0xF1, 0]),
    "option length 15": bytes([CON, 2, 0, 9, 0xBF, 0]),
    "option cut": bytes([CON, 2, 0, 9, 0xB5]) + b"abc",
    "extended delta cut": bytes([CON, 2, 0, 9, 0xE1, 1]),
    "reserved class": bytes([CON, 0x20, 0, 9]),
    "empty with token": bytes([CON | 1, 0, 0, 9, 1]),
    "empty with payload": bytes([CON, 0, 0, 9, 0xFF, 1]),
    "65 kB": post(9)[:5] + b"\xf0" * 65_000,
}


@pytest.mark.parametrize("noise", UNSOUND.values(), ids=UNSOUND)
async def test_an_unsound_con_is_reset_and_an_unsound_non_ignored(peer: socket.socket, noise: bytes) -> None:
    async with coap_listening(ProtocolKit()) as (adapter, address):
        assert await asked(peer, address, noise) == bytes([RST, 0, 0, 9])
        peer.sendto(bytes([noise[0] | 0x10]) + noise[1:], address)
        assert (await asked(peer, address, post(7)))[2:4] == b"\0\x07"
        assert (adapter.counters()["unsound"], adapter.counters()["resets"]) == (2, 1)


@pytest.mark.parametrize("more", [(), ((60, b"\x05"),)], ids=["small post", "with Size1"])
async def test_an_unknown_critical_option_gets_402_and_an_elective_one_is_ignored(
    peer: socket.socket, more: tuple[tuple[int, bytes], ...]
) -> None:
    kit = ProtocolKit()
    async with coap_listening(kit) as (adapter, address):
        answer = await asked(peer, address, post(1, (2049, b"x"), *more))
        assert answer[:4] == bytes([ACK | 1, BAD_OPTION, 0, 1])
        assert b"2049" in answer
        peer.sendto(post(2, (2049, b"x"), *more, kind=NON), address)
        await until(adapter, "unsound")
        assert (await asked(peer, address, post(3, (2050, b"x"), *more)))[1] == CHANGED
        assert adapter.counters()["refused_bad_option"] == 1
    assert len(kit.sink.stored) == 1


@pytest.mark.parametrize(
    ("wrong", "code"),
    [((11, b"\xff"), BAD_OPTION), ((7, b"abc"), BAD_OPTION), ((35, b"coap://x/"), 0xA5), ((1, b"e"), BAD_OPTION)],
)
async def test_an_option_that_cannot_be_served_has_its_code(
    peer: socket.socket, wrong: tuple[int, bytes], code: int
) -> None:
    async with coap_listening(ProtocolKit()) as (_, address):
        assert (await asked(peer, address, post(1, wrong)))[1] == code


@pytest.mark.parametrize("host", ["127.0.0.2", "127.0.0.3"])
@pytest.mark.parametrize(
    "datagram", [post(1), request(2, *WELL_KNOWN, code=GET), bytes([CON | 15, 2, 0, 9]) + b"x" * 15]
)
async def test_the_answer_leaves_from_the_address_that_was_asked(host: str, datagram: bytes) -> None:
    async with coap_listening(ProtocolKit(), host="::") as (_, (_, port)):
        with udp_peer() as peer:
            peer.connect((host, port))  # hears only that address
            peer.send(datagram)
            assert await received(peer)


async def test_a_peer_that_vanished_does_not_deafen_the_port(peer: socket.socket) -> None:
    kit = ProtocolKit()
    kit.sink.withhold()
    async with coap_listening(kit) as (adapter, address):
        with udp_peer() as ghost:
            ghost.sendto(post(1), address)
            await kit.sink.arrived(1)
        kit.sink.release()  # the answer goes to a closed port
        await until(adapter, "unreachable")
        assert (await asked(peer, address, post(7)))[1] == CHANGED


def test_a_peer_that_vanished_does_not_deafen_the_port_on_uvloop(peer: socket.socket) -> None:
    uvloop = pytest.importorskip("uvloop", reason="uvloop cannot be had here")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(test_a_peer_that_vanished_does_not_deafen_the_port(peer))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=60) | st.binary(max_size=60).map(lambda noise: post(3, body=noise)), max_size=50))
def test_whatever_comes_the_next_request_is_answered(peer: socket.socket, noise: list[bytes]) -> None:
    async def disturb() -> None:
        async with coap_listening(ProtocolKit()) as (_, address):
            with udp_peer() as stranger:
                for datagram in noise:
                    stranger.sendto(datagram, address)
                assert (await asked(peer, address, post(7)))[1] == CHANGED

    asyncio.run(disturb())


async def test_strangers_are_refused_and_not_kept(peer: socket.socket) -> None:
    async with coap_listening(ProtocolKit(), plain_from=()) as (adapter, address):
        assert (await asked(peer, address, post(1)))[1] == 0x81
        assert adapter.counters()["peers"] == 0


async def test_a_content_format_that_is_not_ours_is_refused_by_the_full_stack(peer: socket.socket) -> None:
    path = ((11, b"t"), (11, TANK.encode()))
    async with coap_listening(ProtocolKit()) as (adapter, address):
        assert (await asked(peer, address, request(1, *path, (12, b"\x2a"), body=BODY)))[1] == 0x8F
        assert (await asked(peer, address, request(2, (11, b"t"), (11, b"ghost"), SENML_JSON, body=BODY)))[1] == 0x84
        assert (adapter.counters()["slow"], adapter.counters()["fast"]) == (1, 1)
