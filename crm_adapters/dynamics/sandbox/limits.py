"""Service protection limits: what Dataverse allows one user on one web server in five minutes."""

from collections import deque
from math import ceil
from typing import Final

from msgspec import Struct

from actors.ports import Clock
from crm_adapters.dynamics.sandbox.errors import ERROR_NUMBERS, DataverseError

_WINDOW_S: Final = 300.0


class ServiceLimits(Struct, frozen=True, kw_only=True):
    """The three limits; the defaults are the published ones (Dataverse "Service protection API limits")."""

    requests: int = 6000
    execution_s: float = 1200.0
    concurrent: int = 52


class ServiceProtection:
    """Counts requests of the sandbox's one application user over a sliding window."""

    def __init__(self, limits: ServiceLimits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._recent: deque[tuple[float, float]] = deque()
        self._spent_s = 0.0
        self._running = 0

    def enter(self) -> float:
        """Count a request in and return when it began.

        Raises:
            DataverseError: 429 with Retry-After; the request must not be processed.
        """
        now = self._clock.monotonic()
        self._forget(now)
        if self._running >= self._limits.concurrent:
            limit = self._limits.concurrent
            raise _refusal("ConcurrencyLimit", f"Number of concurrent requests exceeded the limit of {limit}.", 1)
        if len(self._recent) >= self._limits.requests:
            text = f"Number of requests exceeded the limit of {self._limits.requests} over time window of 300 seconds."
            raise _refusal("RequestLimit", text, self._wait_s(now))
        if self._spent_s >= self._limits.execution_s:
            spent_ms = int(self._limits.execution_s * 1000)
            text = (
                f"Combined execution time of incoming requests exceeded limit of {spent_ms} milliseconds over time "
                "window of 300 seconds. Decrease number of concurrent requests or reduce the duration of requests."
            )
            raise _refusal("ExecutionLimit", text, self._wait_s(now))
        self._running += 1
        return now

    def leave(self, began: float) -> None:
        """Count a request out."""
        self._running -= 1
        spent_s = self._clock.monotonic() - began
        self._spent_s += spent_s
        self._recent.append((began, spent_s))

    def headers(self) -> dict[str, str]:
        """Return what the platform tells about what is left."""
        left = self._limits.requests - len(self._recent) - self._running
        return {
            "x-ms-ratelimit-burst-remaining-xrm-requests": str(max(0, left)),
            "x-ms-ratelimit-time-remaining-xrm-requests": f"{max(0.0, self._limits.execution_s - self._spent_s):.2f}",
        }

    def _forget(self, now: float) -> None:
        while self._recent and self._recent[0][0] <= now - _WINDOW_S:
            self._spent_s -= self._recent.popleft()[1]

    def _wait_s(self, now: float) -> int:
        return max(1, ceil(self._recent[0][0] + _WINDOW_S - now))


def _refusal(name: str, message: str, retry_after_s: int) -> DataverseError:
    return DataverseError(429, ERROR_NUMBERS[name], message, {"Retry-After": str(retry_after_s)})
