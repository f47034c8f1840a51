"""Memory of the turn engine: cells, envelopes, and what one run of the queue has gathered."""

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from numbers import Integral, Real
from typing import Any

import msgspec
from msgspec import Struct

from actors.runtime.journal import Batch, Loaded, OutboxRow, ReminderRow, SnapshotRow, TellRow, TurnRow
from actors.runtime.turns import Core, Upcasters

SEEN_WINDOW = 64


def plain_number(value: Any) -> float | int:
    """Return a number of a foreign type, such as numpy's, as Python's own: only what decodes again may be kept.

    Raises:
        TypeError: it is no number, so the journal could not give it back.
    """
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    raise TypeError(f"{type(value).__name__} cannot be journalled: it would not come back as it is")


def legible(value: Any) -> float | int | str:
    """Return a number as Python's own, and anything else as text: for what only people will read."""
    try:
        return plain_number(value)
    except TypeError:
        return str(value)


encode = msgspec.msgpack.Encoder(enc_hook=plain_number).encode
encode_legibly = msgspec.msgpack.Encoder(enc_hook=legible).encode


class Taken(Struct, frozen=True, gc=False):
    """The message is committed. ``duplicate`` says it had been before; ``reply`` is the core's answer to an asker."""

    duplicate: bool = False
    reply: Any = None


class NotTaken(Struct, frozen=True, gc=False):
    """The message was not taken: ``busy``, ``storage_down``, ``stopping``, ``quarantined``, ``failed``, ``refused``."""

    code: str
    detail: str
    retry_after_s: float | None = None


Outcome = Taken | NotTaken
Done = Callable[[Outcome], None]


class Envelope:
    """One message on its way, with what must happen when its turn is durable."""

    __slots__ = ("done", "message", "message_id", "outbox_id", "poison", "reminder", "tell_id")

    def __init__(self, message: Any, message_id: str = "", done: Done | None = None) -> None:
        self.message = message
        self.message_id = message_id
        self.done = done
        self.tell_id: int | None = None
        self.outbox_id: int | None = None
        self.reminder: ReminderRow | None = None
        self.poison: str | None = None
        """Why the store refuses this message: it goes to the dead letters."""


class Kind:
    """A core with its codecs."""

    def __init__(self, core: Core[Any], upcasters: Upcasters) -> None:
        self.core = core
        self._upcasters = upcasters
        self._message = msgspec.msgpack.Decoder(core.message_type)
        self._state = msgspec.msgpack.Decoder(core.state_type)
        self._event_list: Any = tuple.__class_getitem__((core.event_type, ...))
        self._events: msgspec.msgpack.Decoder[tuple[Any, ...]] = msgspec.msgpack.Decoder(self._event_list)

    def read_message(self, packed: bytes) -> Any:
        """Return the message that these bytes hold."""
        return self._message.decode(packed)

    def read_state(self, snapshot: SnapshotRow) -> Any:
        """Return the state that a snapshot of the present schema holds."""
        return self._state.decode(snapshot.state)

    def read_events(self, row: TurnRow) -> tuple[Any, ...]:
        """Return a turn's events, lifted to the present schema."""
        if not row.events:
            return ()
        if row.schema == self.core.schema:
            return self._events.decode(row.events)
        events = msgspec.msgpack.decode(row.events)
        for schema in range(row.schema, self.core.schema):
            events = [self._upcasters.get((schema, event["type"]), _same)(event) for event in events]
        lifted: tuple[Any, ...] = msgspec.convert(events, self._event_list)
        return lifted


def _same(event: dict[str, Any]) -> dict[str, Any]:
    return event


