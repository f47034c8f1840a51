"""What a kind of durable actor is made of: a pure core, and the effects that its turns may want.

A turn is ``step(state, message, now) -> Step``. The journal keeps the message and the step's events; a restart folds
them again and decides nothing. Effects become visible only after the turn's batch is committed.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from msgspec import Struct

StateT = TypeVar("StateT")


class Tell(Struct, frozen=True, gc=False):
    """Send a message to another durable actor: at ``kind/name``."""

    address: str
    message: Any


class Remind(Struct, frozen=True, gc=False):
    """Get ``message`` at ``due``; a reminder of the same name is replaced."""

    name: str
    due: datetime
    message: Any


class Forget(Struct, frozen=True, gc=False):
    """Drop the reminder of this name."""

    name: str


class Emit(Struct, frozen=True, gc=False):
    """Give work to a relay. Its outcome comes back as a message; until that is consumed the work is kept."""

    relay: str
    body: Any


class Put(Struct, frozen=True, gc=False):
    """Write a read model."""

    kind: str
    key: str
    owner: str
    body: Any


class Remove(Struct, frozen=True, gc=False):
    """Delete a read model."""

    kind: str
    key: str


class Note(Struct, frozen=True, gc=False):
    """Add a link to the decision's chain that ``correlation_id`` names."""

    correlation_id: str
    step: str
    sentence: str
    facts: dict[str, Any] = {}


class Claim(Struct, frozen=True, gc=False):
    """Take a name that only one holder may have; the batch is refused when another holds it."""

    name: str
    holder: str


class Release(Struct, frozen=True, gc=False):
    """Give a claimed name back."""

    name: str


class Meter(Struct, frozen=True, gc=False):
    """Change a bounded counter by ``delta``; the batch is refused when it would leave 0..``cap``."""

    name: str
    delta: int
    cap: int


Effect = Tell | Remind | Forget | Emit | Put | Remove | Note | Claim | Release | Meter


class Step(Struct, Generic[StateT], frozen=True, gc=False):
    """What one turn decided. ``reply`` goes to an outside asker after the commit."""

    state: StateT
    events: tuple[Any, ...] = ()
    effects: tuple[Effect, ...] = ()
    reply: Any = None


class Core(Protocol[StateT]):
    """A kind of durable actor: pure functions and the types they speak.

    ``schema`` counts the versions of messages, events, states and ``fold``. What was journalled under an older one is
    lifted by the kind's upcasters first; a snapshot that they cannot lift is not used, and all turns are folded anew.
    A core brings them as ``upcasters`` and ``state_upcasters``, where it has any.

    A core may have a ``quick(state, message)``: the state after a message that it records and on which it surely
    decides nothing, as ``step`` would give it, told at little cost; None where ``step`` must be asked.
    """

    kind: str
    schema: int
    state_type: Any
    message_type: Any
    """A tagged union of all messages this kind understands."""
    event_type: Any
    """A tagged union of all its events."""

    def initial(self, name: str) -> StateT:
        """Return the state before the first message."""
        ...

    def step(self, state: StateT, message: Any, now: datetime) -> Step[StateT]:
        """Decide. Must not read a clock, draw chance or do I/O."""
        ...

    def fold(self, state: StateT, message: Any, events: tuple[Any, ...], at: datetime) -> StateT:
        """Return the state after a recorded turn: for every step, ``fold`` of what it recorded gives its state."""
        ...

    def records(self, message: Any) -> bool:
        """Say whether this message is a fact to keep even when nothing was decided on it (a reading is)."""
        ...


Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
Upcasters = Mapping[tuple[int, str], Upcaster]
"""(schema before, tag) -> the same message or event one schema later, on plain dicts. Unnamed ones stay as they are."""
StateUpcasters = Mapping[int, Upcaster]
"""schema before -> the same state one schema later, on plain dicts.

Without one a kind's snapshots of that schema are not used. Where retention has removed the turns behind them they are
all that is left: such a journal is refused by a program that cannot lift them."""
