"""The journal of a whole hub: one file, or those of all shards read as one."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import merge
from itertools import islice
from typing import Protocol

from actors.dialogue.placement import ShardMap
from actors.runtime.journal import Batch, Journal, Loaded, NoteRow, RecordRow, Recovered, TurnRow
from hub.storage.sqlite import SqliteJournal


class HubJournal(Journal, Protocol):
    """What the hub reads beside its actors, and where it keeps its own records."""

    def dead_letters(self) -> Sequence[tuple[float, str, str]]:
        """Return when, to whom and why, for every message that could not be processed."""
        ...

    def restored(self) -> str | None:
        """Return when this was put back from a copy and not released since; ordering must be off then."""
        ...

    def setting(self, key: str, mint: Callable[[], str]) -> str:
        """Return a value kept for good, minting it the first time; call before the first commit."""
        ...

    async def scrub(self) -> None:
        """See that nothing of what was deleted is left in the files. Raises: JournalUnavailable."""
        ...


class WholeRecords:
    """The read models of all shards. A key stands in one of them."""

    def __init__(self, journals: Sequence[Journal]) -> None:
        self._shelves = tuple(journals)

    def record(self, kind: str, key: str) -> bytes | None:
        """Return one read model."""
        found = (journal.record(kind, key) for journal in self._shelves)
        return next((body for body in found if body is not None), None)

    def records(
        self, kind: str, owner: str | None = None, *, after: str = "", limit: int | None = None
    ) -> Iterable[RecordRow]:
        """Return read models of a kind by key: of one owner where one is named, behind a key, at most so many."""
        pages = [journal.records(kind, owner, after=after, limit=limit) for journal in self._shelves]
        return list(islice(merge(*pages, key=_key), limit))

    def latest(
        self, kind: str, owner: str | None = None, *, before: tuple[float, str] | None = None, limit: int
    ) -> Sequence[RecordRow]:
        """Return read models of a kind, newest first, older than ``before``; see ``Journal.latest``."""
        pages = [journal.latest(kind, owner, before=before, limit=limit) for journal in self._shelves]
        return list(islice(merge(*pages, key=_place, reverse=True), limit))

    def records_by(self, kind: str, field: str, value: str) -> Iterable[RecordRow]:
        """Return the read models of a kind with this value in an indexed field; see ``Journal.records_by``."""
        return list(merge(*(journal.records_by(kind, field, value) for journal in self._shelves), key=_key))

    def owners(self, kind: str) -> Mapping[str, int]:
        """Return how many read models of a kind each owner has."""
        return _added(journal.owners(kind) for journal in self._shelves)


class WholeJournal(WholeRecords):
    """Implements ``HubJournal`` on the journals of all shards. What belongs to no actor is in the first one."""

    def __init__(self, journals: Sequence[SqliteJournal]) -> None:
        super().__init__(journals)
        self._journals = tuple(journals)
        self._home = self._journals[0]
        self._map = ShardMap(len(self._journals))

    def commit(self, batch: Batch, done: Callable[[Exception | None], None]) -> None:
        """Write records that belong to no actor's turn; a removal reaches every shard.

        Raises:
            ValueError: the batch holds more than records, which only an actor's own shard may write.
        """
        if batch != Batch(records=batch.records):
            raise ValueError("expected a batch of records alone: turns and what they decide belong to one shard")
        gone = [row for row in batch.records if row.body is None]
        others = self._journals[1:] if gone else ()
        countdown = _Countdown(1 + len(others), done)
        self._home.commit(batch, countdown.one_is_done)
        for journal in others:
            journal.commit(Batch(records=gone), countdown.one_is_done)

    def recover(self) -> Recovered:
        """Return what was left in all shards; numbers of tells and work are those of each shard alone."""
        left = [journal.recover() for journal in self._journals]
        return Recovered(
            next_position=max(one.next_position for one in left),
            next_tell_id=max(one.next_tell_id for one in left),
            next_outbox_id=max(one.next_outbox_id for one in left),
            tells=[row for one in left for row in one.tells],
            reminders=[row for one in left for row in one.reminders],
            outbox=[row for one in left for row in one.outbox],
        )

    def load(self, address: str) -> Loaded:
        """Return what the state of one actor is folded from."""
        return self._journal_of(address).load(address)

    def turns(self, address: str, *, after: int = 0) -> Sequence[TurnRow]:
        """Return one actor's turns behind a position of its shard, in their order."""
        return self._journal_of(address).turns(address, after=after)

    def has_turn(self, address: str, message_id: str) -> bool:
        """Say whether this actor has consumed this message."""
        return self._journal_of(address).has_turn(address, message_id)

    def notes(self, correlation_id: str) -> Sequence[NoteRow]:
        """Return a decision's chain, oldest first; it may go through several shards."""
        notes = (note for journal in self._journals for note in journal.notes(correlation_id))
        return sorted(notes, key=lambda note: note.at)

    def dead_letters(self) -> Sequence[tuple[float, str, str]]:
        """Return when, to whom and why, for every message that could not be processed."""
        return sorted(letter for journal in self._journals for letter in journal.dead_letters())

    def counts(self) -> Mapping[str, int]:
        """Return the number of rows by table, in all shards."""
        return _added(journal.counts() for journal in self._journals)

    def restored(self) -> str | None:
        """Return when the first of them was put back from a copy and not released since."""
        return min((since for journal in self._journals if (since := journal.restored())), default=None)

    async def scrub(self) -> None:
        """See that nothing of what was deleted is left in the files."""
        for journal in self._journals:
            await journal.scrub()

    def setting(self, key: str, mint: Callable[[], str]) -> str:
        """Return a value kept for good, minting it the first time; call before the first commit."""
        return self._home.setting(key, mint)

    def _journal_of(self, address: str) -> SqliteJournal:
        return self._journals[self._map.shard_of(address)]


def _key(row: RecordRow) -> str:
    return row.key


def _place(row: RecordRow) -> tuple[float, str]:
    return row.at, row.key


def _added(counts: Iterable[Mapping[str, int]]) -> Mapping[str, int]:
    total: Counter[str] = Counter()
    for part in counts:
        total.update(part)
    return dict(total)


class _Countdown:
    """Tells once that all is written, or what was in the way first."""

    def __init__(self, left: int, done: Callable[[Exception | None], None]) -> None:
        self._left = left
        self._done = done
        self._error: Exception | None = None

    def one_is_done(self, error: Exception | None) -> None:
        self._left -= 1
        self._error = self._error or error
        if not self._left:
            self._done(self._error)
