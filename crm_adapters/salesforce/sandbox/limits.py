"""What an organisation allows: requests in the last 24 hours, and long requests at the same time.

Source: Salesforce developer limits and allocations quick reference, "API Request Limits and Allocations".
"""

from collections import deque
from itertools import count
from typing import Final

from msgspec import Struct

from actors.ports import Clock
from crm_adapters.salesforce.sandbox.errors import Refusal

_DAY_S: Final = 24 * 3600.0
_EXCEEDED: Final = "REQUEST_LIMIT_EXCEEDED"


class ApiLimits(Struct, frozen=True, kw_only=True):
    """The two limits; a request counts as long from ``long_s`` on."""

    daily: int = 100_000
    concurrent: int = 25
    long_s: float = 20.0


class Usage:
    """Counts the requests of one organisation."""

    def __init__(self, limits: ApiLimits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._recent: deque[float] = deque()
        self._running: dict[int, float] = {}
        self._numbers = count(1)

    def enter(self) -> int:
        """Count a request in and return its number.

        Raises:
            Refusal: 403; the request must not be processed.
        """
        now = self._clock.monotonic()
        self._forget(now)
        if len(self._recent) >= self._limits.daily:
            raise Refusal(403, _EXCEEDED, "TotalRequests Limit exceeded.")
        if sum(now - began >= self._limits.long_s for began in self._running.values()) >= self._limits.concurrent:
            raise Refusal(403, _EXCEEDED, "ConcurrentRequests (Concurrent API Requests) Limit exceeded.")
        number = next(self._numbers)
        self._recent.append(now)
        self._running[number] = now
        return number

    def leave(self, number: int) -> None:
        """Count a request out."""
        del self._running[number]

    def header(self) -> dict[str, str]:
        """Return what every answer tells."""
        return {"Sforce-Limit-Info": f"api-usage={len(self._recent)}/{self._limits.daily}"}

    def report(self) -> dict[str, dict[str, int]]:
        """Return what the limits resource tells."""
        most = self._limits.daily
        return {"DailyApiRequests": {"Max": most, "Remaining": max(0, most - len(self._recent))}}

    def _forget(self, now: float) -> None:
        while self._recent and self._recent[0] <= now - _DAY_S:
            self._recent.popleft()
