"""Journals of every released schema, replayed by the present program: nothing they hold is lost or read otherwise."""

from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fake_crm import FakeCrm
from firm import PROFILE
from golden import RELEASES, lay_out, recorded_states
from small_hub import small_hub

from actors.runtime.cells import Cell, Kind
from actors.runtime.journal import Loaded, SnapshotRow
from hub.folding import folding_kinds
from hub.storage.schema import VERSION
from hub.storage.sqlite import FILE_NAME, open_journal
from hub.storage.verify import verify

KINDS = folding_kinds([PROFILE])
every_release = pytest.mark.parametrize("release", RELEASES)


def kind_of(address: str) -> Kind:
    return KINDS[address.partition("/")[0]]


def folded(address: str, loaded: Loaded) -> Any:
    cell = Cell(address, kind_of(address))
    cell.fill(loaded)
    return cell.state


def lifted(address: str, state: Any, schema: int) -> Any:
    """Return a state as its release recorded it, in the present form; ``schema`` is that of the release."""
    packed = msgspec.msgpack.encode(state)
    return kind_of(address).read_state(SnapshotRow(address=address, position=1, turn=1, schema=schema, state=packed))


def test_there_is_a_journal_of_every_version() -> None:
    assert {f"hub_v{version}" for version in range(1, VERSION + 1)} == set(RELEASES)


@every_release
async def test_every_actor_is_replayed_to_the_state_that_its_release_recorded(tmp_path: Path, release: str) -> None:
    lay_out(tmp_path, release)
    recorded = recorded_states(release)
    with open_journal(tmp_path) as journal:
        for address, state in recorded.items():
            wanted = lifted(address, state, journal.turns(address)[-1].schema)
            assert folded(address, journal.load(address)) == wanted
            assert folded(address, Loaded(snapshot=None, turns=journal.turns(address))) == wanted
    assert {address.partition("/")[0] for address in recorded} == {"thing", "owner", "order", "community"}


@every_release
async def test_what_was_under_way_is_still_there_and_can_be_read(tmp_path: Path, release: str) -> None:
    lay_out(tmp_path, release)
    with open_journal(tmp_path) as journal:
        left = journal.recover()
    assert (len(left.tells), len(left.reminders), len(left.outbox)) == (1, 3, 1)
    for row in (*left.tells, *left.reminders):
        assert isinstance(kind_of(row.address).read_message(row.message), msgspec.Struct)


@every_release
async def test_messages_taken_by_an_older_release_are_known_again(tmp_path: Path, release: str) -> None:
    lay_out(tmp_path, release)
    with open_journal(tmp_path) as journal:
        assert all(journal.has_turn("thing/printer-1", f"boot:{number}") for number in (0, 1, 2, 3, 4, 6))
        assert not journal.has_turn("thing/printer-1", "boot:7")


@every_release
async def test_the_present_release_goes_on_where_the_older_one_stopped(tmp_path: Path, release: str) -> None:
    lay_out(tmp_path, release)
    async with small_hub(tmp_path, FakeCrm()) as hub:
        before, under_way = hub.journal.counts()["turn"], itemgetter("tell", "outbox")
        assert await hub.until(lambda: under_way(hub.journal.counts()) == (0, 0))
        assert hub.journal.counts()["turn"] > before
        assert hub.journal.counts()["dead_letter"] == 0
    assert verify(tmp_path / FILE_NAME, KINDS, lambda _done: None).problems == []
