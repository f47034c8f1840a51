"""What the turn engine is given and what it answers with: clock, settings, relays, refused asks."""

from datetime import datetime
from typing import Protocol

from msgspec import Struct

from actors.runtime.journal import OutboxRow


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
