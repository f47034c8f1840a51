"""A plant model of turbofan-like machines: wear that grows towards failure, seen through noisy sensors.

It stands in where no data set is given. A row has three settings and 21 sensors, as in C-MAPSS; the figures are ours.
"""

import numpy as np

from actors.community.lives import FloatArray, Life

SHORTEST_LIFE = 120
LONGEST_LIFE = 300

_SETTINGS = 3
_SENSORS = 21
_REGIMES = np.array([[0.0, 0.0, 100.0], [10.0, 0.25, 100.0], [20.0, 0.7, 100.0], [35.0, 0.84, 60.0]])
_SETTING_NOISE = np.array([0.002, 0.0003, 0.0])
_LEVELS = np.linspace(20.0, 9000.0, _SENSORS)
_DRIFT = np.array([0, 1, 1.4, 1.7, 0, 0, -1.5, 1.1, 0.8, 0, 1.8, -1.6, 1.1, 0.7, 1.5, 0, 1.3, 0, 0, -1.3, -1.3])
"""How far each sensor moves over a life, in noise deviations times ``_VISIBLE``; 0 is a sensor that tells nothing."""
_CONSTANT = np.array([0, 4, 9, 15, 17, 18])
_NOISE = 0.002
_VISIBLE = 2.5
_STEEPNESS = 3.0


def synthetic_life(seed: int, *, owner: str, regimes: int = 1) -> Life:
    """Return a life that ends in failure, 120 to 300 cycles long; the same seed gives the same life."""
    chance = np.random.default_rng(seed)
    cycles = int(chance.integers(SHORTEST_LIFE, LONGEST_LIFE, endpoint=True))
    regime = chance.integers(0, max(1, min(regimes, len(_REGIMES))), size=cycles)
    settings = _REGIMES[regime] + _SETTING_NOISE * chance.standard_normal((cycles, _SETTINGS))
    sensors = _sensors(_wear(cycles, chance), regime, chance)
    return Life(life_id=f"turbofan-{seed}", owner_id=owner, rows=np.hstack([settings, sensors]), n_settings=_SETTINGS)


def running_life(seed: int, *, owner: str, left: int, regimes: int = 1) -> Life:
    """Return a machine of the same kind that still has ``left`` cycles to go after its last row."""
    whole = synthetic_life(seed, owner=owner, regimes=regimes)
    kept = max(1, whole.cycles - left)
    return Life(life_id=whole.life_id, owner_id=owner, rows=whole.rows[:kept], n_settings=_SETTINGS)


def fleet(seed: int, size: int, *, owners: int, regimes: int = 1) -> list[Life]:
    """Return finished lives, dealt in turn to ``owners`` owners."""
    return [
        synthetic_life(seed * 10_000 + number, owner=f"owner-{number % owners}", regimes=regimes)
        for number in range(size)
    ]


def _wear(cycles: int, chance: np.random.Generator) -> FloatArray:
    """Return wear at each cycle, from a little to 1 at the failure: slow at first, then ever faster."""
    initial = chance.uniform(0.0, 0.1)
    passed = np.arange(1, cycles + 1) / cycles
    steepness = _STEEPNESS * chance.uniform(0.9, 1.1)
    return np.asarray(initial + (1 - initial) * np.expm1(steepness * passed) / np.expm1(steepness), dtype=np.float64)


def _sensors(
    wear: FloatArray, regime: np.ndarray[tuple[int], np.dtype[np.int64]], chance: np.random.Generator
) -> FloatArray:
    noise = chance.standard_normal((len(wear), _SENSORS))
    moved = _VISIBLE * _DRIFT * wear[:, None] * (1 + 0.5 * wear[:, None])
    moving = (moved + noise) * _NOISE
    moving[:, _CONSTANT] = 0.0
    return _LEVELS * (1 - 0.06 * regime[:, None]) * (1 + moving)
