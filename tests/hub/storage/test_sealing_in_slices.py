"""Sealing holds the writer for the same short time however full a segment is; what it leaves is noted in slices."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest
from journal_rows import commit, outcome, turn

from actors.runtime.journal import BatchRefused
from hub.storage.segments import Segments
from hub.storage.sqlite import FILE_NAME, JournalSettings, open_journal
from hub.storage.tops import TopNoting

ROWS = 600
LARGE = JournalSettings(segment_rows=10_000)
SMALL = JournalSettings(segment_rows=50)


@contextmanager
def opened(folder: Path) -> Iterator[apsw.Connection]:
    file = apsw.Connection(str(folder / FILE_NAME))
    yield file
    file.close()


async def all_noted(file: apsw.Connection) -> None:
    async with asyncio.timeout(30):
        while file.execute("SELECT count(*) FROM segment WHERE noted = 0").get > 1:  # noqa: ASYNC110 - a thread notes
            await asyncio.sleep(0.001)


async def filled(folder: Path, rows: int) -> None:
    with open_journal(folder, LARGE) as journal:
        await commit(journal, turns=[turn(n, f"thing/{n % 7}", message_id=f"b:{n}") for n in range(1, rows + 1)])


def steps_of(file: apsw.Connection, work: Callable[[], object]) -> int:
    """Return the instructions of SQLite's machine that this takes."""
    steps = 0

    def count() -> bool:
        nonlocal steps
        steps += 1
        return False

    file.set_progress_handler(count, 1)
    work()
    file.set_progress_handler(None)
    return steps


async def test_sealing_takes_as_long_for_many_rows_as_for_one(tmp_path: Path) -> None:
    taken: list[int] = []
    for rows in (1, ROWS):
        await filled(tmp_path / str(rows), rows)
        with opened(tmp_path / str(rows)) as file:
            segments = Segments.of(file)
            taken.append(steps_of(file, lambda: segments.seal(file, rows + 1)))  # noqa: B023 - called at once
    assert taken[1] == taken[0]


async def test_each_slice_of_noting_is_bounded_and_all_of_them_note_everything(tmp_path: Path) -> None:
    await filled(tmp_path, ROWS)
    with opened(tmp_path) as file:
        segments = Segments.of(file).seal(file, ROWS + 1)
        noting, taken = TopNoting(50), list[int]()
        while segments.unnoted:
            taken.append(steps_of(file, lambda: noting.step(file, segments)))  # noqa: B023 - called at once
            segments = Segments.of(file)
        tops = dict(file.execute("SELECT address, number FROM top"))
    assert len(taken) == ROWS / 50 + 1
    assert max(taken) < 3 * taken[0]
    assert tops == {f"thing/{n}": max(range(n or 7, ROWS + 1, 7)) for n in range(7)}


async def test_before_it_is_noted_a_sealed_segment_is_asked_for_every_message(tmp_path: Path) -> None:
    await filled(tmp_path, 60)
    with opened(tmp_path) as file:
        segments = Segments.of(file).seal(file, 61)
        noting = TopNoting(7)
        while True:
            assert all(segments.has(file, f"thing/{n % 7}", f"b:{n}") for n in range(1, 61))
            assert not segments.has(file, "thing/1", "b:61")
            for n in (1, 30, 60):
                with pytest.raises(apsw.ConstraintError), file:
                    segments.insert(file.cursor(), [turn(61, f"thing/{n % 7}", message_id=f"b:{n}")])
            if not segments.unnoted:
                break
            segments = noting.step(file, segments)


async def test_noting_that_a_crash_cut_short_is_finished_by_the_next_start(tmp_path: Path) -> None:
    await filled(tmp_path, 60)
    with opened(tmp_path) as file:
        TopNoting(7).step(file, Segments.of(file).seal(file, 61))
    with open_journal(tmp_path, LARGE) as journal, opened(tmp_path) as file:
        await all_noted(file)
        assert dict(file.execute("SELECT address, number FROM top")) == {
            f"thing/{n}": 60 - (4 - n) % 7 for n in range(7)
        }
        again = turn(61, "thing/1", message_id="b:1")
        assert isinstance(await outcome(journal, turns=[again]), BatchRefused)


async def test_every_sealed_segment_of_a_running_journal_is_noted_soon(tmp_path: Path) -> None:
    with open_journal(tmp_path, SMALL) as journal, opened(tmp_path) as file:
        for first in range(1, 401, 25):
            await commit(journal, turns=[turn(n) for n in range(first, first + 25)])
        await all_noted(file)
        assert file.execute("SELECT number FROM top").get == 350
