"""Figures: what the system counts while it runs."""

from typing import Any

from msgspec import Struct

from actors.runtime.actor import Actor
from actors.runtime.kinds import Kind
from actors.runtime.mailbox import SHORT


class KindFigures(Struct, frozen=True, kw_only=True):
    """Counts of one kind since the start; ``live`` is how many there are now."""

    live: int
    handled: int
    failed: int
    restarted: int
    quarantined: int
    passivated: int
    activated: int
    """Incarnations of passive actors that a message brought back."""


class Figures(Struct, frozen=True, kw_only=True):
    """Counts of the whole system since the start."""

    kinds: dict[str, KindFigures]
    dead_letters: dict[str, int]
    pumps: int
    busy_s: float
    ready: int
    waiting: int
    """Handlers and hooks that wait for something."""


class KindMeter:
    """The counters of one kind in one system, beside what the hot path needs of the kind."""

    __slots__ = (
        "activated",
        "failed",
        "handled",
        "has_clocks",
        "kind",
        "live",
        "made",
        "make",
        "passivated",
        "quarantined",
        "restarted",
        "short",
        "starts",
    )

    def __init__(self, kind: Kind[Any]) -> None:
        self.kind = kind
        self.make = kind.make
        self.short = min(kind.capacity, SHORT)
        self.has_clocks = kind.receive_timeout_s is not None or kind.passivate_after_s is not None
        self.made: type[Any] | None = None
        self.starts = False
        self.live = self.handled = self.failed = self.restarted = self.quarantined = 0
        self.passivated = self.activated = 0

    def wants_start(self, actor: Actor[Any]) -> bool:
        """Say whether the actor has a ``started`` hook; looked up once a type."""
        made: type[Any] = type(actor)
        if made is not self.made:
            self.made, self.starts = made, made.started is not Actor[Any].started
        return self.starts

    def figures(self) -> KindFigures:
        """Return the counts as they are."""
        return KindFigures(
            live=self.live,
            handled=self.handled,
            failed=self.failed,
            restarted=self.restarted,
            quarantined=self.quarantined,
            passivated=self.passivated,
            activated=self.activated,
        )


def add(one: KindFigures, other: KindFigures) -> KindFigures:
    """Return the sums of two kinds that share a name."""
    sums = {field: getattr(one, field) + getattr(other, field) for field in KindFigures.__struct_fields__}
    return KindFigures(**sums)
