"""Access tokens of a sandbox: deterministic, of limited life, forgotten on restart."""

from itertools import count

from actors.ports import Clock


class TokenDesk:
    """Gives out bearer tokens and says whether one still counts."""

    def __init__(self, clock: Clock, life_s: float, prefix: str = "sandbox") -> None:
        self._clock = clock
        self._life_s = life_s
        self._prefix = prefix
        self._numbers = count(1)
        self._expiries: dict[str, float] = {}

    def issue(self) -> str:
        """Return a new token."""
        token = f"{self._prefix}-token-{next(self._numbers)}"
        self._expiries[token] = self._clock.monotonic() + self._life_s
        return token

    def is_valid(self, token: str) -> bool:
        """Say whether this token was given out and has not expired."""
        return self._clock.monotonic() < self._expiries.get(token, float("-inf"))

    def expire_all(self) -> None:
        """Forget every token."""
        self._expiries.clear()
