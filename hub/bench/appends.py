"""Durable appends: raw file with fdatasync against the journal, both group-committed, one future an append."""

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from actors.runtime.journal import Batch, TurnRow
from hub.storage.sqlite import SqliteJournal

_Done = asyncio.Future[None]


class Appender(Protocol):
    """Appends bytes; the future is done when they are on disk."""

    def append(self, sender: int, number: int, body: bytes) -> _Done:
        """Hand in one body: the ``number``-th of this sender."""
        ...


class RawAppender:
    """The limit: append to a file and fdatasync, one batch in flight, the next gathering."""

    def __init__(self, path: Path) -> None:
        self._loop = asyncio.get_running_loop()
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._waiting: list[tuple[bytes, _Done]] = []
        self._wake = threading.Event()
        self._stop = False
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def append(self, sender: int, number: int, body: bytes) -> _Done:
        """Hand in one body."""
        del sender, number
        future: _Done = self._loop.create_future()
        self._waiting.append((body, future))
        self._wake.set()
        return future

    def close(self) -> None:
        """Write the rest and close."""
        self._stop = True
        self._wake.set()
        self._thread.join()
        os.close(self._file)

    def _write(self) -> None:
        while not self._stop or self._waiting:
            self._wake.wait()
            self._wake.clear()
            batch, self._waiting = self._waiting, []
            if batch:
                os.write(self._file, b"".join(body for body, _ in batch))
                os.fdatasync(self._file)
                self._loop.call_soon_threadsafe(_finish, [future for _, future in batch])


class JournalAppender:
    """The journal without actors: the rows that turns would write, one batch in flight, the next gathering."""

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal
        self._loop = asyncio.get_running_loop()
        self._rows: list[TurnRow] = []
        self._futures: list[_Done] = []
        self._busy = False
        self._position = 0

    def append(self, sender: int, number: int, body: bytes) -> _Done:
        """Hand in one body."""
        future: _Done = self._loop.create_future()
        self._position += 1
        row = TurnRow(
            position=self._position,
            address=f"thing/t{sender}",
            turn=number + 1,
            schema=1,
            message_id=f"b:{number}",
            at=0.0,
            message=body,
            events=b"",
        )
        self._rows.append(row)
        self._futures.append(future)
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._commit)
        return future

    def _commit(self) -> None:
        batch, futures = Batch(turns=self._rows), self._futures
        self._rows, self._futures = [], []
        self._journal.commit(batch, self._after(futures))

    def _after(self, futures: list[_Done]) -> Callable[[Exception | None], None]:
        def done(error: Exception | None) -> None:
            if error is not None:
                raise error
            _finish(futures)
            self._busy = bool(self._rows)
            if self._busy:
                self._loop.call_soon(self._commit)

        return done


async def rate(appender: Appender, *, senders: int, total: int, body: bytes) -> float:
    """Return appends a second, each sender with one append under way."""
    loop = asyncio.get_running_loop()

    async def send(sender: int, count: int) -> None:
        for number in range(count):
            await appender.append(sender, number, body)

    started = loop.time()
    async with asyncio.TaskGroup() as group:
        for sender in range(senders):
            group.create_task(send(sender, max(1, total // senders)))
    return max(1, total // senders) * senders / (loop.time() - started)


def _finish(futures: list[_Done]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)
