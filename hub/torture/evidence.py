# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# APSW's stubs leave the types of bindings partly open.
"""What a hub that ended left in its journal, read from the file alone and folded anew from its turns."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec
from msgspec import Struct

from actors.model.ids import OrderKey
from actors.model.needs import Need
from actors.model.profiles import ThingProfile
from actors.model.readings import AnyDeviceMessage, DeviceMessage, PlainMessage
from actors.owner.state import OwnerState
from actors.purchasing.state import OrderData
from actors.purchasing.view import OrderView, view_of
from actors.runtime.cells import Cell
from actors.runtime.journal import Loaded, SnapshotRow, TurnRow
from actors.thing.state import NeedOpened
from hub.folding import folding_kinds
from hub.torture.books import Book

_TURN: Final = "position, address, turn, schema, message_id, at, message, events"
_SNAPSHOT: Final = "address, position, turn, schema, state"


class OpenedNeed(Struct, frozen=True, kw_only=True):
    """A need that a thing's turns opened, and the key under which it is to be ordered."""

    need: Need
    key: OrderKey


class Evidence(Struct, kw_only=True):
    """All that a judge wants to know of a journal."""

    book: Book
    """The first reading's value of every message as it was stored, and how many rows it has."""
    strange: list[str]
    """Messages with names that no device of ours gives."""
    needs: list[OpenedNeed]
    orders: dict[OrderKey, OrderData]
    owners: dict[str, OwnerState]
    meters: dict[str, int]
    differences: list[str]
    """Where folding all turns does not give what a snapshot and its tail, or a read model, say."""
    left: Mapping[str, int]
    """Rows of messages, work and letters that nobody consumed."""
    messages: int
    integrity: str


class JournalFile:
    """A journal that is read beside or after its hub."""

    def __init__(self, path: Path) -> None:
        self._file = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        self._file.set_busy_timeout(5000)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def waiting(self) -> Mapping[str, int]:
        """Return how much is not consumed yet, by table."""
        return {"tell": self._count("tell"), "outbox": self._work()}

    def order_states(self) -> Counter[str]:
        """Return how many orders are in which state, as their read models tell."""
        query = "SELECT json_extract(body, '$.state'), count(*) FROM record WHERE kind = 'order' GROUP BY 1"
        return Counter(dict(self._file.execute(query)))

    def setting(self, key: str) -> str:
        """Return a value that the journal keeps for good."""
        return str(self._file.execute("SELECT value FROM meta WHERE key = ?", (key,)).get)

    def _work(self) -> int:
        """Return how much work is not done; that connections look what changed in their CRMs never ends."""
        query = "SELECT count(*) FROM outbox WHERE address NOT LIKE 'connection/%'"
        return int(self._file.execute(query).get)

    def _count(self, table: str) -> int:
        return int(self._file.execute(f"SELECT count(*) FROM {table}").get)  # noqa: S608 - fixed names

    def addresses(self) -> list[str]:
        """Return every actor that has a turn."""
        return [address for (address,) in self._file.execute("SELECT DISTINCT address FROM turn ORDER BY address")]

    def loaded(self, address: str) -> Loaded:
        """Return one actor's snapshot and all of its turns."""
        snapshots = [
            SnapshotRow(**dict(zip(SnapshotRow.__struct_fields__, row, strict=True)))
            for row in self._file.execute(f"SELECT {_SNAPSHOT} FROM snapshot WHERE address = ?", (address,))  # noqa: S608 - fixed
        ]
        query = f"SELECT {_TURN} FROM turn WHERE address = ? ORDER BY position"  # noqa: S608 - fixed names
        turns = [
            TurnRow(**dict(zip(TurnRow.__struct_fields__, row, strict=True)))
            for row in self._file.execute(query, (address,))
        ]
        return Loaded(snapshot=snapshots[0] if snapshots else None, turns=turns)

    def meters(self) -> dict[str, int]:
        """Return the bounded counters."""
        return dict(self._file.execute("SELECT name, value FROM meter"))

    def views(self) -> Iterator[OrderView]:
        """Yield the read models of orders."""
        for (body,) in self._file.execute("SELECT body FROM record WHERE kind = 'order'"):
            yield msgspec.json.decode(body, type=OrderView)

    def left(self) -> Mapping[str, int]:
        """Return what nobody consumed."""
        return {"tell": self._count("tell"), "outbox": self._work(), "dead_letter": self._count("dead_letter")}

    def integrity(self) -> str:
        """Return ``ok``, or what SQLite found wrong with tables and indexes."""
        return str(self._file.execute("PRAGMA integrity_check").get)


