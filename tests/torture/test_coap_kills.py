"""A hub that speaks CoAP is killed: what it acknowledged is there, once, and no sequence number is used again."""

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from coap_secured import SECRET, RawDevice, keep_client_context
from coap_wire import ACK, CHANGED, GET, Address, asked, options_of, payload_of, received, request, udp_peer
from free_ports import free_port
from real_hub import RealHub, real_hub

CREATED = 0x41
INK = b'[{"n":"ink","v":50}]'
READING = request(7, (11, b"t"), (11, b"tank-0"), (12, b"\x6e"), body=INK)


async def register(hub: RealHub, thing: str, options: dict[str, str]) -> None:
    connection = {"protocol": "coap", "options": options}
    told: dict[str, Any] = {"thing_id": thing, "owner_id": "acme", "profile": "printer_xl", "connection": connection}
    headers = {"Authorization": f"Bearer {(hub.place.data_dir / 'owner.token').read_text().strip()}"}
    async with hub.session.post(f"{hub.place.hub.url}/api/v1/things", json=told, headers=headers) as reply:
        assert reply.status == 201, await reply.text()


@asynccontextmanager
async def coap_hub(folder: Path) -> AsyncIterator[tuple[RealHub, Address]]:
    port = free_port(socket.SOCK_DGRAM)
    (folder / "oscore").write_text(SECRET)
    more = f'\n[protocols.coap]\nport = {port}\nplain_from = ["127.0.0.1"]\n'
    more += '\n[protocols.coap.oscore.tank-1]\nthing_id = "01"\nsecret = { file = "oscore" }\n'
    async with real_hub(folder, more=more) as hub:
        await hub.begin()
        await register(hub, "tank-0", {"address": "127.0.0.1"})
        await register(hub, "tank-1", {})
        yield hub, ("127.0.0.1", port)


async def outcome(peer: socket.socket, address: Address, path: list[tuple[int, bytes]]) -> Any:
    """Observe an order until it has ended or stands confirmed, and return it."""
    observing = request(2, (6, b""), (252, b"x"), *path, code=GET)
    challenge = await asked(peer, address, observing)
    echo = dict(options_of(challenge))[252]
    peer.sendto(request(3, (6, b""), (252, echo), *path, code=GET), address)
    while True:
        notification = await received(peer)
        if notification[0] & 0x30 == 0:
            peer.sendto(bytes([ACK, 0]) + notification[2:4], address)
        told = json.loads(payload_of(notification) or b"{}")
        if told.get("is_ended") or told.get("state") == "confirmed":
            return told


async def killed_and_started(hub: RealHub) -> None:
    await hub.place.hub.kill()
    await hub.place.hub.start()


async def test_a_reading_that_is_sent_again_to_a_restarted_hub_is_stored_once(tmp_path: Path) -> None:
    async with coap_hub(tmp_path) as (hub, address):
        with udp_peer() as peer:
            assert (await asked(peer, address, READING))[1] == CHANGED
            await killed_and_started(hub)
            assert (await asked(peer, address, READING))[1] == CHANGED
        await hub.place.hub.kill()
        assert hub.place.evidence().messages == 1


async def test_a_registration_outlives_a_kill(tmp_path: Path) -> None:
    async with coap_hub(tmp_path) as (hub, address):
        with udp_peer() as peer:
            told = request(1, (11, b"rd"), (15, b"ep=tank-0"), (15, b"lt=600"))
            answer = await asked(peer, address, told)
            assert answer[1] == CREATED
            location = [(11, value) for number, value in options_of(answer) if number == 8]
            await killed_and_started(hub)
            assert (await asked(peer, address, request(2, *location)))[1] == CHANGED


async def test_no_sequence_number_is_used_again_after_a_kill(tmp_path: Path) -> None:
    async with coap_hub(tmp_path) as (hub, address):
        device = RawDevice(keep_client_context(tmp_path / "device"), "tank-1", INK)
        with udp_peer() as peer:
            for life in range(2):
                await device.post(peer, address, 10 * life + 1)  # a challenge, under a number of the hub's own
                assert (await device.post(peer, address, 10 * life + 2)).code.dotted == "2.04"
                await killed_and_started(hub)
        assert len(device.numbers()) >= 2
        assert len(set(device.numbers())) == len(device.numbers())


async def test_a_thing_orders_over_coap_and_is_told_the_outcome_though_the_hub_was_killed(tmp_path: Path) -> None:
    async with coap_hub(tmp_path) as (hub, address):
        with udp_peer() as peer:
            wanted = request(
                1, (11, b"m"), (11, b"tank-0"), (11, b"requests"), (12, b"\x32"), body=b'{"subject":"black"}'
            )
            placed = await asked(peer, address, wanted)
            assert placed[1] == CREATED, placed
            key = [(11, value) for number, value in options_of(placed) if number == 8]
            await killed_and_started(hub)
            told = await outcome(peer, address, key)
        assert told["state"] == "confirmed", told
        assert told["subject"] == "black"
