"""How fast a connection may be used: requests at once, a second and a day, by the clock that never goes back."""

import asyncio
import contextlib
import functools
from collections import deque
from collections.abc import AsyncGenerator, Callable
from enum import StrEnum
from typing import Final

_DAY_S: Final = 86_400.0
_NEARLY: Final = 1e-9


class Bucket:
    """Tokens that come back at a steady rate, and of which some may be saved."""

    def __init__(self, per_s: float, *, burst: float = 1.0) -> None:
        self._per_s = per_s
        self._burst = max(1.0, burst)
        self._level = self._burst
        self._at_s: float | None = None

    def wait_s(self, now_s: float) -> float:
        """Return seconds until a token is there; 0 when one is."""
        self._refill(now_s)
        return 0.0 if self._level >= 1.0 - _NEARLY else (1.0 - self._level) / self._per_s

    def take(self, now_s: float) -> bool:
        """Take a token, if one is there."""
        if self.wait_s(now_s) > 0.0:
            return False
        self._level -= 1.0
        return True

    def _refill(self, now_s: float) -> None:
        passed_s = 0.0 if self._at_s is None else max(0.0, now_s - self._at_s)
        self._at_s = now_s
        self._level = min(self._burst, self._level + passed_s * self._per_s)


class DayQuota:
    """At most so many in any 24 hours. Counted by the minute: a day is at most some hundred numbers."""

    def __init__(self, most: int, on_take: Callable[[], None] | None = None) -> None:
        self._most = most
        self._on_take = on_take
        self._minutes: deque[tuple[float, int]] = deque()
        self._used = 0

    def wait_s(self, now_s: float) -> float:
        """Return seconds until one is free; 0 when one is."""
        while self._minutes and self._minutes[0][0] + _DAY_S <= now_s:
            self._used -= self._minutes.popleft()[1]
        return 0.0 if self._used < self._most else max(_NEARLY, self._minutes[0][0] + _DAY_S - now_s)

    def take(self, now_s: float) -> bool:
        """Take one, if one is free."""
        if self.wait_s(now_s) > 0.0:
            return False
        self.add(1, now_s)
        if self._on_take is not None:
            self._on_take()
        return True

    def minutes(self, now_s: float) -> tuple[tuple[float, int], ...]:
        """Return what counts still, as the end of a minute and how many were used in it, oldest first."""
        self.wait_s(now_s)
        return tuple(self._minutes)

    def add(self, count: int, now_s: float) -> None:
        """Count what was used already."""
        minute = now_s - now_s % 60.0 + 60.0  # counted from the minute's end: never forgotten too early
        if self._minutes and self._minutes[-1][0] >= minute:
            self._minutes[-1] = (self._minutes[-1][0], self._minutes[-1][1] + count)
        else:
            self._minutes.append((minute, count))
        self._used += count


class Lane(StrEnum):
    """What is let through in turn, so that neither waits for all of the other."""

    TURN = "turn"
    """A place in the line of orders; the request that follows needs no other."""
    READ = "read"


Go = Callable[[], bool]
"""Sends the request that was let through; False where it is not wanted any more."""


class Pace:
    """Lets requests through one by one: no more at once, a second and a day than the connection allows.

    Whoever may go goes at once, in the call that made room: what ends and what begins then share a commit.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        *,
        parallel: int,
        per_s: float | None = None,
        per_day: DayQuota | None = None,
    ) -> None:
        self._monotonic = monotonic
        self._parallel = parallel
        self._limits: list[Bucket | DayQuota] = []
        if per_s is not None:
            self._limits.append(Bucket(per_s))
        if per_day is not None:
            self._limits.append(per_day)
        self._turns: deque[Go] = deque()
        self._reads: deque[Go] = deque()
        self._last_was_read = True
        self._moving = False
        self._must_wait = asyncio.Event()
        self._in_use = 0
        self._spare = 0

    def wait_s(self) -> float:
        """Return seconds until the connection's limits of rate allow another request."""
        if not self._limits:
            return 0.0
        now_s = self._monotonic()
        return max(limit.wait_s(now_s) for limit in self._limits)

    def ask(self, lane: Lane, go: Go) -> None:
        """Have ``go`` called, now or later, when a request may be sent; ``release`` says that it has ended."""
        (self._turns if lane is Lane.TURN else self._reads).append(go)
        self._move_on()

    async def admit(self, lane: Lane) -> None:
        """Wait until a request may be sent; ``release`` says that it has ended."""
        passed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ask(lane, functools.partial(_pass, passed))
        try:
            await passed
        except asyncio.CancelledError:
            if passed.done() and not passed.cancelled():
                self.give_back()
            raise

    async def another(self) -> None:
        """Wait until who was let through may send one request more."""
        while (wait_s := self.wait_s()) > 0.0:  # noqa: ASYNC110 - time itself is what is waited for
            await asyncio.sleep(wait_s)
        now_s = self._monotonic()
        for limit in self._limits:
            limit.take(now_s)

    @contextlib.asynccontextmanager
    async def passing(self, lane: Lane) -> AsyncGenerator[None]:
        """Send a request inside this context."""
        await self.admit(lane)
        try:
            yield
        finally:
            self.release()

    def release(self) -> None:
        """Let another go: a request has ended."""
        self._in_use -= 1
        self._move_on()

    def give_back(self) -> None:
        """Let another go in place of somebody who was let through and sends nothing."""
        self._spare += bool(self._limits)
        self.release()

    async def keep(self) -> None:
        """Run for ever: let through whoever waits for a limit of rate."""
        while True:
            await self._must_wait.wait()
            self._must_wait.clear()
            await asyncio.sleep(self.wait_s())
            self._move_on()

    def _move_on(self) -> None:
        """Let through all who may go; who goes may ask for more."""
        if self._moving:
            return
        self._moving = True
        try:
            while self._in_use < self._parallel and (self._turns or self._reads):
                if not self._spare and self.wait_s() > 0.0:
                    self._must_wait.set()
                    break
                self._let_through()
        finally:
            self._moving = False

    def _let_through(self) -> None:
        """Let one through, of the other lane than the last where somebody waits there."""
        self._last_was_read = not self._turns if self._last_was_read else bool(self._reads)
        go = (self._reads if self._last_was_read else self._turns).popleft()
        self._take()
        if not go():
            self._in_use -= 1
            self._spare += bool(self._limits)

    def _take(self) -> None:
        self._in_use += 1
        if self._spare:
            self._spare -= 1
            return
        now_s = self._monotonic() if self._limits else 0.0
        for limit in self._limits:
            limit.take(now_s)


def _pass(passed: "asyncio.Future[None]") -> bool:
    if passed.done():
        return False
    passed.set_result(None)
    return True
