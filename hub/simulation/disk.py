"""A journal in memory that outlives the hubs that crash on it, with the real one's constraints and troubles."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from actors.runtime.journal import (
    WORK_BITS,
    Batch,
    BatchRefused,
    DeadLetterRow,
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
from hub.simulation.scenery import Chronicle

_SLOW: Final = 0.05


class Disk:
    """The tables. A batch is written whole or not at all."""

    def __init__(self) -> None:
        self.turns: defaultdict[str, list[TurnRow]] = defaultdict(list)
        self.snapshots: dict[str, SnapshotRow] = {}
        self.tells: dict[int, TellRow] = {}
        self.reminders: dict[tuple[str, str], ReminderRow] = {}
        self.outbox: dict[int, OutboxRow] = {}
        self.records: dict[tuple[str, str], RecordRow] = {}
        self.notes: defaultdict[str, list[NoteRow]] = defaultdict(list)
        self.claims: dict[str, str] = {}
        self.meters: dict[str, tuple[int, int]] = {}
        self.dead_letters: list[DeadLetterRow] = []
        self.is_full = False
        self.is_unreadable = False
        self.slowness_s = 0.0
        """How long a write may take while the disk is slow."""
        self.epoch = 0
        self.usurped = 0
        """Batches that a hub wrote after another one had taken over: there must be none."""
        self.frozen: list[Callable[[], None]] = []
        """Commits in whose middle a hub was frozen."""
        self.on_write: list[Callable[[Batch], None]] = []
        self._ids: set[tuple[str, str]] = set()
        self._positions: set[int] = set()

    def recovers(self) -> None:
        """Do everything right from now on."""
        self.is_full = self.is_unreadable = False
        self.slowness_s = 0.0

    def write(self, batch: Batch, epoch: int) -> None:
        """Write one batch of the process that holds, or held, this epoch.

        Raises:
            BatchRefused: a constraint does not allow it; nothing is written.
        """
        self._check_turns(batch.turns)
        tells = _changed(self.tells, batch.tells_consumed, [(row.tell_id, row) for row in batch.tells_added], "tell")
        outbox = _changed(
            self.outbox, batch.outbox_done, [(row.outbox_id, row) for row in batch.outbox_added], "outbox"
        )
        meters = self._turned(batch.meters)
        claims = self._claimed(batch.claims)
        self.tells, self.outbox, self.meters, self.claims = tells, outbox, meters, claims
        self._add(batch)
        self.usurped += epoch != self.epoch
        for watcher in self.on_write:
            watcher(batch)

    def _check_turns(self, rows: Sequence[TurnRow]) -> None:
        ids, positions = Counter((row.address, row.message_id) for row in rows), {row.position for row in rows}
        doubled = [name for name, count in ids.items() if count > 1 or name in self._ids]
        if doubled:
            raise BatchRefused(f"UNIQUE constraint failed: turn.address, turn.message_id: {doubled[0]}")
        if len(positions) < len(rows) or positions & self._positions:
            raise BatchRefused("UNIQUE constraint failed: turn.position")

    def _turned(self, deltas: Iterable[MeterDelta]) -> dict[str, tuple[int, int]]:
        meters = dict(self.meters)
        for delta in deltas:
            value, cap = meters.get(delta.name, (0, delta.cap))
            if delta.delta > 0 and value <= delta.cap:
                cap = delta.cap
            value += delta.delta
            if not 0 <= value <= cap:
                raise BatchRefused(f"CHECK constraint failed: within_cap: {delta.name}: {value} of {cap}")
            meters[delta.name] = value, cap
        return meters

    def _claimed(self, changes: Iterable[tuple[str, str | None]]) -> dict[str, str]:
        claims = dict(self.claims)
        for name, holder in changes:
            if holder is None:
                claims.pop(name, None)
            elif name in claims:
                raise BatchRefused(f"UNIQUE constraint failed: claim.name: {name}")
            else:
                claims[name] = holder
        return claims

    def _add(self, batch: Batch) -> None:
        for turn in batch.turns:
            self.turns[turn.address].append(turn)
            self._ids.add((turn.address, turn.message_id))
            self._positions.add(turn.position)
        self.snapshots.update({row.address: row for row in batch.snapshots})
        for key in batch.reminders_cleared:
            self.reminders.pop(key, None)
        self.reminders.update({(row.address, row.name): row for row in batch.reminders_set})
        for record in {(row.kind, row.key): row for row in batch.records}.values():
            if record.body is None:
                self.records.pop((record.kind, record.key), None)
            else:
                first = self.records.get((record.kind, record.key), record)
                self.records[record.kind, record.key] = replace(record, at=first.at)
        for note in batch.notes:
            self.notes[note.correlation_id].append(note)
        self.dead_letters += batch.dead_letters

    def take_back(self, turn: TurnRow) -> None:
        """Undo one turn: only for faults that are planted."""
        self.turns[turn.address] = [row for row in self.turns[turn.address] if row.position != turn.position]
        self._ids.discard((turn.address, turn.message_id))
        self._positions.discard(turn.position)

    # Reading.

    def recover(self) -> Recovered:
        """Return what was left when the last process ended."""
        return Recovered(
            next_position=1 + max(self._positions, default=0),
            next_tell_id=1 + max(self.tells, default=0),
            next_outbox_id=max(1 + max(self.outbox, default=0), self.epoch << WORK_BITS),
            tells=[row for _, row in sorted(self.tells.items())],
            reminders=[row for _, row in sorted(self.reminders.items())],
            outbox=[row for _, row in sorted(self.outbox.items())],
        )

    def load(self, address: str) -> Loaded:
        """Return what the state of one actor is folded from."""
        snapshot = self.snapshots.get(address)
        return Loaded(snapshot=snapshot, turns=self.turns_of(address, snapshot.position if snapshot else 0))

    def turns_of(self, address: str, after: int = 0) -> list[TurnRow]:
        """Return one actor's turns behind a position, in their order."""
        return [row for row in self.turns.get(address, []) if row.position > after]

    def has_turn(self, address: str, message_id: str) -> bool:
        """Say whether this actor has consumed this message."""
        return (address, message_id) in self._ids

    def record(self, kind: str, key: str) -> bytes | None:
        """Return one read model."""
        row = self.records.get((kind, key))
        return row.body if row else None

    def records_of(self, kind: str, owner: str | None = None, *, after: str = "") -> list[RecordRow]:
        """Return the read models of a kind behind a key, by key; of one owner where one is named."""
        rows = (row for (held, key), row in sorted(self.records.items()) if held == kind and key > after)
        return [row for row in rows if owner in {None, row.owner}]

    def latest(
        self, kind: str, owner: str | None = None, *, before: tuple[float, str] | None = None
    ) -> list[RecordRow]:
        """Return the read models of a kind, newest first, older than ``before``."""
        rows = sorted(self.records_of(kind, owner), key=lambda row: (row.at, row.key), reverse=True)
        return [row for row in rows if before is None or (row.at, row.key) < before]

    def records_by(self, kind: str, field: str, value: str) -> list[RecordRow]:
        """Return the read models of a kind whose JSON has this value in a field, by key."""
        return [row for row in self.records_of(kind) if _field(row.body or b"{}", field) == value]

    def counts(self) -> Mapping[str, int]:
        """Return the number of rows by table."""
        return {
            "turn": len(self._ids),
            "tell": len(self.tells),
            "reminder": len(self.reminders),
            "outbox": len(self.outbox),
            "record": len(self.records),
            "note": sum(map(len, self.notes.values())),
            "claim": len(self.claims),
            "dead_letter": len(self.dead_letters),
        }


