# pyright: reportUnknownMemberType=false
# APSW's stubs leave the types of bindings partly open.
"""Copies of the journal: taken while the hub runs, and put back with ordering off until a person says otherwise."""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

import apsw

from actors.model.errors import ConfigError
from hub.storage.connection import FILE_NAME, explained, held
from hub.storage.epochs import take_epoch, transaction
from hub.storage.schema import VERSION

RESTORED: Final = "restored"
"""Key of the mark in ``meta``: while it stands, no order leaves."""
_PAGES_A_STEP: Final = 5000

Progress = Callable[[int, int], None]
"""Told how many pages are done, of how many."""


def open_readonly(path: Path) -> apsw.Connection:
    """Open a journal beside its hub, to read.

    Raises:
        ConfigError: it is no journal, or one of another version.
    """
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(5000)
        version = int(connection.pragma("user_version") or 0)
        is_journal = connection.table_exists(None, "meta")
    except apsw.Error as error:
        raise ConfigError(f"{path}: cannot be read as a journal: {error}") from error
    if not is_journal:
        raise ConfigError(f"{path}: is not a journal of a hub")
    if version > VERSION:
        raise ConfigError(f"{path}: written by a newer hub (journal version {version}); update this one")
    return connection


def back_up(source: Path, destination: Path, progress: Progress) -> None:
    """Copy one moment of a journal into a new file; it is there whole and synced, or not at all.

    Raises:
        ConfigError: the destination exists, or the source is no journal.
    """
    if destination.exists():
        raise ConfigError(f"{destination}: exists already; name a new file")
    _copy(source, destination, progress, mark="")


def restore(source: Path, data_dir: Path, now: datetime, progress: Progress, *, force: bool) -> Path | None:
    """Put a copy in place of the journal, marked as restored; return where the replaced one is kept.

    Raises:
        ConfigError: a journal is there and not to be replaced, a hub runs on it, or the copy is damaged.
    """
    with held(data_dir) as path:
        if path.exists() and not force:
            raise ConfigError(f"{path}: a journal is there already; --force replaces it and keeps it beside")
        fresh = path.with_name(f"{FILE_NAME}.new")
        fresh.unlink(missing_ok=True)
        _copy(source, fresh, progress, mark=now.isoformat())
        kept = _set_aside(path, now) if path.exists() else None
        fresh.replace(path)
        _sync(path.parent)
    return kept


def release(data_dir: Path) -> str | None:
    """Lift the mark; return since when it stood. The hub must not run.

    Raises:
        ConfigError: a hub runs on this directory, or there is no journal in it.
    """
    with held(data_dir) as path:
        if not path.exists():
            raise ConfigError(f"{path}: there is no journal")
        connection = apsw.Connection(str(path))
        try:
            since = connection.execute("SELECT value FROM meta WHERE key = ?", (RESTORED,)).get
            with transaction(connection):
                take_epoch(connection)
                connection.execute("DELETE FROM meta WHERE key = ?", (RESTORED,))
        finally:
            connection.close()
    return None if since is None else str(since)


def compact(data_dir: Path) -> None:
    """Give what is free inside the file back to the disk. The hub must not run; there must be room for a copy.

    Raises:
        ConfigError: a hub runs on this directory, or the disk cannot hold the copy; the journal is as it was then.
    """
    with held(data_dir) as path, explained(path):
        connection = apsw.Connection(str(path))
        try:
            connection.execute("VACUUM")
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        finally:
            connection.close()


def _copy(source: Path, destination: Path, progress: Progress, mark: str) -> None:
    part = destination.with_name(f"{destination.name}.part")
    part.unlink(missing_ok=True)
    reader, writer = open_readonly(source), apsw.Connection(str(part))
    try:
        _copy_pages(reader, writer, progress)
        _finish(writer, part, mark)
    except apsw.Error as error:
        raise ConfigError(f"{source}: cannot be copied to {destination}: {error}") from error
    finally:
        reader.close()
        writer.close()
    _sync(part)
    part.replace(destination)
    _sync(destination.parent)


def _copy_pages(reader: apsw.Connection, writer: apsw.Connection, progress: Progress) -> None:
    """Copy step by step; the open transaction holds the moment, so that writes meanwhile do not start it anew."""
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM meta").fetchall()
    with writer.backup("main", reader, "main") as backup:
        while not backup.done:
            backup.step(_PAGES_A_STEP)
            progress(backup.page_count - backup.remaining, backup.page_count)
    reader.execute("COMMIT")


def _finish(writer: apsw.Connection, part: Path, mark: str) -> None:
    writer.pragma("journal_mode", "delete")  # one file: nothing of a log beside it
    found = writer.pragma("integrity_check")
    if found != "ok":
        raise ConfigError(f"{part}: the copy is damaged: {found}")
    if mark:
        writer.execute("INSERT OR REPLACE INTO meta VALUES(?, ?)", (RESTORED, mark))


def _set_aside(path: Path, now: datetime) -> Path:
    """Keep the present journal with its log; a log left behind would be read into the restored one."""
    kept = path.with_name(f"{FILE_NAME}.replaced-{now:%Y%m%dT%H%M%S}")
    for ending in ("-wal", "-shm", ""):
        file = path.with_name(FILE_NAME + ending)
        if file.exists():
            file.rename(f"{kept}{ending}")
    return kept


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
