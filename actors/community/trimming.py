"""Training among liars: lives whose reports the others' contradict are left out (communities.md 4e).

One cut is not enough, since liars have bent the model they are judged by. So the better agreeing half alone teaches it
first, and then, again and again, those who agree with what the last ones taught, until nobody comes or goes.

A rarer honest way to fail is no lie. Those who fail so end where none of the others has been, but close to each other:
only who says something else of what others have been through is contradicted.
"""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from actors.community.doubting import FEWEST_JUDGES, HONEST_CYCLES, bound
from actors.community.lives import FloatArray, Life
from actors.community.screening import Flags, Screen, disagreement, of_another_kind, screen_of
from actors.community.training import FEWEST_LIVES, Trained, TrainingSettings, train

MOST_DOUBTED = 0.4
"""Share of the owners. Where more would be doubted there are two ways to live, and nobody is."""

_CORE_SHARE = 0.55
_ROUNDS = 6
_NEVER_HONEST_CYCLES = 2 * HONEST_CYCLES


class Trimmed(Struct, frozen=True, kw_only=True, eq=False):
    """A training on the lives that were believed, and the ids of those that were not."""

    trained: Trained
    expelled: tuple[str, ...]


def train_trimmed(lives: Sequence[Life], *, seed: int, settings: TrainingSettings | None = None) -> Trimmed:
    """Train on those lives whose reports the others' do not contradict. Raises: ValueError below 10 lives."""
    expelled = doubtful(lives, seed=seed)
    trained = train([life for life in lives if life.life_id not in expelled], seed=seed, settings=settings)
    return Trimmed(trained=trained, expelled=tuple(sorted(expelled)))


def doubtful(lives: Sequence[Life], *, seed: int) -> frozenset[str]:
    """Return the ids of lives not to train on: none where too few owners could judge, or too many would be doubted.

    A community in which nobody is far from what the others say is not searched for liars.
    """
    owners = {life.owner_id for life in lives}
    if len(owners) < FEWEST_JUDGES or len(lives) < FEWEST_LIVES:
        return frozenset()
    screen = screen_of(lives, seed=seed)
    apart = disagreement(screen, np.ones(len(lives), dtype=np.bool_))
    if (apart <= HONEST_CYCLES).all():
        return frozenset()
    kept = _confirmed(screen, apart)
    kept |= of_another_kind(screen, kept)
    told = [life for life, keep in zip(lives, kept.tolist(), strict=True) if not keep]
    few_left = len(lives) - len(told) < FEWEST_LIVES
    if few_left or len({life.owner_id for life in told}) > MOST_DOUBTED * len(owners):
        return frozenset()
    return frozenset(life.life_id for life in told)


def _confirmed(screen: Screen, apart: FloatArray) -> Flags:
    """Return which lives agree with each other, given how far each is off from all others.

    What is still usual only gets less: liars that came back would widen it for the next ones.
    """
    votes = screen.votes
    kept, usual = _closest(apart, votes), _NEVER_HONEST_CYCLES
    for _ in range(_ROUNDS):
        apart = disagreement(screen, kept)
        usual = min(usual, max(bound(apart[kept], votes[kept]), HONEST_CYCLES))
        after: Flags = apart <= usual
        if np.array_equal(after, kept):
            break
        kept = after
    return kept


def _closest(apart: FloatArray, votes: FloatArray) -> Flags:
    """Return the better agreeing half of the votes, and some more."""
    order: list[int] = np.argsort(apart, kind="stable").tolist()
    reached: FloatArray = np.asarray(np.cumsum(votes[order]), dtype=np.float64)
    count = int(np.count_nonzero(reached < _CORE_SHARE * reached[-1])) + 1
    kept: Flags = np.zeros(len(apart), dtype=np.bool_)
    kept[order[: max(FEWEST_LIVES, count)]] = True
    return kept
