"""The causal features of a machine's health: what it did lately, against its regime and its own first cycles.

Nine features a sensor, in this order, each for all sensors: means of the last 5, 10, 20, 40 and 80 cycles; rise from
the middle to the end of the least-squares line over the last 20, 40 and 80; the 20-cycle mean minus the mean of the
first 20 cycles. Last comes the age (communities.md 4a.3).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from actors.community import arrays, regimes
from actors.community.lives import FloatArray, Life

LONGEST_WINDOW = 80
BASELINE_CYCLES = 20
MEAN_WINDOWS = (5, 10, 20, 40, 80)
SLOPE_WINDOWS = (20, 40, 80)
COLUMNS_A_SENSOR = len(MEAN_WINDOWS) + len(SLOPE_WINDOWS) + 1

_BASELINE_MEAN = MEAN_WINDOWS.index(BASELINE_CYCLES)
_FEWEST_FOR_SLOPE = 5
_SMALLEST_DEVIATION = 1e-6
_WILDEST = 10.0
_OLDEST = 400.0


class Normaliser(Struct, frozen=True, kw_only=True, eq=False):
    """Readings as deviations within their operating regime. ``kept`` are the sensors that vary in every regime."""

    scale: FloatArray
    centres: FloatArray
    kept: npt.NDArray[np.int64]
    mean: FloatArray
    deviation: FloatArray

    @property
    def n_settings(self) -> int:
        """How many leading columns of a row are settings."""
        return len(self.scale)

    @property
    def columns(self) -> int:
        """How many features a machine has."""
        return COLUMNS_A_SENSOR * len(self.kept) + 1

    def apply(self, rows: FloatArray) -> FloatArray:
        """Return rows x kept sensors; a missing reading counts as usual, a wild one as 10 deviations."""
        regime = regimes.assign(rows[:, : self.n_settings], self.scale, self.centres)
        z = (rows[:, self.kept] - self.mean[regime]) / self.deviation[regime]
        return np.clip(np.nan_to_num(z, nan=0.0), -_WILDEST, _WILDEST)

    def to_bytes(self) -> bytes:
        """Return the content, without code."""
        return arrays.pack({name: getattr(self, name) for name in self.__struct_fields__})

    @classmethod
    def from_bytes(cls, data: bytes) -> "Normaliser":
        """Return what ``to_bytes`` was called on. Raises: UnreadableArrays."""
        try:
            return cls(**arrays.unpack(data))
        except TypeError as error:
            raise arrays.UnreadableArrays(f"a normaliser expected: {error}") from error


def fit_normaliser(lives: Sequence[Life]) -> Normaliser:
    """Return the normaliser of training lives; regimes are found from the data."""
    rows = np.concatenate([life.rows for life in lives])
    n_settings = lives[0].n_settings
    scale, centres = regimes.find_regimes(rows[:, :n_settings])
    regime = regimes.assign(rows[:, :n_settings], scale, centres)
    sensors = rows[:, n_settings:]
    mean = np.stack([sensors[regime == each].mean(axis=0) for each in range(len(centres))])
    deviation = np.stack([sensors[regime == each].std(axis=0) for each in range(len(centres))])
    kept = np.flatnonzero((deviation >= _SMALLEST_DEVIATION).all(axis=0))
    return Normaliser(
        scale=scale,
        centres=centres,
        kept=(kept + n_settings).astype(np.int64),
        mean=mean[:, kept],
        deviation=deviation[:, kept],
    )


def features(normaliser: Normaliser, first_rows: FloatArray, last_rows: FloatArray, age: int) -> FloatArray:
    """Return the features of a machine now, from its first (up to 20) and its latest (up to 80) rows.

    ``age`` is the number of cycles since it was new or last replaced, the present one included.
    """
    late = normaliser.apply(last_rows[-LONGEST_WINDOW:])
    early = normaliser.apply(first_rows[:BASELINE_CYCLES])
    parts = _weights(len(late)) @ late
    drift = parts[_BASELINE_MEAN] - early.mean(axis=0)
    return np.concatenate([parts.ravel(), drift, [_age_column(age)]])


def life_features(normaliser: Normaliser, rows: FloatArray) -> FloatArray:
    """Return the features at every cycle of a life; row t equals ``features`` of the first t + 1 rows."""
    z = normaliser.apply(rows)
    sums = _prefix(z)
    moments = _prefix(z * np.arange(len(z))[:, None])
    means = [_window_mean(sums, window) for window in MEAN_WINDOWS]
    rises = [_window_rise(sums, moments, window) for window in SLOPE_WINDOWS]
    baseline = _window_mean(sums, len(z))[np.minimum(np.arange(len(z)), BASELINE_CYCLES - 1)]
    age = np.minimum(np.arange(1, len(z) + 1), _OLDEST) / 100.0
    return np.concatenate([*means, *rises, means[_BASELINE_MEAN] - baseline, age[:, None]], axis=1)


def _age_column(age: int) -> float:
    return min(float(age), _OLDEST) / 100.0


def _weights(length: int) -> FloatArray:
    """Return means and rises of the last ``length`` rows as one linear map, a window a row."""
    weights = np.zeros((len(MEAN_WINDOWS) + len(SLOPE_WINDOWS), length))
    for place, window in enumerate(MEAN_WINDOWS):
        weights[place, -window:] = 1.0 / min(window, length)
    for place, window in enumerate(SLOPE_WINDOWS, start=len(MEAN_WINDOWS)):
        weights[place, -window:] = _rise_weights(min(window, length))
    return weights


def _rise_weights(count: int) -> FloatArray:
    if count < _FEWEST_FOR_SLOPE:
        return np.zeros(count)
    centred = np.arange(count) - (count - 1) / 2
    return centred / (centred @ centred) * (count / 2)


def _prefix(values: FloatArray) -> FloatArray:
    return np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])


def _window_sums(prefix: FloatArray, window: int) -> tuple[FloatArray, FloatArray]:
    """Return (sum of the last ``window`` values, how many there were) at every cycle."""
    end = np.arange(1, len(prefix))
    start = np.maximum(end - window, 0)
    return prefix[end] - prefix[start], (end - start).astype(np.float64)[:, None]


def _window_mean(prefix: FloatArray, window: int) -> FloatArray:
    total, count = _window_sums(prefix, window)
    return total / count


def _window_rise(sums: FloatArray, moments: FloatArray, window: int) -> FloatArray:
    total, count = _window_sums(sums, window)
    moment, _ = _window_sums(moments, window)
    middle = np.arange(len(total))[:, None] - (count - 1) / 2
    squares = np.maximum(count * (count * count - 1) / 12, 1.0)
    rise = (moment - middle * total) / squares * (count / 2)
    return np.where(count >= _FEWEST_FOR_SLOPE, rise, 0.0)
