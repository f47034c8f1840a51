"""Training among liars: peers whose reports no model of the others can confirm are left out (communities.md 4e).

One cut is not enough, since liars have bent the model they are judged by. So the better agreeing half alone teaches a
quick model, twice over, and by that one everybody is judged; who agrees well enough comes back.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from actors.community.boosting import fit_amounts
from actors.community.doubting import FEWEST_JUDGES, HONEST_CYCLES, MOST_DOUBTED
from actors.community.features import fit_normaliser, life_features
from actors.community.lives import FloatArray, Life
from actors.community.training import FEWEST_LIVES, Trained, TrainingSettings, train

_CORE_SHARE = 0.55
_CORE_ROUNDS = 2
_READMISSIONS = 2
_CUT = 6.0
_MAD_TO_DEVIATION = 1.4826
_SMALLEST_SPREAD = 1.0
_THIN = 3
_ROUNDS = 40
_RATE = 0.2

Flags = npt.NDArray[np.bool_]


class Trimmed(Struct, frozen=True, kw_only=True, eq=False):
    """A training on the lives that were believed, and the ids of those that were not."""

    trained: Trained
    expelled: tuple[str, ...]


class Screen(Struct, frozen=True, kw_only=True, eq=False):
    """Every third cycle of each life as features, what was reported there, and the fold each life is judged in."""

    vectors: list[FloatArray]
    outcomes: list[FloatArray]
    fold: npt.NDArray[np.int64]
    seed: int


def train_trimmed(lives: Sequence[Life], *, seed: int, settings: TrainingSettings | None = None) -> Trimmed:
    """Train on those lives whose reports agree with the others'. Raises: ValueError below 10 lives."""
    kept = believed(lives, seed=seed, settings=settings)
    trained = train([life for life, keep in zip(lives, kept, strict=True) if keep], seed=seed, settings=settings)
    expelled = tuple(life.life_id for life, keep in zip(lives, kept, strict=True) if not keep)
    return Trimmed(trained=trained, expelled=expelled)


def doubtful(lives: Sequence[Life], *, seed: int) -> frozenset[str]:
    """Return the ids of lives not to train on: none where too few owners could judge, or too many would be doubted.

    A community in which nobody is far from what the others say is not searched for liars. More than a third of the
    owners are no liars: there are two ways to fail.
    """
    owners = {life.owner_id for life in lives}
    if len(owners) < FEWEST_JUDGES or len(lives) < FEWEST_LIVES:
        return frozenset()
    screen = _screen(lives, seed, TrainingSettings().folds)
    apart = _disagreement(screen, np.ones(len(lives), dtype=np.bool_))
    if (apart <= HONEST_CYCLES).all():
        return frozenset()
    kept, apart = _judged(screen, apart)
    told = [life for life, keep, gap in zip(lives, kept, apart, strict=True) if not keep and gap > HONEST_CYCLES]
    if len({life.owner_id for life in told}) > MOST_DOUBTED * len(owners):
        return frozenset()
    return frozenset(life.life_id for life in told)


def believed(lives: Sequence[Life], *, seed: int, settings: TrainingSettings | None = None) -> Flags:
    """Return which lives to train on: those whose reports the others' lives confirm; at least 10."""
    screen = _screen(lives, seed, (settings or TrainingSettings()).folds)
    return _judged(screen, _disagreement(screen, np.ones(len(lives), dtype=np.bool_)))[0]


def _judged(screen: Screen, apart: FloatArray) -> tuple[Flags, FloatArray]:
    """Return (which lives are believed, by how many cycles each is off), given how far each is off from all others."""
    n_core = max(FEWEST_LIVES, round(_CORE_SHARE * len(apart)))
    kept = _closest(apart, n_core)
    for _ in range(_CORE_ROUNDS):
        kept = _closest(apart, n_core)
        apart = _disagreement(screen, kept)
    for _ in range(_READMISSIONS):
        kept = apart <= _bound(apart[kept])
        apart = _disagreement(screen, kept)
    return (apart <= _bound(apart[kept])) | _closest(apart, FEWEST_LIVES), apart


def _screen(lives: Sequence[Life], seed: int, folds: int) -> Screen:
    normaliser = fit_normaliser(lives)
    return Screen(
        vectors=[life_features(normaliser, life.rows)[::_THIN] for life in lives],
        outcomes=[life.remaining()[::_THIN] for life in lives],
        fold=np.random.default_rng(seed).permutation(len(lives)) % folds,
        seed=seed,
    )


def _disagreement(screen: Screen, teachers: Flags) -> FloatArray:
    """Return by how many cycles each life's report differs from what the other teachers' lives would say of it."""
    apart = np.zeros(len(screen.vectors))
    for each in range(int(screen.fold.max()) + 1):
        seen = np.flatnonzero(teachers & (screen.fold != each)).tolist()
        rows = np.concatenate([screen.vectors[i] for i in seen])
        told = np.concatenate([screen.outcomes[i] for i in seen])
        forest = fit_amounts(rows, told, rounds=_ROUNDS, learning_rate=_RATE, seed=screen.seed + each)
        for life in np.flatnonzero(screen.fold == each).tolist():
            gaps = forest.predict(screen.vectors[life]) - screen.outcomes[life]
            apart[life] = np.sqrt((gaps**2).mean())
    return apart


def _closest(apart: FloatArray, count: int) -> Flags:
    kept = np.zeros(len(apart), dtype=np.bool_)
    kept[np.argsort(apart, kind="stable")[:count]] = True
    return kept


def _bound(apart: FloatArray) -> float:
    middle = float(np.median(apart))
    spread = _MAD_TO_DEVIATION * float(np.median(np.abs(apart - middle)))
    return middle + _CUT * max(spread, _SMALLEST_SPREAD)
