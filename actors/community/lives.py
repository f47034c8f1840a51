"""Whole lives of machines: what peers consent to share for training."""

import numpy as np
import numpy.typing as npt
from msgspec import Struct

FloatArray = npt.NDArray[np.float64]

OUTCOME_CAP = 125.0
"""Remaining life is told up to here: "125" means "125 or more" (communities.md 4a.4)."""


class Life(Struct, frozen=True, kw_only=True, eq=False):
    """One machine's rows, a cycle each: first the operating settings, then the sensors; the last row is its failure."""

    life_id: str
    owner_id: str
    rows: FloatArray
    n_settings: int = 3
    reported: FloatArray | None = None
    """What its owner says was left at each cycle, when that does not follow from the rows."""

    @property
    def cycles(self) -> int:
        """How many cycles it ran."""
        return len(self.rows)

    def remaining(self) -> FloatArray:
        """Return the capped remaining life at each cycle: as reported, else 0 at the last."""
        if self.reported is not None:
            return np.clip(self.reported, 0.0, OUTCOME_CAP)
        return np.minimum(np.arange(self.cycles - 1, -1, -1, dtype=np.float64), OUTCOME_CAP)
