"""What a person who waits for a torture sees: how far it is, how long it will take, what came out so far."""

import sys
from collections.abc import Mapping, Sequence
from statistics import quantiles
from time import monotonic
from typing import Final

_EVERY_S: Final = 10.0


def share(values: Sequence[float], percent: int) -> float:
    """Return a percentile, 0 where there is nothing to share."""
    if len(values) < 2:
        return max(values, default=0.0)
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def clock_time(seconds: float) -> str:
    """Return a duration as people write it."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


class Progress:
    """Lines on standard error, one in ten seconds at most, and one at each turning point."""

    def __init__(self, *, shows: bool) -> None:
        self._shows = shows
        self._began = self._phase_began = monotonic()
        self._last = 0.0

    def turn(self, text: str) -> None:
        """Tell that something else begins."""
        self._phase_began = monotonic()
        self._last = 0.0
        self._say(text)

    def step(self, what: str, done: int, of: int, figures: Mapping[str, object]) -> None:
        """Tell how far it is, now and then."""
        now = monotonic()
        if now - self._last < _EVERY_S and done < of:
            return
        self._last = now
        spent = now - self._phase_began
        left = f", {clock_time(spent * (of - done) / done)} left" if done else ""
        told = "".join(f", {name} {value}" for name, value in figures.items())
        self._say(f"{what} {done:,} of {of:,}, {clock_time(spent)} so far{left}{told}")

    def _say(self, text: str) -> None:
        if self._shows:
            sys.stderr.write(f"[{clock_time(monotonic() - self._began)}] {text}\n")
            sys.stderr.flush()
