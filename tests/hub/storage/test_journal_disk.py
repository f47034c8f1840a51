"""Full and failing disks: said, survived where that is safe, and the end of the process where it is not."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty_disk import FaultyDisk
from journal_rows import commit, outcome, turn

from actors.runtime.journal import Batch, JournalUnavailable
from hub.storage.sqlite import JournalSettings, open_journal

KIT = Path(__file__).parents[2] / "kit"
DEAF = """
import asyncio, sys
from pathlib import Path
from faulty_disk import FaultyDisk
from journal_rows import commit, turn
from hub.storage.sqlite import JournalSettings, open_journal

async def main(path: Path, deaf_to: str) -> None:
    with FaultyDisk("deaf") as disk, open_journal(path, JournalSettings(vfs="deaf", checkpoint_pages=1)) as journal:
        await commit(journal, turns=[turn(1)])
        print("one is safe", flush=True)
        disk.deaf_to_sync = deaf_to
        for position in range(2, 100):
            await commit(journal, turns=[turn(position)])
        print("went on", flush=True)

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


@pytest.fixture
def disk() -> Iterator[FaultyDisk]:
    with FaultyDisk("faulty") as made:
        yield made


async def test_a_full_disk_is_told_and_the_same_batch_succeeds_later(tmp_path: Path, disk: FaultyDisk) -> None:
    with open_journal(tmp_path, JournalSettings(vfs=disk.name)) as journal:
        await commit(journal, turns=[turn(1)])
        disk.full = True
        for _again in range(2):
            error = await outcome(journal, turns=[turn(2)])
            assert isinstance(error, JournalUnavailable)
            assert "FullError" in str(error)
        assert journal.turns("thing/a") == [turn(1)]
        disk.full = False
        await commit(journal, turns=[turn(2)])
    with open_journal(tmp_path) as journal:
        assert journal.turns("thing/a") == [turn(1), turn(2)]


async def test_a_disk_that_fills_in_the_middle_of_a_batch_keeps_nothing_of_it(tmp_path: Path, disk: FaultyDisk) -> None:
    with open_journal(tmp_path, JournalSettings(vfs=disk.name)) as journal:
        await commit(journal, turns=[turn(1)])
        writes = 0

        def fill_up() -> None:
            nonlocal writes
            writes += 1
            disk.full = writes > 20

        disk.before = fill_up
        large = [turn(position, message=bytes(4000)) for position in range(2, 60)]
        assert isinstance(await outcome(journal, turns=large), JournalUnavailable)
        assert journal.counts()["turn"] == 1
        disk.before, disk.full = None, False
        await commit(journal, turns=large)
        assert journal.counts()["turn"] == 59


async def test_a_full_disk_at_a_checkpoint_loses_nothing(tmp_path: Path, disk: FaultyDisk) -> None:
    with open_journal(tmp_path, JournalSettings(vfs=disk.name, checkpoint_pages=1)) as journal:
        await commit(journal, turns=[turn(1)])
        disk.full = True
        assert isinstance(await outcome(journal, turns=[turn(2)]), JournalUnavailable)
        disk.full = False
        for position in range(2, 30):
            await commit(journal, turns=[turn(position)])
    with open_journal(tmp_path) as journal:
        assert len(journal.turns("thing/a")) == 29


@pytest.mark.parametrize("deaf_to", ["-wal", "journal.db"], ids=["commit", "checkpoint"])
def test_a_failed_fsync_ends_the_process(tmp_path: Path, deaf_to: str) -> None:
    command = [sys.executable, "-c", DEAF, str(tmp_path), deaf_to]
    ended = subprocess.run(
        command, env={"PYTHONPATH": f"{KIT}:{Path.cwd()}"}, capture_output=True, text=True, timeout=200, check=False
    )
    assert (ended.returncode, ended.stdout.splitlines()[0]) == (74, "one is safe"), ended.stderr
    assert "fsync_failed" in ended.stdout + ended.stderr
    assert "went on" not in ended.stdout


async def test_reads_see_committed_rows_only(tmp_path: Path, disk: FaultyDisk) -> None:
    seen: list[int] = []
    with open_journal(tmp_path, JournalSettings(vfs=disk.name)) as journal:
        disk.before = lambda: seen.append(len(journal.turns("thing/a")))
        await commit(journal, turns=[turn(1), turn(2)])
        disk.before = None
        assert seen
        assert set(seen) == {0}
        assert len(journal.turns("thing/a")) == 2


async def test_closing_writes_what_was_handed_in(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        for position in range(1, 20):
            journal.commit(Batch(turns=[turn(position)]), lambda _error: None)
    with open_journal(tmp_path) as journal:
        assert journal.counts()["turn"] == 19
