"""When to act on a series of estimates, one a cycle; chosen on training lives only."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from actors.community.lives import FloatArray

_THRESHOLDS = tuple(float(each) for each in range(20, 71))
_PERSISTENCES = ((1, 1), (2, 2), (2, 3), (3, 4), (4, 6))
_AS_GOOD_AS_BEST = 0.005


class ActBand(Struct, frozen=True, kw_only=True):
    """The remaining lives, in cycles, between which acting is right: below is late, above is early."""

    late: float = 30.0
    early: float = 60.0
    most_early: float = 0.005
    """Bound on the share of moments above ``early`` at which a training life had been acted for."""


class ActState(Struct, frozen=True, kw_only=True):
    """What the policy remembers of one machine: a bit for each of its latest estimates, the newest lowest."""

    below: int = 0


class ActPolicy(Struct, frozen=True, kw_only=True):
    """Act when ``needed`` of the latest ``of`` estimates are at most ``threshold`` cycles."""

    threshold: float
    needed: int
    of: int

    def step(self, state: ActState, value: float | None) -> tuple[ActState, bool]:
        """Take one estimate, in cycles (None: there was no answer), and return whether action is due."""
        below = state.below
        if value is not None:
            below = ((below << 1) | (value <= self.threshold)) & ((1 << self.of) - 1)
        return ActState(below=below), below.bit_count() >= self.needed


class Replay(NamedTuple):
    """Estimates along one finished life, a cycle each, and the true remaining life at each; both in cycles.

    NaN stands for "no answer". The remaining lives are not capped.
    """

    estimates: FloatArray
    remaining: FloatArray


class Figures(Struct, frozen=True, kw_only=True):
    """How a policy does on finished lives cut at any moment."""

    caught: float
    """Share of the moments in the last ``late`` cycles at which it had acted."""
    early: float
    """Share of the moments above ``early`` cycles at which it had acted."""
    off_centre: float
    """Root mean square distance of the moment of acting from the middle of the band, in cycles."""


DEFAULT_POLICY = ActPolicy(threshold=45.0, needed=2, of=2)
"""For communities without a finished life to choose on: the middle of the default band."""


def choose_policy(replays: Sequence[Replay], band: ActBand | None = None) -> ActPolicy:
    """Return the policy that catches most under the bound on early ones; among near equals the one that acts mid-band.

    Each life must have been replayed with a model and cards that had not seen it.
    """
    if not replays:
        return DEFAULT_POLICY
    wanted = band or ActBand()
    judged = [(policy, judge(policy, replays, wanted)) for policy in _candidates()]
    allowed = [each for each in judged if each[1].early <= wanted.most_early] or judged[:1]
    best = max(figures.caught for _, figures in allowed)
    near = [each for each in allowed if each[1].caught >= best - _AS_GOOD_AS_BEST]
    return min(near, key=lambda each: each[1].off_centre)[0]


def judge(policy: ActPolicy, replays: Sequence[Replay], band: ActBand) -> Figures:
    """Return how a policy does on these lives."""
    acted_at = np.array([first_due(policy, each) for each in replays])
    born_with = np.array([each.remaining[0] for each in replays])
    early = np.maximum(acted_at - band.early, 0) / np.maximum(born_with - band.early, 1)
    return Figures(
        caught=float(np.clip((acted_at + 1) / (band.late + 1), 0, 1).mean()),
        early=float(early.mean()),
        off_centre=float(np.sqrt(((acted_at - (band.late + band.early) / 2) ** 2).mean())),
    )


def first_due(policy: ActPolicy, replay: Replay) -> float:
    """Return the true remaining life when the policy first says "due", in cycles; -1 when it never does."""
    heard = ~np.isnan(replay.estimates)
    due = _due(replay.estimates[heard] <= policy.threshold, policy)
    return float(replay.remaining[heard][due.argmax()]) if due.any() else -1.0


def _due(below: npt.NDArray[np.bool_], policy: ActPolicy) -> npt.NDArray[np.bool_]:
    counts = np.cumsum(below)
    before = np.concatenate([np.zeros(min(policy.of, len(counts)), dtype=counts.dtype), counts[: -policy.of]])
    return np.asarray(counts - before >= policy.needed)


def _candidates() -> list[ActPolicy]:
    return [
        ActPolicy(threshold=threshold, needed=needed, of=of)
        for threshold in _THRESHOLDS
        for needed, of in _PERSISTENCES
    ]
