"""Use by weekday: time that runs faster on days of much use, so that a forecast in it sees weekends coming. Pure.

Days are counted in UTC, from Monday 0.
"""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from actors.community.lives import FloatArray

FLAT = (1.0,) * 7
SHORTEST_DAYS = 14.0
_PRIOR_DAYS = 2.0
_DAY_S = 86400.0
_THURSDAY = 3.0
"""1 January 1970 was one."""
_LEAST = 0.02
"""No day is without any use: time must go on."""


class WeekClock(Struct, frozen=True, kw_only=True):
    """Counts days by their use: ``shape`` are seven factors with mean 1, ``starts`` is the weekday of day 0."""

    shape: tuple[float, ...]
    starts: float

    def used(self, day: float) -> float:
        """Return how many usual days of use pass from day 0 to this day."""
        return self._passed(self.starts + day) - self._passed(self.starts)

    def day_of(self, used: float) -> float:
        """Return the day at which so many usual days of use have passed; the inverse of ``used``."""
        at = self._passed(self.starts) + used
        weeks, rest = divmod(at, 7.0)
        return 7 * weeks + float(np.interp(rest, self._marks(), np.arange(8.0))) - self.starts

    def _passed(self, at: float) -> float:
        weeks, rest = divmod(at, 7.0)
        return 7 * weeks + float(np.interp(rest, np.arange(8.0), self._marks()))

    def _marks(self) -> FloatArray:
        return np.concatenate([[0.0], np.cumsum(self.shape)])


def weekday_at(seconds: float) -> float:
    """Return the weekday at a time in seconds since 1970, with its fraction."""
    return (seconds / _DAY_S + _THURSDAY) % 7.0


def normal_shape(shape: Sequence[float]) -> tuple[float, ...]:
    """Return seven factors with mean 1, none of them nought."""
    factors = np.maximum(np.array(shape, dtype=np.float64), _LEAST)
    return tuple((factors / factors.mean()).tolist())


def weekday_shape(samples: Sequence[tuple[float, float]], prior: Sequence[float] = FLAT) -> tuple[float, ...]:
    """Return how much is used by weekday, against the mean, from (seconds, level); the prior within two weeks.

    Use between two readings is spread over the time between; a weekday seen little leans towards the prior.
    """
    points = np.array(samples, dtype=np.float64).reshape(-1, 2)
    if len(points) < 2 or points[-1, 0] - points[0, 0] < SHORTEST_DAYS * _DAY_S:
        return normal_shape(prior)
    at = points[:, 0] / _DAY_S + _THURSDAY
    used = np.maximum(-np.diff(points[:, 1]), 0.0)
    exposure = np.diff(_days_on(at), axis=0)
    length = np.maximum(np.diff(at), 1e-9)
    by_day, days = (used / length) @ exposure, exposure.sum(axis=0)
    mean = used.sum() / length.sum()
    if mean <= 0:
        return normal_shape(prior)
    return normal_shape((by_day / mean + _PRIOR_DAYS * np.array(prior)) / (days + _PRIOR_DAYS))


def _days_on(at: FloatArray) -> FloatArray:
    """Return how many days of each weekday have passed at each time: times x 7."""
    weeks, rest = np.divmod(at, 7.0)
    return np.asarray(weeks[:, None] + np.clip(rest[:, None] - np.arange(7), 0.0, 1.0), dtype=np.float64)
