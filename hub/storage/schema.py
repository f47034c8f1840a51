# pyright: reportUnknownMemberType=false
# APSW's stubs leave the types of bindings partly open.
"""Tables of the journal file, its version, and the forward-only migrations that lead there."""

from collections.abc import Mapping
from typing import Final

import apsw

from actors.model.errors import ConfigError
from hub.storage.epochs import take_epoch, transaction

VERSION: Final = 5
SEGMENTED: Final = 2
"""The version from which turns stand in segments."""
PRUNABLE: Final = 4
"""The version from which segments can be taken away."""
OLDEST_SQLITE: Final = (3, 51, 3)
"""Older ones can corrupt a WAL when it is reset at the wrong moment (SQLite release notes 3.51.3)."""


def field_of(name: str) -> str:
    """Return the SQL that reads a field of a read model's JSON; an index is used where its text is the same."""
    return f"json_extract(CAST(body AS TEXT), '$.{name}')"


INDEXED_FIELDS: Final[Mapping[tuple[str, str], str]] = {
    ("thing", "token_sha256"): f"kind = 'thing' AND {field_of('token_sha256')} <> ''",
    ("thing", "connection.protocol"): "kind = 'thing'",
}
"""(kind, field) -> the condition of the index that finds read models by this field."""

TIMED: Final[Mapping[str, tuple[str, str]]] = {"order": ("order_by_time", "order_of_owner_by_time")}
"""Kinds of read models that can be listed by time -> their indexes: of everybody's, and of one owner's."""

