"""Whoever opened a journal last writes it; a process that was replaced ends at its next write, whatever it writes."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from golden import RELEASES, lay_out
from journal_rows import commit, record, snapshot, turn

from hub.storage.copies import release
from hub.storage.epochs import EXIT_FENCED, take_epoch
from hub.storage.schema import VERSION, migrate
from hub.storage.sqlite import FILE_NAME, JournalSettings, open_journal

REPLACED = """
import asyncio, sys
from pathlib import Path
from journal_rows import commit, record, turn
from hub.storage.connection import JournalSettings
from hub.storage.shards import open_shards
from hub.storage.sqlite import FILE_NAME, SqliteJournal

SMALL = JournalSettings(segment_rows=2, checkpoint_pages=1)

async def main(folder: Path, shards: int) -> None:
    with open_shards(folder, shards, SMALL) as journals:
        old = journals[-1]
        await commit(old, turns=[turn(1)])
        place = folder if shards == 1 else folder / "shards" / str(shards - 1)
        new = SqliteJournal(place / FILE_NAME, asyncio.get_running_loop(), SMALL)  # past the lock, as on a bad disk
        await commit(new, turns=[turn(2)])
        {write}
        print("went on", flush=True)

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""
WRITES = {
    "turns": "await commit(old, turns=[turn(2, message_id='b:9')])",
    "a new segment": "await commit(old, turns=[turn(5, message_id='b:9')])",
    "records": "await commit(old, records=[record('x')])",
    "nothing": "await commit(old)",
    "a change of the file": "await old.change(lambda connection, segments: segments.seal(connection, 9))",
    "a setting": "old.setting('x', lambda: 'y')",
}


COUNTS = ("SELECT count(*) FROM record", "SELECT count(*) FROM segment")


def contents(folder: Path) -> tuple[list[tuple[int, str]], int, int]:
    file = apsw.Connection(str(folder / FILE_NAME))
    turns = list(file.execute("SELECT position, message_id FROM turn ORDER BY position"))
    records, segments = (file.execute(query).get for query in COUNTS)
    assert file.execute("SELECT count(*) FROM meta WHERE key = 'x'").get == 0
    assert file.pragma("integrity_check") == "ok"
    file.close()
    return turns, records, segments


