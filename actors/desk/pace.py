"""How fast a connection may be used: requests a second and a day, by the clock that never goes back."""

from collections import deque
from typing import Final

_DAY_S: Final = 86_400.0


class Bucket:
    """Tokens that come back at a steady rate. A taken one may lie in the future: its taker waits so long."""

    def __init__(self, per_s: float, *, burst: float = 1.0) -> None:
        self._per_s = per_s
        self._burst = max(1.0, burst)
        self._level = self._burst
        self._at_s: float | None = None

    def wait_s(self, now_s: float) -> float:
        """Return seconds until a token is there; 0 when one is."""
        self._refill(now_s)
        return max(0.0, (1.0 - self._level) / self._per_s)

    def take(self, now_s: float) -> bool:
        """Take a token, if one is there."""
        self._refill(now_s)
        if self._level < 1.0 - 1e-9:
            return False
        self._level -= 1.0
        return True

    def _refill(self, now_s: float) -> None:
        passed_s = 0.0 if self._at_s is None else max(0.0, now_s - self._at_s)
        self._at_s = now_s
        self._level = min(self._burst, self._level + passed_s * self._per_s)


class DayQuota:
    """At most so many in any 24 hours. Counted by the minute: a day is at most some hundred numbers."""

    def __init__(self, most: int, *, used: int = 0) -> None:
        self._most = most
        self._minutes: deque[tuple[float, int]] = deque()
        self._used = used
        if used:
            self._minutes.append((0.0, used))

    def wait_s(self, now_s: float) -> float:
        """Return seconds until one is free; 0 when one is."""
        self._forget(now_s)
        if self._used < self._most:
            return 0.0
        return max(0.0, self._minutes[0][0] + _DAY_S - now_s)

    def take(self, now_s: float) -> bool:
        """Take one, if one is free."""
        if self.wait_s(now_s) > 0.0 or self._most <= 0:
            return False
        minute = now_s - now_s % 60.0 + 60.0  # counted from the minute's end: never forgotten too early
        if self._minutes and self._minutes[-1][0] >= minute:
            self._minutes[-1] = (self._minutes[-1][0], self._minutes[-1][1] + 1)
        else:
            self._minutes.append((minute, 1))
        self._used += 1
        return True

    def _forget(self, now_s: float) -> None:
        while self._minutes and self._minutes[0][0] + _DAY_S <= now_s:
            self._used -= self._minutes.popleft()[1]
