"""Lives as their reports are judged: what the middle of the other owners would have told at each moment of them.

The middle, not the mean: a model of medians is the same whether a third of what it is taught is a little wrong or
wildly. It is kept coarse, so that it cannot tell single machines apart and repeat what the liar most alike has said.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import Struct
from sklearn.ensemble import HistGradientBoostingRegressor

from actors.community.boosting import one_thread
from actors.community.doubting import votes_of
from actors.community.features import fit_normaliser, life_features
from actors.community.lives import OUTCOME_CAP, FloatArray, Life

_THIN = 3
_FOLDS = 5
_ROUNDS = 40
_RATE = 0.2
_LEAVES = 6
_FEWEST_IN_LEAF = 20
_LEAVES_OF_ALL = 50
"""A leaf holds at least a fiftieth of all rows: more than a single machine could fill."""
_LAST_ROWS = 10
_SMALLEST_DEVIATION = 0.1
_ELSEWHERE = 2.0
"""So many times as far as is usual is another place."""

Flags = npt.NDArray[np.bool_]


class Screen(Struct, frozen=True, kw_only=True, eq=False):
    """Every third cycle of each life as features, what was reported there, whose it is, and where it is judged."""

    vectors: list[FloatArray]
    outcomes: list[FloatArray]
    owner: npt.NDArray[np.intp]
    fold: npt.NDArray[np.int64]
    seed: int

    @property
    def votes(self) -> FloatArray:
        """What each life counts: an owner has one vote for all of them."""
        return votes_of(self.owner)


def screen_of(lives: Sequence[Life], *, seed: int) -> Screen:
    """Prepare lives for judgement. No life is judged by one of the same owner."""
    normaliser = fit_normaliser(lives)
    names = sorted({life.owner_id for life in lives})
    owner = np.array([names.index(life.owner_id) for life in lives], dtype=np.intp)
    return Screen(
        vectors=[life_features(normaliser, life.rows)[::_THIN] for life in lives],
        outcomes=[life.remaining()[::_THIN] for life in lives],
        owner=owner,
        fold=(np.random.default_rng(seed).permutation(len(names)) % _FOLDS)[owner],
        seed=seed,
    )


def disagreement(screen: Screen, teachers: Flags) -> FloatArray:
    """Return by how many cycles each life's report differs from what other owners' lives among the teachers say of it.

    The end of a life counts most: most of a long life everybody says "125 or more".
    """
    apart = np.zeros(len(screen.vectors))
    for each in range(int(screen.fold.max()) + 1):
        middle = _fit_middle(screen, np.flatnonzero(teachers & (screen.fold != each)).tolist(), screen.seed + each)
        for life in np.flatnonzero(screen.fold == each).tolist():
            said: FloatArray = middle.predict(screen.vectors[life])
            told = screen.outcomes[life]
            weights = np.maximum(OUTCOME_CAP - np.minimum(said, told), 1.0)
            apart[life] = np.sqrt(np.average((said - told) ** 2, weights=weights))
    return apart


def of_another_kind(screen: Screen, known: Flags) -> Flags:
    """Return which lives ended where no other owner's ``known`` life has been, but another's that is not known has.

    One that is merely far from everybody is not of a kind: that could be noise.
    """
    deviation = np.maximum(np.concatenate(_of(screen.vectors, known)).std(axis=0), _SMALLEST_DEVIATION)
    rows = [vectors / deviation for vectors in screen.vectors]
    to_known = _distances(rows, screen.owner, known)
    to_unknown = _distances(rows, screen.owner, ~known)
    return (to_known > _ELSEWHERE * np.median(to_known[known])) & (to_unknown < to_known / _ELSEWHERE)


def _distances(rows: Sequence[FloatArray], owner: npt.NDArray[np.intp], among: Flags) -> FloatArray:
    """Return how far the end of each life is from the nearest moment of other owners' lives ``among`` these."""
    return np.array(
        [
            _far(each[-_LAST_ROWS:], _of(rows, among & (owner != whose)))
            for each, whose in zip(rows, owner.tolist(), strict=True)
        ]
    )


def _far(points: FloatArray, lives: Sequence[FloatArray]) -> float:
    """Return the median over points of the distance to the row that is nearest to it; infinite where there is none."""
    if not lives:
        return float("inf")
    rows = np.concatenate(lives)
    squares = (points**2).sum(axis=1)[:, None] + (rows**2).sum(axis=1) - 2 * points @ rows.T
    return float(np.median(np.sqrt(np.maximum(squares.min(axis=1), 0.0))))


def _of(lives: Sequence[FloatArray], chosen: Flags) -> list[FloatArray]:
    return [lives[each] for each in np.flatnonzero(chosen).tolist()]


def _fit_middle(screen: Screen, teachers: Sequence[int], seed: int) -> Any:
    step = _steps(screen.owner[teachers])
    rows = np.concatenate([screen.vectors[life][::each] for life, each in zip(teachers, step, strict=True)])
    told = np.concatenate([screen.outcomes[life][::each] for life, each in zip(teachers, step, strict=True)])
    kind: Any = HistGradientBoostingRegressor
    model = kind(
        loss="absolute_error",
        max_iter=_ROUNDS,
        learning_rate=_RATE,
        max_leaf_nodes=_LEAVES,
        min_samples_leaf=max(_FEWEST_IN_LEAF, len(rows) // _LEAVES_OF_ALL),
        l2_regularization=5.0,
        early_stopping=False,
        random_state=seed % 2**32,
    )
    with one_thread():
        return model.fit(rows, told)


def _steps(owner: npt.NDArray[np.intp]) -> list[int]:
    """Return which row of each life teaches: of an owner with many more lives than is usual each second, third ..."""
    lives = np.bincount(owner)
    steps: list[int] = np.maximum(np.rint(lives[owner] / np.median(lives[lives > 0])), 1).astype(np.int64).tolist()
    return steps
