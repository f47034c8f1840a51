"""Dead letters: every message that no handler took to its end, counted by reason and sampled."""

from collections import Counter, deque
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from msgspec import Struct


class DeadReason(StrEnum):
    """Why a message was not handled."""

    STOPPED = "stopped"
    QUARANTINED = "quarantined"
    OVERFLOW = "overflow"
    COALESCED = "coalesced"
    FAILED = "failed"
    """The handler raised: this is the message it choked on."""
    CANCELLED = "cancelled"
    """The actor was stopped while its handler waited."""
    EXPIRED = "expired"
    """The asker gave up before the handler saw the question."""
    LATE_ANSWER = "late_answer"
    """The answer came when the asker had given up."""
    STOPPING = "stopping"
    """Sent from outside while the system drains or after it stopped."""


class DeadLetter(Struct, frozen=True, kw_only=True):
    """A message that was not handled. ``origin`` is the sender's path, or ``outside``."""

    message: Any
    recipient: str
    reason: DeadReason
    origin: str
    detail: str = ""
    at_s: float
    """The system's monotonic clock."""


class DeadLetters:
    """The system's one stream of dead letters: all are counted, up to ``samples_per_s`` are kept and shown."""

    def __init__(self, monotonic: Callable[[], float], *, samples_per_s: int, keep: int) -> None:
        self._monotonic = monotonic
        self._samples_per_s = samples_per_s
        self._recent: deque[DeadLetter] = deque(maxlen=keep)
        self._counts: Counter[DeadReason] = Counter()
        self._listeners: dict[int, Callable[[DeadLetter], None]] = {}
        self._second = -1
        self._shown = 0
        self._subscriptions = 0

    @property
    def counts(self) -> dict[DeadReason, int]:
        """Return how many there were for each reason."""
        return dict(self._counts)

    @property
    def total(self) -> int:
        """Return how many there were."""
        return self._counts.total()

    @property
    def recent(self) -> tuple[DeadLetter, ...]:
        """Return the last samples, oldest first."""
        return tuple(self._recent)

    def subscribe(self, listener: Callable[[DeadLetter], None]) -> Callable[[], None]:
        """Show each sample to ``listener``, which must not raise; the answer ends that."""
        self._subscriptions += 1
        key = self._subscriptions
        self._listeners[key] = listener

        def unsubscribe() -> None:
            self._listeners.pop(key, None)

        return unsubscribe

    def put(self, message: Any, *, recipient: str, reason: DeadReason, origin: str, detail: str = "") -> None:
        """Count one, and keep and show it where the sample allows."""
        self._counts[reason] += 1
        now = self._monotonic()
        if not self._in_sample(int(now)):
            return
        letter = DeadLetter(message=message, recipient=recipient, reason=reason, origin=origin, detail=detail, at_s=now)
        self._recent.append(letter)
        for listener in tuple(self._listeners.values()):
            listener(letter)

    def _in_sample(self, second: int) -> bool:
        if second != self._second:
            self._second, self._shown = second, 0
        self._shown += 1
        return self._shown <= self._samples_per_s
