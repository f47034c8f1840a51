"""Spare parts that sell now and then: how much to stock, from parts that behaved alike (communities.md 4g).

A part's own history is mostly zeros. Peers that looked like it at some month tell what was asked for afterwards.
"""

from typing import NamedTuple

import numpy as np
from msgspec import Struct

from actors.community.lives import FloatArray

FEWEST_MONTHS = 18

_EVERY = 3
_LATE_MONTHS = 12
_RECENT_MONTHS = 3
_AT_ONCE = 512


class StockRules(Struct, frozen=True, kw_only=True):
    """For how many months stock must last, how surely, and how many alike moments are heard."""

    lead_months: int = 3
    quantile: float = 0.95
    neighbours: int = 50


class Experience(NamedTuple):
    """Moments of parts: how each looked, and what was asked for in the months that followed."""

    looks: FloatArray
    outcomes: FloatArray


def part_looks(demand: FloatArray) -> FloatArray:
    """Return five numbers a part: demand so far, of 12 and of 3 months, how often, and the largest month.

    ``demand`` is parts x months, oldest first, in pieces.
    """
    means = [demand[:, -months:].mean(axis=1) for months in (demand.shape[1], _LATE_MONTHS, _RECENT_MONTHS)]
    often = (demand > 0).mean(axis=1)
    return np.stack([*(np.log1p(each) for each in means), often, np.log1p(demand.max(axis=1))], axis=1)


def gather(demand: FloatArray, rules: StockRules) -> Experience:
    """Return every part at every third month whose lead time has passed. Raises: ValueError below 21 months."""
    months = range(FEWEST_MONTHS, demand.shape[1] - rules.lead_months + 1, _EVERY)
    if not months:
        raise ValueError(f"at least {FEWEST_MONTHS + rules.lead_months} months expected, got {demand.shape[1]}")
    looks = [part_looks(demand[:, :month]) for month in months]
    outcomes = [demand[:, month : month + rules.lead_months].sum(axis=1) for month in months]
    return Experience(np.concatenate(looks), np.concatenate(outcomes))


def order_up_to(demand: FloatArray, rules: StockRules | None = None) -> FloatArray:
    """Return for each part the stock that lasts the lead time with the wanted probability, in pieces.

    Nothing after the last month is looked at. Raises: ValueError below 21 months.
    """
    how = rules or StockRules()
    known, asked = gather(demand, how), part_looks(demand)
    middle, spread = known.looks.mean(axis=0), np.maximum(known.looks.std(axis=0), 1e-9)
    peers, askers = (known.looks - middle) / spread, (asked - middle) / spread
    parts = [_told(peers, known.outcomes, askers[at : at + _AT_ONCE], how) for at in range(0, len(askers), _AT_ONCE)]
    return np.concatenate(parts)


def _told(peers: FloatArray, outcomes: FloatArray, askers: FloatArray, how: StockRules) -> FloatArray:
    count = min(how.neighbours, len(peers))
    gaps = (peers**2).sum(axis=1) - 2 * askers @ peers.T
    nearest = np.argpartition(gaps, count - 1, axis=1)[:, :count]
    return np.asarray(np.quantile(outcomes[nearest], how.quantile, axis=1), dtype=np.float64)
