# pyright: reportUnknownMemberType=false
# APSW's stubs leave the types of bindings partly open.
"""One actor's history as one moment of the file: its snapshot and the turns behind it, while others write."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import apsw

from actors.runtime.journal import Loaded, SnapshotRow, TurnRow
from hub.storage.rows import read_rows
from hub.storage.segments import Segments

ResultT = TypeVar("ResultT")
_SNAPSHOT = "SELECT address, position, turn, schema, state FROM snapshot WHERE address = ?"


class Histories:
    """Reads on one connection. ``segments`` tells which there are at the moment.

    Retention may take a segment away while it is read. What is in its tables then is covered by snapshots that are
    older than that, so segments are asked first, then the moment is fixed; and where a table is gone already, again.
    """

    def __init__(self, connection: apsw.Connection, segments: Callable[[], Segments]) -> None:
        self._connection = connection
        self._segments = segments

    def load(self, address: str) -> Loaded:
        """Return an actor's snapshot and the turns behind it."""
        return self._again_where_gone(lambda segments: self._loaded(segments, address))

    def turns(self, address: str, *, after: int = 0) -> Sequence[TurnRow]:
        """Return one actor's turns behind a position, in their order."""
        return self._again_where_gone(lambda segments: segments.turns(self._connection, address, after))

    def has_turn(self, address: str, message_id: str) -> bool:
        """Say whether this actor has consumed this message."""
        return self._again_where_gone(lambda segments: segments.has(self._connection, address, message_id))

    def _loaded(self, segments: Segments, address: str) -> Loaded:
        with one_moment(self._connection):
            snapshot = snapshot_of(self._connection, address)
            after = snapshot.position if snapshot else 0
            return Loaded(snapshot=snapshot, turns=segments.turns(self._connection, address, after))

    def _again_where_gone(self, read: Callable[[Segments], ResultT]) -> ResultT:
        while True:
            segments = self._segments()
            try:
                return read(segments)
            except apsw.SQLError:
                if segments is self._segments():
                    raise


def snapshot_of(connection: apsw.Connection, address: str) -> SnapshotRow | None:
    """Return an actor's snapshot."""
    for row in read_rows(connection, SnapshotRow, _SNAPSHOT, address):
        snapshot: SnapshotRow = row
        return snapshot
    return None


@contextmanager
def one_moment(connection: apsw.Connection) -> Generator[None]:
    """Let all reads inside see the same commit."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")
