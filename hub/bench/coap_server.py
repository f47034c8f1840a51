"""The servers of the CoAP benchmarks, each a process: ``python -m hub.bench.coap_server KIND THINGS``."""

import asyncio
import logging
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec
from aiocoap import CHANGED, Context, Message
from aiocoap.resource import PathCapable, Resource, Site
from msgspec import Struct

from actors.model.ids import ThingId
from actors.ports import ConnectedThing, ProtocolDeps
from hub.bench.server_process import run
from hub.bench.turns import TurnBench
from hub.clock import SystemClock
from hub.storage.sqlite import open_journal
from protocols.coap import SPEC, CoapAdapter, CoapConfig
from protocols.coap.adapter import serving
from protocols.coap.front import FrontSettings
from protocols.coap.identity import Sender
from protocols.coap.mapping import Arrival
from protocols.coap.replies import STORED, Reply
from protocols.testing import MemoryStore

_LOOPBACK = ("127.0.0.1",)
_ENOUGH_PER_S = 1e6
_COMMIT_S = 0.0015


class _Body(Struct):
    boot: str
    name: str
    value: float
    unit: str
    seq: int


_decode = msgspec.json.Decoder(_Body).decode


@asynccontextmanager
async def durable(things: int) -> AsyncGenerator[int]:
    """The adapter of the hub on its turn engine and journal."""
    with tempfile.TemporaryDirectory(prefix="iot2crm-bench-") as name, open_journal(Path(name)) as journal:
        bench = TurnBench(journal, things, {"address": "127.0.0.1"})
        await bench.register()
        config = CoapConfig(port=0, plain_from=_LOOPBACK, per_peer_per_s=_ENOUGH_PER_S)
        async with SPEC.open(config, bench.deps()) as adapter:
            yield int(adapter.urls[0].rpartition(":")[2]) if isinstance(adapter, CoapAdapter) else 0
        await bench.stop()


class _Bare(Resource, PathCapable):  # type: ignore[misc] # aiocoap has no types
    async def render_post(self, request: Any) -> Any:
        """Read the body and say so."""
        _decode(request.payload)
        return Message(code=CHANGED)


@asynccontextmanager
async def bare(_things: int) -> AsyncGenerator[int]:
    """Aiocoap's own server with a handler that only reads the body."""
    logging.getLogger("coap-server").setLevel(logging.ERROR)  # noqa: TID251 - aiocoap's own logger
    site: Any = Site()
    site.add_resource(["t"], _Bare())
    port = _free_port()
    factory: Any = Context
    context = await factory.create_server_context(site, bind=("127.0.0.1", port), transports=["udp6"])
    try:
        yield port
    finally:
        await context.shutdown()


class _TimerTaker:
    """Reads each body and answers all that came within the time of a commit at once."""

    def __init__(self) -> None:
        self._answers: list[Callable[[Reply], None]] = []

    def take(self, arrival: Arrival, answer: Callable[[Reply], None]) -> None:
        """Take one post into the batch."""
        _decode(arrival.payload)
        if not self._answers:
            asyncio.get_running_loop().call_later(_COMMIT_S, self._commit)
        self._answers.append(answer)

    def admit(self, sender: Sender) -> None:
        """Let everybody in."""

    def counted(self, reply: Reply) -> Reply:
        """Return the reply."""
        return reply

    def _commit(self) -> None:
        answers, self._answers = self._answers, []
        for answer in answers:
            answer(STORED)


class _Nobody:
    """A directory without things, a sink and an authenticator that are not asked."""

    def find(self, _thing_id: ThingId) -> ConnectedThing | None:
        """Return nothing."""
        return None


@asynccontextmanager
async def front(_things: int) -> AsyncGenerator[int]:
    """The front end alone, with a commit that is a timer."""
    nobody: Any = _Nobody()
    deps = ProtocolDeps(
        sink=nobody,
        machine=nobody,
        store=MemoryStore(),
        things=nobody,
        authenticator=nobody,
        clock=SystemClock(),
        chance=Random(1),
    )
    settings = FrontSettings(per_peer_per_s=_ENOUGH_PER_S)
    async with serving(Site(), _TimerTaker(), deps, settings, ("127.0.0.1", 0)) as (port, _, _):
        yield port.number


class _Minimal(asyncio.DatagramProtocol):
    """The limit: path and format are read and not used, nothing is checked, nothing remembered."""

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Answer at once."""
        token_end = 4 + (data[0] & 0x0F)
        at, number, size = token_end, 0, len(data)
        path: list[bytes] = []
        while at < size and data[at] != 0xFF:
            delta, length = data[at] >> 4, data[at] & 0x0F
            at += 1
            if delta > 12:
                delta, at = (data[at] + 13, at + 1) if delta == 13 else ((data[at] << 8 | data[at + 1]) + 269, at + 2)
            if length > 12:
                length, at = (data[at] + 13, at + 1) if length == 13 else ((data[at] << 8 | data[at + 1]) + 269, at + 2)
            number += delta
            if number == 11:
                path.append(data[at : at + length])
            elif number == 12:
                int.from_bytes(data[at : at + length], "big")
            at += length
        if at + 1 < size:
            _decode(data[at + 1 :])
        kind = 0x60 if data[0] >> 4 & 3 == 0 else 0x50
        self._transport.sendto(bytes((kind | token_end - 4, 0x44)) + data[2:token_end], addr)


@asynccontextmanager
async def minimal(_things: int) -> AsyncGenerator[int]:
    """A hand-parsed responder."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(_Minimal, local_addr=("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


_KINDS: Final = {"durable": durable, "bare": bare, "front": front, "minimal": minimal}


def _free_port() -> int:
    import socket  # noqa: PLC0415 - only the one server that cannot take port 0 asks

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


if __name__ == "__main__":
    run(_KINDS, without_uvloop=frozenset({"bare"}))  # aiocoap alone is faster without
