"""A hub and two shops as real processes, with printers that post over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from shutil import rmtree
from typing import Any, TypeVar

import aiohttp

from actors.model.readings import Reading
from actors.model.secrets import Secret
from hub.demo.device import Acknowledged, Answer
from hub.demo.printer import HttpUplink
from hub.torture.processes import owner_token
from hub.torture.scene import OwnersDesk, Scene, scene

_T = TypeVar("_T")


async def until(probe: Callable[[], Awaitable[_T | None]], within_s: float = 30.0) -> _T:
    """Return the first answer that is not None."""
    async with asyncio.timeout(within_s):
        while (found := await probe()) is None:  # noqa: ASYNC110 - another process tells nobody when it has changed
            await asyncio.sleep(0.02)
    return found


class RealHub:
    """A running scene with its owner's desk and the tokens of its printers."""

    def __init__(self, place: Scene, session: aiohttp.ClientSession) -> None:
        self.place = place
        self.session = session
        self.tokens: dict[str, str] = {}

    async def begin(self, things: int = 2) -> None:
        """Start the hub on what its data directory holds, register printers, allow them to buy."""
        await self.place.hub.start()
        desk = OwnersDesk(self.session, self.place.hub, self.place.data_dir)
        self.tokens = await desk.register(things)
        await desk.allow(20)

    def wipe(self) -> None:
        """Lose the data directory."""
        rmtree(self.place.data_dir)

    async def send(self, thing: str, seq: int, ink: float, within_s: float = 30.0) -> Answer:
        """Let a printer report its ink once."""
        timeout = aiohttp.ClientTimeout(total=within_s)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            uplink = HttpUplink(session, self.place.hub.url, thing, Secret(self.tokens[thing]), "b1")
            return await uplink.send(seq, (Reading(name="ink", value=ink, unit="%"),))

    async def report(self, thing: str, seq: int, ink: float) -> None:
        """Let a printer report its ink; the hub must acknowledge it."""
        answer = await self.send(thing, seq, ink)
        assert isinstance(answer, Acknowledged), answer

    async def get(self, path: str) -> Any:
        """Ask the owner's API."""
        headers = {"Authorization": f"Bearer {owner_token(self.place.data_dir)}"}
        async with self.session.get(f"{self.place.hub.url}{path}", headers=headers) as reply:
            assert reply.status == 200, await reply.text()
            return await reply.json()

    async def text(self, path: str) -> str:
        """Ask what needs no token."""
        async with self.session.get(f"{self.place.hub.url}{path}") as reply:
            return await reply.text()

    async def orders_in(self, state: str, count: int) -> list[dict[str, Any]]:
        """Wait until so many orders are in a state, and return them."""

        async def probe() -> list[dict[str, Any]] | None:
            orders: list[dict[str, Any]] = await self.get(f"/api/v1/orders?state={state}")
            return orders if len(orders) >= count else None

        return await until(probe)


@asynccontextmanager
async def real_hub(folder: Path, *, more: str = "") -> AsyncIterator[RealHub]:
    """Start the shops; the hub is started by ``begin``. ``more`` is added to its configuration."""
    async with scene(folder, more=more) as place, aiohttp.ClientSession() as session:
        yield RealHub(place, session)