def _field(body: bytes, path: str) -> Any:
    value: Any = msgspec.json.decode(body)
    for name in path.split("."):
        value = value.get(name, {})
    return value


def _changed(table: dict[int, Any], gone: Iterable[int], added: Iterable[tuple[int, Any]], name: str) -> dict[int, Any]:
    table = dict(table)
    for row_id in gone:
        table.pop(row_id, None)
    for row_id, row in added:
        if row_id in table:
            raise BatchRefused(f"UNIQUE constraint failed: {name}.{name}_id: {row_id}")
        table[row_id] = row
    return table


class DiskJournal:
    """Implements ``Journal`` for one life of a hub: with its end, nothing more is written and nobody is told."""

    def __init__(
        self, disk: Disk, chronicle: Chronicle, chance: Random, *, refuses_at: int = 0, slowness_s: float = 3.0
    ) -> None:
        self.disk = disk
        self.is_alive = True
        self._chronicle = chronicle
        self._chance = chance
        self._loop = asyncio.get_running_loop()
        self._refuses_at = refuses_at
        disk.epoch += 1
        self._epoch = disk.epoch
        self.asserts_epoch = True
        self.freezes: Callable[[], bool] = lambda: False
        """Asked at each commit: is the process frozen in its middle, to wake up beside the next one?"""
        self._wake_the_frozen()
        self._slowness_s = slowness_s
        self._commits = self._refusals = 0

    def commit(self, batch: Batch, done: Callable[[Exception | None], None]) -> None:
        """Write a batch after a while; see ``Journal.commit``."""
        if self.is_alive and self.freezes():
            self.is_alive = False
            self.disk.frozen.append(lambda: self._thaw(batch))
        self._loop.call_later(self._delay_s(), self._write, batch, done)

    def _delay_s(self) -> float:
        if self.disk.slowness_s:
            return self._chance.uniform(0.0, self.disk.slowness_s)
        return self._chance.uniform(0.0, self._slowness_s if self._chance.random() < _SLOW else 0.01)

    def _write(self, batch: Batch, done: Callable[[Exception | None], None]) -> None:
        if not self.is_alive:
            return
        error = self._try(batch)
        self._chronicle.tell("commit", error or "", msgspec.msgpack.encode(batch).hex())
        self._loop.call_later(self._delay_s(), self._answer, done, error)

    def _wake_the_frozen(self) -> None:
        for wake in self.disk.frozen:
            delay_s = self._chance.choice((0.0, 0.02, 1.0, 600.0)) * self._chance.random()
            self._loop.call_later(delay_s, wake)
        self.disk.frozen.clear()

    def _thaw(self, batch: Batch) -> None:
        """Go on with the commit in whose middle the process was frozen; nobody listens to it any more."""
        is_fenced = self.asserts_epoch and self.disk.epoch != self._epoch
        self._chronicle.tell("thawed", self._epoch, "fenced" if is_fenced else self._try(batch))

    def _try(self, batch: Batch) -> Exception | None:
        if self.disk.is_full:
            return JournalUnavailable("the disk is full")
        self._commits += 1
        # Only as the first time: the same message refused again, alone, would be buried for no reason of its own.
        if self._commits == self._refuses_at and not self._refusals:
            self._refusals += 1
            return BatchRefused("a constraint that nobody can name")
        try:
            self.disk.write(batch, self._epoch)
        except BatchRefused as error:
            self._refusals += 1
            return error
        return None

    def _answer(self, done: Callable[[Exception | None], None], error: Exception | None) -> None:
        if self.is_alive:
            done(error)

    def recover(self) -> Recovered:
        """Return what was left when the last life ended."""
        return self.disk.recover()

    def load(self, address: str) -> Loaded:
        """Return what the state of one actor is folded from."""
        self._look()
        return self.disk.load(address)

    def _look(self) -> None:
        if self.disk.is_unreadable:
            raise JournalUnavailable("the disk cannot be read")

    def turns(self, address: str, *, after: int = 0) -> Sequence[TurnRow]:
        """Return one actor's turns behind a position, in their order."""
        return self.disk.turns_of(address, after)

    def has_turn(self, address: str, message_id: str) -> bool:
        """Say whether this actor has consumed this message."""
        self._look()
        return self.disk.has_turn(address, message_id)

    def record(self, kind: str, key: str) -> bytes | None:
        """Return one read model."""
        self._look()
        return self.disk.record(kind, key)

    def records(
        self, kind: str, owner: str | None = None, *, after: str = "", limit: int | None = None
    ) -> Iterable[RecordRow]:
        """Return read models of a kind by key."""
        return self.disk.records_of(kind, owner, after=after)[:limit]

    def latest(
        self, kind: str, owner: str | None = None, *, before: tuple[float, str] | None = None, limit: int
    ) -> Sequence[RecordRow]:
        """Return read models of a kind, newest first."""
        self._look()
        return self.disk.latest(kind, owner, before=before)[:limit]

    def records_by(self, kind: str, field: str, value: str) -> Iterable[RecordRow]:
        """Return the read models of a kind whose JSON has this value in a field, by key."""
        self._look()
        return self.disk.records_by(kind, field, value)

    def owners(self, kind: str) -> Mapping[str, int]:
        """Return how many read models of a kind each owner has."""
        return Counter(row.owner for row in self.disk.records_of(kind))

    def notes(self, correlation_id: str) -> Sequence[NoteRow]:
        """Return a decision's chain, oldest first."""
        return self.disk.notes.get(correlation_id, [])

    def counts(self) -> Mapping[str, int]:
        """Return the number of rows by table."""
        return self.disk.counts()
