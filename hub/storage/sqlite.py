# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# APSW's stubs leave the types of bindings partly open.
"""The journal in one SQLite file: WAL, ``synchronous=FULL``, one writer thread, group commit.

The file belongs to one process: a lock on the directory keeps a second one out, and every transaction asserts the epoch
that this process took at its start.
"""

import asyncio
import os
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw
import structlog

from actors.runtime.journal import (
    WORK_BITS,
    Batch,
    BatchRefused,
    JournalUnavailable,
    Loaded,
    NoteRow,
    OutboxRow,
    RecordRow,
    Recovered,
    ReminderRow,
    TellRow,
    TurnRow,
)
from hub.storage import records
from hub.storage.connection import FILE_NAME, JournalSettings, connect, explained, held
from hub.storage.copies import RESTORED
from hub.storage.epochs import fenced, take_epoch
from hub.storage.histories import Histories
from hub.storage.notes import Place, behind, newest, one
from hub.storage.rows import read_rows, write_batch
from hub.storage.schema import check_library, migrate
from hub.storage.segments import Change, Segments
from hub.storage.tops import TopNoting

log = structlog.get_logger(__name__)

__all__ = ["FILE_NAME", "JournalSettings", "SqliteJournal", "open_journal"]

_EXIT_FSYNC_FAILED: Final = 74  # EX_IOERR of sysexits.h
_TABLES: Final = ("turn", "tell", "reminder", "outbox", "record", "note", "claim", "dead_letter")
_FSYNC_ERRORS: Final = frozenset({apsw.SQLITE_IOERR_FSYNC, apsw.SQLITE_IOERR_DIR_FSYNC})

_Work = tuple[Batch | Change | None, Callable[[Exception | None], None]]


