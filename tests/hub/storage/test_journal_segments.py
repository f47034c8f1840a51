"""Turns in many small tables are one history: no message counts twice, no turn is missed, whatever the segment."""

import asyncio
import signal
import sys
from pathlib import Path
from random import Random

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journal_rows import commit, outcome, snapshot, turn

from actors.runtime.journal import BatchRefused, TurnRow
from hub.storage.schema import VERSION
from hub.storage.sqlite import FILE_NAME, JournalSettings, SqliteJournal, open_journal

SMALL = JournalSettings(segment_rows=10)
GOLDEN = Path(__file__).parent / "golden" / "journal_v1.sql"
KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from faulty_disk import FaultyDisk
from journal_rows import commit, turn
from hub.storage.sqlite import JournalSettings, open_journal

async def main(path: Path, left: int) -> None:
    def count_down() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    with FaultyDisk("deadly") as disk:
        disk.before = count_down
        with open_journal(path, JournalSettings(vfs="deadly", segment_rows=10)) as journal:
            await commit(journal, turns=[turn(41, "thing/t1", turn=11, message_id="b:11")])

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""


async def filled(journal: SqliteJournal, rows: list[TurnRow]) -> None:
    for row in rows:
        await commit(journal, turns=[row])


def segments(folder: Path) -> int:
    file = apsw.Connection(str(folder / FILE_NAME))
    count = int(file.execute("SELECT count(*) FROM segment").get)
    file.close()
    return count


def old_journal(folder: Path) -> None:
    file = apsw.Connection(str(folder / FILE_NAME))
    file.pragma("journal_mode", "wal")
    with file:
        file.execute(GOLDEN.read_text())
    file.close()


async def test_an_actor_reads_its_turns_across_segments_in_their_order(tmp_path: Path) -> None:
    rows = [turn(position, f"thing/{position % 3}") for position in range(1, 46)]
    with open_journal(tmp_path, SMALL) as journal:
        await filled(journal, rows)
        wanted = [row for row in rows if row.address == "thing/1"]
        assert journal.turns("thing/1") == wanted
        assert journal.counts()["turn"] == 45
    assert segments(tmp_path) == 5
    with open_journal(tmp_path, SMALL) as journal:
        assert journal.turns("thing/1") == wanted
        assert journal.recover().next_position == 46


@pytest.mark.parametrize("after", [0, 1, 9, 10, 11, 20, 29, 30, 31, 44, 45])
async def test_a_tail_begins_right_behind_any_position(tmp_path: Path, after: int) -> None:
    with open_journal(tmp_path, SMALL) as journal:
        await filled(journal, [turn(position) for position in range(1, 46)])
        await commit(journal, snapshots=[snapshot(after)])
        assert [row.position for row in journal.load("thing/a").turns] == list(range(after + 1, 46))


RISING = ["b:{}", "b:{:03}", "a:b:{}", "b:9999999999999999999{}", "b:\u0661\u0662\u0663{}"]


@pytest.mark.parametrize("name", [*RISING, "uuid-{}", "b:x{}", ":{}", "{}"])
async def test_a_message_is_known_in_whatever_segment_it_is(tmp_path: Path, name: str) -> None:
    with open_journal(tmp_path, SMALL) as journal:
        await filled(journal, [turn(number, message_id=name.format(number)) for number in range(1, 35)])
        assert all(journal.has_turn("thing/a", name.format(number)) for number in (1, 10, 11, 25, 34))
        assert not journal.has_turn("thing/a", name.format(35))
        assert not journal.has_turn("thing/b", name.format(5))


@pytest.mark.parametrize("name", RISING)
async def test_a_message_that_the_engine_took_for_new_is_refused_in_a_later_segment(tmp_path: Path, name: str) -> None:
    with open_journal(tmp_path, SMALL) as journal:
        await filled(journal, [turn(number, message_id=name.format(number)) for number in range(1, 35)])
        for number in (1, 10, 11, 25, 34):
            again = turn(35, message_id=name.format(number))
            assert isinstance(await outcome(journal, turns=[again]), BatchRefused)
        await commit(journal, turns=[turn(35, message_id=name.format(35))])