def ended(program: str, folder: Path, shards: int = 1) -> str:
    """Run a program that must be fenced; return what it told."""
    paths = f"{Path(__file__).parents[2] / 'kit'}:{Path.cwd()}"
    command = [sys.executable, "-c", program, str(folder), str(shards)]
    done = subprocess.run(command, env={"PYTHONPATH": paths}, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == EXIT_FENCED, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("write", WRITES)
def test_a_writer_with_an_older_epoch_ends_at_whatever_it_writes(tmp_path: Path, write: str) -> None:
    told = ended(REPLACED.replace("{write}", WRITES[write]), tmp_path)
    assert "epoch_lost" in told
    assert "went on" not in told
    assert contents(tmp_path) == ([(1, "b:1"), (2, "b:2")], 0, 1)


def test_a_process_ends_when_one_of_its_shards_was_taken_over(tmp_path: Path) -> None:
    assert "epoch_lost" in ended(REPLACED.replace("{write}", WRITES["records"]), tmp_path, shards=4)
    assert contents(tmp_path / "shards" / "3") == ([(1, "b:1"), (2, "b:2")], 0, 1)


def epoch_of(file: apsw.Connection) -> int:
    return int(file.execute("SELECT value FROM meta WHERE key = 'epoch'").get or 0)


@pytest.mark.parametrize("name", RELEASES[:-1])
def test_a_migration_takes_the_epoch_in_the_transaction_that_changes_the_tables(tmp_path: Path, name: str) -> None:
    lay_out(tmp_path, name)
    file = apsw.Connection(str(tmp_path / FILE_NAME))
    before, seen = epoch_of(file), list[tuple[int, int]]()
    onlooker = apsw.Connection(str(tmp_path / FILE_NAME))
    file.set_commit_hook(lambda: seen.append((onlooker.pragma("user_version"), epoch_of(onlooker))) or False)
    migrate(file, "x")
    assert [epoch - before for _, epoch in seen] == list(range(len(seen)))
    assert (file.pragma("user_version"), epoch_of(file)) == (VERSION, before + VERSION - seen[0][0])
    onlooker.close()
    file.close()


def test_a_migration_that_another_process_made_meanwhile_is_not_made_again(tmp_path: Path) -> None:
    lay_out(tmp_path, RELEASES[0])
    slow, fast = (apsw.Connection(str(tmp_path / FILE_NAME)) for _ in range(2))
    fast.execute("BEGIN IMMEDIATE")

    def overtaken(_attempt: int) -> bool:
        if not fast.get_autocommit():
            fast.execute("ROLLBACK")
            migrate(fast, "fast")
        return True

    slow.set_busy_handler(overtaken)
    migrate(slow, "slow")
    assert slow.pragma("user_version") == VERSION
    assert slow.pragma("integrity_check") == "ok"
    slow.close()
    fast.close()


def test_no_two_openings_take_the_same_epoch(tmp_path: Path) -> None:
    lay_out(tmp_path, RELEASES[-1])
    program = "import sys, apsw; from hub.storage.epochs import take_epoch; c = apsw.Connection(sys.argv[1])\n"
    program += "c.set_busy_timeout(20000)\nfor _ in range(20): print(take_epoch(c))"
    taken: list[str] = []

    def run() -> None:
        command = [sys.executable, "-c", program, str(tmp_path / FILE_NAME)]
        taken.extend(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 60


async def test_releasing_a_restored_journal_takes_it_from_whoever_held_it(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        await commit(journal, turns=[turn(1)], records=[record("x")])
    file = apsw.Connection(str(tmp_path / FILE_NAME))
    before = epoch_of(file)
    release(tmp_path)
    assert epoch_of(file) == before + 1
    file.close()


class Looking:
    """Sees what every connection of this process executes, and whether a transaction compared the epoch."""

    def __init__(self) -> None:
        self.looked = self.is_taken = False
        self.blind: list[str] = []
        self.commits = 0
        self._statement = ""

    def __call__(self, connection: apsw.Connection) -> None:
        connection.set_exec_trace(self._executes)
        connection.set_commit_hook(self._commits)

    def _executes(self, _cursor: apsw.Cursor, statement: str, _values: object) -> bool:
        if statement.startswith(("BEGIN", "SAVEPOINT")):
            self.looked = False
        self.looked |= "'epoch'" in statement
        self.is_taken |= self.looked
        self._statement = statement if statement != "COMMIT" else self._statement
        return True

    def _commits(self) -> bool:
        self.commits += 1
        if self.is_taken and not self.looked:
            self.blind.append(self._statement)
        self.looked = False
        return False


@pytest.fixture
def looking() -> Iterator[Looking]:
    looks = Looking()
    apsw.connection_hooks.append(looks)
    yield looks
    apsw.connection_hooks.remove(looks)


async def test_every_transaction_that_writes_compares_the_epoch(tmp_path: Path, looking: Looking) -> None:
    with open_journal(tmp_path, JournalSettings(segment_rows=3, checkpoint_pages=1)) as journal:
        journal.setting("installation", lambda: "x")
        for number in range(1, 30):
            row = turn(number, f"thing/{number % 4}")
            await commit(journal, turns=[row], records=[record(f"{number}")], snapshots=[snapshot(number, row.address)])
        await journal.change(lambda connection, segments: segments.seal(connection, 40))
    release(tmp_path)
    assert looking.commits > 40
    assert looking.blind == []


def test_a_transaction_that_does_not_compare_it_is_seen(tmp_path: Path, looking: Looking) -> None:
    lay_out(tmp_path, RELEASES[-1])
    file = apsw.Connection(str(tmp_path / FILE_NAME))
    take_epoch(file)
    file.execute("DELETE FROM record")
    assert looking.blind == ["DELETE FROM record"]
    file.close()
