"""Where peers' health index stood when they had as much left: a band of quantiles, k owners behind each point."""

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from actors.community.cards import FEWEST_OWN_LIVES, LEVELS, CardMatrix, Curve
from actors.community.lives import FloatArray

_QUANTILES = (0.1, 0.5, 0.9)
_STEP = 5.0


class Band(Struct, frozen=True, kw_only=True, eq=False):
    """Quantiles of peers' index by what they had left, both in cycles; the remaining life rises."""

    left: FloatArray
    p10: FloatArray
    p50: FloatArray
    p90: FloatArray
    owners: int
    """The fewest owners behind a point; 1 when it is the asker's own fleet."""
    peers: int


def peers_band(matrix: CardMatrix, *, asker_owner: str, k_owners: int, most_left: float) -> Band | None:
    """Return the band, where enough is known; None where it is nowhere. One vote an owner, as in answers."""
    curves, owners = matrix.curves()
    grid = np.arange(0.0, min(125.0, most_left) + _STEP, _STEP)
    if not len(curves):
        return None
    index = np.stack([_index_at(curve, grid) for curve in curves])
    mine = owners == matrix.owner_code(asker_owner)
    points = [_point(index[:, place], owners, mine, k_owners) for place in range(len(grid))]
    told = [(left, point) for left, point in zip(grid, points, strict=True) if point is not None]
    if len(told) < 2:
        return None
    p10, p50, p90 = np.array([point[:3] for _, point in told]).T
    return Band(
        left=np.array([left for left, _ in told]),
        p10=p10,
        p50=p50,
        p90=p90,
        owners=min(int(point[3]) for _, point in told),
        peers=min(int(point[4]) for _, point in told),
    )


def _index_at(curve: Curve, left: FloatArray) -> FloatArray:
    """Return a peer's index when it had so much left; NaN beyond what its card tells."""
    there = curve >= 0
    if np.count_nonzero(there) < 2:
        return np.full(len(left), np.nan)
    remaining = np.maximum.accumulate(curve[there].astype(np.float64))
    return np.asarray(np.interp(left, remaining, LEVELS[there], left=np.nan, right=np.nan))


def _point(
    index: FloatArray, owners: npt.NDArray[np.int64], mine: npt.NDArray[np.bool_], k_owners: int
) -> tuple[float, float, float, int, int] | None:
    heard = ~np.isnan(index)
    if len(np.unique(owners[heard & ~mine])) < k_owners:
        heard &= mine
        if np.count_nonzero(heard) < FEWEST_OWN_LIVES:
            return None
    order = np.argsort(index[heard], kind="stable")
    values, voters = index[heard][order], owners[heard][order]
    weight = 1.0 / np.bincount(voters)[voters]
    places = (np.cumsum(weight) - 0.5 * weight) / weight.sum()
    low, middle, high = np.interp(_QUANTILES, places, values)
    return float(low), float(middle), float(high), len(np.unique(voters)), len(values)
