"""The turn engine: durable actors, one batch in flight.

Messages gather in mailboxes. A run of the queue processes them until it is empty or its time is spent; all that the
run decided is one ``Batch``. While the batch commits no turn runs, so no state is ever built on something that may
still be lost. Only after the commit do answers, acknowledgements and work for relays leave.

A failed commit drops the memory of every actor that the batch touched and puts the messages back at the head of their
mailboxes. When a constraint refused it, they are tried one by one, and the one that offends goes to the dead letters.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import DecodeError

from actors.runtime.cells import Cell, Done, Envelope, Kind, NotTaken, Outcome, PendingTell, Settle, Work
from actors.runtime.contract import AskFailed, EngineClock, EngineSettings, JobRelay, Relay
from actors.runtime.idle_cells import IdleCells
from actors.runtime.journal import Journal, RecordRow
from actors.runtime.pump import Pump
from actors.runtime.turning import CRASH_WINDOW_S, CRASHES_TO_QUARANTINE
from actors.runtime.turns import Core, StateUpcasters, Upcasters

__all__ = ["AskFailed", "EngineClock", "EngineSettings", "Relay", "TurnEngine"]

_LONGEST_NAP_S = 3600.0
_MANY_WAIT = 256
"""Actors with mail, from which on messages wait as bytes."""


class TurnEngine(Pump):
    """Runs durable actors on one journal, on one event loop. Register kinds and relays, then ``start``."""

    def __init__(self, journal: Journal, clock: EngineClock, settings: EngineSettings | None = None) -> None:
        super().__init__(journal, clock, settings)
        self._nap: asyncio.TimerHandle | None = None
        self._idle_cells = IdleCells(self._cells, self._settings.passivate_after_s, self._settled_runs)
        self._stopping = False
        self._bound = self._settings.mailbox_bound

    # Composition.

    def add_kind(
        self, core: Core[Any], upcasters: Upcasters | None = None, state_upcasters: StateUpcasters | None = None
    ) -> None:
        """Register a kind of actor. Addresses are ``kind/name``."""
        self._kinds[core.kind] = Kind(core, upcasters, state_upcasters)

    def add_relay(self, name: str, relay: Relay) -> None:
        """Register who executes the outbox rows of this relay name."""
        self._relays[name] = relay
        if isinstance(relay, JobRelay):
            self._beginners[name] = relay
        else:
            self._beginners.pop(name, None)

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
            envelope = _decoded(cell, tell.message, tell.schema)
            envelope.origin = PendingTell(tell.tell_id)
            self._enqueue(cell, envelope)
        for reminder in recovered.reminders:
            self._reminders.set(reminder)
        for row in recovered.outbox:
            self._hand_out(row, recovered=True)
        self._rearm()
        self._schedule_pump()

    async def stop(self, *, within_s: float = 5.0) -> bool:
        """Refuse new messages, finish what was accepted, and say whether all of it was committed in time."""
        self._stopping = True
        self._idle_cells.cancel()
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
        self.deliver(address, message, message_id, _call, done)

    def deliver(
        self, address: str, message: Any, message_id: str, settle: Settle, token: Any, packed: bytes | None = None
    ) -> bool:
        """Hand in a message as ``submit`` does; ``settle(token, outcome)`` is called once.

        For senders of many messages: they need no function of its own for each. ``packed`` are the message's bytes for
        the journal, where they were made already. Says whether the message is in its mailbox now.
        """
        cell = self._cells.get(address)
        if cell is None:
            cell = self._cell(address)
        if (
            self._stopping
            or self._storage_failures
            or cell.waiting >= self._bound
            or (cell.crashes and self._is_quarantined(cell))
        ):
            self._counters["refused"] += 1
            settle(token, self._refusal(cell))
            return False
        if message_id[:1] == "#":  # the engine's own ids are ``#`` and a number
            message_id = f"#{message_id}"
        kept = None if packed is not None and len(self._ready) > _MANY_WAIT else message
        if self._swift is None:
            self._enqueue(cell, Envelope(kept, message_id, token, settle, packed=packed))
            return True
        self._swift.post(self._ready, cell, kept, message_id, token, settle, packed)
        if not self._pump_scheduled:
            self._schedule_pump()
        return True

    def urge(self, address: str, message: Any, done: Done, stalled: Callable[[], None]) -> None:
        """Hand in what must be heard at once: it goes before all else that its actor is asked, however much waits.

        While the disk takes no writes it is kept and tried again until it is written; ``stalled`` is called, once, when
        that is so and nothing is on its way to the disk. Refused only while the hub stops.
        """
        cell = self._cell(address)
        if self._stopping:
            done(self._refusal(cell))
            return
        envelope = Envelope(message, token=done, settle=_call, urgent=True)
        cell.put_first(envelope)
        if not cell.queued:
            cell.queued = True
            self._ready.appendleft(cell)
        self._stalled.append((envelope, stalled))
        if self.storage_down and self._committing is None:
            self._tell_stalled()
        self._schedule_pump()

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
        self._enqueue(self._cell(address), Envelope(message, origin=Work(outbox_id)))

    def discard(self, outbox_id: int) -> None:
        """Forget work from the outbox that needs no answer."""
        self.complete(outbox_id, "", None)

    def read(self, address: str) -> Any:
        """Return an actor's committed state; loads it when it is not in memory."""
        cell = self._cells.get(address) or self._made(address)
        if self._committing is not None and cell.run == self._committing.number:
            return self._committing.before(cell)
        if not cell.loaded:
            cell.load(self._journal)
        if cell.turn:  # looking at what does not exist keeps nothing in memory
            self._cells.setdefault(address, cell)
        return cell.state

    def counters(self) -> Mapping[str, int]:
        """Return counts since start, and the present sizes."""
        waiting = sum(cell.waiting for cell in self._ready)
        passivated = self._idle_cells.passivated
        return {**self._counters, "passivated": passivated, "resident": len(self._cells), "waiting": waiting}

    def _settled_runs(self) -> int:
        return self._runs if self._committing is None else self._committing.number - 1

    # Refusals.

    def _is_quarantined(self, cell: Cell) -> bool:
        if len(cell.crashes) < CRASHES_TO_QUARANTINE:
            return False
        return self._clock.monotonic() - cell.crashes[-1] < CRASH_WINDOW_S

    def _refusal(self, cell: Cell) -> NotTaken:
        if self._stopping:
            return NotTaken("stopping", "the hub is shutting down", 5.0)
        if self.storage_down:
            return NotTaken("storage_down", "the hub cannot write to its disk", 5.0)
        if cell.waiting >= self._bound:
            return NotTaken("busy", f"{cell.waiting} messages wait already", 1.0)
        return NotTaken("quarantined", "failed too often within a minute; a person must look at it", CRASH_WINDOW_S)

    # Reminders.

    def _rearm(self) -> None:
        """Sleep until the next reminder is due, and until the next look at silent actors."""
        if self._loop is not None and not self._stopping:
            self._idle_cells.arm(self._loop)
        due = self._reminders.next_due()
        if due is None and self._nap is None:
            return
        if self._nap is not None:
            self._nap.cancel()
            self._nap = None
        if due is None or self._loop is None or self._stopping:
            return
        delay_s = max(0.0, due - self._clock.now().timestamp())
        self._nap = self._loop.call_later(min(delay_s, _LONGEST_NAP_S), self._deliver_due)

    def _deliver_due(self) -> None:
        for row in self._reminders.take_due(self._clock.now().timestamp()):
            cell = self._cell(row.address)
            envelope = _decoded(cell, row.message, row.schema)
            envelope.origin = row
            self._enqueue(cell, envelope)
        self._rearm()


def _call(done: Done, outcome: Outcome) -> None:
    done(outcome)


def _decoded(cell: Cell, message: bytes, schema: int) -> Envelope:
    """Return a journalled message on its way; one that nobody can read any more goes to the dead letters."""
    assert cell.kind is not None  # noqa: S101 - only actors get journalled messages
    try:
        return Envelope(cell.kind.read_message(message, schema))
    except DecodeError as error:
        return Envelope(message, poison=f"cannot be read: {error}")
