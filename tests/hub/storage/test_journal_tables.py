"""What one batch writes is read back as it was, also after the file was closed; what is not allowed leaves nothing."""

from pathlib import Path
from typing import Any

import pytest
from journal_rows import commit, dead_letter, note, outcome, record, reminder, snapshot, tell, turn, work

from actors.runtime.journal import WORK_BITS, BatchRefused, MeterDelta
from hub.storage.sqlite import open_journal


async def test_a_turn_comes_back_with_all_its_fields(tmp_path: Path) -> None:
    rows = [turn(1, turn=1, at=1.25, message=b"\x00\xff", events=b""), turn(2, schema=3, turn=2)]
    with open_journal(tmp_path) as journal:
        await commit(journal, turns=[*rows, turn(3, "thing/b")])
    with open_journal(tmp_path) as journal:
        assert journal.turns("thing/a") == rows
        assert journal.turns("thing/a", after=1) == rows[1:]


async def test_an_actor_is_loaded_from_its_snapshot_and_the_turns_behind_it(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        await commit(journal, turns=[turn(1), turn(2)], snapshots=[snapshot(2, turn=2)])
        await commit(journal, turns=[turn(3)])
        loaded = journal.load("thing/a")
        assert (loaded.snapshot, list(loaded.turns)) == (snapshot(2, turn=2), [turn(3)])
        await commit(journal, snapshots=[snapshot(3, turn=3)])
        loaded = journal.load("thing/a")
        assert (loaded.snapshot, list(loaded.turns)) == (snapshot(3, turn=3), [])


async def test_an_unknown_actor_has_neither_snapshot_nor_turns(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        loaded = journal.load("thing/nobody")
        assert (loaded.snapshot, list(loaded.turns)) == (None, [])


async def test_a_consumed_message_is_known_to_its_actor_alone(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        await commit(journal, turns=[turn(1, message_id="b:1")])
        asked = [("thing/a", "b:1"), ("thing/a", "b:2"), ("thing/b", "b:1")]
        assert [journal.has_turn(*pair) for pair in asked] == [True, False, False]


async def test_an_empty_journal_starts_counting_at_one(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        left = journal.recover()
        assert (left.next_position, left.next_tell_id, left.next_outbox_id) == (1, 1, 1 << WORK_BITS)
        assert (list(left.tells), list(left.reminders), list(left.outbox)) == ([], [], [])


async def test_what_nobody_consumed_is_recovered_in_its_order(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        await commit(journal, turns=[turn(7)], tells_added=[tell(1), tell(2), tell(3)], outbox_added=[work(4), work(5)])
        await commit(journal, tells_consumed=[1], outbox_done=[4], reminders_set=[reminder("x"), reminder("y")])
        await commit(journal, reminders_set=[reminder("x", due=12.0)], reminders_cleared=[("thing/a", "y")])
    with open_journal(tmp_path) as journal:
        left = journal.recover()
        assert (left.next_position, left.next_tell_id, left.next_outbox_id) == (8, 4, 2 << WORK_BITS)
        assert (left.tells, left.outbox) == ([tell(2), tell(3)], [work(5)])
        assert left.reminders == [reminder("x", due=12.0)]


async def test_records_are_replaced_removed_and_listed_by_owner(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        await commit(journal, records=[record("2"), record("1"), record("3", owner="p")])
        await commit(journal, records=[record("2", body=b"new"), record("3", owner="p", body=None)])
        assert list(journal.records("order")) == [record("1"), record("2", body=b"new")]
        assert (list(journal.records("order", "p")), list(journal.records("need"))) == ([], [])
        assert (journal.record("order", "2"), journal.record("order", "3")) == (b"new", None)


async def test_a_record_that_is_shown_under_another_owner_is_listed_by_that_one(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        await commit(journal, records=[record("1"), record("2")])
        await commit(journal, records=[record("1", owner="p", body=b"given"), record("2", body=b"kept")])
        assert list(journal.records("order", "p")) == [record("1", owner="p", body=b"given")]
        assert list(journal.records("order", record("2").owner)) == [record("2", body=b"kept")]


async def test_a_chain_of_notes_is_told_oldest_first(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        await commit(journal, notes=[note("read"), note("advised")])
        await commit(journal, notes=[note("ordered")])
        assert journal.notes("chain") == [note("read"), note("advised"), note("ordered")]
        assert journal.notes("another") == []


async def test_dead_letters_keep_time_receiver_and_reason(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        await commit(journal, dead_letters=[dead_letter("first"), dead_letter("second")])
        assert journal.dead_letters() == [(4.5, "thing/a", "first"), (4.5, "thing/a", "second")]
        assert journal.counts()["dead_letter"] == 2


async def test_a_meter_counts_up_and_down_inside_its_cap(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        await commit(journal, meters=[MeterDelta(name="m", delta=7, cap=10)])
        await commit(journal, meters=[MeterDelta(name="m", delta=-2, cap=10)])
        assert (journal.meter("m"), journal.meter("none")) == ((5, 10), None)


async def test_giving_back_is_allowed_when_the_cap_fell_below_the_count(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        await commit(journal, meters=[MeterDelta(name="m", delta=8, cap=10)])
        await commit(journal, meters=[MeterDelta(name="m", delta=-1, cap=3)])
        assert journal.meter("m") == (7, 10)
        refused = await outcome(journal, meters=[MeterDelta(name="m", delta=4, cap=10)])
        assert isinstance(refused, BatchRefused)


async def test_a_claimed_name_is_free_again_when_it_was_given_back(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        await commit(journal, claims=[("slot", "a")])
        assert isinstance(await outcome(journal, claims=[("slot", "b")]), BatchRefused)
        await commit(journal, claims=[("slot", None), ("slot", "b")])
        assert journal.counts()["claim"] == 1


@pytest.mark.parametrize(
    "offence",
    [
        {"turns": [turn(2, message_id="b:1")]},
        {"turns": [turn(1, message_id="b:9")]},
        {"tells_added": [tell(1)]},
        {"outbox_added": [work(1)]},
        {"claims": [("slot", "b")]},
        {"meters": [MeterDelta(name="m", delta=11, cap=10)]},
        {"meters": [MeterDelta(name="m", delta=-1, cap=10)]},
    ],
    ids=["message_twice", "position_twice", "tell_twice", "work_twice", "claimed", "over_cap", "under_zero"],
)
async def test_a_refused_batch_leaves_nothing_of_itself(tmp_path: Path, offence: dict[str, Any]) -> None:
    with open_journal(tmp_path) as journal:
        await commit(journal, turns=[turn(1)], tells_added=[tell(1)], outbox_added=[work(1)], claims=[("slot", "a")])
        before = journal.counts()
        refused = await outcome(journal, **({"records": [record("x")], "notes": [note("x")]} | offence))
        assert isinstance(refused, BatchRefused)
        assert journal.counts() == before
        await commit(journal, turns=[turn(2)])


async def test_a_setting_is_minted_once_for_good(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        assert journal.setting("id", lambda: "first") == "first"
    with open_journal(tmp_path) as journal:
        assert journal.setting("id", lambda: "second") == "first"
