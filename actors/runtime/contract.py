"""What a turn engine is to everybody else, what it is given, and what it answers with."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct

from actors.runtime.cells import Done, Settle
from actors.runtime.journal import OutboxRow, RecordRow
from actors.runtime.turns import Core, StateUpcasters, Upcasters


class EngineClock(Protocol):
    """Time for turns and for budgets."""

    def now(self) -> datetime:
        """Return the present, aware and in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...


class EngineSettings(Struct, frozen=True, kw_only=True):
    """Limits of the engine. ``batch_s`` bounds how long one run holds the event loop."""

    batch_turns: int = 2048
    batch_s: float = 0.008
    mailbox_bound: int = 1000
    snapshot_every: int = 48
    passivate_after_s: float = 900.0
    """Silence after which an actor leaves memory, within twice this time; its next message loads it again."""
    storage_retry_s: float = 0.5
    storage_retry_cap_s: float = 10.0


class AskFailed(Exception):
    """An ask was not answered. ``code`` is that of ``NotTaken``, or ``timeout``."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class Relay(Protocol):
    """Executes work from the outbox. Called after the commit, on the event loop; must not block."""

    def work(self, row: OutboxRow, *, recovered: bool) -> None:
        """Take one piece of work. ``recovered``: a former process may have begun it already."""
        ...


@runtime_checkable
class JobRelay(Relay, Protocol):
    """A relay that takes work which this process decided as the object it is, and need not decode it."""

    def begin(self, row: OutboxRow, job: Any) -> None:
        """Take one piece of work that nobody has begun; ``job`` is what ``row.body`` says."""
        ...


class Engine(Protocol):
    """Durable actors behind one door: a ``TurnEngine``, or all shards of a ``ShardHost``."""

    def add_kind(
        self, core: Core[Any], upcasters: Upcasters | None = None, state_upcasters: StateUpcasters | None = None
    ) -> None:
        """Register a kind of actor."""
        ...

    def add_relay(self, name: str, relay: Relay) -> None:
        """Register who executes the outbox rows of this relay name."""
        ...

    def on_records(self, watcher: Callable[[Sequence[RecordRow]], None]) -> None:
        """Call ``watcher`` with the read models of each commit that has any."""
        ...

    def start(self) -> None:
        """Recover, and take up what a former process left."""
        ...

    async def stop(self, *, within_s: float = 5.0) -> bool:
        """Refuse new messages, finish what was accepted, and say whether all of it was committed in time."""
        ...

    def submit(self, address: str, message: Any, done: Done, message_id: str = "") -> None:
        """Hand in a message; ``done`` is called once, after its turn is durable or when it is refused."""
        ...

    def deliver(
        self, address: str, message: Any, message_id: str, settle: Settle, token: Any, packed: bytes | None = None
    ) -> bool:
        """Hand in a message as ``submit`` does; ``settle(token, outcome)`` is called once.

        ``packed`` are the message's bytes for the journal, where they were made already. Says whether the message is in
        its mailbox now.
        """
        ...

    def urge(self, address: str, message: Any, done: Done, stalled: Callable[[], None]) -> None:
        """Hand in what must be heard at once, before all else that its actor is asked.

        It is kept until it is written; ``stalled`` is called, once, when the disk takes no writes at the moment.
        """
        ...

    async def ask(self, address: str, message: Any, *, timeout_s: float = 10.0, message_id: str = "") -> Any:
        """Hand in a message and return the core's reply once it is durable. Raises ``AskFailed``."""
        ...

    def complete(self, outbox_id: int, address: str, message: Any) -> None:
        """Tell an actor the outcome of work from the outbox; the work is forgotten when that is durable."""
        ...

    def discard(self, outbox_id: int) -> None:
        """Forget work from the outbox that needs no answer."""
        ...

    def read(self, address: str) -> Any:
        """Return an actor's committed state."""
        ...

    def counters(self) -> Mapping[str, int]:
        """Return counts since start, and the present sizes."""
        ...

    @property
    def storage_down(self) -> bool:
        """Whether the journal refuses writes at the moment."""
        ...
