"""Cards that no peer confirms: liars, and mistakes. Judged anew with every epoch, so nothing is lost for good.

One cut is not enough, since liars have bent the middle that they are judged by: so the middle is that of owners, one
vote each, and it is found again without those that were doubted, until nobody else is.

Honest peers are hard to doubt. A card of health must be wrong by more cycles than any index errs; a supply must have
lasted four times as long, or as short, as for the others; and where more than a third of the owners would be doubted
there are two ways to live, and nobody is.
"""

from collections.abc import Callable, Generator, Sequence

import numpy as np
import numpy.typing as npt

from actors.community.cards import EMPTY
from actors.community.lives import FloatArray
from actors.model.advice import ExperienceCard

FEWEST_JUDGES = 10
"""Among fewer owners nobody is called a liar."""
MOST_DOUBTED = 1 / 3
HONEST_CYCLES = 30.0
"""So far off is an honest report at times: twice what a good index errs by."""

_CUT = 6.0
_MAD_TO_DEVIATION = 1.4826
_HONEST_FACTOR = 4.0
_ROUNDS = 8
_ROWS_A_STEP = 1_000

Flags = npt.NDArray[np.bool_]
Judging = Generator[None, None, frozenset[str]]
"""Yields between steps of a millisecond or so (of ten thousand cards), so that questions are answered in between."""


def doubted(cards: Sequence[ExperienceCard]) -> frozenset[str]:
    """Return the ids of those cards of one cell that their peers' cards do not confirm."""
    work = judging(cards)
    while True:
        try:
            next(work)
        except StopIteration as end:
            told: frozenset[str] = end.value
            return told


def judging(cards: Sequence[ExperienceCard]) -> Judging:
    """Work ``doubted`` out step by step."""
    curves = [card for card in cards if card.curve and not card.censored]
    yield
    pieces = [card for card in cards if not card.curve and not card.censored and card.lived > 0]
    yield
    rows = np.empty((len(curves), len(curves[0].curve) if curves else 0))
    for place, card in enumerate(curves):  # all at once would keep the interpreter from the loop
        rows[place] = card.curve
        if place % _ROWS_A_STEP == 0:
            yield
    far = yield from _doubted(curves, rows, _cycles_apart, HONEST_CYCLES)
    return far | (yield from _doubted_pieces(pieces))


def _doubted_pieces(pieces: Sequence[ExperienceCard]) -> Judging:
    """Return the pieces that lasted unlike others', both as they are and for the intensity of their use."""
    lived = np.log(np.array([[card.lived] for card in pieces]))
    used = lived + np.log(np.array([[card.usage if card.usage > 0 else 1.0] for card in pieces]))
    honest = float(np.log(_HONEST_FACTOR))
    unlike = yield from _doubted(pieces, lived, _amount_apart, honest)
    return unlike & (yield from _doubted(pieces, used, _amount_apart, honest))


def _doubted(
    cards: Sequence[ExperienceCard],
    told: FloatArray,
    apart: Callable[[FloatArray, FloatArray], FloatArray],
    honest: float,
) -> Judging:
    numbers: dict[str, int] = {}
    owner = np.array([numbers.setdefault(card.owner_id, len(numbers)) for card in cards], dtype=np.intp)
    if len(numbers) < FEWEST_JUDGES:
        return frozenset()
    kept = np.ones(len(cards), dtype=np.bool_)
    for _ in range(_ROUNDS):
        yield
        middle = yield from _middle(told[kept], owner[kept])
        gaps = apart(told, middle)
        yield
        after = gaps <= max(bound(gaps[kept], votes_of(owner[kept])), honest)
        if (after == kept).all():
            break
        kept = after
    n_doubted = len(set(owner[~kept].tolist()) - set(owner[kept].tolist()))
    if n_doubted > MOST_DOUBTED * len(numbers):
        return frozenset()
    return frozenset(card.card_id for card, keep in zip(cards, kept, strict=True) if not keep)


def _middle(told: FloatArray, owner: npt.NDArray[np.intp]) -> Generator[None, None, FloatArray]:
    """Return the median over owners, one vote each, of every column; -1 where nobody says anything."""
    votes = votes_of(owner)
    middle = np.empty(told.shape[1])
    for place, column in enumerate(told.T):
        middle[place] = weighted_median(column, np.where(column == EMPTY, 0.0, votes))
        yield
    return middle


def weighted_median(values: FloatArray, weights: FloatArray) -> float:
    """Return the middle of the weights; -1 where nothing weighs anything."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    if reached[-1] <= 0:
        return EMPTY
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])


def _cycles_apart(told: FloatArray, middle: FloatArray) -> FloatArray:
    """Return by how many cycles each curve differs from the middle, where both say something."""
    both = (told >= 0) & (middle >= 0)
    squares = np.where(both, (told - middle) ** 2, 0.0).sum(axis=1)
    return np.asarray(np.sqrt(squares / np.maximum(both.sum(axis=1), 1)), dtype=np.float64)


def _amount_apart(told: FloatArray, middle: FloatArray) -> FloatArray:
    return np.asarray(np.abs(told[:, 0] - middle[0]), dtype=np.float64)


def votes_of(owner: npt.NDArray[np.intp]) -> FloatArray:
    """Return what each piece of evidence counts, given whose it is: an owner has one vote."""
    return np.asarray(1.0 / np.bincount(owner)[owner], dtype=np.float64)


def bound(apart: FloatArray, votes: FloatArray) -> float:
    """Return how far off is still usual among these: six deviations from their middle."""
    middle = weighted_median(apart, votes)
    return middle + _CUT * _MAD_TO_DEVIATION * weighted_median(np.abs(apart - middle), votes)
