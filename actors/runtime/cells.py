"""Memory of the turn engine: kinds, cells with their mailboxes, and the envelopes in them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from actors.runtime.encoding import encode, encode_legibly
from actors.runtime.journal import History, Loaded, ReminderRow, SnapshotRow, TurnRow
from actors.runtime.turns import Core, StateUpcasters, Upcasters

__all__ = [
    "Cell",
    "Done",
    "Envelope",
    "HistoryMissing",
    "Kind",
    "NotTaken",
    "Outcome",
    "Taken",
    "encode",
    "encode_legibly",
]


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
Settle = Callable[[Any, Outcome], None]
"""Called with the sender's token and the message's outcome: one function for all messages of a sender."""


class PendingTell(Struct, frozen=True, gc=False):
    """The message lies in the journal as a tell; the turn that takes it deletes it."""

    tell_id: int


class Work(Struct, frozen=True, gc=False):
    """The message is the outcome of work from the outbox; the turn that takes it deletes the work."""

    outbox_id: int


Origin = PendingTell | Work | ReminderRow


class Envelope(Struct, eq=False, gc=False):
    """One message on its way, and its place in a mailbox, which is a chain of envelopes.

    ``message`` or ``packed`` is there: a message that waits long is better off as bytes, one object instead of many
    that leave the processor's cache.
    """

    message: Any
    message_id: str = ""
    token: Any = None
    settle: Settle | None = None
    outcome: Outcome | None = None
    following: "Envelope | None" = None
    cell: Any = None
    """The receiver, once it was taken out of the mailbox."""
    origin: Origin | None = None
    packed: bytes | None = None
    """The message's bytes, as the journal keeps them."""
    poison: str | None = None
    """Why nobody can take this message: it goes to the dead letters."""
    urgent: bool = False
    """It stands before all that is not, also before what is put back."""


def opened(kind: "Kind", envelope: Envelope) -> Any:
    """Return the message in an envelope."""
    if envelope.message is None and envelope.packed is not None:
        return kind.read_present(envelope.packed)
    return envelope.message


class HistoryMissing(Exception):
    """An actor cannot be folded: turns are missing that no snapshot covers which this program can read."""


class Kind:
    """A core with its codecs.

    What was written under an older schema is lifted by the upcasters: the core's own ones where none are named.
    """

    __slots__ = (
        "_event_list",
        "_events",
        "_message",
        "_state",
        "_state_upcasters",
        "_upcasters",
        "core",
        "quick",
        "read_present",
        "records",
        "schema",
        "step",
    )

    def __init__(
        self, core: Core[Any], upcasters: Upcasters | None = None, state_upcasters: StateUpcasters | None = None
    ) -> None:
        self.core = core
        self.schema = core.schema
        self.step = core.step
        self.records = core.records
        self.quick = getattr(core, "quick", None)
        self._upcasters: Upcasters = getattr(core, "upcasters", {}) if upcasters is None else upcasters
        own_lifts: StateUpcasters = getattr(core, "state_upcasters", {})
        self._state_upcasters = own_lifts if state_upcasters is None else state_upcasters
        self._message = msgspec.msgpack.Decoder(core.message_type)
        self.read_present = self._message.decode
        self._state = msgspec.msgpack.Decoder(core.state_type)
        self._event_list: Any = tuple.__class_getitem__((core.event_type, ...))
        self._events: msgspec.msgpack.Decoder[tuple[Any, ...]] = msgspec.msgpack.Decoder(self._event_list)

    def read_message(self, packed: bytes, schema: int | None = None) -> Any:
        """Return the message that these bytes hold, written under ``schema`` or the present one."""
        if schema is None or schema == self.schema:
            return self.read_present(packed)
        return msgspec.convert(self._lifted(msgspec.msgpack.decode(packed), schema), self.core.message_type)

    def reads(self, schema: int) -> bool:
        """Say whether a snapshot's state of this schema can be lifted to the present one."""
        steps = range(schema, self.schema)
        return schema <= self.schema and all(step in self._state_upcasters for step in steps)

    def read_state(self, snapshot: SnapshotRow) -> Any:
        """Return the state that a snapshot holds whose schema this kind ``reads``."""
        if snapshot.schema == self.schema:
            return self._state.decode(snapshot.state)
        state = msgspec.msgpack.decode(snapshot.state)
        for schema in range(snapshot.schema, self.schema):
            state = self._state_upcasters[schema](state)
        return msgspec.convert(state, self.core.state_type)

    def read_events(self, row: TurnRow) -> tuple[Any, ...]:
        """Return a turn's events."""
        if not row.events:
            return ()
        if row.schema == self.schema:
            return self._events.decode(row.events)
        events = [self._lifted(event, row.schema) for event in msgspec.msgpack.decode(row.events)]
        lifted: tuple[Any, ...] = msgspec.convert(events, self._event_list)
        return lifted

    def _lifted(self, told: dict[str, Any], schema: int) -> dict[str, Any]:
        for step in range(schema, self.schema):
            told = self._upcasters.get((step, told.get("type", "")), _same)(told)
        return told


def _same(told: dict[str, Any]) -> dict[str, Any]:
    return told


