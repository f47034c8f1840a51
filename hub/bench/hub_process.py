"""A whole hub as a process of its own, for the benchmarks of many things: ``python -m hub.bench.hub_process FOLDER``.

It is composed as any hub, with one protocol more: its standard input. Each line there is a command, answered by one
line: ``rss``, ``start`` (seconds from the beginning of its start to its first answer), and ``feed N`` with N lines
behind it, each a token and the body of a device. It ends with its input.
"""

import asyncio
import gc
import os
import sys
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct
from msgspec.structs import replace

from actors.model.profiles import ThingProfile
from actors.model.readings import DeviceMessage, Principal, Reading, Receipt, Refused
from actors.ports import LinkStatus, ProtocolDeps, ProtocolSpec, RefusesCommands
from hub.bench.turns import BenchFailed, profile
from hub.bootstrap import open_hub
from hub.config import CommunityConfig, HubConfig
from hub.config.listen import Listen
from hub.config.tables import LimitsConfig, ProtocolChoice, StorageConfig
from hub.logs import LogFormat
from protocols.http import SPEC as HTTP
from protocols.http.config import HttpConfig
from protocols.opcua import SPEC as OPCUA
from protocols.opcua.config import OpcUaConfig

COMMUNITY = "fleet"
_UNDER_WAY = 2_000


class Body(Struct, gc=False):
    """What a device of the benchmark sends."""

    seq: int
    readings: tuple[Reading, ...]


class _NoConfig(Struct):
    """Nothing to choose."""


class Inlet(RefusesCommands):
    """A ``ProtocolAdapter`` for lines: who sends is known by its token, as over HTTP."""

    http_routes: Sequence[Any] = ()
    urls: Sequence[str] = ()

    def __init__(self, deps: ProtocolDeps) -> None:
        self._deps = deps
        self._decode = msgspec.json.Decoder(Body).decode
        self._room = asyncio.Semaphore(_UNDER_WAY)
        self._refused: Refused | None = None

    def links(self) -> Sequence[LinkStatus]:
        """Return none."""
        return ()

    def counters(self) -> Mapping[str, int]:
        """Count nothing."""
        return {}

    async def take(self, line: bytes) -> None:
        """Hand in one message as soon as there is room."""
        await self._room.acquire()
        token, _, body = line.partition(b" ")
        principal = self._deps.authenticator.by_bearer(token.decode())
        if principal is None or principal.thing_id is None:
            raise BenchFailed("a token that nobody holds")
        self._deps.sink.accept(principal, self._message(principal, body), self._done)

    async def drained(self) -> None:
        """Wait until all messages are stored.

        Raises:
            BenchFailed: one was not.
        """
        for _ in range(_UNDER_WAY):
            await self._room.acquire()
        for _ in range(_UNDER_WAY):
            self._room.release()
        if self._refused is not None:
            raise BenchFailed(self._refused.detail)

    def _message(self, principal: Principal, body: bytes) -> DeviceMessage:
        assert principal.thing_id is not None  # noqa: S101 - checked by the caller
        decoded = self._decode(body)
        return DeviceMessage(
            thing_id=principal.thing_id,
            message_id=f"b:{decoded.seq}",
            received_at=self._deps.clock.now(),
            readings=decoded.readings,
            protocol="http",
        )

    def _done(self, receipt: Receipt) -> None:
        self._room.release()
        if isinstance(receipt, Refused):
            self._refused = receipt


def fleet_profile() -> ThingProfile:
    """Return a thing with ten numbers and two slots."""
    kind = profile()
    (slot,) = kind.slots.values()
    return replace(kind, slots={"first": slot, "second": replace(slot, level="p1")})


def _config(folder: Path, inlets: list[Inlet]) -> HubConfig:
    @asynccontextmanager
    async def open_inlet(_config: Any, deps: ProtocolDeps) -> AsyncGenerator[Inlet]:
        inlets.append(Inlet(deps))
        yield inlets[0]

    inlet = ProtocolSpec(name="lines", title="Lines", config_type=_NoConfig, open=open_inlet)
    return HubConfig(
        file=folder / "hub.toml",
        name="bench",
        data_dir=folder,
        listen=Listen(host="127.0.0.1", port=0),
        log=LogFormat.JSON,
        profiles={"bench": fleet_profile()},
        protocols=(
            ProtocolChoice(name="http", spec=HTTP, config=HttpConfig()),
            ProtocolChoice(name="opcua", spec=OPCUA, config=OpcUaConfig(endpoints={})),
            ProtocolChoice(name="lines", spec=inlet, config=_NoConfig()),
        ),
        crm=(),
        communities={COMMUNITY: CommunityConfig(members=("bench",))},
        limits=LimitsConfig(),
        storage=StorageConfig(),
    )


async def _serve(folder: Path) -> None:
    inlets: list[Inlet] = []
    loop, lines = asyncio.get_running_loop(), asyncio.StreamReader(limit=2**20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    began = time.perf_counter()
    async with open_hub(_config(folder, inlets)) as running:
        await _answers(running.url)
        started_s = time.perf_counter() - began
        while line := await lines.readline():
            match line.split():
                case [b"start"]:
                    told = started_s
                case [b"rss"]:
                    told = float(_resident())
                case [b"feed", count]:
                    for _ in range(int(count)):
                        await inlets[0].take((await lines.readline()).rstrip())
                    await inlets[0].drained()
                    told = float(count)
                case _:
                    raise BenchFailed(f"unknown command {line!r}")
            sys.stdout.write(f"{told}\n")
            sys.stdout.flush()


async def _answers(url: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/healthz") as reply:
        if reply.status != 200:
            raise BenchFailed(await reply.text())


def _resident() -> int:
    gc.collect()
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
