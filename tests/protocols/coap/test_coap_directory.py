"""The Resource Directory (RFC 9176) over datagrams: register, renew, look up, expire, and what a restart leaves."""

import socket
from collections.abc import Iterator

import pytest
from coap_wire import (
    DELETE,
    GET,
    POST,
    UNAVAILABLE,
    Address,
    Option,
    asked,
    coap_listening,
    options_of,
    payload_of,
    request,
    udp_peer,
    until,
)

from actors.model.ids import ThingId
from protocols.testing import TANK, ProtocolKit, sample_thing

LINKS = b'</sensors/temp>;rt="temperature-c";ct=0,</sensors/light>;rt="light-lux"'
CREATED, DELETED, CHANGED, CONTENT = 0x41, 0x42, 0x44, 0x45
BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, NOT_ACCEPTABLE, FORMAT = 0x80, 0x81, 0x83, 0x84, 0x86, 0x8F
SMALL = (23, b"\x02")
"""Block2 of 64 bytes."""


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    with udp_peer() as sock:
        yield sock


def registering(message_id: int, *query: str, body: bytes = LINKS, **more: bytes) -> bytes:
    given = [(15, parameter.encode()) for parameter in query or (f"ep={TANK}",)]
    form = [(12, more.get("form", b"\x28"))] if body else []
    return request(message_id, (11, b"rd"), *form, *given, body=body)


def at(location: bytes, *more: Option) -> list[Option]:
    return [(11, b"rd"), (11, location), *more]


async def registered(peer: socket.socket, address: Address, message_id: int = 1, *query: str) -> bytes:
    answer = await asked(peer, address, registering(message_id, *query))
    assert answer[1] == CREATED
    first, key = [value for number, value in options_of(answer) if number == 8]
    assert first == b"rd"
    return key


async def looked_up(peer: socket.socket, address: Address, kind: str, message_id: int, *query: str) -> str:
    given = [(15, parameter.encode()) for parameter in query]
    answer = await asked(peer, address, request(message_id, (11, b"rd-lookup"), (11, kind.encode()), *given, code=GET))
    assert answer[1] == CONTENT, answer
    return payload_of(answer).decode()


async def test_a_device_registers_renews_and_leaves(peer: socket.socket) -> None:
    kit = ProtocolKit()
    async with coap_listening(kit) as (adapter, address):
        key = await registered(peer, address)
        assert kit.store.all("registration").keys() == {key.decode()}
        assert (await asked(peer, address, request(2, *at(key, (15, b"lt=60")), code=POST)))[1] == CHANGED
        assert adapter.counters()["registrations"] == 1
        assert (await asked(peer, address, request(3, *at(key), code=DELETE)))[1] == DELETED
        assert (await asked(peer, address, request(4, *at(key), code=POST)))[1] == NOT_FOUND
    assert not kit.store.all("registration")


async def test_who_registers_again_keeps_its_place(peer: socket.socket) -> None:
    async with coap_listening(ProtocolKit()) as (adapter, address):
        assert await registered(peer, address, 1) == await registered(peer, address, 2)
        assert adapter.counters()["registrations"] == 1


async def test_look_up_tells_endpoints_and_resources_with_their_addresses(peer: socket.socket) -> None:
    async with coap_listening(ProtocolKit(), echo=False) as (_, address):
        await registered(peer, address, 1, f"ep={TANK}", "lt=600", "floor=2")
        base = f"coap://127.0.0.1:{peer.getsockname()[1]}"
        endpoint = await looked_up(peer, address, "ep", 2, "floor=2")
        assert f'ep="{TANK}"' in endpoint
        assert f'base="{base}"' in endpoint
        assert await looked_up(peer, address, "ep", 3, "rt=light-lux") == endpoint
        assert await looked_up(peer, address, "ep", 4, "floor=3") == ""
        found = await looked_up(peer, address, "res", 5, "rt=temp*")
        assert found == f'<{base}/sensors/temp>;rt="temperature-c";ct="0"'
        both = await looked_up(peer, address, "res", 6, f"ep={TANK}")
        assert both.count("<") == 2
        assert (await looked_up(peer, address, "res", 7, "count=1", "page=1")).startswith(f"<{base}/sensors/light>")


async def test_another_owners_devices_are_told_to_nobody(peer: socket.socket) -> None:
    kit = ProtocolKit()
    async with coap_listening(kit, echo=False) as (_, address):
        await registered(peer, address)
        kit.things.register(sample_thing(options={"address": "127.0.0.9"}))
        assert (await asked(peer, address, request(2, (11, b"rd-lookup"), (11, b"ep"), code=GET)))[1] == UNAUTHORIZED