def read_evidence(path: Path, profiles: Mapping[str, ThingProfile]) -> Evidence:
    """Read a journal whose hub has ended."""
    journal = JournalFile(path)
    try:
        return _Reading(journal, profiles).evidence
    finally:
        journal.close()


class _Reading:
    def __init__(self, journal: JournalFile, profiles: Mapping[str, ThingProfile]) -> None:
        self._kinds = folding_kinds(profiles.values())
        self.evidence = Evidence(
            book=Book(),
            strange=[],
            needs=[],
            orders={},
            owners={},
            meters=journal.meters(),
            differences=[],
            left=journal.left(),
            messages=0,
            integrity=journal.integrity(),
        )
        for address in journal.addresses():
            self._take(address, journal.loaded(address))
        for view in journal.views():
            self._compare(view)

    def _take(self, address: str, loaded: Loaded) -> None:
        kind, _, name = address.partition("/")
        state = self._state(address, loaded)
        match state:
            case OrderData():
                self.evidence.orders[OrderKey(name)] = state
            case OwnerState():
                self.evidence.owners[name] = state
            case _ if kind == "thing":
                self._take_thing(name, loaded.turns)
            case _:
                return

    def _state(self, address: str, loaded: Loaded) -> Any:
        """Fold all turns; note where the snapshot and its tail, or the count of turns, say something else."""
        try:
            return self._folded_both_ways(address, loaded)
        except Exception as error:  # noqa: BLE001 - whatever turns that do not follow each other make a core raise
            self.evidence.differences.append(f"{address}: cannot be folded: {type(error).__name__}: {error}")
            return None

    def _folded_both_ways(self, address: str, loaded: Loaded) -> Any:
        whole = self._folded(address, Loaded(snapshot=None, turns=loaded.turns))
        if loaded.snapshot is not None:
            after = loaded.snapshot.position
            tail = [row for row in loaded.turns if row.position > after]
            if self._folded(address, Loaded(snapshot=loaded.snapshot, turns=tail)) != whole:
                self.evidence.differences.append(f"{address}: snapshot and tail are not what its turns make")
        if [row.turn for row in loaded.turns] != list(range(1, len(loaded.turns) + 1)):
            self.evidence.differences.append(f"{address}: its turns are not counted through")
        return whole

    def _folded(self, address: str, loaded: Loaded) -> Any:
        cell = Cell(address, self._kinds[address.partition("/")[0]])
        cell.fill(loaded)
        return cell.state

    def _take_thing(self, thing: str, turns: Sequence[TurnRow]) -> None:
        kind = self._kinds["thing"]
        for row in turns:
            self.evidence.needs += [
                OpenedNeed(need=event.need, key=event.key)
                for event in kind.read_events(row)
                if isinstance(event, NeedOpened)
            ]
            message = kind.read_message(row.message)
            if isinstance(message, DeviceMessage | PlainMessage):
                self._take_message(thing, row.message_id, message)

    def _take_message(self, thing: str, message_id: str, message: AnyDeviceMessage) -> None:
        self.evidence.messages += 1
        value, name = message.readings[0].value, message_id.removeprefix("key:")
        try:
            self.evidence.book.tell(thing, name, float(value) if isinstance(value, float | int) else inf)
            self.evidence.book.count(thing, name)
        except ValueError:
            self.evidence.strange.append(f"{thing}: {message_id}")

    def _compare(self, view: OrderView) -> None:
        order = self.evidence.orders.get(view.key)
        if order is None or order.order is None:
            self.evidence.differences.append(f"order {view.key}: shown, but no turn made it")
        elif view_of(view.key, order.order, order) != view:
            self.evidence.differences.append(f"order {view.key}: shown otherwise than its turns make it")
