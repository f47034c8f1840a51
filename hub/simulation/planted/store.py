"""Faults of the store and of the engine above it."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from actors.ports import Clock
from actors.runtime.cells import Cell
from actors.runtime.contract import EngineSettings
from actors.runtime.engine import TurnEngine
from actors.runtime.journal import Batch, Journal, Recovered
from actors.runtime.runs import Run
from hub.simulation.disk import DiskJournal
from hub.simulation.parts import Parts
from hub.simulation.planted.wrapping import Wrapped

Done = Callable[[Exception | None], None]


class _EarlyJournal(Wrapped):
    def commit(self, batch: Batch, done: Done) -> None:
        self._real.commit(batch, _ignore)
        done(None)


def _ignore(error: Exception | None) -> None:
    del error


class AckBeforeCommit(Parts):
    """Devices are answered when the batch is handed to the disk, not when it is there."""

    def journal(self, journal: DiskJournal) -> Any:
        return _EarlyJournal(journal)


class _SplittingJournal(Wrapped):
    def commit(self, batch: Batch, done: Done) -> None:
        readings = Batch(turns=[replace(turn, events=b"") for turn in batch.turns if turn.address.startswith("thing/")])
        if not readings.turns or not any(turn.events for turn in batch.turns):
            self._real.commit(batch, done)
            return

        def written(error: Exception | None) -> None:
            if error is None:
                self._decide(batch, done)
            else:
                done(error)

        self._real.commit(readings, written)

    def _decide(self, batch: Batch, done: Done) -> None:
        """Write the decisions in a transaction of their own: a crash before it leaves readings without them."""
        disk = self._real.disk
        for turn in batch.turns:
            if turn.address.startswith("thing/"):
                disk.take_back(turn)
        self._real.commit(batch, done)


class TwoTransactions(Parts):
    """A reading and what was decided on it are written one after the other."""

    def journal(self, journal: DiskJournal) -> Any:
        return _SplittingJournal(journal)


class _TellsInMemory(Wrapped):
    def commit(self, batch: Batch, done: Done) -> None:
        batch.tells_added = []
        self._real.commit(batch, done)


class TellsNotKept(Parts):
    """Messages between actors live in memory only."""

    def journal(self, journal: DiskJournal) -> Any:
        return _TellsInMemory(journal)


class _Forgetful(Wrapped):
    def __init__(self, real: Any, **forgotten: Any) -> None:
        super().__init__(real)
        self._forgotten = forgotten

    def recover(self) -> Recovered:
        recovered: Recovered = self._real.recover()
        return replace(recovered, **self._forgotten)


class RemindersForgotten(Parts):
    """A restart arms no reminders."""

    def journal(self, journal: DiskJournal) -> Any:
        return _Forgetful(journal, reminders=())


class OutboxForgotten(Parts):
    """A restart hands out no work that was left."""

    def journal(self, journal: DiskJournal) -> Any:
        return _Forgetful(journal, outbox=())


class _UncheckedJournal(Wrapped):
    def commit(self, batch: Batch, done: Done) -> None:
        disk = self._real.disk
        batch.turns = [
            replace(turn, message_id=f"{turn.message_id}/{turn.position}")
            if disk.has_turn(turn.address, turn.message_id)
            else turn
            for turn in batch.turns
        ]
        self._real.commit(batch, done)


class _NeverDuplicate(TurnEngine):
    def _is_duplicate(self, run: Run, cell: Cell, message_id: str) -> bool:
        del run, cell, message_id
        return False


class NoDedupe(Parts):
    """What a device sends again is taken again."""

    def journal(self, journal: DiskJournal) -> Any:
        return _UncheckedJournal(journal)

    def engine(self, journal: Journal, clock: Clock, settings: EngineSettings) -> TurnEngine:
        return _NeverDuplicate(journal, clock, settings)


class EpochUnchecked(Parts):
    """A hub that was frozen and replaced goes on with its commit when it wakes up."""

    def journal(self, journal: DiskJournal) -> Any:
        journal.asserts_epoch = False
        return journal


class _Phantoms(TurnEngine):
    def _roll_back(self, run: Run) -> None:
        kept = [(cell, cell.state, cell.turn) for cell in (envelope.cell for envelope in run.processed)]
        super()._roll_back(run)
        for cell, state, turn in kept:
            cell.state, cell.turn, cell.loaded = state, turn, True


class MemoryAheadOfDisk(Parts):
    """After a failed commit, actors keep the state that was never written."""

    def engine(self, journal: Journal, clock: Clock, settings: EngineSettings) -> TurnEngine:
        return _Phantoms(journal, clock, settings)
