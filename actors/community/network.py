"""Small neural networks, whose answer is their mean: smooth where trees jump, so better with few peers.

Each has two hidden layers that pass on what is above zero. A column counts only as far as it went in training, as trees
would have it: no answer runs away.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from actors.community.lives import OUTCOME_CAP, FloatArray

_CELLS_AT_ONCE = 500_000

Weights = npt.NDArray[np.float32]


class Scaling(Struct, frozen=True, kw_only=True, eq=False):
    """What columns were in training: inputs are deviations from their means, within their bounds."""

    lowest: Weights
    highest: Weights
    mean: Weights
    deviation: Weights

    def apply(self, rows: FloatArray) -> Weights:
        """Return rows as networks take them in."""
        bounded = np.clip(rows.astype(np.float32), self.lowest, self.highest)
        return np.asarray((bounded - self.mean) / self.deviation, dtype=np.float32)


class Networks(Struct, frozen=True, kw_only=True, eq=False):
    """The three layers, networks x inputs x outputs, and what each layer adds, networks x 1 x outputs."""

    lowest: Weights
    highest: Weights
    mean: Weights
    deviation: Weights
    first: Weights
    first_offset: Weights
    second: Weights
    second_offset: Weights
    third: Weights
    third_offset: Weights

    def predict(self, features: FloatArray) -> FloatArray:
        """Return one prediction a row: the mean of the networks'.

        A few rows at a time: larger products wake the threads of the linear algebra, which spin beside a busy hub.
        """
        rows = max(1, _CELLS_AT_ONCE // self.first[0].size)
        parts = [self._predict_some(features[start : start + rows]) for start in range(0, len(features), rows)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _predict_some(self, features: FloatArray) -> FloatArray:
        scaling = Scaling(lowest=self.lowest, highest=self.highest, mean=self.mean, deviation=self.deviation)
        value = np.maximum(scaling.apply(features) @ self.first + self.first_offset, 0)
        value = np.maximum(value @ self.second + self.second_offset, 0)
        told = (value @ self.third + self.third_offset)[:, :, 0]
        return np.asarray(told.mean(axis=0, dtype=np.float64) * OUTCOME_CAP, dtype=np.float64)


def side_by_side(networks: Sequence[Networks]) -> Networks:
    """Return the networks whose prediction is the mean of these; all must share their scaling."""
    of = Scaling(**{name: getattr(networks[0], name) for name in Scaling.__struct_fields__})
    return assembled(of, [[each for one in networks for each in getattr(one, name)] for name in _LAYERS])


_LAYERS = Networks.__struct_fields__[len(Scaling.__struct_fields__) :]


def assembled(scaling: Scaling, layers: Sequence[Sequence[Weights]]) -> Networks:
    """Return networks of these layers, each told for every network."""
    scales = {name: getattr(scaling, name) for name in Scaling.__struct_fields__}
    return Networks(**scales, **{name: np.stack(each) for name, each in zip(_LAYERS, layers, strict=True)})
