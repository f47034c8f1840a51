"""What one run of the queue has gathered: the batch, and what follows its commit."""

from datetime import datetime
from typing import Any

import structlog

from actors.runtime.cells import Cell, Envelope, PendingTell, Taken
from actors.runtime.encoding import encode
from actors.runtime.journal import Batch, OutboxRow, ReminderRow, SnapshotRow, TellRow

log = structlog.get_logger(__name__)

_DUPLICATE = Taken(duplicate=True)


class Run:
    """What one run of the queue has decided so far. ``number`` counts the runs of this process."""

    __slots__ = (
        "_consumed",
        "_consumed_upto",
        "at",
        "batch",
        "duplicates",
        "former",
        "jobs",
        "now",
        "number",
        "processed",
        "reminders",
        "told",
        "touched",
        "turns",
    )

    def __init__(self, number: int, now: datetime) -> None:
        self.number = number
        self.now = now
        self.at = now.timestamp()
        self.batch = Batch()
        self.processed: list[Envelope] = []
        self.touched: list[Cell] = []
        self.turns = self.duplicates = 0
        self.former: list[Any] = []
        """The states of the touched actors before this run, in their order."""
        self.told: list[tuple[Cell, Envelope]] = []
        self.jobs: list[Any] = []
        """What the batch's new rows of the outbox say, in their order: who takes them up need not decode them."""
        self.reminders: dict[tuple[str, str], ReminderRow | None] = {}
        self._consumed: set[tuple[str, str]] = set()
        self._consumed_upto = 0

    def touch(self, cell: Cell) -> None:
        """Note that an actor takes a turn in this run, and keep the state that it had before."""
        self.turns += 1
        if cell.run != self.number:
            cell.run = self.number
            self.touched.append(cell)
            self.former.append(cell.state)

    def emit(self, work: tuple[OutboxRow, Any]) -> None:
        """Add work for a relay, as a row and as what it says."""
        row, job = work
        self.batch.outbox_added.append(row)
        self.jobs.append(job)

    def pass_over(self, envelope: Envelope) -> None:
        """Answer a message that was consumed before; it has no effect."""
        self.duplicates += 1
        envelope.outcome = _DUPLICATE

    def before(self, cell: Cell) -> Any:
        """Return the state that a touched actor had before this run: what others may see until the commit."""
        return self.former[self.touched.index(cell)]

    def has_taken(self, address: str, message_id: str) -> bool:
        """Say whether a turn of this very run has consumed this message: the index does not know it yet."""
        turns = self.batch.turns
        if self._consumed_upto < len(turns):
            self._consumed.update((turn.address, turn.message_id) for turn in turns[self._consumed_upto :])
            self._consumed_upto = len(turns)
        return (address, message_id) in self._consumed

    def keep_tells(self, next_id: int) -> int:
        """Add the tells that nobody consumed in this run to the batch; return the next free id."""
        if not self.told:
            return next_id
        consumed = {id(envelope) for envelope in self.processed}
        for target, envelope in self.told:
            if id(envelope) in consumed:
                continue
            envelope.origin = PendingTell(next_id)
            row = TellRow(
                tell_id=next_id,
                address=target.address,
                message=envelope.packed or b"",
                schema=target.kind.schema if target.kind else 1,
            )
            self.batch.tells_added.append(row)
            next_id += 1
        return next_id

    def keep_reminders(self) -> None:
        """Add the last word on each reminder to the batch."""
        for key, row in self.reminders.items():
            if row is None:
                self.batch.reminders_cleared.append(key)
            else:
                self.batch.reminders_set.append(row)

    def keep_snapshots(self, position: int, every: int) -> None:
        """Add a snapshot of each touched actor whose last one is ``every`` turns old."""
        for cell in self.touched:
            if cell.turn - cell.snapshot_turn < every or cell.kind is None:
                continue
            cell.snapshot_turn = cell.turn
            try:
                state = encode(cell.state)
            except (OverflowError, TypeError, ValueError):  # a hint the less: its turns are kept
                log.exception("snapshot_not_kept", actor=cell.address)
                continue
            row = SnapshotRow(
                address=cell.address, position=position, turn=cell.turn, schema=cell.kind.schema, state=state
            )
            self.batch.snapshots.append(row)
