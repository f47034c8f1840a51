"""Backups are one moment of a running journal; what is restored orders nothing until it is released."""

import asyncio
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest
from fake_crm import FakeCrm
from firm import OWNER, PRINTER, PROFILE, granted, registration, told
from journal_rows import commit, dead_letter, turn, work
from small_hub import SmallHub, small_hub

from actors.dialogue import CancelRecord, LookUp, TakeTurn, owner_address, thing_address
from actors.model.errors import ConfigError
from actors.model.ids import OrderKey
from actors.model.orders import OrderState, RecordKind
from actors.runtime.journal import OutboxRow, RecordRow
from hub.folding import folding_kinds, published_profiles
from hub.ordering import OrderingOff
from hub.storage.copies import back_up, release, restore
from hub.storage.sqlite import FILE_NAME, JournalSettings, open_journal
from hub.storage.stats import stats
from hub.storage.verify import verify

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def silent(*_: int) -> None:
    """Nobody looks on."""


def change(folder: Path, query: str) -> None:
    file = apsw.Connection(str(folder / FILE_NAME))
    file.execute(query)
    file.close()


async def ordered(hub: SmallHub) -> None:
    """Let the printer run low until its order is confirmed."""
    assert await hub.acknowledged(thing_address(PRINTER), registration())
    assert await hub.acknowledged(owner_address(OWNER), granted())
    for number, ink in enumerate((60.0, 40.0, 30.0, 20.0, 12.0)):
        message = told(f"boot:{number}", ink=ink, pages=100 * number)
        assert await hub.acknowledged(thing_address(PRINTER), message, f"boot:{number}")
    assert await hub.until(lambda: [order.state for order in hub.orders()] == [OrderState.CONFIRMED])
    assert await hub.until(lambda: itemgetter("tell", "outbox")(hub.journal.counts()) == (0, 0))


async def test_a_backup_of_a_working_journal_is_one_moment_of_it(tmp_path: Path) -> None:
    with open_journal(tmp_path / "hub", JournalSettings(segment_rows=50)) as journal:
        await commit(journal, turns=[turn(position, message=bytes(2000)) for position in range(1, 3001)])
        copying = asyncio.create_task(asyncio.to_thread(back_up, tmp_path / "hub" / FILE_NAME, tmp_path / "b", silent))  # noqa: TID251 - one task, awaited here
        for position in range(3001, 3041, 2):
            await commit(journal, turns=[turn(position), turn(position + 1)])
        await copying
    file = apsw.Connection(str(tmp_path / "b"))
    rows = [position for (position,) in file.execute("SELECT position FROM turn ORDER BY position")]
    file.close()
    assert len(rows) >= 3000
    assert len(rows) % 2 == 0
    assert rows == list(range(1, len(rows) + 1))


