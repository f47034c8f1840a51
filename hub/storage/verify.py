# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# APSW's stubs leave the types of bindings partly open.
"""Whether a journal holds together: its file, every actor folded anew, the bounded counters, and its segments."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import apsw
from msgspec import Struct

from actors.runtime.cells import Cell, Kind
from actors.runtime.journal import Loaded, SnapshotRow, TurnRow
from hub.storage.copies import open_readonly
from hub.storage.layout import wrong_layout
from hub.storage.pruning import RAW
from hub.storage.rows import read_rows

_TURN = "position, address, turn, schema, message_id, at, message, events"
_SNAPSHOT = "SELECT address, position, turn, schema, state FROM snapshot WHERE address = ?"
_ADDRESSES = "SELECT address FROM turn UNION SELECT address FROM snapshot ORDER BY address"


class Verdict(Struct, kw_only=True):
    """What was looked at, and what is wrong; nothing wrong means that every state follows from its turns."""

    actors: int = 0
    turns: int = 0
    problems: list[str] = []


def verify(path: Path, kinds: Mapping[str, Kind], progress: Callable[[int], None]) -> Verdict:
    """Read all of a journal, beside its hub or without; ``progress`` is told the number of actors done.

    Raises:
        ConfigError: it is no journal, or one of a newer hub.
    """
    file = open_readonly(path)
    verdict = Verdict()
    try:
        file.execute("BEGIN")  # one moment of it, however long the reading takes
        verdict.problems += [f"file: {text}" for (text,) in file.execute("PRAGMA integrity_check") if text != "ok"]
        used: dict[str, int] = {}
        for address in [name for (name,) in file.execute(_ADDRESSES)]:
            state = _judge_actor(file, address, kinds, verdict)
            _add_used(used, getattr(state, "used", None))
            verdict.actors += 1
            progress(verdict.actors)
        verdict.problems += _wrong_meters(file, used)
        verdict.problems += wrong_layout(file)
    except apsw.Error as error:
        verdict.problems.append(f"file: {error}")
    finally:
        file.close()
    return verdict


class _Rows(Struct, frozen=True):
    """One actor's history as it was read; implements ``History``."""

    snapshot: SnapshotRow | None
    rows: Sequence[TurnRow]

    def load(self, address: str) -> Loaded:
        """Return the snapshot and the turns behind it."""
        after = self.snapshot.position if self.snapshot else 0
        return Loaded(snapshot=self.snapshot, turns=self.turns(address, after=after))

    def turns(self, address: str, *, after: int = 0) -> Sequence[TurnRow]:
        """Return the turns behind a position."""
        return [row for row in self.rows if row.address == address and row.position > after]

    @property
    def begins(self) -> int:
        """The first turn that is there, or would be next where retention took all of them."""
        return self.rows[0].turn if self.rows else (self.snapshot.turn if self.snapshot else 0) + 1


def _judge_actor(file: apsw.Connection, address: str, kinds: Mapping[str, Kind], verdict: Verdict) -> Any:
    kind = kinds.get(address.partition("/")[0])
    held = _history(file, address)
    verdict.turns += len(held.rows)
    verdict.problems += _wrong_turns(address, held)
    if kind is None:
        verdict.problems.append(f"{address}: this hub knows no such kind of actor")
        return None
    try:
        return _folded_both_ways(address, kind, held, verdict)
    except Exception as error:  # noqa: BLE001 - whatever a damaged row makes a decoder raise
        verdict.problems.append(f"{address}: cannot be folded: {type(error).__name__}: {error}")
        return None


def _history(file: apsw.Connection, address: str) -> _Rows:
    rows = read_rows(file, TurnRow, f"SELECT {_TURN} FROM turn WHERE address = ? ORDER BY position", address)  # noqa: S608 - fixed
    snapshots = read_rows(file, SnapshotRow, _SNAPSHOT, address)
    return _Rows(snapshots[0] if snapshots else None, rows)


def _wrong_turns(address: str, held: _Rows) -> Iterator[str]:
    """Tell turns that are missing; only the first ones of a thing may have been pruned, behind a snapshot."""
    begins, snapshot = held.begins, held.snapshot
    if [row.turn for row in held.rows] != list(range(begins, begins + len(held.rows))):
        yield f"{address}: its turns are not counted through"
    if begins > 1 and address.partition("/")[0] not in RAW:
        yield f"{address}: turns 1 to {begins - 1} are missing, and retention never takes those"
    elif begins > 1 and (snapshot is None or snapshot.turn < begins - 1):
        yield f"{address}: turns 1 to {begins - 1} are missing, and no snapshot stands for them"
    if held.rows and snapshot is not None and snapshot.turn > held.rows[-1].turn:
        yield f"{address}: its snapshot is ahead of its turns"


def _folded_both_ways(address: str, kind: Kind, held: _Rows, verdict: Verdict) -> Any:
    state = _folded(address, kind, held)
    if held.begins == 1 and held.snapshot is not None:
        whole = _folded(address, kind, _Rows(None, held.rows))
        if state != whole:
            verdict.problems.append(f"{address}: its snapshot and the turns behind it are not what all its turns make")
        return whole
    return state


def _folded(address: str, kind: Kind, held: _Rows) -> Any:
    cell = Cell(address, kind)
    cell.load(held)
    return cell.state


def _add_used(used: dict[str, int], books: Mapping[str, int] | None) -> None:
    """Add what an owner's books say was used of each budget."""
    for name, value in (books or {}).items():
        used[name] = used.get(name, 0) + value


def _wrong_meters(file: apsw.Connection, used: Mapping[str, int]) -> Iterator[str]:
    meters = dict(file.execute("SELECT name, value FROM meter"))
    for name in sorted(meters.keys() | used.keys()):
        counted, booked = meters.get(name, 0), used.get(name, 0)
        if counted != booked:
            yield f"counter {name}: stands at {counted}, its owner's books at {booked}"