async def test_who_was_not_heard_of_in_its_lifetime_is_gone(peer: socket.socket) -> None:
    kit = ProtocolKit()
    async with coap_listening(kit, echo=False) as (adapter, address):
        key = await registered(peer, address, 1, f"ep={TANK}", "lt=60")
        kit.clock.advance(61)
        assert await looked_up(peer, address, "ep", 2) == ""
        assert (await asked(peer, address, request(3, *at(key), code=POST)))[1] == NOT_FOUND
        await until(adapter, "registrations", 0, exactly=True)
    assert not kit.store.all("registration")


async def test_a_restarted_hub_still_knows_who_registered(peer: socket.socket) -> None:
    kit = ProtocolKit()
    async with coap_listening(kit) as (_, address):
        key = await registered(peer, address, 1, f"ep={TANK}", "lt=60")
    kit.clock.advance(30)
    async with coap_listening(kit) as (adapter, address):
        assert adapter.counters()["registrations"] == 1
        assert (await asked(peer, address, request(2, *at(key), code=POST)))[1] == CHANGED
        kit.clock.advance(45)
        assert adapter.counters()["registrations"] == 1


async def test_a_retired_things_registration_ends(peer: socket.socket) -> None:
    kit = ProtocolKit()
    async with coap_listening(kit) as (adapter, address):
        await registered(peer, address)
        kit.things.retire(TANK)
        await until(adapter, "registrations", 0, exactly=True)


async def test_what_is_not_on_disk_is_not_acknowledged(peer: socket.socket) -> None:
    kit = ProtocolKit()
    async with coap_listening(kit) as (adapter, address):
        kit.store.is_down = True
        assert (await asked(peer, address, registering(1)))[1] == UNAVAILABLE
        assert adapter.counters()["registrations"] == 0
        kit.store.is_down = False
        await registered(peer, address, 2)


@pytest.mark.parametrize(
    ("query", "body", "code"),
    [
        (["lt=60"], LINKS, BAD_REQUEST),
        ([f"ep={TANK}", "lt=0"], LINKS, BAD_REQUEST),
        ([f"ep={TANK}", "lt=x"], LINKS, BAD_REQUEST),
        ([f"ep={TANK}", f"ep={TANK}"], LINKS, BAD_REQUEST),
        ([f"ep={'x' * 64}"], LINKS, BAD_REQUEST),
        ([f"ep={TANK}", "base=http://x"], LINKS, BAD_REQUEST),
        ([f"ep={TANK}"], b"</a", BAD_REQUEST),
        (["ep=ghost"], LINKS, FORBIDDEN),
        ([f"ep={TANK}"] + [f"a{number}=1" for number in range(16)], LINKS, BAD_REQUEST),
    ],
)
async def test_a_registration_that_is_none_has_its_code_and_reason(
    peer: socket.socket, query: list[str], body: bytes, code: int
) -> None:
    kit = ProtocolKit()
    async with coap_listening(kit) as (_, address):
        answer = await asked(peer, address, registering(1, *query, body=body))
        assert answer[1] == code
        assert payload_of(answer)
    assert not kit.store.all("registration")


async def test_another_format_of_links_gets_415_and_another_answer_406(peer: socket.socket) -> None:
    async with coap_listening(ProtocolKit()) as (_, address):
        assert (await asked(peer, address, registering(1, form=b"\x32")))[1] == FORMAT
        wanted = request(2, (11, b"rd-lookup"), (11, b"ep"), (17, b"\x32"), code=GET)
        assert (await asked(peer, address, wanted))[1] == NOT_ACCEPTABLE


async def test_a_thing_cannot_take_or_end_anothers_registration(peer: socket.socket) -> None:
    kit = ProtocolKit()
    async with coap_listening(kit) as (_, address):
        key = await registered(peer, address)
        kit.things.register(sample_thing(ThingId("other"), options={"address": "127.0.0.5"}))
        assert (await asked(peer, address, registering(2, "ep=other")))[1] == UNAUTHORIZED
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.setblocking(False)
            other.bind(("127.0.0.5", 0))
            assert (await asked(other, address, request(3, *at(key), code=DELETE)))[1] == UNAUTHORIZED


async def test_devices_find_the_directory(peer: socket.socket) -> None:
    async with coap_listening(ProtocolKit(), echo=False) as (_, address):
        wanted = request(1, (11, b".well-known"), (11, b"core"), (15, b"rt=core.rd*"), code=GET)
        listing = payload_of(await asked(peer, address, wanted)).decode()
        assert [part.split(">")[0] for part in listing.split("<")[1:]] == ["/rd", "/rd-lookup/ep", "/rd-lookup/res"]