class SqliteJournal:
    """Implements ``Journal``. Open it with ``open_journal``."""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop, settings: JournalSettings) -> None:
        self._path = path
        self._loop = loop
        self._settings = settings
        self._wal_pages = 0
        self._checkpoint_fails = False
        self._write = connect(path, settings)
        self._write.set_wal_hook(self._note_wal)
        migrate(self._write, str(path))
        self._epoch = take_epoch(self._write)
        self._segments = Segments.of(self._write)
        self._noting = TopNoting()
        self._read = connect(path, settings)
        self._read.pragma("query_only", 1)
        self._histories = Histories(self._read, lambda: self._segments)
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

    async def change(self, change: Change) -> None:
        """Make a change of the file itself in a transaction of its own, on the writer's thread.

        Raises:
            JournalUnavailable: the disk is full or fails; nothing was changed.
            BatchRefused: a constraint refused it; nothing was changed.
        """
        answer: asyncio.Future[Exception | None] = self._loop.create_future()
        self._work.put((change, lambda error: None if answer.done() else answer.set_result(error)))
        error = await answer
        if error is not None:
            raise error

    async def scrub(self) -> None:
        """See that nothing of what was deleted is left in the file or its log.

        SQLite overwrites what is deleted (``secure_delete``); its log holds older pages until it is emptied here.

        Raises:
            JournalUnavailable: the disk fails, or readers kept the log busy; it is emptied another time.
        """
        answer: asyncio.Future[Exception | None] = self._loop.create_future()
        self._work.put((None, lambda error: None if answer.done() else answer.set_result(error)))
        error = await answer
        if error is not None:
            raise error

    def look(self) -> apsw.Connection:
        """Return a connection of one's own to read the file with; the caller closes it."""
        connection = connect(self._path, self._settings)
        connection.pragma("query_only", 1)
        return connection

    def _run_writer(self) -> None:
        while (work := self._next_work()) is not None:
            batch, done = work
            error = self._try(batch)
            try:
                self._loop.call_soon_threadsafe(done, error)
            except RuntimeError:  # the loop is closed: nobody waits any more
                return
            if self._wal_pages >= self._settings.checkpoint_pages:
                self._checkpoint()

    def _next_work(self) -> _Work | None:
        """Return the next work; while none waits, note what was sealed."""
        while self._segments.unnoted:
            try:
                return self._work.get_nowait()
            except queue.Empty:
                error = self._try(self._noting.step)
            if error is not None:
                log.warning("segment_not_noted", reason=str(error), next_step="free disk space or repair the disk")
                self._noting = TopNoting()
                break
        return self._work.get()

    def _try(self, work: Batch | Change | None) -> Exception | None:
        try:
            if work is None:
                self._write.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            elif isinstance(work, Batch):
                self._transact(work)
            else:
                self._change(work)
        except apsw.ConstraintError as error:
            return BatchRefused(str(error))
        except apsw.Error as error:
            _exit_if_fsync_failed(error)
            return JournalUnavailable(f"{self._path}: {type(error).__name__}: {error}")
        except Exception as error:  # a value that SQLite cannot hold must not end the writer
            log.exception("batch_not_writable")
            return BatchRefused(f"{type(error).__name__}: {error}")
        return None

    def _transact(self, batch: Batch) -> None:
        if batch.turns and batch.turns[0].position - self._segments.newest.first >= self._settings.segment_rows:
            self._seal(batch.turns[0].position)
        with fenced(self._write, self._epoch) as cursor:
            if batch.turns:
                self._segments.insert(cursor, batch.turns)
            write_batch(cursor, batch)

    def _seal(self, first: int) -> None:
        """Begin a new segment, in a transaction of its own: the batch behind it may still be refused."""
        self._change(lambda connection, segments: segments.seal(connection, first))

    def _change(self, change: Change) -> None:
        with fenced(self._write, self._epoch):
            segments = change(self._write, self._segments)
        self._segments = segments

    def _note_wal(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _checkpoint(self) -> None:
        """Copy the log back into the file, after the senders know: nobody waits for it."""
        self._wal_pages = 0
        try:
            self._write.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.Error as error:
            _exit_if_fsync_failed(error)
            if not self._checkpoint_fails:
                log.warning("checkpoint_failed", reason=str(error), next_step="free disk space or repair the disk")
            self._checkpoint_fails = True
        else:
            self._checkpoint_fails = False

    # Reading: committed data only.

    def recover(self) -> Recovered:
        """Return what was left when the last process ended."""
        read = self._read
        return Recovered(
            next_position=self._segments.next_position(read),
            next_tell_id=1 + (read.execute("SELECT max(tell_id) FROM tell").get or 0),
            next_outbox_id=max(1 + (read.execute("SELECT max(outbox_id) FROM outbox").get or 0), self._first_work()),
            tells=read_rows(read, TellRow, "SELECT tell_id, address, message, schema FROM tell ORDER BY tell_id"),
            reminders=read_rows(read, ReminderRow, "SELECT address, name, due, message, schema FROM reminder"),
            outbox=read_rows(
                read, OutboxRow, "SELECT outbox_id, relay, address, body, created_at FROM outbox ORDER BY outbox_id"
            ),
        )

    def _first_work(self) -> int:
        """Return the first number for work of this epoch: none is ever used twice, so other shards know it by that."""
        return int(self._epoch) << WORK_BITS

    def load(self, address: str) -> Loaded:
        """Return what the state of one actor is folded from.

        Raises:
            JournalUnavailable: the disk cannot be read.
        """
        with self._readable():
            return self._histories.load(address)

    @contextmanager
    def _readable(self) -> Generator[None]:
        try:
            yield
        except apsw.Error as error:
            raise JournalUnavailable(f"{self._path}: {type(error).__name__}: {error}") from error

    def turns(self, address: str, *, after: int = 0) -> Sequence[TurnRow]:
        """Return one actor's turns behind a position, in their order."""
        return self._histories.turns(address, after=after)

    def has_turn(self, address: str, message_id: str) -> bool:
        """Say whether this actor has consumed this message.

        Raises:
            JournalUnavailable: the disk cannot be read.
        """
        with self._readable():
            return self._histories.has_turn(address, message_id)

    def record(self, kind: str, key: str) -> bytes | None:
        """Return one read model."""
        with self._readable():
            return records.record(self._read, kind, key)

    def records(
        self, kind: str, owner: str | None = None, *, after: str = "", limit: int | None = None
    ) -> Iterable[RecordRow]:
        """Return read models of a kind by key: of one owner where one is named, behind a key, at most so many."""
        with self._readable():
            return records.page(self._read, kind, owner, after, limit)

    def latest(
        self, kind: str, owner: str | None = None, *, before: tuple[float, str] | None = None, limit: int
    ) -> Sequence[RecordRow]:
        """Return read models of a kind, newest first, older than ``before``; see ``Journal.latest``."""
        with self._readable():
            return records.latest(self._read, kind, owner, before, limit)

    def records_by(self, kind: str, field: str, value: str) -> Iterable[RecordRow]:
        """Return the read models of a kind with this value in an indexed field; see ``Journal.records_by``."""
        with self._readable():
            return records.found_by(self._read, kind, field, value)

    def owners(self, kind: str) -> Mapping[str, int]:
        """Return how many read models of a kind each owner has."""
        return records.owners(self._read, kind)

    def notes(self, correlation_id: str) -> Sequence[NoteRow]:
        """Return a decision's chain, oldest first."""
        query = "SELECT correlation_id, at, address, step, body FROM note WHERE correlation_id = ? ORDER BY note_id"
        return read_rows(self._read, NoteRow, query, correlation_id)

    def notes_behind(self, note_id: int, limit: int) -> Sequence[Place]:
        """Return where the next notes behind one stand, in the order of their writing, at most so many."""
        with self._readable():
            return behind(self._read, note_id, limit)

    def newest_note(self) -> int:
        """Return the number of the newest note; 0 where there is none."""
        with self._readable():
            return newest(self._read)

    def note(self, note_id: int) -> NoteRow | None:
        """Return one note."""
        with self._readable():
            return one(self._read, note_id)

    def meter(self, name: str) -> tuple[int, int] | None:
        """Return a bounded counter's value and cap."""
        for value, cap in self._read.execute("SELECT value, cap FROM meter WHERE name = ?", (name,)):
            return int(value), int(cap)
        return None

    def dead_letters(self) -> Sequence[tuple[float, str, str]]:
        """Return when, to whom and why, for every message that could not be processed."""
        return list(self._read.execute("SELECT at, address, reason FROM dead_letter ORDER BY letter_id"))

    def counts(self) -> Mapping[str, int]:
        """Return the number of rows by table, all at one moment, for health checks and tests."""
        columns = ", ".join(f"(SELECT count(*) FROM {table})" for table in _TABLES)  # noqa: S608 - fixed names
        (counted,) = self._read.execute(f"SELECT {columns}")
        return dict(zip(_TABLES, counted, strict=True))

    @property
    def path(self) -> Path:
        """The journal's file."""
        return self._path

    def retained(self) -> Mapping[str, int]:
        """Return how many segments there are, and what retention took away since the journal began."""
        query = "SELECT count(*), ifnull(sum(turns - kept), 0) FROM pruned"
        ((segments, messages),) = self._read.execute(query)
        return {"segments": len(self._segments), "pruned_segments": segments, "pruned_messages": messages}

    def restored(self) -> str | None:
        """Return when this journal was put back from a copy and not released since; ordering must be off then."""
        since = self._read.execute("SELECT value FROM meta WHERE key = ?", (RESTORED,)).get
        return None if since is None else str(since)

    def setting(self, key: str, mint: Callable[[], str]) -> str:
        """Return a value kept for good in this file, minting it the first time; call before the first commit."""
        with explained(self._path), fenced(self._write, self._epoch) as cursor:
            cursor.execute("INSERT INTO meta VALUES(?, ?) ON CONFLICT DO NOTHING", (key, mint()))
        return str(self._write.execute("SELECT value FROM meta WHERE key = ?", (key,)).get)


@contextmanager
def open_journal(data_dir: Path, settings: JournalSettings | None = None) -> Generator[SqliteJournal]:
    """Open the journal in this directory for this process alone; needs a running event loop.

    Raises:
        ConfigError: another hub runs on this directory, the directory cannot be used, or a newer hub wrote the file.
    """
    check_library()
    with held(data_dir) as path:
        with explained(path):
            journal = SqliteJournal(path, asyncio.get_running_loop(), settings or JournalSettings())
        try:
            yield journal
        finally:
            journal.close()


def _exit_if_fsync_failed(error: apsw.Error) -> None:
    """End the process: after a failed fsync nobody knows which pages reached the disk."""
    if getattr(error, "extendedresult", 0) in _FSYNC_ERRORS:
        log.critical("fsync_failed", reason=str(error), next_step="check the disk, then start the hub again")
        os._exit(_EXIT_FSYNC_FAILED)