async def test_a_backup_overwrites_nothing_and_needs_a_journal(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("mine")
    with open_journal(tmp_path / "hub"), pytest.raises(ConfigError, match="exists already"):
        back_up(tmp_path / "hub" / FILE_NAME, tmp_path / "b", silent)
    with pytest.raises(ConfigError, match="cannot be read as a journal"):
        back_up(tmp_path / "b", tmp_path / "c", silent)
    assert not (tmp_path / "c").exists()


async def test_a_restored_journal_is_marked_until_it_is_released(tmp_path: Path) -> None:
    with open_journal(tmp_path / "hub") as journal:
        await commit(journal, turns=[turn(1)])
        back_up(tmp_path / "hub" / FILE_NAME, tmp_path / "b", silent)
        assert journal.restored() is None
    assert restore(tmp_path / "b", tmp_path / "new", NOW, silent, force=False) is None
    with open_journal(tmp_path / "new") as journal:
        assert (journal.restored(), journal.turns("thing/a")) == (NOW.isoformat(), [turn(1)])
        with pytest.raises(ConfigError, match="another hub runs"):
            release(tmp_path / "new")
    assert (release(tmp_path / "new"), release(tmp_path / "new")) == (NOW.isoformat(), None)
    with open_journal(tmp_path / "new") as journal:
        assert journal.restored() is None


async def test_a_journal_is_replaced_by_force_alone_and_kept_beside(tmp_path: Path) -> None:
    hub = tmp_path / "hub"
    with open_journal(hub) as journal:
        await commit(journal, turns=[turn(1)])
        back_up(hub / FILE_NAME, tmp_path / "b", silent)
        await commit(journal, turns=[turn(2)])
        with pytest.raises(ConfigError, match="another hub runs"):
            restore(tmp_path / "b", hub, NOW, silent, force=True)
    with pytest.raises(ConfigError, match="--force replaces it"):
        restore(tmp_path / "b", hub, NOW, silent, force=False)
    kept = restore(tmp_path / "b", hub, NOW, silent, force=True)
    assert kept is not None
    assert stats(kept).rows["turn"] == 2
    with open_journal(hub) as journal:
        assert journal.turns("thing/a") == [turn(1)]


async def test_a_damaged_copy_is_not_restored(tmp_path: Path) -> None:
    with open_journal(tmp_path / "hub") as journal:
        await commit(journal, turns=[turn(position, message=bytes(3000)) for position in range(1, 50)])
        back_up(tmp_path / "hub" / FILE_NAME, tmp_path / "b", silent)
    content = bytearray((tmp_path / "b").read_bytes())
    content[20_000:60_000] = b"\xff" * 40_000
    (tmp_path / "b").write_bytes(content)
    with pytest.raises(ConfigError, match=r"damaged|cannot be copied"):
        restore(tmp_path / "b", tmp_path / "new", NOW, silent, force=False)
    assert not (tmp_path / "new" / FILE_NAME).exists()


async def test_what_a_hub_made_verifies_while_it_runs(tmp_path: Path) -> None:
    async with small_hub(tmp_path, FakeCrm()) as hub:
        await ordered(hub)
        verdict = verify(tmp_path / FILE_NAME, folding_kinds([PROFILE]), silent)
        assert verdict.problems == []
        assert (verdict.actors, verdict.turns) == (4, hub.journal.counts()["turn"])


@pytest.mark.parametrize(
    ("damage", "told_as"),
    [
        ("UPDATE snapshot SET turn = 0, position = 0 WHERE address LIKE 'thing/%'", "snapshot"),
        ("DELETE FROM turn_1 WHERE turn = 2 AND address LIKE 'thing/%'", "not counted through"),
        ("UPDATE turn_1 SET message = x'ff' WHERE turn = 1 AND address LIKE 'owner/%'", "cannot be folded"),
        ("UPDATE meter SET value = value + 1", "its owner's books"),
    ],
)
async def test_a_journal_that_does_not_hold_together_is_told(tmp_path: Path, damage: str, told_as: str) -> None:
    async with small_hub(tmp_path, FakeCrm()) as hub:
        await ordered(hub)
    change(tmp_path, damage)
    problems = verify(tmp_path / FILE_NAME, folding_kinds([PROFILE]), silent).problems
    assert any(told_as in problem for problem in problems), problems


async def test_profiles_that_the_journal_keeps_are_read_from_it(tmp_path: Path) -> None:
    kept = RecordRow(kind="profile", key="printer@1", owner="", body=msgspec.json.encode(PROFILE))
    with open_journal(tmp_path) as journal:
        await commit(journal, records=[kept])
        assert list(published_profiles(tmp_path / FILE_NAME)) == [PROFILE]


async def test_stats_tell_rows_segments_times_and_dead_letters(tmp_path: Path) -> None:
    with open_journal(tmp_path, JournalSettings(segment_rows=2)) as journal:
        for position in range(1, 6):
            await commit(journal, turns=[turn(position, at=float(position))])
        await commit(journal, dead_letters=[dead_letter("broken"), dead_letter("odd"), dead_letter("broken")])
        found = stats(tmp_path / FILE_NAME)
    assert (found.rows["turn"], found.segments, found.restored_at) == (5, 3, None)
    assert (found.oldest_turn_at, found.newest_turn_at) == (1.0, 5.0)
    assert found.dead_letters == {"broken": 2, "odd": 1}
    assert found.size_bytes > 4096


class Desk:
    """Remembers what it is given."""

    def __init__(self) -> None:
        self.given: list[tuple[OutboxRow, bool]] = []

    def work(self, row: OutboxRow, *, recovered: bool) -> None:
        self.given.append((row, recovered))


def row_of(job: Any) -> OutboxRow:
    return msgspec.structs.replace(work(1), body=msgspec.msgpack.encode(job))


def test_while_ordering_is_off_only_reads_reach_the_desk() -> None:
    desk = Desk()
    gate = OrderingOff(desk)
    look = LookUp(key=OrderKey("K"), kind=RecordKind.ORDER)
    for job in (TakeTurn(), CancelRecord(key=OrderKey("K"), kind=RecordKind.ORDER, reason="r"), look):
        gate.work(row_of(job), recovered=True)
    assert desk.given == [(row_of(look), True)]
