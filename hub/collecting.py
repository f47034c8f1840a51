"""Python's cyclic collector, set for a process that keeps millions of small values which form no cycles."""

import gc
from typing import Final

_YOUNG: Final = 100_000
_MIDDLE: Final = 50
_OLD: Final = 100


def calm_collector() -> None:
    """Exempt what lives now from collections, and make those of what comes rare; call when a start is over.

    With Python's own thresholds a collection comes every 700 new containers and walks over messages under way: a third
    of a turn's time (``make bench``). Cycles are made by failures and closed connections; those can wait.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
