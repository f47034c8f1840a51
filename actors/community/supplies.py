"""Consumables: which supply lasts longest at my kind of use, what peers paid, and what the evidence weighs.

Methods: communities.md 4h; unfinished lives by redistribution to the right (Efron 1967), which is Kaplan and Meier's.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from actors.community.lives import FloatArray
from actors.community.prices import paid_by_currency
from actors.community.votes import owner_votes, tellable
from actors.model.advice import ExperienceCard, Paid

LOWER_BOUND_LEVEL = 0.9
"""The true mean lies above the lower bound with about this probability."""

_DEVIATIONS_BELOW = 1.2816
_USAGE_BELL = 0.7
_USUAL_SPREAD = 0.3
_USUAL_SPREAD_WEIGHT = 2.0


class SupplyChoice(Struct, frozen=True, kw_only=True):
    """What peers' pieces say about one SKU; ``mean`` life of a piece and its lower bound in the slot's unit of use."""

    sku: str
    mean: float
    lower: float
    lives: int
    owners: int
    own_fleet: int
    prices: dict[str, Paid] = {}
    """Currency -> what peers paid for one piece."""


class SupplyRanking(Struct, frozen=True, kw_only=True):
    """Supplies by lower bound, best first; ``reason`` says why there are none."""

    choices: tuple[SupplyChoice, ...]
    reason: Literal["", "no_evidence", "too_few_owners"] = ""


class _Lives(Struct, frozen=True, kw_only=True):
    lived: FloatArray
    censored: npt.NDArray[np.bool_]
    weight: FloatArray


def rank_supplies(
    cards: Iterable[ExperienceCard],
    *,
    asker_owner: str,
    k_owners: int,
    usage: float = 0.0,
    skus: Sequence[str] = (),
) -> SupplyRanking:
    """Return supplies by the life of a piece that is nearly sure, best first.

    For each SKU other owners count only when at least ``k_owners`` of them have used it; the asker's own fleet always
    counts. An owner has one vote a SKU, shared by its pieces. Pieces used at another intensity than ``usage`` (0: not
    known) weigh less. ``skus`` limits the answer to those.
    """
    by_sku: dict[str, list[ExperienceCard]] = {}
    for card in cards:
        if card.lived > 0 and card.sku and (not skus or card.sku in skus):
            by_sku.setdefault(card.sku, []).append(card)
    told = {sku: _tellable(found, asker_owner, k_owners) for sku, found in by_sku.items()}
    choices = [_choice(sku, found, asker_owner, k_owners, usage) for sku, found in told.items() if found]
    ranked = tuple(sorted(choices, key=lambda each: (-each.lower, -each.mean, each.sku)))
    return SupplyRanking(choices=ranked, reason=_reason(by_sku, ranked))


def _reason(
    found: dict[str, list[ExperienceCard]], ranked: tuple[SupplyChoice, ...]
) -> Literal["", "no_evidence", "too_few_owners"]:
    if ranked:
        return ""
    return "too_few_owners" if found else "no_evidence"


def _tellable(cards: list[ExperienceCard], asker_owner: str, k_owners: int) -> list[ExperienceCard]:
    """Return the cards that the asker may hear about; those of unfinished lives only beside finished ones."""
    heard = tellable(cards, asker_owner, k_owners)
    return heard if any(not card.censored for card in heard) else []


def _choice(sku: str, cards: list[ExperienceCard], asker_owner: str, k_owners: int, usage: float) -> SupplyChoice:
    lives = _lives(cards, usage)
    mean, lower = _bounds(lives)
    return SupplyChoice(
        sku=sku,
        mean=mean,
        lower=lower,
        lives=len(cards),
        owners=len({card.owner_id for card in cards}),
        own_fleet=sum(card.owner_id == asker_owner for card in cards),
        prices=paid_by_currency(cards, asker_owner, k_owners),
    )


def _lives(cards: list[ExperienceCard], usage: float) -> _Lives:
    ordered = sorted(cards, key=lambda card: (card.lived, card.censored, card.card_id))
    alike = np.array([_alike(card.usage, usage) for card in ordered])
    return _Lives(
        lived=np.array([card.lived for card in ordered]),
        censored=np.array([card.censored for card in ordered]),
        weight=alike * _votes(ordered),
    )


def _votes(cards: Sequence[ExperienceCard]) -> FloatArray:
    """Return each card's share of its owner's one vote; within a single owner each piece speaks for itself."""
    votes, count = owner_votes(cards), Counter(card.owner_id for card in cards)
    if len(count) == 1:
        return np.ones(len(cards))
    return np.array([votes[card.owner_id] / count[card.owner_id] for card in cards])


def _alike(theirs: float, mine: float) -> float:
    if theirs <= 0 or mine <= 0:
        return 1.0
    return max(float(np.exp(-((np.log(theirs / mine) / _USAGE_BELL) ** 2))), 1e-6)


def _bounds(lives: _Lives) -> tuple[float, float]:
    """Return (mean life, lower bound of it): a margin that falls with the root of the weight."""
    weight = _redistributed(lives)
    total = float(weight.sum())
    mean = float(weight @ lives.lived) / total
    around = float(weight @ (lives.lived - mean) ** 2)
    usual = _USUAL_SPREAD_WEIGHT * (_USUAL_SPREAD * mean) ** 2
    deviation = math.sqrt((around + usual) / (total + _USUAL_SPREAD_WEIGHT))
    return mean, max(0.0, mean - _DEVIATIONS_BELOW * deviation / math.sqrt(total))


def _redistributed(lives: _Lives) -> FloatArray:
    """Return weights with those of unfinished lives handed to the longer ones; the longest counts as finished."""
    later = lives.weight[::-1].cumsum()[::-1] - lives.weight
    handed = lives.censored & (np.arange(len(later)) < len(later) - 1)
    growth = np.where(handed, 1 + lives.weight / np.maximum(later, 1e-12), 1.0)
    before = np.concatenate([[1.0], np.cumprod(growth)[:-1]])
    return np.where(handed, 0.0, lives.weight * before)
