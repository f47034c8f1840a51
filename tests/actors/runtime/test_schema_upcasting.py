"""What an older release of a core journalled, a newer one still folds; what it cannot, it says."""

import asyncio
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest
from journal_rows import commit
from tills import Pay1, Till1, Till3, shop, till

from actors.runtime.cells import Cell, HistoryMissing
from actors.runtime.journal import Loaded, ReminderRow, TellRow
from hub.storage.sqlite import FILE_NAME, open_journal


def change(folder: Path, query: str, *values: Any) -> None:
    file = apsw.Connection(str(folder / FILE_NAME))
    file.execute(query, values)
    file.close()


async def sold_by_three_releases(folder: Path, *, snapshot_every: int = 1000) -> None:
    for schema, amounts in ((1, (100, 7)), (2, (20, 5)), (3, (2, 1))):
        async with shop(folder, schema, snapshot_every=snapshot_every) as now:
            await now.pay(*amounts)


async def test_turns_of_two_older_schemas_are_folded_by_the_third(tmp_path: Path) -> None:
    await sold_by_three_releases(tmp_path)
    async with shop(tmp_path, 3) as third:
        assert third.state() == Till3({"EUR": 135})


async def test_a_snapshot_that_cannot_be_lifted_is_not_used_and_all_turns_are_folded(tmp_path: Path) -> None:
    async with shop(tmp_path, 1, snapshot_every=1) as first:
        await first.pay(100, 7)
        assert first.state() == Till1(107)
        await first.pay(1)
    change(tmp_path, "UPDATE snapshot SET turn = 2, position = 2")
    async with shop(tmp_path, 3, lifts_states=False) as third:
        assert third.state() == Till3({"EUR": 108})
        await third.pay(2)
        assert third.state() == Till3({"EUR": 110})


async def test_a_snapshot_of_an_older_schema_is_lifted_where_its_kind_can(tmp_path: Path) -> None:
    async with shop(tmp_path, 1, snapshot_every=1) as first:
        await first.pay(100, 7)
        await first.pay(1)
    change(tmp_path, "UPDATE snapshot SET state = ?", msgspec.msgpack.encode(Till1(5000)))
    async with shop(tmp_path, 3) as third:
        assert third.state() == Till3({"EUR": 5000})


async def test_a_snapshot_of_a_newer_schema_is_not_used(tmp_path: Path) -> None:
    async with shop(tmp_path, 1, snapshot_every=1) as first:
        await first.pay(100, 7)
    change(tmp_path, "UPDATE snapshot SET schema = 9")
    async with shop(tmp_path, 1) as first:
        assert first.state() == Till1(107)


async def test_a_tell_and_a_reminder_of_an_older_schema_reach_the_newer_release(tmp_path: Path) -> None:
    message = msgspec.msgpack.encode(Pay1(50))
    with open_journal(tmp_path) as journal:
        tell = TellRow(tell_id=1, address="till/a", message=message, schema=1)
        reminder = ReminderRow(address="till/a", name="later", due=1.0, message=message, schema=1)
        await commit(journal, tells_added=[tell], reminders_set=[reminder])
    async with shop(tmp_path, 3) as third:
        async with asyncio.timeout(30):
            while third.state() != Till3({"EUR": 100}):  # noqa: ASYNC110 - the engine tells nobody
                await asyncio.sleep(0.001)
        assert third.journal.counts()["dead_letter"] == 0


async def test_waiting_messages_are_written_with_the_schema_of_their_receiver(tmp_path: Path) -> None:
    async with shop(tmp_path, 2) as second:
        await second.pay(1000)
        left = second.journal.recover()
    assert [(row.name, row.schema) for row in left.reminders] == [("refund", 2)]


@pytest.mark.parametrize("lost", [1, 3])
async def test_missing_turns_are_told_and_never_folded_over(tmp_path: Path, lost: int) -> None:
    async with shop(tmp_path, 1) as first:
        await first.pay(1, 2, 3, 4)
    change(tmp_path, "DELETE FROM turn_1 WHERE turn = ?", lost)
    with open_journal(tmp_path) as journal:
        turns = journal.turns("till/a")
    with pytest.raises(HistoryMissing, match=f"turns {lost} to {lost} are missing; there is no snapshot"):
        Cell("till/a", till(1)).fill(Loaded(snapshot=None, turns=turns))
