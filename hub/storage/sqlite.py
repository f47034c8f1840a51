# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# APSW's stubs leave the types of bindings partly open.
"""The journal in one SQLite file: WAL, ``synchronous=FULL``, one writer thread, group commit.

The file belongs to one process: a lock on the directory keeps a second one out, and every transaction asserts the epoch
that this process took at its start.
"""

import asyncio
import fcntl
import os
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import apsw
import structlog

from actors.model.errors import ConfigError
from actors.runtime.journal import (
    Batch,
    BatchRefused,
    JournalUnavailable,
    Loaded,
    MeterDelta,
    NoteRow,
    OutboxRow,
    RecordRow,
    Recovered,
    ReminderRow,
    SnapshotRow,
    TellRow,
    TurnRow,
)
from hub.storage.schema import check_library, migrate

log = structlog.get_logger(__name__)

FILE_NAME: Final = "journal.db"
_LOCK_NAME: Final = "hub.lock"
_EXIT_FSYNC_FAILED: Final = 74  # EX_IOERR of sysexits.h
_TABLES: Final = ("turn", "tell", "reminder", "outbox", "record", "note", "claim", "dead_letter")
_FSYNC_ERRORS: Final = frozenset({apsw.SQLITE_IOERR_FSYNC, apsw.SQLITE_IOERR_DIR_FSYNC})

_Work = tuple[Batch, Callable[[Exception | None], None]]


class SqliteJournal:
    """Implements ``Journal``. Open it with ``open_journal``."""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._path = path
        self._loop = loop
        self._write = _connect(path)
        migrate(self._write, str(path))
        self._epoch = _take_epoch(self._write)
        self._read = _connect(path)
        self._read.pragma("query_only", 1)
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._run_writer, name="journal-writer", daemon=True)
        self._writer.start()

    def close(self) -> None:
        """Write what was handed in, then close the file."""
        self._work.put(None)
        self._writer.join()
        self._read.close()
        self._write.close()

    # Writing.

    def commit(self, batch: Batch, done: Callable[[Exception | None], None]) -> None:
        """Write one batch; see ``Journal.commit``."""
        self._work.put((batch, done))

    def _run_writer(self) -> None:
        while (work := self._work.get()) is not None:
            batch, done = work
            error = self._try(batch)
            try:
                self._loop.call_soon_threadsafe(done, error)
            except RuntimeError:  # the loop is closed: nobody waits any more
                return

    def _try(self, batch: Batch) -> Exception | None:
        try:
            self._transact(batch)
        except apsw.ConstraintError as error:
            return BatchRefused(str(error))
        except apsw.IOError as error:
            _exit_if_fsync_failed(error)
            return JournalUnavailable(f"{self._path}: {error}")
        except apsw.Error as error:
            return JournalUnavailable(f"{self._path}: {type(error).__name__}: {error}")
        return None

    def _transact(self, batch: Batch) -> None:
        cursor = self._write.cursor()
        cursor.execute("BEGIN IMMEDIATE")
        try:
            self._assert_epoch(cursor)
            _write_batch(cursor, batch)
            cursor.execute("COMMIT")
        except BaseException:
            if not self._write.get_autocommit():
                cursor.execute("ROLLBACK")
            raise

    def _assert_epoch(self, cursor: apsw.Cursor) -> None:
        held = cursor.execute("SELECT value FROM meta WHERE key = 'epoch'").get
        if held != self._epoch:
            log.critical("epoch_lost", ours=self._epoch, found=held, next_step="stop the other hub on this directory")
            os._exit(_EXIT_FSYNC_FAILED)

    # Reading: committed data only.

    def recover(self) -> Recovered:
        """Return what was left when the last process ended."""
        read = self._read
        return Recovered(
            next_position=1 + (read.execute("SELECT max(position) FROM turn").get or 0),
            next_tell_id=1 + (read.execute("SELECT max(tell_id) FROM tell").get or 0),
            next_outbox_id=1 + (read.execute("SELECT max(outbox_id) FROM outbox").get or 0),
            tells=_rows(read, TellRow, "SELECT tell_id, address, message FROM tell ORDER BY tell_id"),
            reminders=_rows(read, ReminderRow, "SELECT address, name, due, message FROM reminder"),
            outbox=_rows(
                read, OutboxRow, "SELECT outbox_id, relay, address, body, created_at FROM outbox ORDER BY outbox_id"
            ),
        )

    def load(self, address: str) -> Loaded:
        """Return what the state of one actor is folded from."""
        snapshots = _rows(
            self._read,
            SnapshotRow,
            "SELECT address, position, turn, schema, state FROM snapshot WHERE address = ?",
            address,
        )
        after = snapshots[0].position if snapshots else 0
        return Loaded(snapshot=snapshots[0] if snapshots else None, turns=self.turns(address, after=after))

    def turns(self, address: str, *, after: int = 0) -> Sequence[TurnRow]:
        """Return one actor's turns behind a position, in their order."""
        return _rows(
            self._read,
            TurnRow,
            "SELECT position, address, turn, schema, message_id, at, message, events FROM turn"
            " WHERE address = ? AND position > ? ORDER BY position",
            address,
            after,
        )

    def has_turn(self, address: str, message_id: str) -> bool:
        """Say whether this actor has consumed this message."""
        query = "SELECT 1 FROM turn WHERE address = ? AND message_id = ?"
        return self._read.execute(query, (address, message_id)).get is not None

    def record(self, kind: str, key: str) -> bytes | None:
        """Return one read model."""
        query = "SELECT body FROM record WHERE kind = ? AND key = ?"
        found: bytes | None = self._read.execute(query, (kind, key)).get
        return found

    def records(self, kind: str, owner: str | None = None) -> Iterable[RecordRow]:
        """Return all read models of a kind, by key; of one owner where one is named."""
        where, values = ("", (kind,)) if owner is None else (" AND owner = ?", (kind, owner))
        query = f"SELECT kind, key, owner, body FROM record WHERE kind = ?{where} ORDER BY key"  # noqa: S608 - fixed text
        return _rows(self._read, RecordRow, query, *values)

    def notes(self, correlation_id: str) -> Sequence[NoteRow]:
        """Return a decision's chain, oldest first."""
        query = "SELECT correlation_id, at, address, step, body FROM note WHERE correlation_id = ? ORDER BY note_id"
        return _rows(self._read, NoteRow, query, correlation_id)

    def meter(self, name: str) -> tuple[int, int] | None:
        """Return a bounded counter's value and cap."""
        for value, cap in self._read.execute("SELECT value, cap FROM meter WHERE name = ?", (name,)):
            return int(value), int(cap)
        return None

    def dead_letters(self) -> Sequence[tuple[float, str, str]]:
        """Return when, to whom and why, for every message that could not be processed."""
        return list(self._read.execute("SELECT at, address, reason FROM dead_letter ORDER BY letter_id"))

    def counts(self) -> Mapping[str, int]:
        """Return the number of rows by table, for health checks and tests."""
        return {
            table: int(self._read.execute(f"SELECT count(*) FROM {table}").get)  # noqa: S608 - fixed names
            for table in _TABLES
        }

    def setting(self, key: str, mint: Callable[[], str]) -> str:
        """Return a value kept for good in this file, minting it the first time; call before the first commit."""
        with self._write:
            self._write.execute("INSERT INTO meta VALUES(?, ?) ON CONFLICT DO NOTHING", (key, mint()))
        return str(self._write.execute("SELECT value FROM meta WHERE key = ?", (key,)).get)


