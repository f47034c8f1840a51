"""The pieces of the simulation carry any core: here the example's tank, crashed and shuffled seed by seed."""

import asyncio
import runpy
from pathlib import Path
from typing import Any

import pytest

from actors.runtime.contract import AskFailed
from actors.runtime.engine import TurnEngine
from actors.runtime.journal import OutboxRow
from hub.simulation.disk import Disk, DiskJournal
from hub.simulation.scenery import Chronicle, JumpingClock, ShuffledLoop, chance_of

TANK: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[3] / "examples" / "actors" / "refills.py"))
MESSAGES = 16


class Unreachable:
    """A supplier whose phone is off."""

    def work(self, row: OutboxRow, *, recovered: bool) -> None:
        """Answer nothing."""


class Universe:
    """One seed: a pump that repeats itself until it is acknowledged, and an engine that dies again and again."""

    def __init__(self, seed: int) -> None:
        self.chance = chance_of(seed, "universe")
        self.disk = Disk()
        self.loop = asyncio.get_running_loop()
        self.chronicle = Chronicle(self.loop)
        self.lives = 0

    def begin(self) -> None:
        self.lives += 1
        self.journal = DiskJournal(self.disk, self.chronicle, self.chance)
        self.engine = TurnEngine(self.journal, JumpingClock(self.loop))
        self.engine.add_kind(TANK["TankCore"]())
        self.engine.add_relay("supplier", Unreachable())
        self.engine.start()

    async def pump(self, number: int) -> None:
        while True:
            try:
                await self.engine.ask("tank/7", TANK["Drained"](litres=number), message_id=f"{number}", timeout_s=5)
            except AskFailed:
                await asyncio.sleep(1)
            else:
                return

    async def crash(self, times: int) -> None:
        for _ in range(times):
            await asyncio.sleep(self.chance.uniform(0, 0.02))
            self.journal.is_alive = False
            self.begin()

    async def run(self) -> None:
        self.begin()
        async with asyncio.timeout(3600), asyncio.TaskGroup() as group:
            group.create_task(self.crash(self.chance.randrange(6)))
            for number in range(1, MESSAGES + 1):
                group.create_task(self.pump(number))
        self.begin()


async def _universe(seed: int) -> Universe:
    universe = Universe(seed)
    await universe.run()
    return universe


def play(seed: int) -> Universe:
    with asyncio.Runner(loop_factory=lambda: ShuffledLoop(chance_of(seed, "loop"))) as runner:
        return runner.run(_universe(seed))


@pytest.mark.parametrize("first", [0, 20])
def test_each_drop_counts_once_and_one_refill_is_ordered_whatever_crashes_when(first: int) -> None:
    for seed in range(first, first + 20):
        universe = play(seed)
        left = 100 - sum(range(1, MESSAGES + 1))
        assert universe.engine.read("tank/7") == TANK["Tank"](litres=left, is_ordering=True), f"seed {seed}"
        assert [row.relay for row in universe.disk.outbox.values()] == ["supplier"], f"seed {seed}"


def test_the_same_seed_is_the_same_universe() -> None:
    assert play(3).chronicle.digest() == play(3).chronicle.digest() != play(4).chronicle.digest()


def test_the_seeds_do_crash() -> None:
    assert max(play(seed).lives for seed in range(5)) > 3
