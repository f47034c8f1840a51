"""A coarse timer wheel: many deadlines, one loop timer."""

import asyncio
import contextvars
import heapq
import math
from collections.abc import Callable
from typing import Protocol


class Due(Protocol):
    """Something with a deadline. The wheel writes ``tick``. Hashed by identity."""

    tick: int

    def fire(self) -> None:
        """Do what is due."""
        ...


class Wheel:
    """Deadlines in buckets of ``tick_s``: one more costs a dict entry. Never early, at most a tick late."""

    def __init__(self, monotonic: Callable[[], float], tick_s: float, context: contextvars.Context) -> None:
        self._monotonic = monotonic
        self._tick_s = tick_s
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._buckets: dict[int, dict[Due, None]] = {}
        self._ticks: list[int] = []
        self._reached = 0
        self._armed: asyncio.TimerHandle | None = None

    def add(self, due: Due, delay_s: float) -> None:
        """Fire ``due`` once, ``delay_s`` from now."""
        tick = math.ceil((self._monotonic() + delay_s) / self._tick_s)
        if tick <= self._reached:  # what is set while this tick fires is due with the next one, however soon
            tick = self._reached + 1
        due.tick = tick
        bucket = self._buckets.get(tick)
        if bucket is None:
            bucket = self._buckets[tick] = {}
            heapq.heappush(self._ticks, tick)
            if self._ticks[0] == tick:
                self._arm()
        bucket[due] = None

    def discard(self, due: Due) -> None:
        """Forget ``due``; no matter if it fired already."""
        bucket = self._buckets.get(due.tick)
        if bucket is not None:
            bucket.pop(due, None)

    def close(self) -> None:
        """Forget everything."""
        self._buckets.clear()
        self._ticks.clear()
        if self._armed is not None:
            self._armed.cancel()
            self._armed = None

    def _arm(self) -> None:
        if self._armed is not None:
            self._armed.cancel()
        delay_s = max(0.0, self._ticks[0] * self._tick_s - self._monotonic())
        self._armed = self._loop.call_later(delay_s, self._turn, context=self._context)

    def _turn(self) -> None:
        self._armed = None
        # A thousandth of a tick forgives the rounding between the loop's clock and ours.
        self._reached = math.floor(self._monotonic() / self._tick_s + 0.001)
        try:
            while self._ticks and self._ticks[0] <= self._reached:
                self._fire(self._ticks[0])
        finally:
            if self._ticks and self._armed is None:
                self._arm()

    def _fire(self, tick: int) -> None:
        bucket = self._buckets[tick]
        while bucket:
            due = next(iter(bucket))
            del bucket[due]
            due.fire()
        del self._buckets[tick]
        heapq.heappop(self._ticks)