_MIGRATIONS: Final[tuple[str, ...]] = (
    """
    CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE turn(
        position INTEGER PRIMARY KEY, address TEXT NOT NULL, turn INTEGER NOT NULL, schema INTEGER NOT NULL,
        message_id TEXT NOT NULL, at REAL NOT NULL, message BLOB NOT NULL, events BLOB NOT NULL);
    CREATE UNIQUE INDEX turn_once ON turn(address, message_id);
    CREATE TABLE snapshot(
        address TEXT PRIMARY KEY, position INTEGER NOT NULL, turn INTEGER NOT NULL, schema INTEGER NOT NULL,
        state BLOB NOT NULL);
    CREATE TABLE tell(tell_id INTEGER PRIMARY KEY, address TEXT NOT NULL, message BLOB NOT NULL);
    CREATE TABLE reminder(
        address TEXT NOT NULL, name TEXT NOT NULL, due REAL NOT NULL, message BLOB NOT NULL,
        PRIMARY KEY(address, name)) WITHOUT ROWID;
    CREATE TABLE outbox(
        outbox_id INTEGER PRIMARY KEY, relay TEXT NOT NULL, address TEXT NOT NULL, body BLOB NOT NULL,
        created_at REAL NOT NULL);
    CREATE TABLE record(
        kind TEXT NOT NULL, key TEXT NOT NULL, owner TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY(kind, key));
    CREATE INDEX record_of_owner ON record(kind, owner);
    CREATE TABLE note(
        note_id INTEGER PRIMARY KEY, correlation_id TEXT NOT NULL, at REAL NOT NULL, address TEXT NOT NULL,
        step TEXT NOT NULL, body BLOB NOT NULL);
    CREATE INDEX note_of_chain ON note(correlation_id);
    CREATE TABLE claim(name TEXT PRIMARY KEY, holder TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE meter(
        name TEXT PRIMARY KEY, value INTEGER NOT NULL, cap INTEGER NOT NULL,
        CONSTRAINT within_cap CHECK(value >= 0 AND value <= cap)) WITHOUT ROWID;
    CREATE TABLE dead_letter(
        letter_id INTEGER PRIMARY KEY, at REAL NOT NULL, address TEXT NOT NULL, reason TEXT NOT NULL,
        message BLOB NOT NULL);
    """,
    """
    ALTER TABLE turn RENAME TO turn_1;
    CREATE TABLE segment(number INTEGER PRIMARY KEY, first INTEGER NOT NULL);
    INSERT INTO segment VALUES(1, 1);
    CREATE TABLE top(
        address TEXT NOT NULL, boot TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY(address, boot)) WITHOUT ROWID;
    CREATE VIEW turn AS SELECT position, address, turn, schema, message_id, at, message, events FROM turn_1;
    """,
    f"""
    DROP INDEX record_of_owner;
    CREATE INDEX record_of_owner ON record(kind, owner, key);
    CREATE INDEX thing_by_token ON record({field_of("token_sha256")}, key)
    WHERE {INDEXED_FIELDS["thing", "token_sha256"]};
    CREATE INDEX thing_by_protocol ON record({field_of("connection.protocol")}, key)
    WHERE {INDEXED_FIELDS["thing", "connection.protocol"]};
    """,
    """
    ALTER TABLE tell ADD COLUMN schema INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE reminder ADD COLUMN schema INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE segment ADD COLUMN noted INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE segment ADD COLUMN settled INTEGER NOT NULL DEFAULT 0;
    UPDATE segment SET noted = 0 WHERE number = (SELECT max(number) FROM segment);
    CREATE TABLE turn_0(
        position INTEGER PRIMARY KEY, address TEXT NOT NULL, turn INTEGER NOT NULL, schema INTEGER NOT NULL,
        message_id TEXT NOT NULL, at REAL NOT NULL, message BLOB NOT NULL, events BLOB NOT NULL);
    CREATE UNIQUE INDEX turn_0_once ON turn_0(address, message_id);
    CREATE TABLE pruned(
        number INTEGER PRIMARY KEY, turns INTEGER NOT NULL, kept INTEGER NOT NULL, oldest_at REAL NOT NULL,
        newest_at REAL NOT NULL, pruned_at REAL NOT NULL, erased INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE gone(
        address TEXT NOT NULL, boot TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
        PRIMARY KEY(address, boot, first)) WITHOUT ROWID;
    CREATE TABLE truth(kind TEXT NOT NULL, schema INTEGER NOT NULL, PRIMARY KEY(kind, schema)) WITHOUT ROWID;
    """,
    """
    ALTER TABLE record ADD COLUMN at REAL NOT NULL DEFAULT 0;
    UPDATE record SET at = ifnull(unixepoch(json_extract(CAST(body AS TEXT), '$.passages[0].at'), 'subsec'), 0)
    WHERE kind = 'order' AND json_valid(CAST(body AS TEXT));
    CREATE INDEX order_by_time ON record(at, key) WHERE kind = 'order';
    CREATE INDEX order_of_owner_by_time ON record(owner, at, key) WHERE kind = 'order';
    """,
)


def check_library() -> None:
    """Refuse to run on an SQLite that can lose data.

    Raises:
        ConfigError: the SQLite that APSW brought is too old.
    """
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if version < OLDEST_SQLITE:
        wanted = ".".join(map(str, OLDEST_SQLITE))
        raise ConfigError(
            f"SQLite {apsw.sqlite_lib_version()} can corrupt its log; needs {wanted}: pip install -U apsw"
        )


def migrate(connection: apsw.Connection, path: str, *, to: int = VERSION) -> None:
    """Bring the file to the present version, or ``to`` a former one that it has not reached, a transaction a step.

    Raises:
        ConfigError: a newer program has written this file.
    """
    present = int(connection.pragma("user_version") or 0)
    if present > VERSION:
        raise ConfigError(
            f"{path}: written by a newer hub (journal version {present}, this one knows {VERSION}); update the hub"
        )
    for version in range(present, to):
        with transaction(connection) as cursor:
            if connection.pragma("user_version") != version:
                continue  # another process was faster
            cursor.execute(_MIGRATIONS[version])
            if present:
                take_epoch(connection)  # a hub that still writes the former version ends before it meets this one
            connection.pragma("user_version", version + 1)
