"""Operating regimes, found from the settings that machines ran at."""

import numpy as np
import numpy.typing as npt

from actors.community.lives import FloatArray

MOST_REGIMES = 12
_COMPACT_SHARE = 0.01
_WORTH_SPLITTING = 4.0
_SAMPLE = 4000
_ROUNDS = 20


def find_regimes(settings: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return (scale of each setting, centres of the regimes in scaled settings).

    Regimes are the fewest groups that leave under 1 % of the settings' variance inside the groups, when one group more
    would not leave a quarter of that. Settings that do not fall into at most 12 such groups (noise around one point, or
    a continuum) are one regime.
    """
    scale = _scale_of(settings)
    sample = (settings / scale)[:: max(1, len(settings) // _SAMPLE)]
    one = sample.mean(axis=0, keepdims=True)
    return scale, _fewest_compact(sample, enough=_COMPACT_SHARE * _within(sample, one), otherwise=one)


def assign(settings: FloatArray, scale: FloatArray, centres: FloatArray) -> npt.NDArray[np.intp]:
    """Return the nearest regime of each row."""
    if len(centres) == 1:
        return np.zeros(len(settings), dtype=np.intp)
    return _nearest(settings / scale, centres)


def _fewest_compact(points: FloatArray, *, enough: float, otherwise: FloatArray) -> FloatArray:
    centres, left = otherwise, _within(points, otherwise)
    for count in range(2, MOST_REGIMES + 2):
        finer = _settle(points, _spread_out(points, count))
        left_finer = _within(points, finer)
        if left <= enough and left_finer * _WORTH_SPLITTING >= left:
            return centres
        centres, left = finer, left_finer
    return otherwise


def _scale_of(settings: FloatArray) -> FloatArray:
    spread = settings.std(axis=0)
    return np.where(spread > 1e-9, spread, 1.0)


def _nearest(points: FloatArray, centres: FloatArray) -> npt.NDArray[np.intp]:
    nearness = points @ centres.T - 0.5 * (centres * centres).sum(axis=1)
    return np.asarray(nearness.argmax(axis=1))


def _within(points: FloatArray, centres: FloatArray) -> float:
    gaps = points - centres[_nearest(points, centres)]
    return float((gaps * gaps).sum())


def _spread_out(points: FloatArray, count: int) -> FloatArray:
    """Return ``count`` starting centres, each the point farthest from those before it."""
    chosen = [points[0]]
    far = ((points - chosen[0]) ** 2).sum(axis=1)
    while len(chosen) < count:
        chosen.append(points[int(far.argmax())])
        far = np.minimum(far, ((points - chosen[-1]) ** 2).sum(axis=1))
    return np.array(chosen)


def _settle(points: FloatArray, centres: FloatArray) -> FloatArray:
    """Return centres moved to the means of their points (Lloyd); a centre without points stays."""
    for _ in range(_ROUNDS):
        nearest = _nearest(points, centres)
        count = np.bincount(nearest, minlength=len(centres))
        moved = np.stack([np.bincount(nearest, column, len(centres)) for column in points.T], axis=1)
        new = np.where(count[:, None] > 0, moved / np.maximum(count, 1)[:, None], centres)
        if np.allclose(new, centres):
            break
        centres = new
    return centres
