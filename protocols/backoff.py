"""Capped exponential back-off with full jitter."""

from random import Random
from typing import Final

_LAST_DOUBLING: Final = 64  # every cap is far below 2**64 s; a float has no power of two beyond 2**1023


def next_delay_s(attempt: int, *, cap_s: float, chance: Random) -> float:
    """Return seconds to wait before retry ``attempt`` (from 1): even chances between none and 2**attempt or the cap.

    Source: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog 2015 (full jitter).
    """
    return chance.uniform(0.0, min(cap_s, 2.0 ** min(attempt, _LAST_DOUBLING)))
