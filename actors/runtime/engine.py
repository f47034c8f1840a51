"""The turn engine: durable actors, one batch in flight.

Messages gather in mailboxes. A run of the queue processes them until it is empty or its time is spent; all that the
run decided is one ``Batch``. While the batch commits no turn runs, so no state is ever built on something that may
still be lost. Only after the commit do answers, acknowledgements and work for relays leave.

A failed commit drops the memory of every actor that the batch touched and puts the messages back at the head of their
mailboxes. When a constraint refused it, they are tried one by one, and the one that offends goes to the dead letters.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
from msgspec import DecodeError

from actors.runtime.cells import (
    Cell,
    Done,
    Envelope,
    Kind,
    NotTaken,
    Outcome,
    Run,
    Taken,
    encode,
    encode_legibly,
)
from actors.runtime.contract import AskFailed, EngineClock, EngineSettings, Relay
from actors.runtime.effects import Apply, prepared_row
from actors.runtime.journal import (
    BatchRefused,
    DeadLetterRow,
    Journal,
    JournalUnavailable,
    OutboxRow,
    RecordRow,
    ReminderRow,
    TurnRow,
)
from actors.runtime.reminders import Reminders
from actors.runtime.turns import (
    Core,
    Effect,
    Emit,
    Forget,
    Remind,
    Step,
    Tell,
    Upcasters,
)

__all__ = ["AskFailed", "EngineClock", "EngineSettings", "Relay", "TurnEngine"]

log = structlog.get_logger(__name__)

_MESSAGES_AN_ACTOR = 64
_CRASHES_TO_QUARANTINE = 3
_CRASH_WINDOW_S = 60.0
_LONGEST_NAP_S = 3600.0


class TurnEngine:
    """Runs durable actors on one journal, on one event loop. Register kinds and relays, then ``start``."""

    def __init__(self, journal: Journal, clock: EngineClock, settings: EngineSettings | None = None) -> None:
        self._journal = journal
        self._clock = clock
        self._settings = settings or EngineSettings()
        self._kinds: dict[str, Kind] = {}
        self._relays: dict[str, Relay] = {}
        self._watchers: list[Callable[[Sequence[RecordRow]], None]] = []
        self._cells: dict[str, Cell] = {}
        self._ready: deque[Cell] = deque()
        self._reminders = Reminders()
        self._nap: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pump_scheduled = False
        self._committing: Run | None = None
        self._one_by_one = 0
        self._storage_failures = 0
        self._stopping = False
        self._idle = asyncio.Event()
        self._next_position = self._next_tell_id = self._next_outbox_id = 1
        self._counters = dict.fromkeys(
            ("turns", "batches", "duplicates", "dead_letters", "refused", "crashes", "rolled_back"), 0
        )

    # Composition.

    def add_kind(self, core: Core[Any], upcasters: Upcasters | None = None) -> None:
        """Register a kind of actor. Addresses are ``kind/name``."""
        self._kinds[core.kind] = Kind(core, upcasters or {})

    def add_relay(self, name: str, relay: Relay) -> None:
        """Register who executes the outbox rows of this relay name."""
        self._relays[name] = relay

    def on_records(self, watcher: Callable[[Sequence[RecordRow]], None]) -> None:
        """Call ``watcher`` after each commit that wrote read models, with all of them."""
        self._watchers.append(watcher)

    def start(self) -> None:
        """Recover: deliver what was told and not consumed, arm reminders, hand the outbox to its relays."""
        self._loop = asyncio.get_running_loop()
        recovered = self._journal.recover()
        self._next_position = recovered.next_position
        self._next_tell_id = recovered.next_tell_id
        self._next_outbox_id = recovered.next_outbox_id
        for tell in recovered.tells:
            cell = self._cell(tell.address)
            envelope = _decoded(cell, tell.message)
            envelope.tell_id = tell.tell_id
            self._enqueue(cell, envelope)
        for reminder in recovered.reminders:
            self._reminders.set(reminder)
        for row in recovered.outbox:
            self._hand_out(row, recovered=True)
        self._sleep_until_due()
        self._schedule_pump()

    async def stop(self, *, within_s: float = 5.0) -> bool:
        """Refuse new messages, finish what was accepted, and say whether all of it was committed in time."""
        self._stopping = True
        if self._nap is not None:
            self._nap.cancel()
        try:
            async with asyncio.timeout(within_s):
                while self._ready or self._committing is not None:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            return False
        return True

    # Messages from outside.

    def submit(self, address: str, message: Any, done: Done, message_id: str = "") -> None:
        """Hand in a message; ``done`` is called once, after its turn is durable or when it is refused.

        A ``message_id`` that this actor has consumed before makes it a duplicate: answered, and without effect.
        """
        refusal = self._refusal(address)
        if refusal is not None:
            self._counters["refused"] += 1
            done(refusal)
            return
        self._enqueue(self._cell(address), Envelope(message, _foreign(message_id), done))

    async def ask(self, address: str, message: Any, *, timeout_s: float = 10.0, message_id: str = "") -> Any:
        """Hand in a message and return the core's reply once it is durable.

        Raises:
            AskFailed: refused, crashed, or no answer in time (it may still be carried out then).
        """
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def done(outcome: Outcome) -> None:
            if not answer.done():
                answer.set_result(outcome)

        self.submit(address, message, done, message_id)
        try:
            async with asyncio.timeout(timeout_s):
                outcome = await answer
        except TimeoutError:
            raise AskFailed("timeout", f"{address} did not answer within {timeout_s:g} s") from None
        if isinstance(outcome, NotTaken):
            raise AskFailed(outcome.code, outcome.detail)
        return outcome.reply

    def complete(self, outbox_id: int, address: str, message: Any) -> None:
        """Tell an actor the outcome of work from the outbox; the work is forgotten when its turn is durable."""
        envelope = Envelope(message)
        envelope.outbox_id = outbox_id
        self._enqueue(self._cell(address), envelope)

    def discard(self, outbox_id: int) -> None:
        """Forget work from the outbox that needs no answer."""
        self.complete(outbox_id, "", None)

    def read(self, address: str) -> Any:
        """Return an actor's committed state; loads it when it is not in memory."""
        cell = self._cells.get(address) or self._made(address)
        if not cell.loaded and cell.committed is None:
            cell.fill(self._journal.load(address))
        if cell.turn:  # looking at what does not exist keeps nothing in memory
            self._cells.setdefault(address, cell)
        return cell.committed

    def counters(self) -> Mapping[str, int]:
        """Return counts since start, and the present sizes."""
        waiting = sum(len(cell.mailbox) for cell in self._ready if cell.mailbox)
        return {**self._counters, "resident": len(self._cells), "waiting": waiting}

    @property
    def storage_down(self) -> bool:
        """Whether the journal refuses writes at the moment."""
        return self._storage_failures > 0

    # Mailboxes.

    def _refusal(self, address: str) -> NotTaken | None:
        if self._stopping:
            return NotTaken("stopping", "the hub is shutting down", 5.0)
        if self.storage_down:
            return NotTaken("storage_down", "the hub cannot write to its disk", 5.0)
        cell = self._cells.get(address)
        if cell is None:
            return None
        if cell.mailbox is not None and len(cell.mailbox) >= self._settings.mailbox_bound:
            return NotTaken("busy", f"{len(cell.mailbox)} messages wait already", 1.0)
        if self._is_quarantined(cell):
            return NotTaken(
                "quarantined", "failed too often within a minute; a person must look at it", _CRASH_WINDOW_S
            )
        return None

    def _is_quarantined(self, cell: Cell) -> bool:
        if len(cell.crashes) < _CRASHES_TO_QUARANTINE:
            return False
        return self._clock.monotonic() - cell.crashes[-1] < _CRASH_WINDOW_S

    def _cell(self, address: str) -> Cell:
        cell = self._cells.get(address)
        if cell is None:
            cell = self._cells[address] = self._made(address)
        return cell

    def _made(self, address: str) -> Cell:
        kind = address.partition("/")[0]
        return Cell(address, self._kinds[kind] if kind else None)

    def _relay(self, name: str) -> Relay:
        try:
            return self._relays[name]
        except KeyError:
            raise LookupError(f"no relay named {name!r}; there are {sorted(self._relays)}") from None

    def _enqueue(self, cell: Cell, envelope: Envelope) -> None:
        if cell.mailbox is None:
            cell.mailbox = deque()
        cell.mailbox.append(envelope)
        if not cell.queued:
            cell.queued = True
            self._ready.append(cell)
            self._schedule_pump()

    # The pump.

    def _schedule_pump(self) -> None:
        if self._pump_scheduled or self._committing is not None or self._loop is None:
            return
        self._pump_scheduled = True
        self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._pump_scheduled = True  # tells of this run must not start another one beside its commit
        run = Run(self._clock.now())
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
            self._release(run)
            return
        self._committing = run
        self._counters["batches"] += 1
        self._journal.commit(run.batch, lambda error: self._after_commit(run, error))

    def _give_back(self, run: Run) -> None:
        """Undo a run in whose middle the journal could not be read: no message is to blame for that."""
        self._counters["rolled_back"] += 1
        for cell, _ in run.processed:
            cell.queued = cell in self._ready
        self._roll_back(run)

    def _gather(self, run: Run) -> None:
        left = 1 if self._one_by_one else self._settings.batch_turns
        until = self._clock.monotonic() + self._settings.batch_s
        while self._ready and left > 0:
            cell = self._ready.popleft()
            left -= self._drain(run, cell, min(left, _MESSAGES_AN_ACTOR))
            cell.queued = cell.mailbox is not None
            if cell.queued:
                self._ready.append(cell)
            if self._clock.monotonic() >= until:
                break

    def _drain(self, run: Run, cell: Cell, most: int) -> int:
        taken = 0
        while cell.mailbox and taken < most:
            envelope = cell.mailbox.popleft()
            taken += 1
            if self._is_stale(run, envelope):
                continue
            run.processed.append((cell, envelope))
            self._process(run, cell, envelope)
        if not cell.mailbox:
            cell.mailbox = None
        return taken

    def _is_stale(self, run: Run, envelope: Envelope) -> bool:
        """Say whether this is a reminder that was replaced or dropped after it fired."""
        row = envelope.reminder
        if row is None:
            return False
        return not self._reminders.is_current(row) or (row.address, row.name) in run.reminders

    def _process(self, run: Run, cell: Cell, envelope: Envelope) -> None:
        self._consume(run, envelope)
        if cell.kind is None:
            return
        if envelope.poison is not None:
            self._bury(run, cell, envelope, envelope.poison)
            run.owe(envelope, NotTaken("refused", envelope.poison))
            return
        try:
            if not cell.loaded:
                cell.fill(self._journal.load(cell.address))
            if envelope.message_id and self._is_duplicate(cell, envelope.message_id):
                self._counters["duplicates"] += 1
                run.owe(envelope, Taken(duplicate=True))
                return
            step = cell.kind.core.step(cell.state, envelope.message, run.now)
            self._take(run, cell, envelope, step)
        except JournalUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - a core's defect must not stop the hub
            self._crashed(run, cell, envelope, error)

    def _consume(self, run: Run, envelope: Envelope) -> None:
        if envelope.tell_id is not None:
            run.batch.tells_consumed.append(envelope.tell_id)
        if envelope.outbox_id is not None:
            run.batch.outbox_done.append(envelope.outbox_id)
        if envelope.reminder is not None:
            run.reminders[envelope.reminder.address, envelope.reminder.name] = None

    def _is_duplicate(self, cell: Cell, message_id: str) -> bool:
        """Ask the window first; outside of it, and after the store refused a batch, only the index knows."""
        seen = cell.has_seen(message_id)
        if seen is None or (self._one_by_one and not seen):
            return self._journal.has_turn(cell.address, message_id)
        return seen

    def _take(self, run: Run, cell: Cell, envelope: Envelope, step: Step[Any]) -> None:
        assert cell.kind is not None  # noqa: S101 - checked by the caller
        applies = [self._prepared(cell, effect) for effect in step.effects]
        if step.events or cell.kind.core.records(envelope.message):
            self._record(run, cell, envelope, step)
        cell.state = step.state
        run.touched[cell.address] = cell
        self._counters["turns"] += 1
        for apply in applies:
            apply(run)
        run.owe(envelope, Taken(reply=step.reply))

    def _record(self, run: Run, cell: Cell, envelope: Envelope, step: Step[Any]) -> None:
        assert cell.kind is not None  # noqa: S101 - checked by the caller
        row = TurnRow(
            position=self._next_position,
            address=cell.address,
            turn=cell.turn + 1,
            schema=cell.kind.core.schema,
            message_id=envelope.message_id or f"#{cell.turn + 1}",
            at=run.at,
            message=encode(envelope.message),
            events=encode(step.events) if step.events else b"",
        )
        self._next_position += 1
        cell.turn += 1
        cell.remember(row.message_id)
        run.batch.turns.append(row)

    def _crashed(self, run: Run, cell: Cell, envelope: Envelope, error: Exception) -> None:
        log.error("turn_failed", actor=cell.address, message=type(envelope.message).__name__, exc_info=error)
        self._counters["crashes"] += 1
        now = self._clock.monotonic()
        cell.crashes = (*(at for at in cell.crashes if now - at < _CRASH_WINDOW_S), now)
        self._bury(run, cell, envelope, f"{type(error).__name__}: {error}")
        run.owe(envelope, NotTaken("failed", "the hub failed on this message and keeps it for a person"))

    def _bury(self, run: Run, cell: Cell, envelope: Envelope, reason: str) -> None:
        self._counters["dead_letters"] += 1
        row = DeadLetterRow(at=run.at, address=cell.address, reason=reason, message=_for_people(envelope.message))
        run.batch.dead_letters.append(row)

    # Effects.

    def _prepared(self, cell: Cell, effect: Effect) -> Apply:
        """Check and encode an effect now, so that a turn takes effect as a whole or not at all."""
        match effect:
            case Tell(address=address, message=message):
                target = self._cell(address)
                return lambda run: self._tell(run, target, message)
            case Remind(name=name, due=due, message=message):
                row = ReminderRow(address=cell.address, name=name, due=due.timestamp(), message=encode(message))
                return lambda run: run.reminders.update({(row.address, row.name): row})
            case Forget(name=name):
                return lambda run: run.reminders.update({(cell.address, name): None})
            case Emit(relay=relay, body=body):
                self._relay(relay)
                packed = encode(body)
                return lambda run: self._emit(run, cell, relay, packed)
            case _:
                return prepared_row(cell.address, effect)

    def _tell(self, run: Run, target: Cell, message: Any) -> None:
        envelope = Envelope(message)
        run.told.append((target, envelope))
        self._enqueue(target, envelope)

    def _emit(self, run: Run, cell: Cell, relay: str, body: bytes) -> None:
        row = OutboxRow(outbox_id=self._next_outbox_id, relay=relay, address=cell.address, body=body, created_at=run.at)
        self._next_outbox_id += 1
        run.batch.outbox_added.append(row)

    # After the commit.

    def _after_commit(self, run: Run, error: Exception | None) -> None:
        self._committing = None
        if error is None:
            if self.storage_down:
                log.info("storage_restored", failures=self._storage_failures)
            self._storage_failures = 0
            self._one_by_one = max(0, self._one_by_one - 1)
            self._release(run)
            return
        self._counters["rolled_back"] += 1
        self._roll_back(run)
        if isinstance(error, BatchRefused):
            self._try_one_by_one(run, error)
        else:
            self._try_later(error)

    def _release(self, run: Run) -> None:
        """Let out what the run decided: it is durable now."""
        for cell in run.touched.values():
            cell.committed = cell.state
        self._reminders.apply(run.batch.reminders_set, run.batch.reminders_cleared)
        if run.batch.records:
            for watcher in self._watchers:
                _guarded(watcher, run.batch.records)
        for done, outcome in run.outcomes:
            _guarded(done, outcome)
        for work in run.batch.outbox_added:
            self._hand_out(work, recovered=False)
        self._sleep_until_due()
        if self._ready:
            self._schedule_pump()
        else:
            self._idle.set()

    def _hand_out(self, row: OutboxRow, *, recovered: bool) -> None:
        """Give work to its relay; what no relay takes stays in the outbox for the next start."""
        try:
            self._relay(row.relay).work(row, recovered=recovered)
        except Exception:  # one bad row must not keep the others
            log.exception("work_not_taken", relay=row.relay, outbox_id=row.outbox_id)

    def _roll_back(self, run: Run) -> None:
        """Forget all that the run made, and put its messages back where they came from, in their order."""
        told = {id(envelope) for _, envelope in run.told}
        for target, envelope in run.told:
            if target.mailbox and envelope in target.mailbox:
                target.mailbox.remove(envelope)
        for cell, _ in run.processed:
            cell.drop()
        for cell, envelope in reversed(run.processed):
            if id(envelope) in told:
                continue
            if cell.mailbox is None:
                cell.mailbox = deque()
            cell.mailbox.appendleft(envelope)
            if not cell.queued:
                cell.queued = True
                self._ready.appendleft(cell)

    def _try_one_by_one(self, run: Run, error: BatchRefused) -> None:
        if len(run.processed) == 1 and self._one_by_one:
            cell, envelope = run.processed[0]
            log.error("message_refused_by_store", actor=cell.address, reason=str(error))
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

    # Reminders.

    def _sleep_until_due(self) -> None:
        if self._nap is not None:
            self._nap.cancel()
            self._nap = None
        due = self._reminders.next_due()
        if due is None or self._loop is None or self._stopping:
            return
        delay_s = max(0.0, due - self._clock.now().timestamp())
        self._nap = self._loop.call_later(min(delay_s, _LONGEST_NAP_S), self._deliver_due)

    def _deliver_due(self) -> None:
        for row in self._reminders.take_due(self._clock.now().timestamp()):
            cell = self._cell(row.address)
            envelope = _decoded(cell, row.message)
            envelope.reminder = row
            self._enqueue(cell, envelope)
        self._sleep_until_due()


def _foreign(message_id: str) -> str:
    """Return an outsider's id so that it is never one of the engine's own, which are ``#`` and a number."""
    return f"#{message_id}" if message_id.startswith("#") else message_id


def _for_people(message: Any) -> bytes:
    """Return a message for the dead letters, whatever it holds: burying must not fail."""
    try:
        return encode_legibly(message)
    except (OverflowError, ValueError, TypeError):
        return encode_legibly(ascii(message))


def _decoded(cell: Cell, message: bytes) -> Envelope:
    """Return a journalled message on its way; one that nobody can read any more goes to the dead letters."""
    assert cell.kind is not None  # noqa: S101 - only actors get journalled messages
    try:
        return Envelope(cell.kind.read_message(message))
    except DecodeError as error:
        envelope = Envelope(message)
        envelope.poison = f"cannot be read: {error}"
        return envelope


def _guarded(callback: Callable[[Any], None], argument: Any) -> None:
    try:
        callback(argument)
    except Exception:
        log.exception("callback_failed", callback=getattr(callback, "__qualname__", str(callback)))
