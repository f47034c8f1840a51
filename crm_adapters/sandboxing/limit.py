"""A limit of requests in a sliding window, and how often it was exceeded."""

from collections import deque

from msgspec import Struct

from actors.ports import Clock
from crm_adapters.sandboxing.contract import RequestLimit


class LimitReport(Struct, frozen=True, kw_only=True):
    """How a limit was kept: what was taken, what was refused, and the most that came in one window."""

    requests: int = 0
    violations: int = 0
    most_in_window: int = 0


class Turnstile:
    """Counts requests; without a limit it counts only how many there are."""

    def __init__(self, limit: RequestLimit | None, clock: Clock) -> None:
        self._limit = limit
        self._clock = clock
        self._recent: deque[float] = deque()
        self._requests = self._violations = self._most = 0

    def refuses_for_s(self) -> float:
        """Count a request; return in how many seconds to come again where it exceeds the limit, 0 where it may in."""
        self._requests += 1
        if self._limit is None:
            return 0.0
        now = self._clock.monotonic()
        while self._recent and self._recent[0] <= now - self._limit.window_s:
            self._recent.popleft()
        self._recent.append(now)
        self._most = max(self._most, len(self._recent))
        if len(self._recent) <= self._limit.requests:
            return 0.0
        self._violations += 1
        return self._recent[0] + self._limit.window_s - now

    def report(self) -> LimitReport:
        """Return how the limit was kept."""
        return LimitReport(requests=self._requests, violations=self._violations, most_in_window=self._most)
