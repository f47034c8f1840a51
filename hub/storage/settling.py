# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# APSW's stubs leave the types of bindings partly open.
"""Snapshots for actors whose turns lie far back, so that nobody needs the segments where those are.

What is made here is what the engine would have made: the state folded from committed turns, under the present schema of
its kind. It is read and folded beside the writer, and written some actors at a time.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

import apsw

from actors.runtime.cells import Cell, Kind, encode
from actors.runtime.journal import SnapshotRow
from hub.storage.histories import Histories, snapshot_of
from hub.storage.segments import Change, Segment, Segments

ACTORS_AT_ONCE: Final = 32


class CannotSettle(Exception):
    """An actor's turns cannot be folded, so nothing may be taken away from it. The text says whose and why."""


def settle(file: apsw.Connection, segment: Segment, end: int, kinds: Mapping[str, Kind]) -> Iterator[Change]:
    """Yield changes after which every actor of a sealed segment has a snapshot at or after its ``end``.

    Raises:
        CannotSettle: there is an actor whose history cannot be folded.
    """
    after = ""
    while addresses := _addresses(file, segment, after):
        segments = Segments.of(file)
        rows = [_covering(file, segments, address, end, kinds) for address in addresses]
        if made := [row for row in rows if row is not None]:
            yield partial(_write, made)
        after = addresses[-1]
    if not file.execute("SELECT settled FROM segment WHERE number = ?", (segment.number,)).get:
        yield partial(_mark, segment)


def lift(file: apsw.Connection, kinds: Mapping[str, Kind]) -> Iterator[Change]:
    """Yield changes after which no state that is all there is of an actor stands under an older schema.

    Raises:
        CannotSettle: a state cannot be lifted.
    """
    for name, schema in list(file.execute("SELECT kind, schema FROM truth ORDER BY kind, schema")):
        kind = kinds.get(name)
        if kind is None or kind.schema == schema:
            continue
        while addresses := _under(file, name, schema):
            segments = Segments.of(file)
            yield partial(_write, [_snapshot(file, segments, address, 0, kind) for address in addresses])
        yield partial(_replace_truth, name, schema, kind.schema)


def _addresses(file: apsw.Connection, segment: Segment, after: str) -> list[str]:
    """Return the next actors of a segment, from its index alone."""
    query = f"""
        WITH RECURSIVE found(address) AS (
            SELECT min(address) FROM {segment.table} WHERE address > ?
            UNION ALL SELECT (SELECT min(address) FROM {segment.table} WHERE address > found.address) FROM found
            WHERE address IS NOT NULL LIMIT ?)
        SELECT address FROM found WHERE address IS NOT NULL"""  # noqa: S608 - our own table's name
    return [address for (address,) in file.execute(query, (after, ACTORS_AT_ONCE))]


def _under(file: apsw.Connection, kind: str, schema: int) -> list[str]:
    query = "SELECT address FROM snapshot WHERE address >= ? AND address < ? AND schema = ? LIMIT ?"
    return [address for (address,) in file.execute(query, (f"{kind}/", f"{kind}0", schema, ACTORS_AT_ONCE))]


def _covering(
    file: apsw.Connection, segments: Segments, address: str, end: int, kinds: Mapping[str, Kind]
) -> SnapshotRow | None:
    """Return the snapshot that an actor lacks; None where it has one at or after ``end``."""
    kind = kinds.get(address.partition("/")[0])
    if kind is None:
        raise CannotSettle(f"{address}: this hub knows no such kind of actor")
    query = "SELECT 1 FROM snapshot WHERE address = ? AND position >= ? AND schema = ?"
    if file.execute(query, (address, end, kind.schema)).get:
        return None
    return _snapshot(file, segments, address, end, kind)


def _snapshot(file: apsw.Connection, segments: Segments, address: str, end: int, kind: Kind) -> SnapshotRow:
    """Fold an actor's committed turns. All that lie at or before ``end`` are committed: that segment is sealed."""
    cell = Cell(address, kind)
    try:
        cell.load(Histories(file, lambda: segments))
        state = encode(cell.state)
    except apsw.Error:
        raise
    except Exception as error:
        raise CannotSettle(f"{address}: {type(error).__name__}: {error}") from error
    held = snapshot_of(file, address)
    position = max(end, held.position if held is not None and held.turn <= cell.turn else 0)
    return SnapshotRow(address=address, position=position, turn=cell.turn, schema=kind.schema, state=state)


def _write(rows: Sequence[SnapshotRow], connection: apsw.Connection, segments: Segments) -> Segments:
    """Write snapshots, but none over one that the engine made of later turns meanwhile."""
    connection.executemany(
        "INSERT INTO snapshot VALUES(?, ?, ?, ?, ?) ON CONFLICT(address) DO UPDATE SET position = excluded.position,"
        " turn = excluded.turn, schema = excluded.schema, state = excluded.state WHERE excluded.turn >= snapshot.turn",
        [(row.address, row.position, row.turn, row.schema, row.state) for row in rows],
    )
    return segments


def _mark(segment: Segment, connection: apsw.Connection, segments: Segments) -> Segments:
    connection.execute("UPDATE segment SET settled = 1 WHERE number = ?", (segment.number,))
    return segments


def _replace_truth(kind: str, schema: int, present: int, connection: apsw.Connection, segments: Segments) -> Segments:
    connection.execute("DELETE FROM truth WHERE kind = ? AND schema = ?", (kind, schema))
    connection.execute("INSERT OR IGNORE INTO truth VALUES(?, ?)", (kind, present))
    return segments