async def test_numbers_out_of_order_and_boots_that_come_back_are_told_from_new_ones(tmp_path: Path) -> None:
    ids = ["a:100", *(f"b:{number}" for number in range(12)), "a:50", *(f"c:{number}" for number in range(12))]
    with open_journal(tmp_path, SMALL) as journal:
        await filled(journal, [turn(position, message_id=name) for position, name in enumerate(ids, 1)])
        assert all(journal.has_turn("thing/a", name) for name in ids)
        assert not any(journal.has_turn("thing/a", name) for name in ("a:99", "a:101", "b:12", "d:0"))
        assert isinstance(await outcome(journal, turns=[turn(27, message_id="a:100")]), BatchRefused)
        await filled(journal, [turn(28, message_id="a:99"), turn(29, message_id="a:101")])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
async def test_over_all_segments_each_message_is_taken_once(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    chance, taken = Random(seed), set[tuple[str, str]]()
    with open_journal(
        tmp_path_factory.mktemp("once"), JournalSettings(segment_rows=3, synchronous="normal")
    ) as journal:
        for position in range(1, 40):
            address, name = f"thing/{chance.randrange(2)}", f"{chance.choice('ab')}:{chance.randrange(12)}"
            known = (address, name) in taken
            assert journal.has_turn(address, name) is known
            error = await outcome(journal, turns=[turn(position, address, message_id=name)])
            assert isinstance(error, BatchRefused) if known else error is None
            taken.add((address, name))
        assert journal.counts()["turn"] == len(taken)


async def test_hundreds_of_segments_are_still_one_table_to_read(tmp_path: Path) -> None:
    with open_journal(tmp_path, JournalSettings(segment_rows=1, synchronous="normal")) as journal:
        await filled(journal, [turn(position) for position in range(1, 231)])
        assert journal.counts()["turn"] == 230
        assert journal.has_turn("thing/a", "b:1")
        assert [row.position for row in journal.turns("thing/a", after=210)] == list(range(211, 231))


async def test_a_journal_of_the_first_version_is_taken_over_whole(tmp_path: Path) -> None:
    old_journal(tmp_path)
    with open_journal(tmp_path, SMALL) as journal:
        assert (journal.counts()["turn"], journal.recover().next_position) == (40, 41)
        assert [row.turn for row in journal.load("thing/t0").turns] == [6, 7, 8, 9, 10]
        again = turn(41, "thing/t1", turn=11, message_id="b:3")
        assert isinstance(await outcome(journal, turns=[again]), BatchRefused)
        await commit(journal, turns=[turn(42, "thing/t1", turn=11, message_id="b:11")])
        assert [row.turn for row in journal.turns("thing/t1")] == list(range(1, 12))
    assert segments(tmp_path) == 2


@pytest.mark.parametrize("work", [1, 5, 9, 14, 19, 25])
async def test_a_kill_in_the_middle_of_migration_or_sealing_changes_nothing(tmp_path: Path, work: int) -> None:
    old_journal(tmp_path)
    paths = f"{Path(__file__).parents[2] / 'kit'}:{Path.cwd()}"
    dying = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, str(tmp_path), str(work), env={"PYTHONPATH": paths}
    )
    assert await dying.wait() == -signal.SIGKILL
    with open_journal(tmp_path, SMALL) as journal:
        rows = journal.turns("thing/t1")
        assert [row.turn for row in rows] in (list(range(1, 11)), list(range(1, 12)))
        await commit(journal, turns=[turn(50, "thing/t1", turn=12, message_id="b:12")])
    file = apsw.Connection(str(tmp_path / FILE_NAME))
    assert (file.pragma("user_version"), file.pragma("integrity_check")) == (VERSION, "ok")
    file.close()
