"""When a slot runs empty: a forecast as quantiles, from a bounded history of levels (communities.md 4h)."""

from collections.abc import Sequence
from math import erf, sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from actors.community.lives import FloatArray
from actors.community.weekdays import WeekClock

_MOST_BLOCKS = 28
_MOST = 1e100
"""Nothing holds more; the squares of what is used a day, however short the time, are numbers then."""
_REFILL_SHARE = 0.1
_CUT = 3.5
_MAD_TO_DEVIATION = 1.4826
_USUAL_SPREAD = 0.5
_USUAL_SPREAD_WEIGHT = 2.0
_SHORT_HISTORY_DAYS = 14.0
_PEERS_WEIGHT_DAYS = 5.0
_FARTHEST = 50.0
_HALVINGS = 50
_FARTHEST_DAYS = 36_525.0
"""A hundred years: what lasts longer is not used."""


class RunOut(Struct, frozen=True, kw_only=True):
    """Days until empty: with 10, 50 and 90 % probability it is empty by then. ``points`` is how many readings spoke."""

    p10_days: float
    p50_days: float
    p90_days: float
    rate_per_day: float
    points: int
    early_days: float = 0.0
    """It is empty by then with the probability that was accepted."""
    reorder_at: float = 0.0
    """The level that lasts the delivery time but for that probability."""


class Delivery(Struct, frozen=True, kw_only=True):
    """How long a delivery takes, and with which probability the slot may be empty before it comes."""

    days: float = 0.0
    accepted: float = 0.1


_AT_ONCE = Delivery()


class _Use(Struct, frozen=True, kw_only=True):
    rate: float
    wander: float
    """Variance of the use in one day."""
    doubt: float
    """Variance of the rate itself."""


def run_out(
    level: float,
    samples: Sequence[tuple[float, float]],
    *,
    peers_rate: float | None = None,
    clock: WeekClock | None = None,
    delivery: Delivery = _AT_ONCE,
) -> RunOut | None:
    """Forecast when ``level`` is used up, from (day, level) points in order of time; None while no use shows.

    Days may be fractions and gaps may differ. A rise by a tenth of the highest level or more is a refill, smaller ones
    are noise. With less than 14 days of history the rate leans towards ``peers_rate`` (their mean use a day). With a
    ``clock`` days of much use count for more.
    """
    if clock is not None:
        samples = [(clock.used(day), left) for day, left in samples]
    days, used = _intervals(samples)
    own = _use(days, used) if len(days) else None
    use = _towards_peers(own, float(days.sum()), peers_rate)
    if use is None or use.rate <= 0 or level > use.rate * _FARTHEST_DAYS:
        return None
    since = samples[-1][0] if samples else 0.0
    told = [min(_FARTHEST_DAYS, _empty_by(level, use, share)) for share in (0.1, 0.5, 0.9, delivery.accepted)]
    p10, p50, p90, early = told if clock is None else (_by_calendar(clock, since, days) for days in told)
    lead = delivery.days if clock is None else clock.used(clock.day_of(since) + delivery.days) - since
    return RunOut(
        p10_days=p10,
        p50_days=p50,
        p90_days=p90,
        rate_per_day=use.rate,
        points=len(samples),
        early_days=early,
        reorder_at=_lasts(use, lead, delivery.accepted),
    )


def _by_calendar(clock: WeekClock, since: float, days: float) -> float:
    """Return usual days of use from the last reading on as days of the calendar."""
    return clock.day_of(since + days) - clock.day_of(since)


def _lasts(use: _Use, days: float, accepted: float) -> float:
    """Return the level that is not used up in so many days, but for the accepted probability."""
    deviation = sqrt(use.wander * days + use.doubt * days * days)
    return max(0.0, use.rate * days + NormalDist().inv_cdf(1 - accepted) * deviation)


def _intervals(samples: Sequence[tuple[float, float]]) -> tuple[FloatArray, FloatArray]:
    """Return (days, amount used) between neighbouring readings, without refills."""
    points = np.clip(np.array(samples, dtype=np.float64).reshape(-1, 2), -_MOST, _MOST)
    days, used = np.diff(points[:, 0]), -np.diff(points[:, 1])
    highest = float(np.abs(points[:, 1]).max(initial=0.0))
    usable = (days > 0) & (used > -_REFILL_SHARE * highest)
    return days[usable], used[usable]


def _use(days: FloatArray, used: FloatArray) -> _Use:
    block = _blocks(days)
    length = np.bincount(block, days)
    rates = _without_outliers(np.bincount(block, used)[length > 0] / length[length > 0])
    length = length[length > 0]
    rate = float(rates @ length / length.sum())
    around = float(length @ (rates - rate) ** 2)
    usual = _USUAL_SPREAD_WEIGHT * (_USUAL_SPREAD * rate) ** 2 * float(length.mean())
    wander = (around + usual) / (len(rates) - 1 + _USUAL_SPREAD_WEIGHT)
    return _Use(rate=rate, wander=wander, doubt=wander / float(length.sum()))


def _blocks(days: FloatArray) -> npt.NDArray[np.intp]:
    """Return which of up to 28 equal stretches of time each interval's middle lies in."""
    end = np.cumsum(days)
    count = min(_MOST_BLOCKS, len(days))
    return np.asarray(np.minimum((end - days / 2) / end[-1] * count, count - 1), dtype=np.intp)


def _without_outliers(rates: FloatArray) -> FloatArray:
    """Return rates with wild ones pulled in to 3.5 deviations from the median."""
    middle = float(np.median(rates))
    spread = _MAD_TO_DEVIATION * float(np.median(np.abs(rates - middle)))
    reach = _CUT * max(spread, _USUAL_SPREAD * abs(middle))
    return np.clip(rates, middle - reach, middle + reach)


def _towards_peers(own: _Use | None, history_days: float, peers_rate: float | None) -> _Use | None:
    if peers_rate is None or peers_rate <= 0 or history_days >= _SHORT_HISTORY_DAYS:
        return own
    rate = ((own.rate * history_days if own else 0.0) + _PEERS_WEIGHT_DAYS * peers_rate) / (
        history_days + _PEERS_WEIGHT_DAYS
    )
    usual = (_USUAL_SPREAD * rate) ** 2
    return _Use(rate=rate, wander=own.wander if own else usual, doubt=usual / (history_days + _PEERS_WEIGHT_DAYS))


def _empty_by(level: float, use: _Use, share: float) -> float:
    """Return the day by which it is empty with this probability, by bisection; at most 50 times the plain quotient."""
    if level <= 0:
        return 0.0
    near, far = 0.0, _FARTHEST * level / use.rate
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        near, far = (middle, far) if _chance_empty(level, use, middle) < share else (near, middle)
    return far


def _chance_empty(level: float, use: _Use, days: float) -> float:
    deviation = sqrt(use.wander * days + use.doubt * days * days)
    ahead = use.rate * days - level
    if deviation <= 0:
        return float(ahead >= 0)
    return 0.5 * (1 + erf(ahead / deviation / sqrt(2)))
