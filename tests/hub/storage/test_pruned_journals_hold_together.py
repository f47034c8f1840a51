"""A pruned journal verifies, is copied and put back like any other; damage to what stands for the rest is told."""

from datetime import timedelta
from pathlib import Path

import apsw
import pytest
from stalls import STALL_KINDS, START, market

from hub.storage.copies import back_up, compact, restore
from hub.storage.housekeeping import prunable_in, prune_offline
from hub.storage.sqlite import FILE_NAME
from hub.storage.stats import stats
from hub.storage.verify import verify

NOW = START + timedelta(days=30)


def silent(*_: int) -> None:
    """Nobody looks on."""


async def pruned(folder: Path) -> None:
    """Leave a journal from which the first twenty of thirty days went; ``thing/quiet`` has no turn left."""
    async with market(folder) as now:
        await now.pay("thing/quiet", 5, "b:1")
        for number in range(60):
            now.clock.day = number / 2
            await now.pay("thing/a", number, f"b:{number}")
            if number % 6 == 0:
                await now.pay("till/one", number)
        await now.noted()
    prune_offline(folder, STALL_KINDS, NOW - timedelta(days=10), NOW, silent)


def problems(folder: Path) -> list[str]:
    return verify(folder / FILE_NAME, STALL_KINDS, silent).problems


def change(folder: Path, query: str) -> None:
    file = apsw.Connection(str(folder / FILE_NAME))
    file.execute(query)
    file.close()


async def test_a_pruned_journal_holds_together(tmp_path: Path) -> None:
    await pruned(tmp_path)
    verdict = verify(tmp_path / FILE_NAME, STALL_KINDS, silent)
    assert (verdict.problems, verdict.actors) == ([], 3)


@pytest.mark.parametrize(
    ("damage", "told_as"),
    [
        ("DELETE FROM snapshot WHERE address = 'thing/a'", "thing/a: turns 1 to"),
        ("UPDATE snapshot SET turn = 3 WHERE address = 'thing/a'", "no snapshot stands for them"),
        ("UPDATE snapshot SET state = x'c1' WHERE address = 'thing/quiet'", "thing/quiet: cannot be folded"),
        ("UPDATE snapshot SET schema = 9 WHERE address = 'thing/quiet'", "thing/quiet: cannot be folded"),
        ("UPDATE snapshot SET turn = 99 WHERE address = 'thing/a'", "thing/a: its snapshot is ahead of its turns"),
        ("DELETE FROM turn_0 WHERE turn = 1", "till/one: turns 1 to 1 are missing, and retention never takes those"),
        ("UPDATE gone SET last = 1000 WHERE address = 'thing/a'", "does not hold together"),
        ("UPDATE gone SET last = 59; UPDATE top SET number = 59", "consumed message b:59 twice"),
        ("DELETE FROM pruned; CREATE TABLE turn_77(x)", "table turn_77: belongs to no segment"),
        (
            "UPDATE segment SET first = first + 3 WHERE number = (SELECT max(number) FROM segment)",
            "belong to another one",
        ),
    ],
)
async def test_damage_to_what_retention_left_is_told(tmp_path: Path, damage: str, told_as: str) -> None:
    await pruned(tmp_path)
    change(tmp_path, damage)
    assert any(told_as in problem for problem in problems(tmp_path)), problems(tmp_path)


async def test_a_pruned_journal_is_backed_up_and_put_back_whole(tmp_path: Path) -> None:
    await pruned(tmp_path / "hub")
    back_up(tmp_path / "hub" / FILE_NAME, tmp_path / "copy", silent)
    restore(tmp_path / "copy", tmp_path / "other", NOW, silent, force=False)
    assert problems(tmp_path / "other") == []
    async with market(tmp_path / "hub", day=30) as one, market(tmp_path / "other", day=30) as other:
        for address in ("thing/a", "thing/quiet", "till/one"):
            assert other.engine.read(address) == one.engine.read(address)
        assert await other.pay("thing/a", 0, "b:0")
        assert await other.pay("thing/quiet", 0, "b:1")


async def test_stats_tell_what_went_and_what_is_free_and_compacting_gives_it_back(tmp_path: Path) -> None:
    await pruned(tmp_path)
    before = stats(tmp_path / FILE_NAME)
    assert (before.pruned_segments, before.pruned_messages) == (4, 34)
    assert before.pruned_upto is not None
    assert before.pruned_upto < (NOW - timedelta(days=10)).timestamp()
    assert before.free_bytes > 0
    compact(tmp_path)
    after = stats(tmp_path / FILE_NAME)
    assert (after.free_bytes, after.rows) == (0, before.rows)
    assert after.size_bytes < before.size_bytes
    assert problems(tmp_path) == []


async def test_what_would_go_is_told_without_touching_anything(tmp_path: Path) -> None:
    async with market(tmp_path) as now:
        for number in range(25):
            await now.pay("thing/a", 1, f"b:{number}")
        await now.noted()
    before = stats(tmp_path / FILE_NAME)
    found = prunable_in(tmp_path / FILE_NAME, NOW)
    assert (found.segments, found.messages, found.kept) == (3, 25, 0)
    assert stats(tmp_path / FILE_NAME) == before
