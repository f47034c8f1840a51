"""The journals of a hub's shards: one file in the data directory, or one in a directory of its own for each shard."""

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from actors.dialogue.placement import ShardMap, slot_of
from actors.model.errors import ConfigError
from actors.model.ids import ThingId
from actors.runtime.cells import Cell, Kind
from actors.runtime.shards import GateCore, gate_address
from hub.storage.connection import FILE_NAME, JournalSettings
from hub.storage.sqlite import SqliteJournal, open_journal

SHARDS_DIR: Final = "shards"
_SHARD: Final = "shard"
"""Key in ``meta``: which shard this journal is, of how many."""


_TOGETHER: Final = "put all shards back from copies that were made together, while the hub was stopped"


class _Placed(Struct):
    """What is read of a thing's record here."""

    thing_id: ThingId
    slot: int | None = None


@contextmanager
def open_shards(
    data_dir: Path, shards: int = 1, settings: JournalSettings | None = None
) -> Generator[tuple[SqliteJournal, ...]]:
    """Open the journals of all shards for this process alone, each under an epoch of its own.

    Raises:
        ConfigError: as ``open_journal``; or they were written by a hub of another number of shards, a thing lies in a
            shard that its slot does not belong to, or they are not all of the same moment.
    """
    _check_layout(data_dir, shards)
    with ExitStack() as stack:
        folders = [data_dir] if shards == 1 else [data_dir / SHARDS_DIR / str(shard) for shard in range(shards)]
        journals = tuple(stack.enter_context(open_journal(folder, settings)) for folder in folders)
        for shard, (folder, journal) in enumerate(zip(folders, journals, strict=True)):
            _check_place(folder / FILE_NAME, journal, f"{shard} of {shards}")
        if shards > 1:
            check_things(journals)
            check_moment(journals)
        yield journals


def check_things(journals: Sequence[SqliteJournal]) -> None:
    """Refuse things that lie where nobody would look for them.

    Raises:
        ConfigError: the first of them, and where it belongs.
    """
    places = ShardMap(len(journals))
    for shard, journal in enumerate(journals):
        for row in journal.records("thing"):
            if row.body is not None:
                _check_thing(msgspec.json.decode(row.body, type=_Placed), shard, places)


def check_moment(journals: Sequence[SqliteJournal]) -> None:
    """Refuse shards of which some were put back from a copy: letters that the others had or sent would be lost.

    Raises:
        ConfigError: which shard is older than what others know of it.
    """
    marks = {shard for shard, journal in enumerate(journals) if journal.restored() is not None}
    if 0 < len(marks) < len(journals):
        raise ConfigError(f"shards {sorted(marks)} were restored and the others not; {_TOGETHER}")
    gate = Kind(GateCore({}))
    for shard, sender in enumerate(journals):
        following = sender.recover().next_outbox_id
        for to, receiver in enumerate(journals):
            cell = Cell(gate_address(shard), gate)
            cell.load(receiver)
            if cell.state.taken >= following:
                raise ConfigError(f"shard {shard} is older than letters that shard {to} has of it; {_TOGETHER}")


def _check_thing(thing: _Placed, shard: int, places: ShardMap) -> None:
    minted = slot_of(thing.thing_id)
    slot = minted if thing.slot is None else thing.slot
    if slot != minted:
        raise ConfigError(
            f"thing {thing.thing_id}: was stored with slot {slot}, this program places it in slot {minted};"
            " run the program that wrote it"
        )
    owner = places.shard_of_slot(slot)
    if owner != shard:
        raise ConfigError(
            f"thing {thing.thing_id} (slot {slot}): found in shard {shard}, but its slot belongs to shard {owner}"
            f" of {places.shards}; put the journals of {SHARDS_DIR}/ back where they were"
        )


def _check_layout(data_dir: Path, shards: int) -> None:
    if shards == 1 and (data_dir / SHARDS_DIR).exists():
        raise ConfigError(
            f"{data_dir}: was written by a hub of several shards ({SHARDS_DIR}/ is there), this one has 1"
        )
    if shards > 1 and (data_dir / FILE_NAME).exists():
        raise ConfigError(f"{data_dir}: was written by a hub of 1 shard ({FILE_NAME} is there), this one has {shards}")


def _check_place(path: Path, journal: SqliteJournal, expected: str) -> None:
    found = journal.setting(_SHARD, lambda: expected)
    if found != expected:
        raise ConfigError(
            f"{path}: is shard {found}, expected shard {expected}; the number of shards cannot be changed"
        )
