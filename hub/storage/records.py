# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# APSW's stubs leave the types of bindings partly open.
"""How read models are found: by key, a page at a time, by owner, and by the fields that an index is kept of."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import apsw

from actors.runtime.journal import RecordRow
from hub.storage.rows import read_rows
from hub.storage.schema import INDEXED_FIELDS, TIMED, field_of

_ALL: Final = "SELECT kind, key, owner, body, at FROM record"


def record(connection: apsw.Connection, kind: str, key: str) -> bytes | None:
    """Return one read model."""
    found: bytes | None = connection.execute("SELECT body FROM record WHERE kind = ? AND key = ?", (kind, key)).get
    return found


def page(
    connection: apsw.Connection, kind: str, owner: str | None, after: str, limit: int | None
) -> Iterable[RecordRow]:
    """Return read models of a kind by key: of one owner where one is named, behind a key, at most so many."""
    where, values = ("", (kind,)) if owner is None else (" AND owner = ?", (kind, owner))
    query = f"{_ALL} WHERE kind = ?{where} AND key > ? ORDER BY key LIMIT ?"
    return read_rows(connection, RecordRow, query, *values, after, -1 if limit is None else limit)


def latest(
    connection: apsw.Connection, kind: str, owner: str | None, before: tuple[float, str] | None, limit: int
) -> Sequence[RecordRow]:
    """Return read models of a kind, newest first: of one owner where one is named, older than ``before``.

    Raises:
        LookupError: there is no index of this kind by time.
    """
    if kind not in TIMED:
        raise LookupError(f"no index lists {kind} by time; there are {sorted(TIMED)}")
    everybodys, one_owners = TIMED[kind]
    index, where, values = everybodys, f"kind = '{kind}'", list[str | float]()
    if owner is not None:
        index = one_owners
        where, values = f"{where} AND owner = ?", [owner]
    if before is not None:
        where, values = f"{where} AND (at, key) < (?, ?)", [*values, *before]
    # Named: left to itself, SQLite takes the index of keys and sorts all of the kind.
    query = f"{_ALL} INDEXED BY {index} WHERE {where} ORDER BY at DESC, key DESC LIMIT ?"
    return read_rows(connection, RecordRow, query, *values, limit)


def found_by(connection: apsw.Connection, kind: str, field: str, value: str) -> Iterable[RecordRow]:
    """Return the read models of a kind with this value in an indexed field, by key.

    Raises:
        LookupError: there is no index of this field.
    """
    condition = INDEXED_FIELDS.get((kind, field))
    if condition is None:
        raise LookupError(f"no index finds {kind} by {field}; there are {sorted(INDEXED_FIELDS)}")
    return read_rows(connection, RecordRow, f"{_ALL} WHERE {condition} AND {field_of(field)} = ? ORDER BY key", value)


def owners(connection: apsw.Connection, kind: str) -> Mapping[str, int]:
    """Return how many read models of a kind each owner has."""
    return dict(connection.execute("SELECT owner, count(*) FROM record WHERE kind = ? GROUP BY owner", (kind,)))
