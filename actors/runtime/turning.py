"""One turn: a message meets its actor, and what follows becomes rows of the run's batch.

The lowest of the engine's three layers: ``Turning`` takes single messages, ``Pump`` gathers them into batches,
``TurnEngine`` is what others use.
"""

from abc import ABC, abstractmethod
from typing import Any

import structlog

from actors.runtime.cells import Cell, Envelope, Kind, NotTaken, Origin, PendingTell, Taken, Work, opened
from actors.runtime.contract import EngineClock, EngineSettings, JobRelay, Relay
from actors.runtime.effects import Prepared, prepared_row
from actors.runtime.encoding import encode, for_people
from actors.runtime.journal import DeadLetterRow, Journal, JournalUnavailable, OutboxRow, TurnRow
from actors.runtime.runs import Run
from actors.runtime.swift import swift_turns
from actors.runtime.turns import Effect, Emit, Step, Tell

log = structlog.get_logger(__name__)

CRASHES_TO_QUARANTINE = 3
CRASH_WINDOW_S = 60.0
TAKEN = Taken()


class Turning(ABC):
    """Takes one message at a time into a run. Nothing of it is visible before the run's batch is committed."""

    def __init__(self, journal: Journal, clock: EngineClock, settings: EngineSettings | None = None) -> None:
        self._journal = journal
        self._clock = clock
        self._settings = settings or EngineSettings()
        self._kinds: dict[str, Kind] = {}
        self._relays: dict[str, Relay] = {}
        self._beginners: dict[str, JobRelay] = {}
        self._cells: dict[str, Cell] = {}
        self._swift = swift_turns()
        self._one_by_one = 0
        self._next_position: int = 1
        self._next_tell_id = self._next_outbox_id = 1
        self._counters = dict.fromkeys(
            ("turns", "batches", "duplicates", "dead_letters", "refused", "crashes", "rolled_back"), 0
        )

    @abstractmethod
    def _enqueue(self, cell: Cell, envelope: Envelope) -> None:
        """Put a message into an actor's mailbox and see that it gets its turn."""

    # Cells and relays.

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

    # The turn.

    def _turn(self, run: Run, cell: Cell, envelope: Envelope) -> None:  # noqa: PLR0915 - hot: calls cost more
        """Let an actor take a message; one that cannot be taken goes to the dead letters.

        Raises:
            JournalUnavailable: the actor's state cannot be read at the moment.
        """
        run.processed.append(envelope)
        kind = cell.kind
        if envelope.origin is not None:
            _consume(run, envelope.origin)
        if kind is None or envelope.poison is not None:
            self._refuse(run, cell, envelope)
            return
        try:
            if not cell.loaded:
                cell.load(self._journal)
            message_id = envelope.message_id
            if (
                message_id
                and not (cell.advances(message_id) and not self._one_by_one)
                and self._is_duplicate(run, cell, message_id)
            ):
                run.pass_over(envelope)
                return
            message = envelope.message
            if message is None and envelope.packed is not None:
                message = kind.read_present(envelope.packed)
            step = kind.step(cell.state, message, run.now)
            effects = [self._prepared(run, cell, effect) for effect in step.effects] if step.effects else ()
            if step.events or kind.records(message):
                self._record(run, cell, envelope, step, message)
        except JournalUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - a core's defect must not stop the hub
            self._crashed(run, cell, envelope, error)
            return
        run.touch(cell)
        cell.state = step.state
        for take, row in effects:
            take(row)
        if step.reply is not None:
            envelope.outcome = Taken(reply=step.reply)

    def _is_duplicate(self, run: Run, cell: Cell, message_id: str) -> bool:
        """Judge what the cell is not sure of, and everything after the store refused a batch: the index knows."""
        if run.has_taken(cell.address, message_id) or self._journal.has_turn(cell.address, message_id):
            return True
        cell.remember(message_id)
        return False

    def _record(self, run: Run, cell: Cell, envelope: Envelope, step: Step[Any], message: Any) -> None:
        kind: Any = cell.kind
        turn = cell.turn + 1
        row = TurnRow(
            position=self._next_position,
            address=cell.address,
            turn=turn,
            schema=kind.schema,
            message_id=envelope.message_id or f"#{turn}",
            at=run.at,
            message=envelope.packed or encode(message),
            events=encode(step.events) if step.events else b"",
        )
        self._next_position += 1
        cell.turn = turn
        run.batch.turns.append(row)

    # What cannot be taken.

    def _refuse(self, run: Run, cell: Cell, envelope: Envelope) -> None:
        if envelope.poison is not None and cell.kind is not None:
            self._bury(run, cell, envelope, envelope.poison)
            envelope.outcome = NotTaken("refused", envelope.poison)

    def _crashed(self, run: Run, cell: Cell, envelope: Envelope, error: Exception) -> None:
        log.error("turn_failed", actor=cell.address, exc_info=error)
        self._counters["crashes"] += 1
        now = self._clock.monotonic()
        cell.crashes = (*(at for at in cell.crashes if now - at < CRASH_WINDOW_S), now)
        self._bury(run, cell, envelope, f"{type(error).__name__}: {error}")
        envelope.outcome = NotTaken("failed", "the hub failed on this message and keeps it for a person")

    def _bury(self, run: Run, cell: Cell, envelope: Envelope, reason: str) -> None:
        self._counters["dead_letters"] += 1
        message = envelope.message if cell.kind is None else opened(cell.kind, envelope)
        row = DeadLetterRow(at=run.at, address=cell.address, reason=reason, message=for_people(message))
        run.batch.dead_letters.append(row)

    # Effects.

    def _prepared(self, run: Run, cell: Cell, effect: Effect) -> Prepared:
        if type(effect) is Tell:
            envelope = Envelope(effect.message, packed=encode(effect.message))
            return self._tell, (run, self._cell(effect.address), envelope)
        if type(effect) is Emit:
            self._relay(effect.relay)
            return run.emit, (self._work(run, cell, effect.relay, encode(effect.body)), effect.body)
        return prepared_row(run, cell.address, effect, cell.kind.schema if cell.kind else 1)

    def _tell(self, told: tuple[Run, Cell, Envelope]) -> None:
        run, target, envelope = told
        run.told.append((target, envelope))
        self._enqueue(target, envelope)

    def _work(self, run: Run, cell: Cell, relay: str, body: bytes) -> OutboxRow:
        """Return a row of the outbox; a number is used once, also when its turn is not taken in the end."""
        number = self._next_outbox_id
        self._next_outbox_id = number + 1
        return OutboxRow(outbox_id=number, relay=relay, address=cell.address, body=body, created_at=run.at)


def _consume(run: Run, origin: Origin) -> None:
    """Delete what brought the message, in the transaction of its turn."""
    match origin:
        case PendingTell(tell_id=tell_id):
            run.batch.tells_consumed.append(tell_id)
        case Work(outbox_id=outbox_id):
            run.batch.outbox_done.append(outbox_id)
        case reminder:
            run.reminders[reminder.address, reminder.name] = None
