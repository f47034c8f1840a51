# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# APSW's stubs leave the types of bindings partly open.
"""How notes are followed in the order of their writing, whatever chain they belong to."""

from collections.abc import Sequence

import apsw
from msgspec import Struct

from actors.runtime.journal import NoteRow
from hub.storage.rows import read_rows


class Place(Struct, frozen=True, kw_only=True, gc=False):
    """Where a note stands, and what it is of; without its body."""

    note_id: int
    at: float
    address: str
    step: str


def behind(connection: apsw.Connection, note_id: int, limit: int) -> Sequence[Place]:
    """Return the next notes behind one."""
    query = "SELECT note_id, at, address, step FROM note WHERE note_id > ? ORDER BY note_id LIMIT ?"
    return read_rows(connection, Place, query, note_id, limit)


def newest(connection: apsw.Connection) -> int:
    """Return the number of the newest note."""
    return int(connection.execute("SELECT max(note_id) FROM note").get or 0)


def one(connection: apsw.Connection, note_id: int) -> NoteRow | None:
    """Return one note with its body."""
    query = "SELECT correlation_id, at, address, step, body FROM note WHERE note_id = ?"
    return next(iter(read_rows(connection, NoteRow, query, note_id)), None)
