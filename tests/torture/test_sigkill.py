"""SIGKILL at random moments under load with faulting sellers; and the judge sees a hub that acknowledges too early."""

import asyncio
import signal
import sys
from pathlib import Path
from random import SystemRandom

import msgspec
import pytest

from hub.torture.judge import judge_readings
from hub.torture.moments import Moment
from hub.torture.progress import Progress
from hub.torture.proof import torture
from hub.torture.scene import scene
from hub.torture.storm import Storm, TortureSettings

ACKNOWLEDGES_BEFORE_IT_WRITES = """
from hub.__main__ import main
from hub.storage.sqlite import SqliteJournal

write = SqliteJournal.commit

def commit(self, batch, done):
    if not all(turn.address.startswith("thing/") for turn in batch.turns):
        return write(self, batch, done)  # what is missing among other actors would keep the next start from coming up
    self._loop.call_soon(done, None)
    self._loop.call_later(0.03, write, self, batch, lambda error: None)

SqliteJournal.commit = commit
main()
"""
ON_THE_DISK = ("opening", "commit", "seal", "checkpoint")


@pytest.mark.timeout(400)
async def test_twenty_kills_under_load_lose_double_and_overspend_nothing(tmp_path: Path) -> None:
    settings = TortureSettings(kills=20, seed=SystemRandom().randrange(2**32), history=2_000)
    figures = await torture(tmp_path, settings)
    assert figures.ok, figures
    assert (figures.kills, figures.history, figures.interrupted) == (20, 2_000, False)
    assert figures.readings.acknowledged > 2_200
    assert figures.orders.records > 20
    assert sum(figures.faults.values()) > 0
    assert figures.moments["migration"] == 2
    assert sum(figures.moments.get(moment, 0) for moment in ON_THE_DISK) > 0


async def test_the_judge_sees_readings_that_were_acknowledged_before_the_commit(tmp_path: Path) -> None:
    program = ("-c", ACKNOWLEDGES_BEFORE_IT_WRITES)
    settings = TortureSettings(kills=6, moments=[Moment.LOAD] * 6, hub_program=program)
    async with scene(tmp_path, settings.hub_program) as place:
        storm = Storm(place, settings, Progress(shows=False), asyncio.Event())
        async with asyncio.timeout(120):
            await storm.rage()
        await place.hub.stop()
        assert judge_readings(storm.ledger, place.evidence()).lost > 0


async def test_a_torture_that_is_interrupted_judges_what_was_done(tmp_path: Path) -> None:
    arguments = ("-m", "hub.torture", "--kills", "5000", "--folder", str(tmp_path))
    pipe = asyncio.subprocess.PIPE
    running = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=pipe, stderr=pipe)
    assert running.stderr is not None
    while b"kills" not in (await running.stderr.readline()).partition(b"] ")[2]:
        assert running.returncode is None
    running.send_signal(signal.SIGINT)
    told, _ = await running.communicate()
    figures = msgspec.json.decode(told.splitlines()[-1])
    assert (running.returncode, figures["ok"], figures["interrupted"]) == (0, True, True)
    assert 0 < figures["kills"] < 5000
