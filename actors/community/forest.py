"""Boosted trees, served by numpy alone: every test of every tree at once, then the one leaf each tree has left.

A test that comes out false rules out the leaves on its left side. With leaves numbered from left to right, the lowest
one that no test has ruled out is the tree's answer ("QuickScorer", Lucchese and others, SIGIR 2015).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from actors.community.lives import FloatArray

MOST_LEAVES = 16
_ALL_LEAVES = 0xFFFF
_CELLS_AT_ONCE = 500_000


class Forest(Struct, frozen=True, kw_only=True, eq=False):
    """Tests x trees: the column looked at, its threshold (true is ``<=``) and the leaves that remain when false.

    ``leaves`` are trees x values.
    """

    column: npt.NDArray[np.int32]
    threshold: FloatArray
    remain: npt.NDArray[np.uint16]
    leaves: FloatArray
    baseline: FloatArray

    def predict(self, features: FloatArray) -> FloatArray:
        """Return one prediction a row."""
        rows = max(1, _CELLS_AT_ONCE // self.column.size)
        parts = [self._predict_some(features[start : start + rows]) for start in range(0, len(features), rows)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _predict_some(self, features: FloatArray) -> FloatArray:
        true = np.take(features, self.column, axis=1) <= self.threshold
        all_if_true = -true.view(np.uint8).astype(np.uint16)  # 1 becomes 0xFFFF: many times as fast as np.where
        left = np.bitwise_and.reduce(self.remain | all_if_true, axis=1)
        leaf = _lowest_bit(left)
        picked: FloatArray = self.leaves[np.arange(len(self.leaves)), leaf]
        return np.asarray(picked.sum(axis=1) + self.baseline[0], dtype=np.float64)


class TreeNode(Struct, frozen=True, kw_only=True):
    """One node as a training library describes it: a leaf has a value, any other a test with two children."""

    is_leaf: bool
    value: float
    column: int
    threshold: float
    left: int
    right: int


def build_forest(trees: Sequence[Sequence[TreeNode]], baseline: float) -> Forest:
    """Return the forest of these trees, each a list of nodes with the root first.

    Raises: ValueError for a tree of more than 16 leaves.
    """
    flat = [_flatten(tree) for tree in trees]
    shape = (max(1, *(len(tests) for tests, _ in flat)), len(trees))
    column = np.zeros(shape, dtype=np.int32)
    threshold = np.full(shape, np.inf)
    remain = np.full(shape, _ALL_LEAVES, dtype=np.uint16)
    leaves = np.zeros((len(trees), MOST_LEAVES))
    for place, (tests, values) in enumerate(flat):
        leaves[place, : len(values)] = values
        for test, (at, limit, mask) in enumerate(tests):
            column[test, place], threshold[test, place], remain[test, place] = at, limit, mask
    return Forest(column=column, threshold=threshold, remain=remain, leaves=leaves, baseline=np.array([baseline]))


def mean_of(forests: Sequence[Forest]) -> Forest:
    """Return the forest whose prediction is the mean of theirs."""
    tests = max(len(each.column) for each in forests)
    return Forest(
        column=np.concatenate([_filled(each.column, tests, 0) for each in forests], axis=1),
        threshold=np.concatenate([_filled(each.threshold, tests, np.inf) for each in forests], axis=1),
        remain=np.concatenate([_filled(each.remain, tests, _ALL_LEAVES) for each in forests], axis=1),
        leaves=np.concatenate([each.leaves for each in forests]) / len(forests),
        baseline=np.mean([each.baseline for each in forests], axis=0),
    )


def _filled(tests: npt.NDArray[Any], count: int, value: float) -> npt.NDArray[Any]:
    """Return tests filled up to ``count`` with some that rule nothing out."""
    return np.pad(tests, ((0, count - len(tests)), (0, 0)), constant_values=value)


def _flatten(tree: Sequence[TreeNode]) -> tuple[list[tuple[int, float, int]], list[float]]:
    tests: list[tuple[int, float, int]] = []
    values: list[float] = []

    def walk(at: int) -> None:
        node = tree[at]
        if node.is_leaf:
            values.append(node.value)
            return
        before = len(values)
        walk(node.left)
        ruled_out = (1 << len(values)) - (1 << before)
        tests.append((node.column, node.threshold, _ALL_LEAVES & ~ruled_out))
        walk(node.right)

    walk(0)
    if len(values) > MOST_LEAVES:
        raise ValueError(f"trees of at most {MOST_LEAVES} leaves expected, got one of {len(values)}")
    return tests, values


def _lowest_bit(masks: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    wide = masks.astype(np.int32)
    return np.asarray(np.frexp(wide & -wide)[1] - 1, dtype=np.intp)
