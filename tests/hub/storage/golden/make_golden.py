"""Writes a golden journal of the present release: ``python make_golden.py hub_vN``.

It wants the root and tests/kit in PYTHONPATH. ``hub_vN.sql`` is the file as text, ``hub_vN.json`` every state as the
release that wrote it folds it: since version 5 packed, because states hold bytes. The hub of the story crashes while
work, reminders and a message between two actors are under way. Never make an old one anew: that it is old is its worth.
"""

import asyncio
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec
from fake_crm import FakeCrm
from firm import OWNER, PRINTER, PROFILE, granted, registration, told
from small_hub import Fate, SmallHub, small_hub

from actors.dialogue import owner_address, thing_address
from actors.model.ids import ThingId
from actors.runtime.cells import Cell, Kind
from hub.folding import folding_kinds
from hub.storage.sqlite import FILE_NAME, open_journal

HERE: Final = Path(__file__).parent
SECOND: Final = ThingId("printer-2")
LONGEST: Final = 80
WAITING: Final = ("tell", "reminder", "outbox")


Sent = tuple[str, Any, str]


def story() -> Iterator[list[Sent]]:
    """Yield what devices and people send, in parts that wait for each other: in the last one both printers run low."""
    yield [(owner_address(OWNER), granted(), "")]
    for thing in (PRINTER, SECOND):
        yield [(thing_address(thing), registration(thing, serial=f"SN-{thing}"), "")]
    for number, ink in enumerate((60.0, 30.0, 12.0, 95.0, 40.0)):
        yield [level(PRINTER, number, ink)]
    yield [level(SECOND, 5, 50.0)]
    yield [level(PRINTER, 6, 9.0), level(SECOND, 6, 11.0)]


def level(thing: ThingId, number: int, ink: float) -> Sent:
    message = told(f"boot:{number}", thing_id=thing, ink=ink, pages=100.0 * number)
    return thing_address(thing), message, message.message_id


async def live(folder: Path, dies_at: int) -> bool:
    """Live the story up to this commit; say whether everything was under way when the hub died there."""
    async with small_hub(folder, FakeCrm(), Fate(dies_at), batch_turns=1) as hub:
        for part in story():
            taken = [await hub.acknowledged(*message) for message in part]
            if not (all(taken) and await hub.until(lambda: settled(hub))):
                return all(hub.journal.counts()[table] for table in WAITING)
    return False


def settled(hub: SmallHub) -> bool:
    return not any(hub.journal.counts()[table] for table in ("tell", "outbox"))


def states(folder: Path) -> dict[str, Any]:
    """Return every actor's state, folded from all of its turns."""
    kinds = folding_kinds([PROFILE])
    file = sqlite3.connect(folder / FILE_NAME)
    with closing(file):
        addresses = [name for (name,) in file.execute("SELECT DISTINCT address FROM turn ORDER BY 1")]
    return asyncio.run(folded(folder, addresses, kinds))


async def folded(folder: Path, addresses: list[str], kinds: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with open_journal(folder) as journal:
        for address in addresses:
            kind: Kind = kinds[address.partition("/")[0]]
            cell = Cell(address, kind)
            cell.fill(journal.load(address))
            found[address] = msgspec.msgpack.encode(cell.state)
    return found


def as_text(folder: Path) -> str:
    """Return the file as statements that make it again."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as file:
        version = file.execute("PRAGMA user_version").fetchone()[0]
        return "\n".join([f"PRAGMA user_version={version};", *file.iterdump(), ""])


def main(name: str) -> None:
    """Live the story until it dies in the right moment, and write that down."""
    for dies_at in range(LONGEST, 0, -1):
        with TemporaryDirectory() as folder:
            if asyncio.run(live(Path(folder), dies_at)):
                (HERE / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(states(Path(folder)))))
                (HERE / f"{name}.sql").write_text(as_text(Path(folder)), encoding="utf-8")
                return
    raise SystemExit("in no moment of the story is everything under way")


if __name__ == "__main__":
    main(sys.argv[1])
