"""Nobody makes the hub flood a third party: large answers only for who showed that it is there (RFC 9175)."""

import socket
from collections.abc import Iterator

import pytest
from coap_wire import GET, asked, coap_listening, options_of, payload_of, request, udp_peer

from protocols.coap.echo import EchoGate
from protocols.coap.identity import Sender
from protocols.testing import ProtocolKit

WELL_KNOWN = ((11, b".well-known"), (11, b"core"))
UNAUTHORIZED, CONTENT = 0x81, 0x45
PEER = Sender(host="::ffff:192.0.2.1", port=5683)


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    with udp_peer() as sock:
        yield sock


async def test_no_answer_is_much_larger_than_what_a_stranger_sent(peer: socket.socket) -> None:
    async with coap_listening(ProtocolKit()) as (_, address):
        asking = request(1, *WELL_KNOWN, code=GET)
        answer = await asked(peer, address, asking)
        assert answer[1] == UNAUTHORIZED
        assert len(answer) <= len(asking)


async def test_who_returns_the_echo_value_is_answered_and_known_from_then_on(peer: socket.socket) -> None:
    async with coap_listening(ProtocolKit()) as (_, address):
        echo = dict(options_of(await asked(peer, address, request(1, *WELL_KNOWN, code=GET))))[252]
        answer = await asked(peer, address, request(2, *WELL_KNOWN, (252, echo), code=GET))
        assert (answer[1], b"</t>" in payload_of(answer)) == (CONTENT, True)
        assert (await asked(peer, address, request(3, *WELL_KNOWN, code=GET)))[1] == CONTENT


async def test_anothers_echo_value_helps_nobody(peer: socket.socket) -> None:
    async with coap_listening(ProtocolKit()) as (_, address):
        echo = dict(options_of(await asked(peer, address, request(1, *WELL_KNOWN, code=GET))))[252]
        with udp_peer() as other:
            assert (await asked(other, address, request(2, *WELL_KNOWN, (252, echo), code=GET)))[1] == UNAUTHORIZED


async def test_small_blocks_need_no_echo(peer: socket.socket) -> None:
    async with coap_listening(ProtocolKit()) as (_, address):
        asking = request(1, *WELL_KNOWN, (23, b"\x01"), code=GET)
        answer = await asked(peer, address, asking)
        assert answer[1] == CONTENT
        assert len(answer) <= 3 * len(asking)


def test_an_echo_value_is_old_after_two_minutes_and_a_peer_forgotten_after_its_time() -> None:
    now = [1000.0]
    gate = EchoGate(lambda: now[0], most=2)
    echo = gate.challenge(PEER, None, asked=20, answered=100)
    assert echo is not None
    now[0] += 121
    assert gate.challenge(PEER, echo, asked=20, answered=100) not in (None, echo)
    fresh = gate.challenge(PEER, None, asked=20, answered=100)
    assert gate.challenge(PEER, fresh, asked=20, answered=100) is None
    now[0] += 248
    assert gate.challenge(PEER, None, asked=20, answered=100) is not None


def test_small_answers_and_secured_senders_need_none() -> None:
    gate = EchoGate(lambda: 0.0, most=2)
    assert gate.challenge(PEER, None, asked=20, answered=60) is None
    secured = Sender(host=PEER.host, port=PEER.port, claims=("tank-1",))
    assert gate.challenge(secured, None, asked=20, answered=1000) is None


def test_no_more_peers_are_remembered_than_allowed() -> None:
    gate = EchoGate(lambda: 0.0, most=2)
    peers = [Sender(host="::1", port=number) for number in range(3)]
    for peer in peers:
        echo = gate.challenge(peer, None, asked=1, answered=9)
        assert gate.challenge(peer, echo, asked=1, answered=9) is None
    assert [gate.challenge(peer, None, asked=1, answered=9) is None for peer in peers] == [False, True, True]
