"""Boosted trees fitted by scikit-learn and handed over as plain arrays. Needs seconds: run it off the loop."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from actors.community.forest import Forest, TreeNode, build_forest
from actors.community.lives import FloatArray

_SAME = 1e-6


_LEAVES = 7
_COLUMNS = 0.3
"""Share of the columns that each test of a tree chooses among.

Small trees of few columns err in different ways, so that the mean of many errs less: better where few have failed.
"""


def fit_amounts(rows: FloatArray, target: FloatArray, *, rounds: int, learning_rate: float, seed: int) -> Forest:
    """Return a forest of small trees that predicts an amount; the same rows and seed give the same forest."""
    with one_thread():
        booster = _boost(HistGradientBoostingRegressor, rows, target, rounds=rounds, rate=learning_rate, seed=seed)
        return _checked(booster, booster.predict, rows)


def fit_log_odds(
    rows: FloatArray, happened: npt.NDArray[np.bool_], *, rounds: int, learning_rate: float, seed: int
) -> Forest:
    """Return a forest of small trees that predicts the logarithm of the odds that something happens.

    Raises: ValueError when it always or never happened.
    """
    if happened.all() or not happened.any():
        raise ValueError(f"rows of both kinds expected, got {int(happened.sum())} of {len(happened)} where it happened")
    with one_thread():
        booster = _boost(HistGradientBoostingClassifier, rows, happened, rounds=rounds, rate=learning_rate, seed=seed)
        return _checked(booster, booster.decision_function, rows)


@contextmanager
def one_thread() -> Generator[None, None, None]:
    """Keep fitting to this thread: OpenMP's spinning ones take ages beside a busy hub."""
    with threadpool_limits(limits=1, user_api="openmp"):
        yield


def _boost(kind: Any, rows: FloatArray, target: Any, *, rounds: int, rate: float, seed: int) -> Any:
    booster = kind(
        max_iter=rounds,
        learning_rate=rate,
        max_leaf_nodes=_LEAVES,
        max_features=_COLUMNS,
        l2_regularization=5.0,
        early_stopping=False,
        random_state=seed % 2**32,
    )
    return booster.fit(rows, target)


def _checked(booster: Any, predict: Any, rows: FloatArray) -> Forest:
    """Return the booster as arrays, checked against the library's own predictions."""
    forest = _exported(booster)
    sample = rows[:: max(1, len(rows) // 200)]
    if not np.allclose(forest.predict(sample), predict(sample), atol=_SAME):
        raise RuntimeError("exported trees differ from scikit-learn's own: this version stores them another way")
    return forest


def _exported(booster: Any) -> Forest:
    # scikit-learn has no public export of boosted trees; ``_checked`` sees that these two still mean what they did.
    trees = [[_node(node) for node in predictors[0].nodes] for predictors in booster._predictors]  # noqa: SLF001
    return build_forest(trees, float(np.ravel(booster._baseline_prediction)[0]))  # noqa: SLF001 -- as above


def _node(node: Any) -> TreeNode:
    return TreeNode(
        is_leaf=bool(node["is_leaf"]),
        value=float(node["value"]),
        column=int(node["feature_idx"]),
        threshold=float(node["num_threshold"]),
        left=int(node["left"]),
        right=int(node["right"]),
    )
