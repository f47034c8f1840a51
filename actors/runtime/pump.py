"""The pump: gathers messages into one batch, commits it, then lets out what was decided, or takes all of it back."""

import asyncio
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from actors.runtime.cells import Cell, Envelope
from actors.runtime.contract import EngineClock, EngineSettings
from actors.runtime.journal import BatchRefused, Journal, JournalUnavailable, OutboxRow, RecordRow, ReminderRow
from actors.runtime.reminders import Reminders
from actors.runtime.runs import Run
from actors.runtime.turning import TAKEN, Turning

log = structlog.get_logger(__name__)

_MESSAGES_AN_ACTOR = 64
_TURNS_BETWEEN_LOOKS = 8
"""At the clock: a look costs as much as a tenth of a turn."""


class Pump(Turning):
    """Runs the queue. While a batch commits no turn runs, so no state is built on something that may still be lost."""

    def __init__(self, journal: Journal, clock: EngineClock, settings: EngineSettings | None = None) -> None:
        super().__init__(journal, clock, settings)
        self._ready: deque[Cell] = deque()
        self._draining: Cell | None = None
        self._reminders = Reminders()
        self._watchers: list[Callable[[Sequence[RecordRow]], None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pump_scheduled = False
        self._committing: Run | None = None
        self._runs = 0
        self._storage_failures = 0
        self._stalled: list[tuple[Envelope, Callable[[], None]]] = []
        """What was urged and is not written, and whom to tell when it cannot be."""
        self._idle = asyncio.Event()

    @property
    def storage_down(self) -> bool:
        """Whether the journal refuses writes at the moment."""
        return self._storage_failures > 0

    @abstractmethod
    def _rearm(self) -> None:
        """Set the timers anew: the reminders that stand may have changed."""

    def _enqueue(self, cell: Cell, envelope: Envelope) -> None:
        cell.put(envelope)
        if not cell.queued:
            cell.queued = True
            self._ready.append(cell)
            if not self._pump_scheduled:
                self._schedule_pump()

    # A run.

    def _schedule_pump(self) -> None:
        if self._pump_scheduled or self._committing is not None or self._loop is None:
            return
        self._pump_scheduled = True
        # Not in this round of the loop but the next: what this one brings, and what follows from it, share a commit.
        self._loop.call_soon(self._loop.call_soon, self._pump)

    def _pump(self) -> None:
        self._pump_scheduled = True  # tells of this run must not start another one beside its commit
        self._runs += 1
        run = Run(self._runs, self._clock.now())
        try:
            self._gather(run)
        except JournalUnavailable as error:
            self._pump_scheduled = False
            self._give_back(run)
            self._try_later(error)
            return
        self._pump_scheduled = False
        self._next_tell_id = run.keep_tells(self._next_tell_id)
        run.keep_reminders()
        run.keep_snapshots(self._next_position - 1, self._settings.snapshot_every)
        if run.batch.is_empty():
            self._storage_works()  # it could be read; whether it can be written, the next batch will show
            self._release(run)
            return
        self._committing = run
        self._counters["batches"] += 1
        self._journal.commit(run.batch, lambda error: self._after_commit(run, error))

    def _gather(self, run: Run) -> None:
        """Take messages until there are none, or the run has its number, or its time is spent."""
        ready, monotonic = self._ready, self._clock.monotonic
        take = None if self._swift is None or self._one_by_one else self._swift.take
        left = 1 if self._one_by_one else self._settings.batch_turns
        until = monotonic() + self._settings.batch_s
        look_at = left - _TURNS_BETWEEN_LOOKS
        while ready and left > 0:
            taken: int = 0 if take is None else take(ready, run, min(left, _TURNS_BETWEEN_LOOKS), self._next_position)
            self._next_position += taken
            left = left - taken if taken else self._drain(run, left)
            if left <= look_at:
                look_at = left - _TURNS_BETWEEN_LOOKS
                if monotonic() >= until:
                    break

    def _drain(self, run: Run, left: int) -> int:
        """Let the first actor take what waits for it, or its share of that; return how much may still be taken."""
        cell = self._draining = self._ready.popleft()
        least = left - _MESSAGES_AN_ACTOR if left > _MESSAGES_AN_ACTOR else 0
        while left > least and cell.first is not None:
            envelope = cell.take()
            left -= 1
            if envelope.origin is None or not self._is_stale(run, envelope):
                self._turn(run, cell, envelope)
        cell.queued = cell.first is not None
        if cell.queued:
            self._ready.append(cell)
        return left

    def _is_stale(self, run: Run, envelope: Envelope) -> bool:
        """Say whether this is a reminder that was replaced or dropped after it fired."""
        row = envelope.origin
        if not isinstance(row, ReminderRow):
            return False
        return not self._reminders.is_current(row) or (row.address, row.name) in run.reminders

    # After the commit.

    def _after_commit(self, run: Run, error: Exception | None) -> None:
        self._committing = None
        if error is None:
            self._storage_works()
            self._one_by_one = max(0, self._one_by_one - 1)
            self._release(run)
            return
        self._counters["rolled_back"] += 1
        self._roll_back(run)
        if isinstance(error, BatchRefused):
            self._try_one_by_one(run, error)
        else:
            self._try_later(error)

    def _storage_works(self) -> None:
        if self.storage_down:
            log.info("storage_restored", failures=self._storage_failures)
            self._storage_failures = 0

    def _release(self, run: Run) -> None:
        """Let out what the run decided: it is durable now."""
        self._counters["turns"] += run.turns
        if self._stalled:
            written = {id(envelope) for envelope in run.processed}
            self._stalled = [(urged, tell) for urged, tell in self._stalled if id(urged) not in written]
        self._counters["duplicates"] += run.duplicates
        self._reminders.apply(run.batch.reminders_set, run.batch.reminders_cleared)
        if run.batch.records:
            for watcher in self._watchers:
                _follow(watcher, run.batch.records)
        if self._swift is None:
            _settle(run.processed)
        else:
            self._swift.settle(run.processed, TAKEN, _not_settled)
        for row, job in zip(run.batch.outbox_added, run.jobs, strict=True):
            self._hand_out(row, job, recovered=False)
        self._rearm()
        if self._ready:
            self._schedule_pump()
        else:
            self._idle.set()

    def _hand_out(self, row: OutboxRow, job: Any = None, *, recovered: bool) -> None:
        """Give work to its relay, new work as the ``job`` that was decided where the relay takes it so.

        What no relay takes stays in the outbox for the next start.
        """
        try:
            beginner = None if recovered else self._beginners.get(row.relay)
            if beginner is None:
                self._relay(row.relay).work(row, recovered=recovered)
            else:
                beginner.begin(row, job)
        except Exception:  # one bad row must not keep the others
            log.exception("work_not_taken", relay=row.relay, outbox_id=row.outbox_id)

    # When it could not be committed.

    def _give_back(self, run: Run) -> None:
        """Undo a run in whose middle the journal could not be read: no message is to blame for that."""
        self._counters["rolled_back"] += 1
        if self._draining is not None:
            self._draining.queued = False
        self._roll_back(run)

    def _roll_back(self, run: Run) -> None:
        """Forget all that the run made, and put its messages back where they came from, in their order."""
        told = {id(envelope) for _, envelope in run.told}
        for target in {id(cell): cell for cell, _ in run.told}.values():
            target.withdraw(told)
        for envelope in run.processed:
            envelope.cell.drop()
        for envelope in reversed(run.processed):
            if id(envelope) in told:
                continue
            cell: Cell = envelope.cell
            cell.put_back(envelope)
            if not cell.queued:
                cell.queued = True
                self._ready.appendleft(cell)

    def _try_one_by_one(self, run: Run, error: BatchRefused) -> None:
        if len(run.processed) == 1 and self._one_by_one:
            envelope = run.processed[0]
            log.error("message_refused_by_store", actor=envelope.cell.address, reason=str(error))
            envelope.poison = str(error)
        else:
            log.warning("batch_refused", reason=str(error), messages=len(run.processed))
        self._one_by_one = max(self._one_by_one, len(run.processed))
        self._schedule_pump()

    def _try_later(self, error: Exception) -> None:
        if not self.storage_down:
            log.error("storage_failed", reason=str(error), next_step="free disk space or repair the disk")
        wait_s = min(self._settings.storage_retry_cap_s, self._settings.storage_retry_s * 2**self._storage_failures)
        self._storage_failures += 1
        assert self._loop is not None  # noqa: S101 - a commit implies a started engine
        self._pump_scheduled = True
        self._loop.call_later(wait_s, self._pump)
        self._tell_stalled()

    def _tell_stalled(self) -> None:
        stalled, self._stalled = self._stalled, []
        for _, tell in stalled:
            tell()


def _settle(processed: Sequence[Envelope]) -> None:
    """Tell all senders what became of their messages."""
    for envelope in processed:
        if envelope.settle is None:
            continue
        try:
            envelope.settle(envelope.token, envelope.outcome or TAKEN)
        except Exception as error:  # noqa: BLE001 - one sender must not keep the others from theirs
            _not_settled(envelope, error)


def _not_settled(envelope: Envelope, error: Exception) -> None:
    log.error("answer_not_taken", actor=envelope.cell.address, exc_info=error)


def _follow(watcher: Callable[[Sequence[RecordRow]], None], records: Sequence[RecordRow]) -> None:
    """Tell a watcher what was written; its failure is logged and hurts nobody."""
    try:
        watcher(records)
    except Exception:
        log.exception("records_not_followed", watcher=getattr(watcher, "__qualname__", str(watcher)))
