"""Training of the small networks behind a health index. Needs seconds: run it off the loop."""

from collections.abc import Sequence

import numpy as np
from threadpoolctl import threadpool_limits

from actors.community.lives import OUTCOME_CAP, FloatArray
from actors.community.network import Networks, Scaling, Weights, assembled

HIDDEN = (24, 8)

_BATCH = 512
_RATE = 0.01
_DECAY = 1e-3
_MOMENTUM, _SQUARES = 0.9, 0.999
_TINY = 1e-8
_SMALLEST_DEVIATION = 1e-6


def fit_scaling(rows: FloatArray) -> Scaling:
    """Return the bounds, means and deviations of training rows."""
    return Scaling(
        lowest=rows.min(axis=0).astype(np.float32),
        highest=rows.max(axis=0).astype(np.float32),
        mean=rows.mean(axis=0).astype(np.float32),
        deviation=np.maximum(rows.std(axis=0), _SMALLEST_DEVIATION).astype(np.float32),
    )


def fit_network(scaling: Scaling, rows: FloatArray, target: FloatArray, *, steps: int, seed: int) -> Networks:
    """Return one network that predicts an amount of 0 to 125; the same rows and seed give the same network.

    Each step follows the slope of the mean square error over 512 rows drawn at random (Adam), ever less far.
    """
    with threadpool_limits(limits=1, user_api="blas"):  # its spinning threads take ages beside a busy hub
        return assembled(scaling, [[each] for each in _fitted(scaling.apply(rows), target, steps, seed)])


def _fitted(inputs: Weights, target: FloatArray, steps: int, seed: int) -> list[Weights]:
    chance = np.random.default_rng(seed)
    wanted = (target / OUTCOME_CAP).astype(np.float32)
    layers = _started(inputs.shape[1], chance)
    mean, square = [np.zeros_like(each) for each in layers], [np.zeros_like(each) for each in layers]
    for step in range(1, steps + 1):
        some = chance.integers(len(inputs), size=_BATCH)
        pace = _RATE * (1 - (step - 1) / steps) * np.sqrt(1 - _SQUARES**step) / (1 - _MOMENTUM**step)
        for place, slope in enumerate(_slopes(layers, inputs[some], wanted[some])):
            mean[place] += (1 - _MOMENTUM) * (slope - mean[place])
            square[place] += (1 - _SQUARES) * (slope * slope - square[place])
            layers[place] -= np.float32(pace) * mean[place] / (np.sqrt(square[place]) + np.float32(_TINY))
    return layers


def _started(width: int, chance: np.random.Generator) -> list[Weights]:
    """Return weights at random, as large as keeps what passes through of one size, and offsets of zero, in turn."""
    layers: list[Weights] = []
    for below, above in zip((width, *HIDDEN), (*HIDDEN, 1), strict=True):
        bound = np.sqrt(6.0 / (below + above))
        layers.append(chance.uniform(-bound, bound, (below, above)).astype(np.float32))
        layers.append(np.zeros((1, above), dtype=np.float32))
    return layers


def _slopes(layers: Sequence[Weights], inputs: Weights, wanted: Weights) -> list[Weights]:
    """Return by how much each weight and offset raises half the mean square error and the decay of weights."""
    w1, b1, w2, b2, w3, b3 = layers
    one = np.maximum(inputs @ w1 + b1, 0)
    two = np.maximum(one @ w2 + b2, 0)
    back3 = (two @ w3 + b3 - wanted[:, None]) / np.float32(len(wanted))
    back2 = (back3 @ w3.T) * (two > 0)
    back1 = (back2 @ w2.T) * (one > 0)
    slopes = [
        each
        for weight, below, back in ((w1, inputs, back1), (w2, one, back2), (w3, two, back3))
        for each in (below.T @ back + np.float32(_DECAY) * weight, back.sum(axis=0, keepdims=True))
    ]
    return [np.asarray(each, dtype=np.float32) for each in slopes]
