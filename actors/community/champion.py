"""Champion and challenger: a new health model replaces the present one only when it errs less on the lives closed last.

Neither has seen those lives: the present model was trained before they closed, and the new one answers about each by
the fold that left it out, from the cards of the others. Each life has one vote, however long it was.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from msgspec import Struct

from actors.community.cards import LEVELS, CardMatrix, Estimate, answer, levels_of
from actors.community.health_index import HealthModel
from actors.community.lives import FloatArray, Life


class Duel(Struct, frozen=True, kw_only=True):
    """The error of both over the lives closed last, in cycles; root mean square, each life one vote."""

    lives: int
    champion: float
    challenger: float

    @property
    def won(self) -> bool:
        """Whether the challenger replaces the champion: it errs less, or there is nothing to judge by."""
        return not self.lives or self.challenger < self.champion

    @property
    def sentence(self) -> str:
        """Say how it ended."""
        kept = "the new model is published" if self.won else "the present model is kept"
        return (
            f"{kept}: on the {self.lives} lives closed last it errs by {self.champion:.1f} cycles, "
            f"the new one by {self.challenger:.1f}"
        )


def duel(
    champion: HealthModel,
    matrix: CardMatrix,
    lives: Sequence[Life],
    *,
    unseen: Collection[str],
    errors: Mapping[str, float],
) -> Duel:
    """Judge both by the ``unseen`` lives; ``errors`` are the challenger's by life, in cycles."""
    judged = [life for life in lives if life.life_id in unseen and life.life_id in errors]
    theirs = [life_error(answers_along(champion.life_index(life.rows), matrix, life), life) for life in judged]
    return Duel(
        lives=len(judged),
        champion=_overall(theirs),
        challenger=_overall([errors[life.life_id] for life in judged]),
    )


def answers_along(index: FloatArray, matrix: CardMatrix, life: Life) -> FloatArray:
    """Return what peers' cards say along a life; the index itself where no card says anything."""
    at = levels_of(index)
    said = {
        level: answer(matrix, float(LEVELS[level]), asker_owner=life.owner_id, k_owners=1, without=life.life_id)
        for level in np.unique(at).tolist()
    }
    told = [each.value if isinstance(each := said[level], Estimate) else np.nan for level in at.tolist()]
    values = np.array(told, dtype=np.float64)
    return np.where(np.isnan(values), index, values)


def life_error(values: FloatArray, life: Life) -> float:
    """Return the root mean square error along one life, in cycles."""
    return float(np.sqrt(((values - life.remaining()) ** 2).mean()))


def _overall(errors: Sequence[float]) -> float:
    return float(np.sqrt(np.mean(np.square(errors)))) if errors else 0.0
