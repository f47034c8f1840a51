"""The storm: devices report, shops misbehave, and the hub is killed again and again."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Final

import aiohttp
from msgspec import Struct

from hub.torture.fleet import Ledger, Line, fleet
from hub.torture.history import HistorySettings, write_history
from hub.torture.moments import Moment, Reaper, plan
from hub.torture.processes import HUB_PROGRAM
from hub.torture.progress import Progress, share
from hub.torture.scene import OwnersDesk, Scene
from hub.torture.trouble import end_trouble, make_trouble

_KILLS_A_MIGRATION: Final = 10
"""One kill in so many is spent on migrations, up to as many as there are steps in one."""


class TortureSettings(Struct, frozen=True, kw_only=True):
    """How long and how hard. ``hub_program`` replaces the hub under test (the judge's own test does that)."""

    kills: int = 20
    seed: int = 1
    things: int = 20
    history: int = 0
    """Messages that the journal holds before the first kill."""
    settle_s: float = 90.0
    start_limit_s: float | None = None
    """The 99th percentile of the times to start must not be longer."""
    hub_program: Sequence[str] = HUB_PROGRAM
    moments: Sequence[Moment] = ()
    """When the hub is killed; drawn where nothing is said."""


class Storm:
    """One storm, while it lasts and when it is over."""

    def __init__(self, place: Scene, settings: TortureSettings, progress: Progress, stop: asyncio.Event) -> None:
        self.ledger = Ledger()
        self.history = 0
        self.kills = 0
        self._place = place
        self._settings = settings
        self._progress = progress
        self._stop = stop
        self._chance = Random(settings.seed)
        self._line = Line()

    async def rage(self) -> None:
        """Kill the hub as often as is wanted; in the end it runs, all faults are over, every device has its ack."""
        timeout = aiohttp.ClientTimeout(total=20.0)
        async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
            desk = OwnersDesk(session, self._place.hub, self._place.data_dir)
            self.reaper = Reaper(self._place, desk, self._line, self.ledger, self._chance)
            tokens = await self._begin(desk)
            ended = asyncio.Event()
            shops = tuple(self._place.shops.values())
            async with asyncio.TaskGroup() as group:
                group.create_task(make_trouble(shops, Random(self._chance.random()), ended))
                for printer in fleet(session, tokens, Random(self._chance.random()), self.ledger):
                    group.create_task(printer.work(self._line, ended))
                await self._kill_all()
                ended.set()
                await self.reaper.rise()
        await end_trouble(shops)

    async def _begin(self, desk: OwnersDesk) -> dict[str, str]:
        """Register the printers, and give the journal its past; a part of that under kills in its migration."""
        settings = self._settings
        await self._place.hub.start()
        tokens = await desk.register(settings.things)
        await desk.allow(settings.things // 2)
        await self._place.hub.stop()
        await self.reaper.interrupt_migrations(settings.kills // _KILLS_A_MIGRATION)
        self.kills = self.reaper.killed()
        if settings.history:
            self._progress.turn(f"journalling {settings.history:,} messages")
            self.history = await write_history(
                self._place.configuration(), HistorySettings(messages=settings.history), self.ledger.book, self._told
            )
        self.ledger.acknowledged += self.history
        return tokens

    def _told(self, done: int) -> bool:
        self._progress.step("journalled", done, self._settings.history, {})
        return not self._stop.is_set()

    async def _kill_all(self) -> None:
        self._progress.turn(f"killing the hub {self._settings.kills:,} times")
        for moment in self._settings.moments or plan(self._settings.kills - self.kills, self._chance):
            if self._stop.is_set():
                return
            raised = self._chance.choice((0, 2, self._settings.things // 2, self._settings.things // 2))
            await self.reaper.kill_at(moment, raised)
            self.kills += 1
            self._progress.step("kills", self.kills, self._settings.kills, self._figures())

    def _figures(self) -> dict[str, object]:
        starts = self.reaper.starts_s
        return {
            "acknowledged": f"{self.ledger.acknowledged:,}",
            "start p50": f"{share(starts, 50):.2f} s",
            "p99": f"{share(starts, 99):.2f} s",
            "hit": " ".join(f"{name}:{count}" for name, count in sorted(self.reaper.hit.items())),
        }
