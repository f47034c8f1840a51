"""What every universe is made of: a loop whose order is drawn, a clock that lies, a log with a digest."""

import asyncio
from collections import Counter
from collections.abc import Callable, Generator, MutableMapping
from contextlib import contextmanager
from contextvars import Context
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from random import Random
from typing import Any, Final, NoReturn, TypeVarTuple, Unpack

import structlog

from actors.testing import VirtualTimeLoop

Ts = TypeVarTuple("Ts")

BEGIN: Final = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
HOUR_S: Final = 3600.0
DAY_S: Final = 86400.0
_SHUFFLED: Final = 0.2
_LONGEST_DELAY_S: Final = 0.002


def chance_of(seed: int, name: str) -> Random:
    """Return a stream of chance of its own, the same in every process."""
    return Random(f"{seed}/{name}")


class ShuffledLoop(VirtualTimeLoop):
    """A virtual-time loop on which what is ready runs in an order that the seed draws.

    Some callbacks are put off by a moment, so that others overtake them: asyncio promises no order between tasks.
    """

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        super().__init__()

    def call_soon(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Run a callback soon, and sometimes a moment later."""
        if self._chance.random() < _SHUFFLED:
            return self.call_later(self._chance.random() * _LONGEST_DELAY_S, callback, *args, context=context)
        return super().call_soon(callback, *args, context=context)


class JumpingClock:
    """The hub's clock: the loop's time, and the jumps that somebody made in the system's."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._jumped = timedelta()

    def now(self) -> datetime:
        """Return what the hub takes for the present."""
        return self.true_now() + self._jumped

    def true_now(self) -> datetime:
        """Return the present of everybody else."""
        return BEGIN + timedelta(microseconds=round(self._loop.time() * 1e6))

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return self._loop.time()

    def jump(self, seconds: float) -> None:
        """Set the system's clock forward or back."""
        self._jumped += timedelta(seconds=round(seconds))


class Chronicle:
    """All that happens, in order, as a digest: two runs of one seed are the same when their digests are."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, keep: bool = False) -> None:
        self._loop = loop
        self._hash = blake2b(digest_size=16)
        self._keep = keep
        self.lines: list[str] = []
        self.events = 0

    def tell(self, what: str, *facts: Any) -> None:
        """Add one event."""
        line = f"{self._loop.time():.6f} {what} {' '.join(map(str, facts))}"
        self._hash.update(line.encode())
        self.events += 1
        if self._keep:
            self.lines.append(line)

    def digest(self) -> str:
        """Return what stands for everything so far."""
        return self._hash.hexdigest()


@contextmanager
def hearing(heard: Counter[str], told: Callable[[MutableMapping[str, Any]], None]) -> Generator[None]:
    """Take in what the hub logs, and print none of it."""
    processors = structlog.get_config()["processors"]
    former = processors.copy()

    def hear(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> NoReturn:
        heard[str(event["event"])] += 1
        told(event)
        raise structlog.DropEvent

    try:
        processors[:] = [hear]
        structlog.configure(processors=processors)
        yield
    finally:
        processors[:] = former
        structlog.configure(processors=processors)