class Cell:
    """One actor's place in memory. ``state`` runs ahead of ``committed`` only while a batch is in flight."""

    __slots__ = (
        "address",
        "boot",
        "committed",
        "crashes",
        "kind",
        "loaded",
        "mailbox",
        "queued",
        "seen",
        "snapshot_turn",
        "state",
        "top",
        "turn",
    )

    def __init__(self, address: str, kind: Kind | None) -> None:
        self.address = address
        self.kind = kind
        self.state: Any = None
        self.committed: Any = None
        self.loaded = False
        self.turn = 0
        self.snapshot_turn = 0
        self.seen: deque[str] = deque(maxlen=0)
        self.boot = ""
        self.top = -1
        self.mailbox: deque[Envelope] | None = None
        self.queued = False
        self.crashes: tuple[float, ...] = ()

    def fill(self, loaded: Loaded) -> None:
        """Fold the journal's rows into this cell's state."""
        assert self.kind is not None  # noqa: S101 - only cells with a kind are ever loaded
        core = self.kind.core
        snapshot = loaded.snapshot
        if snapshot is not None and snapshot.schema == core.schema:
            state, turn = self.kind.read_state(snapshot), snapshot.turn
        else:
            state, turn = core.initial(self.address.partition("/")[2]), 0
        self.snapshot_turn = turn
        self.drop()
        self.seen = deque(maxlen=SEEN_WINDOW)
        for row in loaded.turns:
            if row.turn > turn:
                at = datetime.fromtimestamp(row.at, UTC)
                state = core.fold(state, self.kind.read_message(row.message), self.kind.read_events(row), at)
                turn = row.turn
            self.remember(row.message_id)
        self.state = self.committed = state
        self.turn = turn
        self.loaded = True

    def drop(self) -> None:
        """Forget what was not committed; the next message loads the state anew."""
        self.loaded = False
        self.state = None
        self.seen = deque(maxlen=0)
        self.boot = ""
        self.top = -1

    def has_seen(self, message_id: str) -> bool | None:
        """Say whether this message was consumed; None when only the index knows.

        Ids of the form ``boot:number`` that rise are new without asking. A device that sends numbers out of order may
        be judged wrongly here once; the store then refuses the batch, and its messages are judged by the index alone.
        """
        if message_id in self.seen:
            return True
        boot, _, number = message_id.rpartition(":")
        return False if boot and boot == self.boot and number.isdecimal() and int(number) > self.top else None

    def remember(self, message_id: str) -> None:
        """Take a consumed message's id into the window."""
        self.seen.append(message_id)
        boot, _, number = message_id.rpartition(":")
        if boot and number.isdecimal():
            self.top = max(self.top, int(number)) if boot == self.boot else int(number)
            self.boot = boot


class Run:
    """What one run of the queue has decided so far: the batch, and what follows its commit."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.at = now.timestamp()
        self.batch = Batch()
        self.processed: list[tuple[Cell, Envelope]] = []
        self.outcomes: list[tuple[Done, Outcome]] = []
        self.touched: dict[str, Cell] = {}
        self.told: list[tuple[Cell, Envelope]] = []
        self.reminders: dict[tuple[str, str], ReminderRow | None] = {}
        self.work: list[OutboxRow] = []

    def owe(self, envelope: Envelope, outcome: Outcome) -> None:
        """Answer the sender once this run is durable."""
        if envelope.done is not None:
            self.outcomes.append((envelope.done, outcome))

    def keep_tells(self, next_id: int) -> int:
        """Add the tells that nobody consumed in this run to the batch; return the next free id."""
        consumed = {id(envelope) for _, envelope in self.processed}
        for target, envelope in self.told:
            if id(envelope) in consumed:
                continue
            envelope.tell_id = next_id
            row = TellRow(tell_id=next_id, address=target.address, message=encode(envelope.message))
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
        for cell in self.touched.values():
            if cell.turn - cell.snapshot_turn < every or cell.kind is None:
                continue
            cell.snapshot_turn = cell.turn
            row = SnapshotRow(
                address=cell.address,
                position=position,
                turn=cell.turn,
                schema=cell.kind.core.schema,
                state=encode(cell.state),
            )
            self.batch.snapshots.append(row)
