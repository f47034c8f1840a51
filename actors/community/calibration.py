"""Intervals that keep their word: widened until they cover held-out lives (split conformal prediction by level)."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from msgspec import Struct

from actors.community.cards import Estimate
from actors.community.lives import OUTCOME_CAP, FloatArray

INTERVAL_LEVEL = 0.8

_EDGES = np.array([15.0, 30.0, 50.0, 75.0, 100.0, 115.0])
_FEWEST_LIVES = 10


class HeldOut(NamedTuple):
    """Answers along one finished life that neither model nor cards had seen, and its capped remaining lives.

    NaN stands for "no answer".
    """

    values: FloatArray
    lows: FloatArray
    highs: FloatArray
    outcomes: FloatArray


class Calibration(Struct, frozen=True, kw_only=True, eq=False):
    """By how many cycles to move both ends outwards, for each range of the answer."""

    widen: FloatArray

    def apply(self, estimate: Estimate) -> tuple[float, float]:
        """Return the interval that covers with probability 0.8; it holds the answer and stays within 0 and 125."""
        more = float(self.widen[np.searchsorted(_EDGES, estimate.value)])
        low, high = self.ends(estimate.value, estimate.low, estimate.high, more)
        return float(low), float(high)

    @staticmethod
    def ends(value: float, low: float, high: float, more: float) -> tuple[float, float]:
        """Return the ends moved outwards by ``more`` cycles (inwards when negative)."""
        return max(0.0, min(low - more, value)), min(OUTCOME_CAP, max(high + more, value))


UNCALIBRATED = Calibration(widen=np.zeros(len(_EDGES) + 1))


def calibrate(held_out: Sequence[HeldOut], level: float = INTERVAL_LEVEL) -> Calibration:
    """Return the calibration of these answers; ranges that fewer than 10 lives visit share one figure."""
    answered = [heard for each in held_out if len((heard := _answered(each)).values)]
    if not answered:
        return UNCALIBRATED
    misses = [np.maximum(each.lows - each.outcomes, each.outcomes - each.highs) for each in answered]
    ranges = [np.searchsorted(_EDGES, each.values) for each in answered]
    overall = _corrected_quantile(misses, level)
    widen = np.full(len(_EDGES) + 1, overall)
    for place in range(len(widen)):
        inside = [miss[at == place] for miss, at in zip(misses, ranges, strict=True) if (at == place).any()]
        if len(inside) >= _FEWEST_LIVES:
            widen[place] = _corrected_quantile(inside, level)
    return Calibration(widen=widen)


def _answered(life: HeldOut) -> HeldOut:
    there = ~np.isnan(life.values)
    return HeldOut(*(each[there] for each in life))


def _corrected_quantile(misses: Sequence[FloatArray], level: float) -> float:
    """Return the quantile of misses, one standard error on the safe side; what is counted are lives, not their cycles.

    Cycles of one life miss together: the share of misses below a bound is known only as well as that many lives tell.
    """
    lives = len(misses)
    corrected = min(1.0, level * (1 + 1 / lives) + math.sqrt(level * (1 - level) / lives))
    return float(np.quantile(np.concatenate(misses), corrected))
