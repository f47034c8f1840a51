# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# APSW's stubs leave the types of bindings partly open.
"""How a batch's rows are written, and how rows are read back."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import apsw

from actors.runtime.journal import Batch, MeterDelta

_SHOW: Final = """
    INSERT INTO record VALUES(?, ?, ?, ?)
    ON CONFLICT(kind, key) DO UPDATE SET owner = excluded.owner, body = excluded.body"""
"""In place: to replace a row would move it to the table's end, and all of its index entries with it."""


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
        if rows:
            cursor.executemany(query, rows)
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


def _statements(batch: Batch) -> Iterator[tuple[str, list[Any]]]:
    yield (
        "INSERT OR REPLACE INTO snapshot VALUES(?, ?, ?, ?, ?)",
        [(s.address, s.position, s.turn, s.schema, s.state) for s in batch.snapshots],
    )
    yield "DELETE FROM tell WHERE tell_id = ?", [(tell_id,) for tell_id in batch.tells_consumed]
    yield (
        "INSERT INTO tell VALUES(?, ?, ?, ?)",
        [(t.tell_id, t.address, t.message, t.schema) for t in batch.tells_added],
    )
    yield "DELETE FROM reminder WHERE address = ? AND name = ?", list(batch.reminders_cleared)
    yield (
        "INSERT OR REPLACE INTO reminder VALUES(?, ?, ?, ?, ?)",
        [(r.address, r.name, r.due, r.message, r.schema) for r in batch.reminders_set],
    )
    newest = {(row.kind, row.key): row for row in batch.records}.values()  # an order is often shown anew in one batch
    yield (
        "DELETE FROM record WHERE kind = ? AND key = ?",
        [(row.kind, row.key) for row in newest if row.body is None],
    )
    yield (
        _SHOW,
        [(row.kind, row.key, row.owner, row.body) for row in newest if row.body is not None],
    )
    yield "DELETE FROM outbox WHERE outbox_id = ?", [(outbox_id,) for outbox_id in batch.outbox_done]
    yield (
        "INSERT INTO outbox VALUES(?, ?, ?, ?, ?)",
        [(o.outbox_id, o.relay, o.address, o.body, o.created_at) for o in batch.outbox_added],
    )
    yield (
        "INSERT INTO note(correlation_id, at, address, step, body) VALUES(?, ?, ?, ?, ?)",
        [(n.correlation_id, n.at, n.address, n.step, n.body) for n in batch.notes],
    )
    yield (
        "INSERT INTO dead_letter(at, address, reason, message) VALUES(?, ?, ?, ?)",
        [(d.at, d.address, d.reason, d.message) for d in batch.dead_letters],
    )
