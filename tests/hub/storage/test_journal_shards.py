"""Journals of several shards: opened together or not at all, each thing where its slot belongs, read as one."""

from collections.abc import Sequence
from pathlib import Path
from shutil import copytree, move
from typing import Any

import msgspec
import pytest
from firm import record as registered
from journal_rows import commit, dead_letter, note, outcome, record, tell, turn

from actors.dialogue.placement import ShardMap, slot_of
from actors.model.errors import ConfigError
from actors.model.ids import ThingId
from actors.runtime.cells import encode
from actors.runtime.contract import EngineSettings
from actors.runtime.engine import TurnEngine
from actors.runtime.journal import RecordRow, TurnRow
from actors.runtime.shards import gate_address
from actors.runtime.shards.gate import LettersTaken
from actors.runtime.shards.letters import Parcel
from hub.clock import SystemClock
from hub.sharding import whole_engine, whole_journal
from hub.storage.copies import RESTORED
from hub.storage.shards import open_shards
from hub.storage.sqlite import FILE_NAME, SqliteJournal
from hub.storage.whole import WholeJournal

PLACES = ShardMap(4)


def thing_row(thing_id: str, **changes: Any) -> RecordRow:
    body = msgspec.json.encode(registered(ThingId(thing_id), **changes))
    return RecordRow(kind="thing", key=thing_id, owner="o", body=body)


def place_of(thing_id: str) -> int:
    return PLACES.shard_of(f"thing/{thing_id}")


async def put(path: Path, shard: int, row: RecordRow) -> None:
    with open_shards(path, 4) as journals:
        await commit(journals[shard], records=[row])


def refused(path: Path, shards: int, told: str) -> None:
    with pytest.raises(ConfigError, match=told), open_shards(path, shards):
        pytest.fail("opened")


@pytest.mark.parametrize("slot", [None, slot_of("printer-1")], ids=["of an older hub", "with its slot"])
async def test_a_thing_where_its_slot_belongs_is_welcome(tmp_path: Path, slot: int | None) -> None:
    await put(tmp_path, place_of("printer-1"), thing_row("printer-1", slot=slot))
    with open_shards(tmp_path, 4) as journals:
        assert len(journals) == 4


@pytest.mark.parametrize("slot", [None, slot_of("printer-1")])
async def test_a_thing_in_another_shard_is_refused_and_told_where_it_belongs(tmp_path: Path, slot: int | None) -> None:
    wrong = (place_of("printer-1") + 1) % 4
    await put(tmp_path, wrong, thing_row("printer-1", slot=slot))
    told = f"printer-1 .slot {slot_of('printer-1')}.: found in shard {wrong}, .* shard {place_of('printer-1')} of 4"
    refused(tmp_path, 4, told)


async def test_a_thing_with_a_slot_that_this_program_would_not_mint_is_refused(tmp_path: Path) -> None:
    await put(tmp_path, place_of("printer-1"), thing_row("printer-1", slot=slot_of("printer-1") + 1))
    refused(tmp_path, 4, f"printer-1: was stored with slot {slot_of('printer-1') + 1}")


async def test_the_number_of_shards_cannot_be_changed(tmp_path: Path) -> None:
    for written in (1, 4):
        with open_shards(tmp_path / str(written), written):
            pass
    refused(tmp_path / "1", 4, "was written by a hub of 1 shard")
    refused(tmp_path / "4", 1, "was written by a hub of several shards")
    refused(tmp_path / "4", 8, r"shards/0/journal.db: is shard 0 of 4, expected shard 0 of 8")


async def test_a_shards_journal_that_was_moved_is_refused(tmp_path: Path) -> None:
    with open_shards(tmp_path / "four", 4):
        pass
    move(tmp_path / "four" / "shards" / "2", tmp_path / "kept")
    copytree(tmp_path / "four" / "shards" / "1", tmp_path / "four" / "shards" / "2")
    refused(tmp_path / "four", 4, r"shards/2/journal.db: is shard 1 of 4, expected shard 2 of 4")
    (tmp_path / "one").mkdir()
    (tmp_path / "kept" / FILE_NAME).rename(tmp_path / "one" / FILE_NAME)
    refused(tmp_path / "one", 1, "is shard 2 of 4, expected shard 0 of 1")


async def test_one_shard_is_held_like_all_of_them(tmp_path: Path) -> None:
    with open_shards(tmp_path, 4):
        refused(tmp_path, 4, "another hub runs on this data directory")


