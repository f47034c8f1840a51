"""Connections and things' own conversations as older releases journalled them: replayed, and gone on with."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from fake_crm import FakeCrm
from firm import PROFILE
from golden import GOLDEN, lay_out, recorded_states
from small_hub import small_hub

from actors.connection.core import ConnectionCore
from actors.device.core import DeviceCore
from actors.dialogue import (
    ChangesReported,
    CommandReported,
    OffersReported,
    connection_address,
    device_address,
)
from actors.model.commands import Carried
from actors.model.ids import CommandId, ThingId
from actors.model.outcomes import Changes, Offers
from actors.runtime.cells import Cell
from actors.runtime.journal import Loaded, SnapshotRow
from actors.runtime.turns import Core
from hub.crm_use import JournalledUse
from hub.folding import folding_kinds
from hub.introductions import JournalledIntroductions
from hub.storage.sqlite import FILE_NAME, open_journal
from hub.storage.verify import verify

KINDS = folding_kinds([PROFILE])
RELEASES = sorted(path.stem for path in GOLDEN.glob("links_v*.sql"))
SHOP, DEVICE = connection_address("shop"), device_address(ThingId("printer-1"))
OWN = (ConnectionCore.kind, DeviceCore.kind)
every_release = pytest.mark.parametrize("release", RELEASES)


def folded(address: str, loaded: Loaded) -> Any:
    cell = Cell(address, KINDS[address.partition("/")[0]])
    cell.fill(loaded)
    return cell.state


def as_recorded(address: str, state: Any) -> Any:
    """Return a state as its release recorded it, in the present form; all of them were of the first schema."""
    row = SnapshotRow(address=address, position=1, turn=1, schema=1, state=msgspec.msgpack.encode(state))
    return KINDS[address.partition("/")[0]].read_state(row)


def events_in(journal: Any, kind: str) -> set[str]:
    """Return the names of all events that this kind's turns hold."""
    rows = [
        row for address in recorded_states("links_v4") if address.startswith(kind) for row in journal.turns(address)
    ]
    return {type(event).__name__ for row in rows for event in KINDS[kind].read_events(row)}


def names_of(core: type[Core[Any]]) -> set[str]:
    return {event.__name__ for event in core.event_type.__args__}


@every_release
async def test_every_connection_and_device_is_replayed_to_the_recorded_state(tmp_path: Path, release: str) -> None:
    lay_out(tmp_path, release)
    recorded = {a: s for a, s in recorded_states(release).items() if a.partition("/")[0] in OWN}
    assert {address.partition("/")[0] for address in recorded} == set(OWN)
    with open_journal(tmp_path) as journal:
        for address, state in recorded.items():
            wanted = as_recorded(address, state)
            assert folded(address, journal.load(address)) == wanted
            assert folded(address, Loaded(snapshot=None, turns=journal.turns(address))) == wanted


async def test_the_journal_holds_every_kind_of_event_that_there_was(tmp_path: Path) -> None:
    lay_out(tmp_path, "links_v4")
    with open_journal(tmp_path) as journal:
        assert names_of(ConnectionCore) >= events_in(journal, "connection") >= {"VisitDropped", "ReconciliationEnded"}
        assert names_of(DeviceCore) >= events_in(journal, "device") >= {"CommandClosed", "SellerHeard", "PeersAnswered"}


@every_release
async def test_what_was_told_and_asked_is_still_known(tmp_path: Path, release: str) -> None:
    lay_out(tmp_path, release)
    with open_journal(tmp_path) as journal:
        left = journal.recover()
        assert {row.relay for row in left.outbox} == {"desk:shop", "desk:depot", "reconciling", "things"}
        for row in left.reminders:
            assert isinstance(KINDS[row.address.partition("/")[0]].read_message(row.message), msgspec.Struct)
        assert JournalledIntroductions(journal).version("shop", ThingId("printer-1")) == "v1"
        assert [use.count for use in JournalledUse(journal).of("shop")] == [12]


@every_release
async def test_the_present_release_goes_on_with_all_of_it(tmp_path: Path, release: str) -> None:
    lay_out(tmp_path, release)
    async with small_hub(tmp_path, FakeCrm()) as hub:
        done = CommandReported(command_id=CommandId("c-2"), outcome=Carried())
        assert await hub.acknowledged(DEVICE, done)
        assert await hub.acknowledged(DEVICE, OffersReported(connection="depot", outcome=Offers(offers=())))
        moved = ChangesReported(connection="shop", outcome=Changes(cursor="", records=()))
        assert await hub.acknowledged(SHOP, moved)
        device, shop = hub.engine.read(DEVICE), hub.engine.read(SHOP)
        assert ([str(ended.command_id) for ended in device.ended], device.search) == (["c-1", "c-2"], None)
        assert (shop.visits, shop.compared_to) == ({"I2CVISIT2": "I2CORDER2"}, "r-4")
        assert hub.journal.counts()["dead_letter"] == 0
    assert verify(tmp_path / FILE_NAME, KINDS, lambda _done: None).problems == []
