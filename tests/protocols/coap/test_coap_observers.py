"""ICMP errors end the observations of those who vanished, and nobody else's."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import pytest
from aiocoap import Message
from aiocoap.resource import ObservableResource, Site
from coap_wire import ACK, CON, GET, Address, asked, received, request, udp_peer

from protocols.coap.adapter import serving
from protocols.coap.front import FrontSettings
from protocols.coap.identity import PlainByAddress
from protocols.coap.intake import Intake
from protocols.testing import ProtocolKit

EACH = 10


class Level(ObservableResource):  # type: ignore[misc] # aiocoap has no types
    """A number that counts up."""

    def __init__(self) -> None:
        super().__init__()
        self.value = 0

    async def render_get(self, request: Any) -> Message:
        return Message(payload=str(self.value).encode())

    def rise(self) -> None:
        self.value += 1
        self.updated_state()


@asynccontextmanager
async def observable() -> AsyncGenerator[tuple[Level, Address]]:
    kit, site, level = ProtocolKit(), Site(), Level()
    site.add_resource(["o"], level)
    intake = Intake(kit.deps(), PlainByAddress(("127.0.0.1",), kit.things), max_payload_bytes=99, retry_after_s=1)
    async with serving(site, intake, kit.deps(), FrontSettings(), ("127.0.0.1", 0)) as (port, _, _):
        yield level, ("127.0.0.1", port.number)


async def observing(stack: ExitStack, address: Address, kind: int) -> socket.socket:
    peer = stack.enter_context(udp_peer())
    answer = await asked(peer, address, request(1, (6, b""), (11, b"o"), code=GET, kind=kind))
    assert answer[1] == 0x45
    return peer


async def hear(peer: socket.socket, address: Address, value: int) -> None:
    """Wait for a notification with this value, and acknowledge all that come."""
    while True:
        notification = await received(peer)
        if notification[0] & 0x30 == 0:
            peer.sendto(bytes([ACK, 0]) + notification[2:4], address)
        if notification.endswith(b"\xff" + str(value).encode()):
            return


async def the_living_are_told_all() -> None:
    with ExitStack() as living, ExitStack() as vanishing:
        async with observable() as (level, address):
            peers = []
            for _ in range(EACH):
                await observing(vanishing, address, CON)
                peers.append(await observing(living, address, CON))
            vanishing.close()
            for value in range(1, 6):
                level.rise()
                for peer in peers:
                    await hear(peer, address, value)


async def test_ten_that_vanished_cost_ten_others_nothing() -> None:
    await the_living_are_told_all()


def test_ten_that_vanished_cost_ten_others_nothing_on_uvloop() -> None:
    uvloop = pytest.importorskip("uvloop", reason="uvloop cannot be had here")
    loops: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loops) as runner:
        runner.run(the_living_are_told_all())
