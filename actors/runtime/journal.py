"""The journal port: what one batch of turns commits, and what a restart reads back.

Everything in a ``Batch`` becomes durable in one transaction or not at all.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol

from msgspec import Struct


class TurnRow(Struct, frozen=True, kw_only=True, gc=False):
    """One turn of one actor: the message as its own event, and the decisions taken on it.

    ``position`` orders all turns of the installation; ``turn`` counts those of the actor. ``at`` is the time that the
    turn saw, in seconds since 1970 UTC: a replay uses it and asks no clock.
    """

    position: int
    address: str
    turn: int
    schema: int
    message_id: str
    at: float
    message: bytes
    events: bytes


class SnapshotRow(Struct, frozen=True, kw_only=True, gc=False):
    """A hint: the state after ``turn``, written under ``schema`` of its kind's ``fold``."""

    address: str
    position: int
    turn: int
    schema: int
    state: bytes


class TellRow(Struct, frozen=True, kw_only=True, gc=False):
    """A message between durable actors that its receiver has not consumed yet."""

    tell_id: int
    address: str
    message: bytes
    schema: int = 1
    """Of the receiver's kind, when the message was written."""


class ReminderRow(Struct, frozen=True, kw_only=True, gc=False):
    """A message that an actor will get at ``due`` (seconds since 1970 UTC), also after a restart."""

    address: str
    name: str
    due: float
    message: bytes
    schema: int = 1


class OutboxRow(Struct, frozen=True, kw_only=True, gc=False):
    """Work for a relay, kept until its outcome was consumed by the actor that wanted it."""

    outbox_id: int
    relay: str
    address: str
    body: bytes
    created_at: float


class RecordRow(Struct, frozen=True, kw_only=True, gc=False):
    """A read model: the newest form of something, found by kind and key and listed by owner. No body: removed."""

    kind: str
    key: str
    owner: str
    body: bytes | None
    at: float = 0.0
    """When it was first shown, in seconds since 1970 UTC; the store keeps the first. Zero: nobody lists it by time."""


class NoteRow(Struct, frozen=True, kw_only=True, gc=False):
    """One link of a decision's chain, kept under its correlation id."""

    correlation_id: str
    at: float
    address: str
    step: str
    body: bytes


class MeterDelta(Struct, frozen=True, kw_only=True, gc=False):
    """A change of a bounded counter. The store refuses the transaction that would leave 0..``cap``."""

    name: str
    delta: int
    cap: int


class DeadLetterRow(Struct, frozen=True, kw_only=True, gc=False):
    """A message that could not be processed, with the reason; for people."""

    at: float
    address: str
    reason: str
    message: bytes


class Batch(Struct, kw_only=True):
    """All that one run of the queue decided."""

    turns: list[TurnRow] = []
    snapshots: list[SnapshotRow] = []
    tells_added: list[TellRow] = []
    tells_consumed: list[int] = []
    reminders_set: list[ReminderRow] = []
    reminders_cleared: list[tuple[str, str]] = []
    outbox_added: list[OutboxRow] = []
    outbox_done: list[int] = []
    records: list[RecordRow] = []
    notes: list[NoteRow] = []
    claims: list[tuple[str, str | None]] = []
    """(name, holder) in order; no holder gives the name back."""
    meters: list[MeterDelta] = []
    dead_letters: list[DeadLetterRow] = []

    def is_empty(self) -> bool:
        """Say whether there is nothing to write."""
        return not any(getattr(self, name) for name in self.__struct_fields__)


WORK_BITS: Final = 40
"""Numbers of work in an epoch, as a power of two: a million million, and eight million epochs fit into 63 bits."""


class Recovered(Struct, frozen=True, kw_only=True):
    """What a restart must know before the first turn runs. ``next_outbox_id`` is above all that was ever used."""

    next_position: int
    next_tell_id: int
    next_outbox_id: int
    tells: Sequence[TellRow]
    reminders: Sequence[ReminderRow]
    outbox: Sequence[OutboxRow]


class Loaded(Struct, frozen=True, kw_only=True):
    """What an actor's state is folded from: a snapshot, if one exists, and the turns after it."""

    snapshot: SnapshotRow | None
    turns: Sequence[TurnRow]


class JournalUnavailable(Exception):
    """The disk is full or fails: nothing of the batch is written, and the same batch may succeed later."""


class BatchRefused(Exception):
    """A constraint refused the batch: some message in it decided what the store does not allow."""


class History(Protocol):
    """What an actor's state can be folded from."""

    def load(self, address: str) -> Loaded:
        """Return an actor's snapshot and the turns behind it."""
        ...

    def turns(self, address: str, *, after: int = 0) -> Sequence[TurnRow]:
        """Return one actor's turns behind a position, in their order."""
        ...


class Journal(History, Protocol):
    """Where turns become durable. One writer; reads see committed data only."""

    def commit(self, batch: Batch, done: Callable[[Exception | None], None]) -> None:
        """Write the batch in one transaction on the writer's thread; ``done`` is called on the event loop.

        ``done(None)`` means that all of it survives power loss. ``JournalUnavailable`` and ``BatchRefused`` mean that
        nothing of it was written.
        """
        ...

    def recover(self) -> Recovered:
        """Return what was left when the last process ended."""
        ...

    def has_turn(self, address: str, message_id: str) -> bool:
        """Say whether this actor has consumed this message."""
        ...

    def record(self, kind: str, key: str) -> bytes | None:
        """Return one read model."""
        ...

    def records(
        self, kind: str, owner: str | None = None, *, after: str = "", limit: int | None = None
    ) -> Iterable[RecordRow]:
        """Return read models of a kind by key: of one owner where one is named, behind a key, at most so many."""
        ...

    def latest(
        self, kind: str, owner: str | None = None, *, before: tuple[float, str] | None = None, limit: int
    ) -> Sequence[RecordRow]:
        """Return read models of a kind, newest first: of one owner where one is named, older than ``before``.

        ``before`` is the ``at`` and the key of the last one that was seen; of one moment the greater key comes first.

        Raises:
            LookupError: the store keeps no order by time of this kind.
        """
        ...

    def records_by(self, kind: str, field: str, value: str) -> Iterable[RecordRow]:
        """Return the read models of a kind whose JSON has this value in a field, by key.

        Only for fields that the store keeps an index of, so that nobody walks all records by mistake.

        Raises:
            LookupError: it keeps none of this field.
        """
        ...

    def owners(self, kind: str) -> Mapping[str, int]:
        """Return how many read models of a kind each owner has."""
        ...

    def notes(self, correlation_id: str) -> Sequence[NoteRow]:
        """Return a decision's chain, oldest first."""
        ...

    def counts(self) -> Mapping[str, int]:
        """Return the number of rows by table, for health checks and tests."""
        ...
