# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# APSW's stubs leave the types of bindings partly open.
"""Whether a journal holds together: its file, every actor folded anew, and the bounded counters; and what is in it."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import apsw
from msgspec import Struct

from actors.runtime.cells import Cell, Kind
from actors.runtime.journal import Loaded, SnapshotRow, TurnRow
from hub.storage.copies import RESTORED, open_readonly
from hub.storage.rows import read_rows

_TURN = "position, address, turn, schema, message_id, at, message, events"
_SEGMENTED = 2
"""The version from which turns stand in segments."""
_TABLES = ("turn", "snapshot", "tell", "reminder", "outbox", "record", "note", "claim", "meter", "dead_letter")


class Verdict(Struct, kw_only=True):
    """What was looked at, and what is wrong; nothing wrong means that every state follows from its turns."""

    actors: int = 0
    turns: int = 0
    problems: list[str] = []


class Stats(Struct, frozen=True, kw_only=True):
    """What is in a journal. Times in seconds since 1970."""

    version: int
    size_bytes: int
    rows: Mapping[str, int]
    segments: int
    oldest_turn_at: float | None
    newest_turn_at: float | None
    dead_letters: Mapping[str, int]
    """Reason -> how many."""
    restored_at: str | None


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
        for address in [name for (name,) in file.execute("SELECT DISTINCT address FROM turn ORDER BY address")]:
            state = _judge_actor(file, address, kinds, verdict)
            _add_used(used, getattr(state, "used", None))
            verdict.actors += 1
            progress(verdict.actors)
        verdict.problems += _wrong_meters(file, used)
    except apsw.Error as error:
        verdict.problems.append(f"file: {error}")
    finally:
        file.close()
    return verdict


def stats(path: Path) -> Stats:
    """Return what is in a journal, beside its hub or without.

    Raises:
        ConfigError: it is no journal, or one of a newer hub.
    """
    file = open_readonly(path)
    try:
        version = int(file.pragma("user_version") or 0)
        return Stats(
            version=version,
            size_bytes=sum(part.stat().st_size for part in path.parent.glob(f"{path.name}*") if _is_part(path, part)),
            rows={table: int(file.execute(f"SELECT count(*) FROM {table}").get) for table in _TABLES},  # noqa: S608 - fixed names
            segments=int(file.execute("SELECT count(*) FROM segment").get) if version >= _SEGMENTED else 1,
            oldest_turn_at=file.execute("SELECT at FROM turn ORDER BY position LIMIT 1").get,
            newest_turn_at=file.execute("SELECT at FROM turn ORDER BY position DESC LIMIT 1").get,
            dead_letters=dict(file.execute("SELECT reason, count(*) FROM dead_letter GROUP BY 1 ORDER BY 2 DESC")),
            restored_at=file.execute("SELECT value FROM meta WHERE key = ?", (RESTORED,)).get,
        )
    finally:
        file.close()


def _is_part(path: Path, part: Path) -> bool:
    return part.name in {path.name, f"{path.name}-wal"}


def _judge_actor(file: apsw.Connection, address: str, kinds: Mapping[str, Kind], verdict: Verdict) -> Any:
    kind = kinds.get(address.partition("/")[0])
    rows = read_rows(file, TurnRow, f"SELECT {_TURN} FROM turn WHERE address = ? ORDER BY position", address)  # noqa: S608 - fixed
    verdict.turns += len(rows)
    if [row.turn for row in rows] != list(range(1, len(rows) + 1)):
        verdict.problems.append(f"{address}: its turns are not counted through")
    if kind is None:
        verdict.problems.append(f"{address}: this hub knows no such kind of actor")
        return None
    try:
        return _folded_both_ways(file, address, kind, rows, verdict)
    except Exception as error:  # noqa: BLE001 - whatever a damaged row makes a decoder raise
        verdict.problems.append(f"{address}: cannot be folded: {type(error).__name__}: {error}")
        return None


def _folded_both_ways(file: apsw.Connection, address: str, kind: Kind, rows: list[TurnRow], verdict: Verdict) -> Any:
    whole = _folded(address, kind, Loaded(snapshot=None, turns=rows))
    query = "SELECT address, position, turn, schema, state FROM snapshot WHERE address = ?"
    for snapshot in read_rows(file, SnapshotRow, query, address):
        tail = [row for row in rows if row.position > snapshot.position]
        if _folded(address, kind, Loaded(snapshot=snapshot, turns=tail)) != whole:
            verdict.problems.append(f"{address}: its snapshot and the turns behind it are not what all its turns make")
    return whole


def _folded(address: str, kind: Kind, loaded: Loaded) -> Any:
    cell = Cell(address, kind)
    cell.fill(loaded)
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
