# pyright: reportUnknownMemberType=false
# APSW's stubs leave the types of bindings partly open.
"""What protocol adapters must still know after a restart: their own small records, in a file beside the journal.

They are no turns and no truth about money: registrations that expire, sequence numbers of security contexts. Several
changes that come while one write is under way are written together, and each is awaited until it is on disk.
"""

import asyncio
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Final

import apsw

from actors.model.errors import ConfigError, StoreDown

FILE_NAME: Final = "adapters.db"
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS kept (adapter TEXT, kind TEXT, key TEXT, body BLOB, PRIMARY KEY (adapter, kind, key))"
    " WITHOUT ROWID"
)
_PUT: Final = "INSERT INTO kept VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body"
_DROP: Final = "DELETE FROM kept WHERE adapter = ? AND kind = ? AND key = ?"
_CACHE_KIB: Final = 1024

_Change = tuple[str, str, str, bytes | None]


class Shelves:
    """The file of all adapters, and the one thread that touches it."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="shelves")
        self._guard = Lock()
        self._waiting: list[tuple[_Change, asyncio.Future[None]]] = []

    def of(self, adapter: str) -> "Shelf":
        """Return the part of one adapter."""
        return Shelf(self, adapter)

    def all(self, adapter: str, kind: str) -> Mapping[str, bytes]:
        """Return the records of a kind by key."""
        return self._thread.submit(self._read, adapter, kind).result()

    async def write(self, change: _Change) -> None:
        """Write one change and all that wait; return when it is on disk.

        Raises:
            StoreDown: The disk refused it.
        """
        loop = asyncio.get_running_loop()
        written: asyncio.Future[None] = loop.create_future()
        with self._guard:
            self._waiting.append((change, written))
            is_first = len(self._waiting) == 1
        if is_first:  # those that come until the thread is free go along
            self._thread.submit(self._commit, loop)
        await written

    def close(self) -> None:
        """Finish what was begun."""
        self._thread.submit(self._connection.close).result()
        self._thread.shutdown()

    def _read(self, adapter: str, kind: str) -> Mapping[str, bytes]:
        rows = self._connection.execute("SELECT key, body FROM kept WHERE adapter = ? AND kind = ?", (adapter, kind))
        return {str(key): bytes(body) for key, body in rows}

    def _commit(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._guard:
            batch, self._waiting = self._waiting, []
        error: StoreDown | None = None
        try:
            with self._connection:
                for (adapter, kind, key, body), _ in batch:
                    where = (adapter, kind, key)
                    self._connection.execute(*((_DROP, where) if body is None else (_PUT, (*where, body))))
        except apsw.Error as refused:
            error = StoreDown(f"{FILE_NAME}: {refused}")
        with suppress(RuntimeError):  # the loop has ended: nobody waits
            loop.call_soon_threadsafe(_tell, [written for _, written in batch], error)


class Shelf:
    """Implements ``AdapterStore`` for one adapter."""

    def __init__(self, shelves: Shelves, adapter: str) -> None:
        self._shelves = shelves
        self._adapter = adapter

    def all(self, kind: str) -> Mapping[str, bytes]:
        """Return the records of a kind by key."""
        return self._shelves.all(self._adapter, kind)

    async def keep(self, kind: str, key: str, body: bytes) -> None:
        """Write a record; see ``AdapterStore.keep``."""
        await self._shelves.write((self._adapter, kind, key, body))

    async def forget(self, kind: str, key: str) -> None:
        """Remove a record; see ``AdapterStore.forget``."""
        await self._shelves.write((self._adapter, kind, key, None))


@contextmanager
def open_shelves(data_dir: Path) -> Generator[Shelves]:
    """Open the file, making it where it is missing. The journal's lock holds the directory.

    Raises:
        ConfigError: It cannot be used.
    """
    path = data_dir / FILE_NAME
    try:
        connection = apsw.Connection(str(path))  # used by one thread at a time
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "full")
        connection.pragma("cache_size", -_CACHE_KIB)
        connection.execute(_TABLE)
    except apsw.Error as error:
        raise ConfigError(f"{path}: cannot be used: {error}; let the hub read and write it") from error
    path.chmod(0o600)
    shelves = Shelves(connection)
    try:
        yield shelves
    finally:
        shelves.close()


def _tell(waiting: list[asyncio.Future[None]], error: StoreDown | None) -> None:
    for written in waiting:
        if written.done():
            continue  # who asked was cancelled
        if error is None:
            written.set_result(None)
        else:
            written.set_exception(error)
