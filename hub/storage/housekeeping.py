# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# APSW's stubs leave the types of bindings partly open.
"""What a journal needs now and then: snapshots where turns lie far back, and old segments taken away.

While the hub runs a thread reads and folds, the writer commits small changes, and both rest in between. Without a hub
the same changes are made one after the other.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import apsw
import structlog
from msgspec import Struct

from actors.model.errors import ConfigError
from actors.ports import Clock
from actors.runtime.cells import Kind
from actors.runtime.journal import BatchRefused, JournalUnavailable
from hub.storage.connection import JournalSettings, connect, explained, held
from hub.storage.copies import open_readonly
from hub.storage.epochs import fenced, take_epoch
from hub.storage.pruning import Prunable, aged, erase, prunable, prune
from hub.storage.schema import PRUNABLE, migrate
from hub.storage.segments import Change, Segments
from hub.storage.settling import CannotSettle, lift, settle
from hub.storage.sqlite import SqliteJournal
from hub.storage.tops import TopNoting

log = structlog.get_logger(__name__)


_SEGMENTS_KEPT: Final = 8
"""In so many parts at least is cut what is kept: a message goes an eighth of the time late, or earlier."""


class Retention(Struct, frozen=True, kw_only=True):
    """What is kept, and how hard it is worked for that."""

    keep: timedelta | None = None
    """Age from which raw messages may go, segment by segment; none: never."""
    tail_segments: int = 8
    """Sealed segments that an actor's turns behind its snapshot may lie in: so many indexes its activation asks."""
    every_s: float = 30.0
    rest: float = 4.0
    """Seconds of rest for each second of work."""


class Housekeeping:
    """Keeps one journal in order while its hub runs."""

    def __init__(self, journal: SqliteJournal, kinds: Mapping[str, Kind], clock: Clock, retention: Retention) -> None:
        self._journal = journal
        self._kinds = kinds
        self._clock = clock
        self._retention = retention
        self._is_stuck = False

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self.once()
            await asyncio.sleep(self._retention.every_s)

    async def once(self) -> None:
        """Do what is due now; what fails is told and tried again the next time."""
        try:
            with closing(self._journal.look()) as file, ThreadPoolExecutor(1, "housekeeping") as thread:
                await self._make(due(file, self._kinds, self._retention, self._clock.now(), _log_pruned), thread)
        except (CannotSettle, JournalUnavailable, BatchRefused, apsw.Error) as error:
            if not self._is_stuck:
                log.warning("retention_stuck", reason=str(error), next_step="iot2crm journal verify tells more")
            self._is_stuck = True
        else:
            self._is_stuck = False

    async def _make(self, changes: Iterator[Change], thread: Executor) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began_s = loop.time()
            change = await loop.run_in_executor(thread, next, changes, None)
            if change is None:
                return
            await self._journal.change(change)
            await asyncio.sleep(self._retention.rest * (loop.time() - began_s))


def _log_pruned(went: Prunable) -> None:
    log.info("segment_pruned", segment=went.number, messages=went.turns - went.kept, kept=went.kept)


def due(
    file: apsw.Connection,
    kinds: Mapping[str, Kind],
    retention: Retention,
    now: datetime,
    pruned: Callable[[Prunable], None] | None = None,
) -> Iterator[Change]:
    """Yield the changes that are due; each must be committed before the next is asked for.

    ``pruned`` is told each segment that went.

    Raises:
        CannotSettle: there is an actor whose history cannot be folded.
    """
    yield from erase(file)
    yield from lift(file, kinds)
    if retention.keep is not None:
        yield from sealed_by_age(file, retention.keep, now)
        for oldest in prunable(file, now - retention.keep):
            yield from prune(file, oldest, kinds, now)
            if pruned is not None:
                pruned(oldest)
    sealed = Segments.of(file).sealed
    settled = {number for (number,) in file.execute("SELECT number FROM segment WHERE settled = 1")}
    for segment, end in sealed[: max(0, len(sealed) - retention.tail_segments)]:
        if segment.number not in settled:
            yield from settle(file, segment, end, kinds)


def sealed_by_age(file: apsw.Connection, keep: timedelta, now: datetime) -> Iterator[Change]:
    """Yield the sealing of the newest segment where it has grown for so long that it would hold back what may go."""
    newest = Segments.of(file).newest
    began = file.execute(f"SELECT at FROM {newest.table} ORDER BY position LIMIT 1").get  # noqa: S608 - ours
    if began is not None and began < (now - keep / _SEGMENTS_KEPT).timestamp():
        yield lambda connection, segments: segments.seal(connection, segments.next_position(connection))


def check_truth(file: apsw.Connection, path: Path, kinds: Mapping[str, Kind]) -> None:
    """Refuse a journal whose pruned actors have states that this program cannot read.

    Raises:
        ConfigError: it holds such states.
    """
    for name, schema in list(file.execute("SELECT kind, schema FROM truth ORDER BY kind, schema")):
        kind = kinds.get(name)
        if kind is None or not kind.reads(schema):
            raise ConfigError(
                f"{path}: older messages were pruned, and the states that stand for them ({name}, schema {schema})"
                " cannot be read by this release; run the one that wrote them last, or one that lifts them"
            )


class Pruned(Struct, frozen=True, kw_only=True):
    """What was, or would be, taken away."""

    segments: int
    messages: int
    kept: int
    """Turns of owners, orders and communities, which stay."""


def prune_offline(
    data_dir: Path, kinds: Mapping[str, Kind], before: datetime, now: datetime, progress: Callable[[int], None]
) -> Pruned:
    """Take away what is older in the journal of a hub that does not run; ``progress`` counts the changes.

    Raises:
        ConfigError: a hub runs on this directory, there is no journal, or one of its actors cannot be folded.
    """
    with held(data_dir) as path, explained(path):
        if not path.exists():
            raise ConfigError(f"{path}: there is no journal")
        with closing(connect(path, JournalSettings())) as writer, closing(connect(path, JournalSettings())) as file:
            migrate(writer, str(path))
            epoch = take_epoch(writer)
            retention = Retention(keep=now - before)
            for change in sealed_by_age(file, now - before, now):
                make(writer, epoch, change)
            noting = TopNoting()
            while Segments.of(writer).unnoted:
                make(writer, epoch, noting.step)
            found = list(prunable(file, before))
            try:
                for done, change in enumerate(due(file, kinds, retention, now), 1):
                    make(writer, epoch, change)
                    progress(done)
            except CannotSettle as error:
                raise ConfigError(f"{path}: cannot be pruned: {error}") from error
            writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    return summed(found)


def prunable_in(path: Path, before: datetime) -> Pruned:
    """Return what ``prune_offline`` would take away, beside its hub or without.

    Raises:
        ConfigError: it is no journal, or one of another version.
    """
    with closing(open_readonly(path)) as file:
        if int(file.pragma("user_version") or 0) < PRUNABLE:
            raise ConfigError(f"{path}: written by an older hub; start this one once, it takes the journal over")
        return summed(list(aged(file, Segments.of(file), before)))


def make(writer: apsw.Connection, epoch: str, change: Change) -> None:
    """Make one change in a transaction of its own."""
    with fenced(writer, epoch):
        change(writer, Segments.of(writer))


def summed(found: list[Prunable]) -> Pruned:
    """Return the sum of segments that are, or were, to be taken away."""
    turns, kept = sum(one.turns for one in found), sum(one.kept for one in found)
    return Pruned(segments=len(found), messages=turns - kept, kept=kept)
