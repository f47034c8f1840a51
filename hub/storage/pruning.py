# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# APSW's stubs leave the types of bindings partly open.
"""Taking the oldest segment away without losing a state, in small transactions that may end anywhere.

Everything up to the moment when the segment stops counting only adds what nobody sees yet, and everything after it
removes what nobody sees any more; so after a crash it is begun again, or gone on with. In this order:

1. Every actor in it gets a snapshot that covers it. That snapshot is the truth from then on.
2. The numbers of its messages are noted in ``gone``.
3. Turns that are no raw messages (of owners, orders, communities) are copied to ``turn_0``.
4. In one transaction the segment stops counting, and the copied turns begin to.
5. Its table is emptied and dropped. SQLite uses its pages again for what is written next; the file does not shrink.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import takewhile
from typing import Final

import apsw
from msgspec import Struct

from actors.runtime.cells import Kind
from hub.storage import gone
from hub.storage.segments import COLUMNS, Change, Segment, Segments
from hub.storage.settling import settle

RAW: Final = ("thing",)
"""Kinds of actors whose turns are raw messages. What was decided on them outlives them: as notes, orders, audit."""
_IDS_AT_ONCE: Final = 2000
_KEPT_AT_ONCE: Final = 500
_ERASED_AT_ONCE: Final = 5000
_IS_RAW: Final = "(" + " OR ".join(f"address GLOB '{kind}/*'" for kind in RAW) + ")"


class Prunable(Struct, frozen=True, kw_only=True):
    """A sealed segment that is old enough. Times in seconds since 1970."""

    number: int
    turns: int
    kept: int
    """How many of them stay, because they are no raw messages."""
    oldest_at: float
    newest_at: float


def prunable(file: apsw.Connection, before: datetime) -> Iterator[Prunable]:
    """Yield, oldest first, the sealed and noted segments in which nothing is younger than ``before``."""
    sealed = (segment for segment, _ in Segments.of(file).sealed)
    yield from aged(file, takewhile(lambda segment: segment.noted, sealed), before)


def aged(file: apsw.Connection, segments: Iterable[Segment], before: datetime) -> Iterator[Prunable]:
    """Yield the first of these segments, up to one that holds something younger or nothing at all."""
    for segment in segments:
        last = file.execute(f"SELECT at FROM {segment.table} ORDER BY position DESC LIMIT 1").get  # noqa: S608 - ours
        if last is None or last >= before.timestamp():
            return
        found = _summary(file, segment)
        if found.newest_at >= before.timestamp():
            return
        yield found


def prune(file: apsw.Connection, oldest: Prunable, kinds: Mapping[str, Kind], now: datetime) -> Iterator[Change]:
    """Yield the changes that take the oldest segment away; each must be committed before the next is asked for.

    Raises:
        CannotSettle: there is an actor whose history cannot be folded, so it must stay.
    """
    segment, end = Segments.of(file).sealed[0]
    yield from settle(file, segment, end, kinds)
    yield from _note_numbers(file, segment)
    yield from _keep_decisions(file, segment)
    yield partial(_take_away, segment, oldest, {name: kinds[name].schema for name in RAW}, now.timestamp())
    yield from erase(file)


def erase(file: apsw.Connection) -> Iterator[Change]:
    """Yield the changes that remove the tables of segments that count no longer."""
    for (number,) in list(file.execute("SELECT number FROM pruned WHERE erased = 0 ORDER BY number")):
        table = Segment(number, 0).table
        indexes = "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL"
        for (name,) in list(file.execute(indexes, (table,))):
            yield partial(_run, f"DROP INDEX IF EXISTS {name}")
        while (upto := _next_slice(file, table)) is not None:
            yield partial(_run, f"DELETE FROM {table} WHERE position < {upto}")  # noqa: S608 - our own table's name
        yield partial(_drop, table, number)


def _summary(file: apsw.Connection, segment: Segment) -> Prunable:
    query = f"""
        SELECT count(*), count(*) FILTER (WHERE NOT {_IS_RAW}), ifnull(min(at), 0), ifnull(max(at), 0)
        FROM {segment.table}"""  # noqa: S608 - our own table's name
    ((turns, kept, oldest_at, newest_at),) = file.execute(query)
    return Prunable(number=segment.number, turns=turns, kept=kept, oldest_at=oldest_at, newest_at=newest_at)


def _note_numbers(file: apsw.Connection, segment: Segment) -> Iterator[Change]:
    query = f"""
        SELECT address, message_id FROM {segment.table} WHERE (address, message_id) > (?, ?) AND {_IS_RAW}
        ORDER BY address, message_id LIMIT {_IDS_AT_ONCE}"""  # noqa: S608 - our own table's name
    after = ("", "")
    while names := list(file.execute(query, after)):
        if grown := gone.grown(file, names):
            yield partial(_write_ranges, grown)
        after = names[-1]


def _write_ranges(grown: Sequence[gone.Grown], connection: apsw.Connection, segments: Segments) -> Segments:
    gone.write(connection, grown)
    return segments


def _keep_decisions(file: apsw.Connection, segment: Segment) -> Iterator[Change]:
    query = f"""
        SELECT position FROM {segment.table} WHERE position > ? AND NOT {_IS_RAW}
        ORDER BY position LIMIT {_KEPT_AT_ONCE}"""  # noqa: S608 - our own table's name
    after = 0
    while positions := [position for (position,) in file.execute(query, (after,))]:
        yield partial(_copy, segment, positions)
        after = positions[-1]


def _copy(segment: Segment, positions: Sequence[int], connection: apsw.Connection, segments: Segments) -> Segments:
    query = f"""
        INSERT INTO turn_0 SELECT {COLUMNS} FROM {segment.table}
        WHERE position IN (SELECT value FROM json_each(?)) ON CONFLICT(position) DO NOTHING"""  # noqa: S608 - ours
    connection.execute(query, (json.dumps(positions),))
    return segments


def _take_away(
    segment: Segment,
    told: Prunable,
    schemas: Mapping[str, int],
    at: float,
    connection: apsw.Connection,
    segments: Segments,
) -> Segments:
    row = (segment.number, told.turns, told.kept, told.oldest_at, told.newest_at, at)
    connection.execute("INSERT INTO pruned VALUES(?, ?, ?, ?, ?, ?, 0)", row)
    connection.executemany("INSERT OR IGNORE INTO truth VALUES(?, ?)", list(schemas.items()))
    return segments.without_oldest(connection)


def _next_slice(file: apsw.Connection, table: str) -> int | None:
    """Return where the next slice ends; None where what is left is small, or nothing is."""
    if not file.table_exists(None, table):
        return None
    query = f"SELECT position FROM {table} ORDER BY position LIMIT 1 OFFSET {_ERASED_AT_ONCE}"  # noqa: S608 - ours
    found: int | None = file.execute(query).get
    return found


def _run(statement: str, connection: apsw.Connection, segments: Segments) -> Segments:
    connection.execute(statement)
    return segments


def _drop(table: str, number: int, connection: apsw.Connection, segments: Segments) -> Segments:
    connection.execute(f"DROP TABLE IF EXISTS {table}")
    connection.execute("UPDATE pruned SET erased = 1 WHERE number = ?", (number,))
    return segments
