"""Kinds of actors: how they are made, bounded and supervised."""

from collections.abc import Callable, Hashable
from enum import StrEnum
from random import Random
from typing import Any, Generic

from msgspec import Struct

from actors.runtime.actor import Actor, Context
from actors.runtime.ref import MessageT


class Overflow(StrEnum):
    """What a full mailbox does with one more message. What is dropped becomes a dead letter."""

    REJECT = "reject"
    """Refuse the new one and tell the sender: for commands."""
    DROP_NEWEST = "drop_newest"
    """Drop the new one without telling the sender."""
    DROP_OLDEST = "drop_oldest"
    """Make room by dropping the oldest: for telemetry."""
    COALESCE = "coalesce"
    """Make room by dropping an older one with the same key; refuse where there is none: for latest values."""


class Directive(StrEnum):
    """What happens to an actor whose handler raised. The message that it choked on becomes a dead letter."""

    RESUME = "resume"
    RESTART = "restart"
    STOP = "stop"
    ESCALATE = "escalate"


def always_restart(_error: Exception) -> Directive:
    """Restart whatever the failure."""
    return Directive.RESTART


class Supervision(Struct, frozen=True, kw_only=True):
    """What to do when a handler raises. More than ``max_restarts`` in ``window_s`` puts the actor into quarantine."""

    decide: Callable[[Exception], Directive] = always_restart
    max_restarts: int = 5
    window_s: float = 60.0
    backoff_first_s: float = 0.1
    backoff_cap_s: float = 30.0

    def delay_s(self, attempt: int, chance: Random) -> float:
        """Return the seconds to wait before restart ``attempt`` (from 1): doubling, capped, half of it by chance."""
        full = min(self.backoff_cap_s, self.backoff_first_s * 2.0 ** min(attempt - 1, 64))
        return full * chance.uniform(0.5, 1.0)


def _same_type(message: Any) -> Hashable:
    kind: Hashable = message.__class__
    return kind


class Kind(Struct, Generic[MessageT], frozen=True, kw_only=True):
    """One kind of actor. ``make`` builds the actor at spawn and again at each restart."""

    name: str
    make: Callable[[Context], Actor[MessageT]]
    capacity: int = 1000
    overflow: Overflow = Overflow.REJECT
    coalesce_key: Callable[[MessageT], Hashable] = _same_type
    stash_capacity: int = 100
    receive_timeout_s: float | None = None
    passivate_after_s: float | None = None
    """Give up the incarnation of an actor to which nothing came for so long; its address and its mail stay."""
    supervision: Supervision = Supervision()

    def __post_init__(self) -> None:
        if self.capacity < 1:
            raise ValueError(f"kind {self.name!r}: capacity is {self.capacity}, expected at least 1")
        for what, after_s in (("receive", self.receive_timeout_s), ("passivate", self.passivate_after_s)):
            if after_s is not None and after_s <= 0:
                raise ValueError(f"kind {self.name!r}: {what} after {after_s} s of silence, expected more than 0 s")