def whole(journals: Sequence[SqliteJournal]) -> WholeJournal:
    return WholeJournal(journals)


async def test_records_of_all_shards_are_listed_by_key_and_page_by_page(tmp_path: Path) -> None:
    with open_shards(tmp_path, 4) as journals:
        for number, owner in enumerate("abaabbab"):
            await commit(journals[number % 4], records=[record(f"k{number}", owner)])
        everything = whole(journals)
        assert [row.key for row in everything.records("order")] == [f"k{number}" for number in range(8)]
        assert [row.key for row in everything.records("order", after="k2", limit=3)] == ["k3", "k4", "k5"]
        assert [row.key for row in everything.records("order", "b")] == ["k1", "k4", "k5", "k7"]
        assert everything.owners("order") == {"a": 4, "b": 4}
        assert (everything.record("order", "k6"), everything.record("order", "k9")) == (b"v", None)
        assert everything.counts()["record"] == 8


async def test_a_chain_through_several_shards_is_read_in_the_order_of_time(tmp_path: Path) -> None:
    with open_shards(tmp_path, 4) as journals:
        for at, shard in ((3.0, 0), (1.0, 2), (2.0, 0), (4.0, 1)):
            await commit(journals[shard], notes=[msgspec.structs.replace(note("s"), at=at)])
        assert [link.at for link in whole(journals).notes("chain")] == [1.0, 2.0, 3.0, 4.0]


async def test_what_is_left_and_what_could_not_be_taken_is_that_of_all_shards(tmp_path: Path) -> None:
    with open_shards(tmp_path, 4) as journals:
        for journal in journals[1:3]:
            await commit(journal, tells_added=[tell(1)], dead_letters=[dead_letter("no")])
        everything = whole(journals)
        assert len(everything.recover().tells) == len(everything.dead_letters()) == 2
        assert everything.restored() is None


async def test_records_without_an_actor_are_kept_at_home_and_removed_everywhere(tmp_path: Path) -> None:
    with open_shards(tmp_path, 4) as journals:
        everything: Any = whole(journals)
        await commit(everything, records=[record("mine")])
        await commit(journals[3], records=[record("theirs")])
        assert journals[0].record("order", "mine") == b"v"
        gone = [record("mine", body=None), record("theirs", body=None)]
        assert await outcome(everything, records=gone) is None
        assert list(everything.records("order")) == []


async def test_turns_are_written_by_their_own_shard_alone(tmp_path: Path) -> None:
    with open_shards(tmp_path, 4) as journals:
        with pytest.raises(ValueError, match="belong to one shard"):
            await commit(whole(journals), turns=[turn(1)])  # type: ignore[arg-type]
        await commit(journals[place_of("a")], turns=[turn(1)])
        assert (whole(journals).has_turn("thing/a", "b:1"), len(whole(journals).load("thing/a").turns)) == (True, 1)
        assert list(whole(journals).turns("thing/a")) == [turn(1)]


def gate_turn(sender: int, upto: int) -> TurnRow:
    events = encode((LettersTaken(upto, 1),))
    return turn(1, gate_address(sender), message=encode(Parcel(())), events=events)


async def test_a_shard_that_is_older_than_its_own_letters_is_refused(tmp_path: Path) -> None:
    with open_shards(tmp_path, 4) as journals:
        latest = journals[1].recover().next_outbox_id + 5
        await commit(journals[2], turns=[gate_turn(1, latest)])
    with open_shards(tmp_path, 4):  # numbers of the next epoch are above it
        pass
    with open_shards(tmp_path, 4) as journals:
        await commit(journals[3], turns=[gate_turn(0, latest << 3)])
    refused(tmp_path, 4, "shard 0 is older than letters that shard 3 has of it; put all shards back")


async def test_shards_of_which_some_were_restored_are_refused(tmp_path: Path) -> None:
    with open_shards(tmp_path, 4) as journals:
        journals[1].setting(RESTORED, lambda: "2026-11-23T08:00:00+00:00")
    refused(tmp_path, 4, r"shards \[1\] were restored and the others not; put all shards back")


async def test_a_hub_of_one_shard_has_nothing_around_its_engine_and_its_journal(tmp_path: Path) -> None:
    with open_shards(tmp_path) as journals:
        assert whole_journal(journals) is journals[0]
        assert type(whole_engine(journals, SystemClock(), EngineSettings())) is TurnEngine
