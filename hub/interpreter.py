"""Python's own switches, set for a process that keeps millions of small values and must answer at once."""

import gc
import sys
from typing import Final

_YOUNG: Final = 100_000
_MIDDLE: Final = 50
_OLD: Final = 100
_SWITCH_S: Final = 0.001


def tune_interpreter() -> None:
    """Make collections rare, and the loop's waits for other threads short; call when a start is over."""
    _calm_collector()
    # A thread that computes keeps the interpreter so long while the loop waits for it. With Python's own 5 ms the loop
    # is held for twice as long while a community answers (``communities.loop_block_ms_p99``).
    sys.setswitchinterval(_SWITCH_S)


def _calm_collector() -> None:
    """Exempt what lives now from collections, and make those of what comes rare.

    With Python's own thresholds a collection comes every 700 new containers and walks over messages under way: a third
    of a turn's time (``make bench``). Cycles are made by failures and closed connections; those can wait.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
