# pyright: reportUnknownMemberType=false
# APSW's stubs leave the types of bindings partly open.
"""How the journal's file is opened: WAL, every commit synced, for one process alone."""

import fcntl
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal

import apsw
from msgspec import Struct

from actors.model.errors import ConfigError
from actors.runtime.journal import JournalUnavailable

FILE_NAME: Final = "journal.db"
_LOCK_NAME: Final = "hub.lock"
_BUSY_MS: Final = 5000
_CACHE_KIB: Final = 4_096
"""Most pages are found in the system's cache anyway; many things at random would only pass through.

SQLite looks at every page it keeps at the end of a transaction that has balanced a tree, as nearly all do: with 16 MiB
that was a tenth of what an order costs (``make bench``, ``crm.cpu_per_order_ms``), and 100,000 things gained nothing.
"""
_STATEMENTS: Final = 1000
"""Kept prepared: a segment needs a few of its own."""


class JournalSettings(Struct, frozen=True, kw_only=True):
    """How the file is kept. The defaults are for use; tests shrink them."""

    synchronous: Literal["full", "normal"] = "full"
    """``normal`` survives the end of the process but no power cut: only to show that a test would see the loss."""
    checkpoint_pages: int = 4000
    """Pages in the write-ahead log from which it is copied back into the file."""
    segment_rows: int = 100_000
    """Turns in a segment of the table; see ``hub.storage.segments``."""
    vfs: str = ""
    """Name of another disk under SQLite."""


def connect(path: Path, settings: JournalSettings) -> apsw.Connection:
    """Open the file. The one who writes looks after checkpoints itself: SQLite's own would hide a failed fsync."""
    with suppress(OSError):  # SQLite tells better why it cannot
        path.touch(mode=0o600)
        path.chmod(0o600)  # its log and index take over whose eyes may read it
    connection = apsw.Connection(str(path), vfs=settings.vfs or None, statementcachesize=_STATEMENTS)
    connection.set_busy_timeout(_BUSY_MS)
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", settings.synchronous)
    connection.pragma("wal_autocheckpoint", 0)
    connection.pragma("secure_delete", 1)  # what was forgotten is overwritten, not just unlinked
    connection.pragma("cache_size", -_CACHE_KIB)
    return connection


@contextmanager
def held(data_dir: Path) -> Generator[Path]:
    """Hold this data directory for this process alone, making it where it is missing; give the journal's path.

    Raises:
        ConfigError: another hub runs on this directory, or the directory cannot be used.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (data_dir / _LOCK_NAME).open("a+")
    except OSError as error:
        raise ConfigError(f"{data_dir}: cannot be used as data directory: {error.strerror}") from error
    with lock:
        _lock(lock.fileno(), data_dir)
        yield data_dir / FILE_NAME


def _lock(handle: int, data_dir: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise ConfigError(
            f"{data_dir}: another hub runs on this data directory; stop it, or give this one its own [hub] data_dir"
        ) from None


@contextmanager
def explained(path: Path) -> Generator[None]:
    """Tell a person what is wrong with the file, and what to do, when it cannot be used at the start.

    Raises:
        ConfigError: SQLite cannot use it.
    """
    try:
        yield
    except JournalUnavailable as error:
        if not isinstance(error.__cause__, apsw.Error):
            raise
        raise _refusal(path, error.__cause__) from error
    except apsw.Error as error:
        raise _refusal(path, error) from error


def _refusal(path: Path, error: apsw.Error) -> ConfigError:
    remedy = next((text for kinds, text in _REMEDIES if isinstance(error, kinds)), "see the text of SQLite")
    return ConfigError(f"{path}: cannot be used as journal ({error}); {remedy}")


_REMEDIES: Final[tuple[tuple[tuple[type[apsw.Error], ...], str], ...]] = (
    ((apsw.NotADBError, apsw.CorruptError), "it is no journal or is damaged: move it away, or restore a backup"),
    ((apsw.FullError, apsw.IOError), "free space on its disk and check the disk, then start again"),
    ((apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError), "it must be a file that the hub may write"),
    ((apsw.BusyError, apsw.LockedError), "another program holds it: close that one"),
)