@contextmanager
def open_journal(data_dir: Path) -> Generator[SqliteJournal]:
    """Open the journal in this directory for this process alone; needs a running event loop.

    Raises:
        ConfigError: another hub runs on this directory, or the directory cannot be used.
    """
    check_library()
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (data_dir / _LOCK_NAME).open("a+")
    except OSError as error:
        raise ConfigError(f"{data_dir}: cannot be used as data directory: {error.strerror}") from error
    with lock:
        _lock(lock.fileno(), data_dir)
        journal = SqliteJournal(data_dir / FILE_NAME, asyncio.get_running_loop())
        try:
            yield journal
        finally:
            journal.close()


def _lock(handle: int, data_dir: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise ConfigError(
            f"{data_dir}: another hub runs on this data directory; stop it, or give this one its own [hub] data_dir"
        ) from None


def _connect(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(5000)
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "full")
    connection.pragma("wal_autocheckpoint", 4000)
    return connection


def _take_epoch(connection: apsw.Connection) -> str:
    with connection:
        connection.execute(
            "INSERT INTO meta VALUES('epoch', '1')"
            " ON CONFLICT(key) DO UPDATE SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT)"
        )
    return str(connection.execute("SELECT value FROM meta WHERE key = 'epoch'").get)


def _exit_if_fsync_failed(error: apsw.IOError) -> None:
    """End the process: after a failed fsync nobody knows which pages reached the disk."""
    if getattr(error, "extendedresult", 0) in _FSYNC_ERRORS:
        log.critical("fsync_failed", reason=str(error), next_step="check the disk, then start the hub again")
        os._exit(_EXIT_FSYNC_FAILED)


def _rows(connection: apsw.Connection, row: Callable[..., Any], query: str, *values: Any) -> list[Any]:
    cursor = connection.execute(query, values)
    names = row.__struct_fields__  # type: ignore[attr-defined]
    return [row(**dict(zip(names, found, strict=True))) for found in cursor]


def _write_batch(cursor: apsw.Cursor, batch: Batch) -> None:
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
    for row in batch.records:
        if row.body is None:
            cursor.execute("DELETE FROM record WHERE kind = ? AND key = ?", (row.kind, row.key))
        else:
            cursor.execute("INSERT OR REPLACE INTO record VALUES(?, ?, ?, ?)", (row.kind, row.key, row.owner, row.body))


def _turn_meter(cursor: apsw.Cursor, meter: MeterDelta) -> None:
    """Change a bounded counter; the table's CHECK refuses what passes the cap. Giving back never meets a cap."""
    cursor.execute("INSERT OR IGNORE INTO meter VALUES(?, 0, ?)", (meter.name, meter.cap))
    if meter.delta > 0:
        cursor.execute("UPDATE meter SET cap = ? WHERE name = ? AND value <= ?", (meter.cap, meter.name, meter.cap))
    cursor.execute("UPDATE meter SET value = value + ? WHERE name = ?", (meter.delta, meter.name))


def _statements(batch: Batch) -> Iterator[tuple[str, list[Any]]]:
    yield (
        "INSERT INTO turn VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
        [(t.position, t.address, t.turn, t.schema, t.message_id, t.at, t.message, t.events) for t in batch.turns],
    )
    yield (
        "INSERT OR REPLACE INTO snapshot VALUES(?, ?, ?, ?, ?)",
        [(s.address, s.position, s.turn, s.schema, s.state) for s in batch.snapshots],
    )
    yield "DELETE FROM tell WHERE tell_id = ?", [(tell_id,) for tell_id in batch.tells_consumed]
    yield "INSERT INTO tell VALUES(?, ?, ?)", [(t.tell_id, t.address, t.message) for t in batch.tells_added]
    yield "DELETE FROM reminder WHERE address = ? AND name = ?", list(batch.reminders_cleared)
    yield (
        "INSERT OR REPLACE INTO reminder VALUES(?, ?, ?, ?)",
        [(r.address, r.name, r.due, r.message) for r in batch.reminders_set],
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
