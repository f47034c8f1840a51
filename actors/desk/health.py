"""Whether a CRM can be used: what outcomes say about it, and when it is tried again."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from random import Random
from typing import Any

import structlog
from msgspec import Struct

from actors.model.outcomes import Ambiguous, AuthFailed, Throttled, Transient
from actors.ports import Clock

log = structlog.get_logger(__name__)

_THROTTLE_CAP_S = 900.0


class DeskStatus(Struct, frozen=True, kw_only=True):
    """How one connection is doing, for people: ``state`` is ``up`` or ``down``."""

    connection: str
    state: str
    since: datetime
    reason: str = ""
    next_try_at: datetime | None = None
    waiting: int = 0
    busy: int = 0


class Breaker:
    """Open while the CRM cannot be used. It is closed again by a probe that only reads, never by an order."""

    def __init__(self, connection: str, clock: Clock, chance: Random, *, base_s: float, cap_s: float) -> None:
        self._connection = connection
        self._clock = clock
        self._chance = chance
        self._base_s = base_s
        self._cap_s = cap_s
        self._usable = asyncio.Event()
        self._usable.set()
        self._failed = asyncio.Event()
        self.since = clock.now()
        self.reason = ""
        self.next_try_at: datetime | None = None
        self._not_before: datetime | None = None
        self._restored: Callable[[], None] | None = None

    def on_restored(self, go_on: Callable[[], None]) -> None:
        """Have ``go_on`` called each time that requests may be sent again."""
        self._restored = go_on

    @property
    def is_usable(self) -> bool:
        """Whether requests may be sent."""
        return self._usable.is_set()

    async def usable(self) -> None:
        """Wait until requests may be sent."""
        await self._usable.wait()

    def hear(self, outcome: Any) -> None:
        """Learn from an outcome."""
        match outcome:
            case Transient(reason=reason) | AuthFailed(reason=reason):
                self._open(reason)
            case Throttled(retry_after_s=after_s, reason=reason):
                asked_s = max(0.0, min(_THROTTLE_CAP_S, after_s))  # in this order no number is passed on that is none
                until = self._clock.now() + timedelta(seconds=asked_s)
                self._not_before = max(until, self._not_before or until)
                self._open(reason)
            case _:
                return

    def _open(self, reason: str) -> None:
        if self._usable.is_set():
            self._usable.clear()
            self._failed.set()
            self.since = self._clock.now()
            log.warning("crm_lost", connection=self._connection, reason=reason)
        self.reason = reason

    def _close(self) -> None:
        down_for_s = (self._clock.now() - self.since).total_seconds()
        log.info("crm_restored", connection=self._connection, down_for_s=round(down_for_s, 1))
        self.since = self._clock.now()
        self.reason = ""
        self.next_try_at = None
        self._not_before = None
        self._failed.clear()
        self._usable.set()
        if self._restored is not None:
            self._restored()

    async def keep_probing(self, probe: Callable[[], Awaitable[Any]]) -> None:
        """Run for ever: while the CRM is down, probe it with growing waits."""
        while True:
            await self._failed.wait()
            attempt = 1
            while not self._usable.is_set():
                await asyncio.sleep(self._wait_s(attempt))
                if self._not_before is not None and self._not_before > self._clock.now():
                    continue  # the CRM has asked for more time meanwhile
                outcome = await probe()
                if isinstance(outcome, Transient | AuthFailed | Throttled | Ambiguous):
                    attempt += 1  # the desk has let the breaker hear it
                else:
                    self._close()

    def _wait_s(self, attempt: int) -> float:
        """Return seconds until the next probe: jittered, capped, and never before the CRM asked for."""
        wait_s = self._chance.uniform(0.5, 1.0) * min(self._cap_s, self._base_s * 2.0 ** (attempt - 1))
        now = self._clock.now()
        if self._not_before is not None:
            wait_s = max(wait_s, (self._not_before - now).total_seconds())
        self.next_try_at = now + timedelta(seconds=wait_s)
        return wait_s
