"""Old raw messages go, and nothing else: no state, no decision, no knowledge of what was taken already."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from random import Random
from shutil import copytree
from typing import Any

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stalls import PAID, STALLS, START, a_month, asked, market, market_kinds, stalls_paid, states
from tills import Till1

from actors.model.errors import ConfigError
from hub.storage.connection import JournalSettings
from hub.storage.histories import Histories
from hub.storage.housekeeping import check_truth, prune_offline
from hub.storage.pruning import prunable
from hub.storage.segments import Segments
from hub.storage.settling import settle
from hub.storage.sqlite import FILE_NAME, open_journal

PAGED = JournalSettings(segment_rows=100, synchronous="normal")


async def pruned(folder: Path, keep_days: float = 10, day: float = 30) -> None:
    async with market(folder, keep_days=keep_days, day=day) as now:
        await now.housekeeping.once()


async def test_without_a_limit_nothing_is_ever_taken_away(tmp_path: Path) -> None:
    await a_month(tmp_path)
    async with market(tmp_path, day=100_000) as now:
        await now.housekeeping.once()
        assert now.journal.counts()["turn"] == PAID + PAID / 6
        assert asked(tmp_path, "SELECT count(*) FROM pruned") == 0


async def test_old_messages_of_things_go_and_every_state_stays(tmp_path: Path) -> None:
    await a_month(tmp_path)
    await pruned(tmp_path)
    assert asked(tmp_path, "SELECT count(*) FROM turn WHERE address LIKE 'thing/%'") == 26
    assert (
        asked(tmp_path, "SELECT min(at) FROM turn WHERE address LIKE 'thing/%'") < (START + timedelta(20)).timestamp()
    )
    async with market(tmp_path, day=30) as now:
        assert states(now) == stalls_paid()
        await now.pay("thing/a", 1000, "b:60")
        assert now.engine.read("thing/a") == Till1(stalls_paid()["thing/a"].cents + 1000)


async def test_turns_that_are_no_raw_messages_stay_all_of_them_and_in_order(tmp_path: Path) -> None:
    await a_month(tmp_path)
    await pruned(tmp_path, day=1000)
    with open_journal(tmp_path) as journal:
        turns = journal.turns("till/one")
        assert [row.turn for row in turns] == list(range(1, 11))
        assert journal.turns("till/one", after=turns[4].position) == turns[5:]
        assert all(journal.has_turn("till/one", f"key-{number}") for number in range(0, PAID, 6))
    assert asked(tmp_path, "SELECT count(*) FROM turn WHERE address NOT LIKE 'till/%'") < 10


async def test_a_pruned_message_that_comes_again_is_known(tmp_path: Path) -> None:
    await a_month(tmp_path)
    await pruned(tmp_path, day=1000)
    async with market(tmp_path, day=1000) as now:
        assert [await now.pay(STALLS[number % 3], number, f"b:{number}") for number in range(PAID)] == [True] * PAID
        assert states(now) == stalls_paid()


async def test_a_number_that_was_left_out_is_new_however_late_it_comes(tmp_path: Path) -> None:
    await a_month(tmp_path)
    await pruned(tmp_path, day=1000)
    async with market(tmp_path, day=1000) as now:
        assert not await now.pay("thing/a", 500, "b:1")
        assert await now.pay("thing/a", 500, "b:1")
        assert now.engine.read("thing/a") == Till1(stalls_paid()["thing/a"].cents + 500)


async def test_ids_that_do_not_rise_are_known_until_their_segment_goes(tmp_path: Path) -> None:
    async with market(tmp_path, keep_days=10) as now:
        for number in range(30):
            now.clock.day = number / 3
            await now.pay("thing/a", 1, f"digest-{number}")
        await now.noted()
        assert await now.pay("thing/a", 1, "digest-3")
        now.clock.day = 15
        await now.housekeeping.once()
        assert not await now.pay("thing/a", 1, "digest-3")
        assert await now.pay("thing/a", 1, "digest-29")


def life(chance: Random) -> Sequence[tuple[float, str, int, str]]:
    """Return what is paid: day, address, amount, id; ids come twice, late, in any order, or never."""
    told: list[tuple[float, str, int, str]] = []
    for number in range(chance.randrange(20, 90)):
        address = chance.choice([*STALLS, "till/one"])
        boot = chance.choice("xy")
        name = chance.choice([f"{boot}:{number}", f"{boot}:{chance.randrange(number + 3)}", ""])
        told.append((number * 0.5, address, chance.randrange(100), name))
    return told


async def lived(folder: Path, told: Sequence[tuple[float, str, int, str]], keep_days: float | None) -> list[Any]:
    chance, seen = Random(len(told)), list[Any]()
    async with market(folder, keep_days=keep_days) as now:
        for day, address, amount, name in told:
            now.clock.day = day
            seen.append(await now.pay(address, amount, name))
            if chance.random() < 0.15:
                await now.housekeeping.once()
        seen.append(states(now))
    async with market(folder, day=1000, keep_days=keep_days) as now:
        await now.housekeeping.once()
        seen.append(states(now))
        seen.append([(address, name) for _, address, _, name in told if name and now.journal.has_turn(address, name)])
    return seen


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), keep_days=st.floats(0.5, 20))
async def test_with_retention_everything_comes_out_as_without(
    tmp_path_factory: pytest.TempPathFactory, seed: int, keep_days: float
) -> None:
    told = life(Random(seed))
    kept = await lived(tmp_path_factory.mktemp("kept"), told, None)
    assert await lived(tmp_path_factory.mktemp("pruned"), told, keep_days) == kept


async def test_messages_flow_while_segments_are_taken_away(tmp_path: Path) -> None:
    await a_month(tmp_path)
    async with market(tmp_path, keep_days=5, day=31) as now, asyncio.TaskGroup() as group:
        working = group.create_task(now.housekeeping.once())
        sent = 0
        while not working.done():
            assert not await now.pay("thing/a", 1, f"c:{sent}")
            sent += 1
        assert now.engine.read("thing/a") == Till1(stalls_paid()["thing/a"].cents + sent)
        assert asked(tmp_path, "SELECT count(*) FROM pruned") > 3


async def test_pages_of_pruned_segments_are_used_again(tmp_path: Path) -> None:
    sizes: list[int] = []
    async with market(tmp_path, keep_days=1, settings=PAGED) as now:
        for day in range(12):
            now.clock.day = float(day * 2)
            for number in range(100):
                await now.pay("thing/a", 1, f"{day}:{number}")
            await now.noted()
            await now.housekeeping.once()
            sizes.append(asked(tmp_path, "PRAGMA page_count"))
    assert sizes[-1] <= sizes[4] * 1.2


async def test_an_actor_that_cannot_be_folded_keeps_its_messages_and_the_reason_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await a_month(tmp_path)
    file = apsw.Connection(str(tmp_path / FILE_NAME))
    file.execute("DELETE FROM snapshot WHERE address = 'thing/b'; UPDATE turn_1 SET message = x'c1' WHERE turn = 2")
    file.close()
    await pruned(tmp_path)
    assert asked(tmp_path, "SELECT count(*) FROM pruned") == 0
    told = capsys.readouterr().out
    assert "retention_stuck" in told
    assert "thing/b" in told


async def test_states_that_stand_for_pruned_messages_are_refused_by_a_release_that_cannot_lift_them(
    tmp_path: Path,
) -> None:
    await a_month(tmp_path)
    await pruned(tmp_path)
    file = apsw.Connection(str(tmp_path / FILE_NAME))
    check_truth(file, tmp_path, market_kinds(3))
    with pytest.raises(ConfigError, match="thing, schema 1"):
        check_truth(file, tmp_path, market_kinds(3, lifts_states=False))
    file.close()


async def test_states_of_an_older_schema_are_lifted_so_that_later_releases_need_not(tmp_path: Path) -> None:
    await a_month(tmp_path)
    await pruned(tmp_path)
    now = START + timedelta(days=30)
    found = prune_offline(tmp_path, market_kinds(3), now - timedelta(days=10), now, lambda _done: None)
    assert found.segments == 0
    file = apsw.Connection(str(tmp_path / FILE_NAME))
    check_truth(file, tmp_path, market_kinds(3, lifts_states=False))
    assert file.execute("SELECT DISTINCT schema FROM snapshot WHERE address LIKE 'thing/%'").get == 3
    file.close()


async def test_offline_the_same_is_taken_away_as_while_the_hub_runs(tmp_path: Path) -> None:
    await a_month(tmp_path / "hub")
    copytree(tmp_path / "hub", tmp_path / "other")
    await pruned(tmp_path / "hub", day=25)
    now = START + timedelta(days=25)
    found = prune_offline(tmp_path / "other", market_kinds(), now - timedelta(days=10), now, lambda _done: None)
    remaining = "SELECT group_concat(position) FROM turn"
    assert asked(tmp_path / "hub", remaining) == asked(tmp_path / "other", remaining)
    assert (found.segments, found.messages + found.kept) == (3, 30)


async def test_actors_whose_turns_lie_far_back_get_a_snapshot_without_any_retention(tmp_path: Path) -> None:
    async with market(tmp_path) as now:
        await now.pay("thing/quiet", 7, "b:1")
        for number in range(35):
            await now.pay("thing/busy", 1, f"b:{number}")
        await now.noted()
        assert now.journal.load("thing/quiet").snapshot is None
        await now.housekeeping.once()
        loaded = now.journal.load("thing/quiet")
    assert loaded.snapshot is not None
    assert (loaded.snapshot.turn, loaded.snapshot.position, list(loaded.turns)) == (1, 10, [])


async def test_a_newer_snapshot_that_the_engine_wrote_meanwhile_stays(tmp_path: Path) -> None:
    async with market(tmp_path) as now:
        await now.pay("thing/a", 1, "b:0")
        for number in range(35):
            await now.pay("thing/busy", 1, f"b:{number}")
        file = now.journal.look()
        segment, end = Segments.of(file).sealed[0]
        late = next(settle(file, segment, end, market_kinds()))
        for number in range(1, 5):
            await now.pay("thing/a", 1, f"b:{number}")
        newer = now.journal.load("thing/a").snapshot
        await now.journal.change(late)
        assert newer is not None
        assert now.journal.load("thing/a").snapshot == newer
        file.close()


async def test_a_read_that_meets_a_dropped_table_is_made_again(tmp_path: Path) -> None:
    await a_month(tmp_path)
    old = Segments.of(apsw.Connection(str(tmp_path / FILE_NAME)))
    await pruned(tmp_path)
    file = apsw.Connection(str(tmp_path / FILE_NAME))
    new = Segments.of(file)
    calls = iter([old, new, new, new])
    loaded = Histories(file, lambda: next(calls)).load("thing/a")
    assert loaded.snapshot is not None
    with pytest.raises(apsw.SQLError):
        Histories(file, lambda: old).turns("thing/a")
    file.close()


async def test_a_segment_that_grows_too_slowly_is_sealed_by_its_age(tmp_path: Path) -> None:
    async with market(tmp_path, keep_days=8, settings=JournalSettings(synchronous="normal")) as now:
        for day in range(30):
            now.clock.day = float(day)
            await now.pay("thing/a", 1, f"b:{day}")
            await now.housekeeping.once()
            await now.noted()
        oldest = asked(tmp_path, "SELECT min(at) FROM turn")
        assert 8 <= 29 - (oldest - START.timestamp()) / 86_400 <= 8 + 2
        assert now.engine.read("thing/a") == Till1(30)
        assert await now.pay("thing/a", 1, "b:0")


async def test_only_what_is_older_as_a_whole_may_go(tmp_path: Path) -> None:
    await a_month(tmp_path)
    file = apsw.Connection(str(tmp_path / FILE_NAME))
    found = list(prunable(file, START + timedelta(days=10)))
    assert [one.number for one in found] == [1, 2]
    assert all(one.newest_at < (START + timedelta(days=10)).timestamp() for one in found)
    file.execute("UPDATE turn_1 SET at = at + 99e6 WHERE position = 3")
    assert list(prunable(file, START + timedelta(days=10))) == []
    file.close()
