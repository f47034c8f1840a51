"""SIGKILL at random moments under load with faulting sellers; and the judge sees a hub that acknowledges too early."""

import asyncio
from pathlib import Path
from random import SystemRandom

import pytest

from hub.torture.judge import judge_readings
from hub.torture.storm import TortureSettings, rage, scene, torture

ACKNOWLEDGES_BEFORE_IT_WRITES = """
from hub.__main__ import main
from hub.storage.sqlite import SqliteJournal

write = SqliteJournal.commit

def commit(self, batch, done):
    self._loop.call_soon(done, None)
    self._loop.call_later(0.03, write, self, batch, lambda error: None)

SqliteJournal.commit = commit
main()
"""


@pytest.mark.timeout(400)
async def test_twenty_kills_under_load_lose_double_and_overspend_nothing(tmp_path: Path) -> None:
    seed = SystemRandom().randrange(2**32)
    figures = await torture(tmp_path, TortureSettings(kills=20, seed=seed))
    assert figures.ok, figures
    assert figures.readings.acknowledged > 200
    assert figures.orders.records > 20
    assert figures.orders.ever["unknown"] > 0
    assert sum(figures.faults.values()) > 10


@pytest.mark.timeout(200)
async def test_the_judge_sees_readings_that_were_acknowledged_before_the_commit(tmp_path: Path) -> None:
    settings = TortureSettings(kills=2, hub_program=("-c", ACKNOWLEDGES_BEFORE_IT_WRITES))
    async with scene(tmp_path, settings.hub_program) as place:
        async with asyncio.timeout(120):
            storm = await rage(place, settings)
        await place.hub.stop()
        assert judge_readings(storm.ledger, place.evidence()).lost > 0