class Cell(Struct, eq=False, gc=False):
    """One actor's place in memory. ``state`` runs ahead of the journal only while a batch is in flight.

    ``boot`` and ``top`` are of the last message id of the form ``boot:number``: a higher number of the same boot is
    surely new. While all ids of that form that the actor ever took are known to be of this ``one_boot``, every other
    boot is new too. All others are judged by the index.
    """

    address: str
    kind: Kind | None
    state: Any = None
    loaded: bool = False
    turn: int = 0
    snapshot_turn: int = 0
    boot: str = ""
    top: int = -1
    one_boot: bool = False
    first: Envelope | None = None
    """The mailbox is a chain from here to ``last``, of ``waiting`` messages."""
    last: Envelope | None = None
    waiting: int = 0
    queued: bool = False
    run: int = 0
    """The number of the last run that touched this cell."""
    crashes: tuple[float, ...] = ()

    # The mailbox.

    def put(self, envelope: Envelope) -> None:
        """Add a message at the end."""
        if self.last is None:
            self.first = envelope
        else:
            self.last.following = envelope
        self.last = envelope
        self.waiting += 1

    def put_back(self, envelope: Envelope) -> None:
        """Add a message at the head: nothing has become of it."""
        envelope.outcome = None
        if self.first is not None and self.first.urgent and not envelope.urgent:
            self.put_first(envelope)
            return
        envelope.following = self.first
        self.first = envelope
        if self.last is None:
            self.last = envelope
        self.waiting += 1

    def put_first(self, envelope: Envelope) -> None:
        """Add a message before all others but the urgent ones."""
        mail = list(self._mail())
        place = next((place for place, each in enumerate(mail) if not each.urgent), len(mail))
        mail.insert(place, envelope)
        self._refill(mail)

    def take(self) -> Envelope:
        """Return the first message, of which there must be one, and remove it."""
        envelope = self.first
        assert envelope is not None  # noqa: S101 - for the type checkers
        self.first = following = envelope.following
        if following is None:
            self.last = None
        else:
            envelope.following = None
        envelope.cell = self
        self.waiting -= 1
        return envelope

    def withdraw(self, unwanted: set[int]) -> None:
        """Remove the messages with these identities (``id``)."""
        self._refill([envelope for envelope in self._mail() if id(envelope) not in unwanted])

    def _refill(self, mail: list[Envelope]) -> None:
        self.first = self.last = None
        self.waiting = 0
        for envelope in mail:
            envelope.following = None
            self.put(envelope)

    def _mail(self) -> Iterator[Envelope]:
        envelope = self.first
        while envelope is not None:
            yield envelope
            envelope = envelope.following

    # The state.

    def load(self, history: History) -> None:
        """Fold what the journal holds of this actor; all of its turns where its snapshot cannot be lifted.

        Raises:
            HistoryMissing: turns are missing that no snapshot covers which this kind can read.
        """
        assert self.kind is not None  # noqa: S101 - only cells with a kind are ever loaded
        loaded = history.load(self.address)
        if loaded.snapshot is not None and not self.kind.reads(loaded.snapshot.schema):
            loaded = self._whole(history, loaded.snapshot)
        self.fill(loaded)

    def _whole(self, history: History, snapshot: SnapshotRow) -> Loaded:
        turns = history.turns(self.address)
        if not turns or turns[-1].turn < snapshot.turn:
            raise HistoryMissing(self._missing(0, snapshot.turn + 1, snapshot))
        return Loaded(snapshot=None, turns=turns)

    def fill(self, loaded: Loaded) -> None:
        """Fold the journal's rows into this cell's state.

        Raises:
            HistoryMissing: turns are missing that the snapshot does not cover.
        """
        assert self.kind is not None  # noqa: S101 - only cells with a kind are ever loaded
        core = self.kind.core
        snapshot = loaded.snapshot
        if snapshot is not None and self.kind.reads(snapshot.schema):
            state, turn = self.kind.read_state(snapshot), snapshot.turn
        else:
            state, turn = core.initial(self.address.partition("/")[2]), 0
        self.snapshot_turn = turn
        self.drop()
        self.one_boot = turn == 0  # all of its turns follow
        for row in loaded.turns:
            if row.turn > turn:
                if row.turn != turn + 1:
                    raise HistoryMissing(self._missing(turn, row.turn, snapshot))
                at = datetime.fromtimestamp(row.at, UTC)
                message = self.kind.read_message(row.message, row.schema)
                state = core.fold(state, message, self.kind.read_events(row), at)
                turn = row.turn
            self.remember(row.message_id)
        self.state = state
        self.turn = turn
        self.loaded = True

    def _missing(self, turn: int, found: int, snapshot: SnapshotRow | None) -> str:
        held = "no snapshot" if snapshot is None else f"a snapshot of turn {snapshot.turn}, schema {snapshot.schema}"
        return (
            f"{self.address}: turns {turn + 1} to {found - 1} are missing; there is {held}."
            " Start the release that wrote this journal last, or restore a backup"
        )

    def drop(self) -> None:
        """Forget what was not committed; the next message loads the state anew."""
        self.loaded = False
        self.state = None
        self.boot = ""
        self.top = -1
        self.one_boot = False

    def advances(self, message_id: str) -> bool:
        """Say whether this id's number is above all that its boot had, and move up to it.

        False when only the index knows. A device that sends numbers out of order may be judged wrongly here once; the
        store then refuses the batch, and its messages are judged by the index alone.
        """
        boot, _, digits = message_id.rpartition(":")
        if not boot or not digits.isdecimal():
            return False
        number = int(digits)
        if boot != self.boot:
            if not self.one_boot:
                return False
            self.one_boot = not self.boot
            self.boot = boot
        elif number <= self.top:
            return False
        self.top = number
        return True

    def remember(self, message_id: str) -> None:
        """Begin to count with this id, where its number is the highest of its boot."""
        boot, _, digits = message_id.rpartition(":")
        if boot and digits.isdecimal():
            number = int(digits)
            if boot != self.boot:
                self.one_boot = self.one_boot and not self.boot
                self.boot, self.top = boot, number
            elif number > self.top:
                self.top = number
