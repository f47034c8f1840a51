# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# APSW's stubs leave the types of bindings partly open.
"""How a batch's rows are written, and how rows are read back."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import apsw
from msgspec.structs import astuple

from actors.runtime.journal import Batch, MeterDelta, RecordRow

_SHOW: Final = """
    INSERT INTO record(kind, key, owner, body, at) VALUES(?, ?, ?, ?, ?)
    ON CONFLICT(kind, key) DO UPDATE SET body = excluded.body WHERE owner = excluded.owner"""
"""In place: to replace a row would move it to the table's end, and all of its index entries with it; to set an owner
that it has already would write its entry in the index of owners anew. Its time is that of its first showing."""
_GIVE_TO: Final = "UPDATE record SET owner = ?3, body = ?4 WHERE kind = ?1 AND key = ?2"


def read_rows(connection: apsw.Connection, row: Callable[..., Any], query: str, *values: Any) -> list[Any]:
    """Return what a query finds as Structs; its columns are the Struct's fields in their order."""
    cursor = connection.execute(query, values)
    names = row.__struct_fields__  # type: ignore[attr-defined]
    return [row(**dict(zip(names, found, strict=True))) for found in cursor]


def write_batch(cursor: apsw.Cursor, batch: Batch) -> None:
    """Write all of a batch but its turns, inside the caller's transaction.

    Raises:
        apsw.ConstraintError: the batch holds what the tables do not allow.
    """
    for query, rows in _statements(batch):
        cursor.executemany(query, rows)
    if batch.records:
        _show(cursor, batch.records)
    for meter in batch.meters:
        _turn_meter(cursor, meter)
    for name, holder in batch.claims:
        if holder is None:
            cursor.execute("DELETE FROM claim WHERE name = ?", (name,))
        else:
            cursor.execute("INSERT INTO claim VALUES(?, ?)", (name, holder))


def _turn_meter(cursor: apsw.Cursor, meter: MeterDelta) -> None:
    """Change a bounded counter; the table's CHECK refuses what passes the cap. Giving back never meets a cap."""
    cursor.execute("INSERT OR IGNORE INTO meter VALUES(?, 0, ?)", (meter.name, meter.cap))
    if meter.delta > 0:
        cursor.execute("UPDATE meter SET cap = ? WHERE name = ? AND value <= ?", (meter.cap, meter.name, meter.cap))
    cursor.execute("UPDATE meter SET value = value + ? WHERE name = ?", (meter.delta, meter.name))


def _show(cursor: apsw.Cursor, records: Iterable[RecordRow]) -> None:
    """Write read models, each as the batch shows it last: an order is often shown anew in one batch."""
    for row in {(row.kind, row.key): row for row in records}.values():
        if row.body is None:
            cursor.execute("DELETE FROM record WHERE kind = ? AND key = ?", (row.kind, row.key))
            continue
        shown = astuple(row)
        cursor.execute(_SHOW, shown)
        if not cursor.connection.changes():
            cursor.execute(_GIVE_TO, shown[:-1])


def _statements(batch: Batch) -> Iterator[tuple[str, Iterable[Any]]]:
    """Yield what is to be executed, with its rows; the columns of a table are its Struct's fields in their order."""
    if batch.snapshots:
        yield "INSERT OR REPLACE INTO snapshot VALUES(?, ?, ?, ?, ?)", map(astuple, batch.snapshots)
    if batch.tells_consumed:
        yield "DELETE FROM tell WHERE tell_id = ?", [(tell_id,) for tell_id in batch.tells_consumed]
    if batch.tells_added:
        yield "INSERT INTO tell VALUES(?, ?, ?, ?)", map(astuple, batch.tells_added)
    if batch.reminders_cleared:
        yield "DELETE FROM reminder WHERE address = ? AND name = ?", batch.reminders_cleared
    if batch.reminders_set:
        yield "INSERT OR REPLACE INTO reminder VALUES(?, ?, ?, ?, ?)", map(astuple, batch.reminders_set)
    if batch.outbox_done:
        yield "DELETE FROM outbox WHERE outbox_id = ?", [(outbox_id,) for outbox_id in batch.outbox_done]
    if batch.outbox_added:
        yield "INSERT INTO outbox VALUES(?, ?, ?, ?, ?)", map(astuple, batch.outbox_added)
    if batch.notes:
        yield _NOTE, map(astuple, batch.notes)
    if batch.dead_letters:
        yield _BURY, map(astuple, batch.dead_letters)


_NOTE: Final = "INSERT INTO note(correlation_id, at, address, step, body) VALUES(?, ?, ?, ?, ?)"
_BURY: Final = "INSERT INTO dead_letter(at, address, reason, message) VALUES(?, ?, ?, ?)"
