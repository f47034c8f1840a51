"""What helped: the repairs and parts that ended a fault for peers, by how often and at what cost. Pure functions.

A try ended the fault, or did not help; one that ended it may be taken back, because the fault came back soon. An owner
has one vote a remedy, shared by its tries. Ranked is by the lower bound of the share of tries that helped for good
(Wilson 1927), then by cost.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from actors.community.prices import paid_by_currency
from actors.community.votes import owner_votes, tellable
from actors.model.advice import ExperienceCard, Paid, RankedRemedy, Remedy, RemedyOutcome

_DEVIATIONS = 1.2816
"""80 % between the bounds: the true share lies above the lower one with 90 %."""


class RemedyRanking(Struct, frozen=True, kw_only=True):
    """Remedies, best first; ``reason`` says why there are none."""

    remedies: tuple[RankedRemedy, ...] = ()
    reason: Literal["", "no_evidence", "too_few_owners"] = ""


def rank_remedies(cards: Iterable[ExperienceCard], *, asker_owner: str, k_owners: int) -> RemedyRanking:
    """Return what ended a fault for good, best first.

    For each remedy other owners count only when at least ``k_owners`` of them tried it; the asker's own fleet always
    counts.
    """
    by_remedy: dict[Remedy, list[ExperienceCard]] = {}
    for card in cards:
        if card.tried is not None:
            by_remedy.setdefault(card.tried.remedy, []).append(card)
    told = {remedy: tellable(found, asker_owner, k_owners) for remedy, found in by_remedy.items()}
    ranked = [_ranked(remedy, found, asker_owner, k_owners) for remedy, found in told.items() if found]
    known = [each for each in ranked if each.tries]
    if not known:
        return RemedyRanking(reason="too_few_owners" if by_remedy else "no_evidence")
    return RemedyRanking(remedies=tuple(sorted(known, key=_best_first)))


def _best_first(each: RankedRemedy) -> tuple[float, float, str]:
    return -each.lower, math.inf if each.paid is None else each.paid.p50, each.remedy.name


def _ranked(remedy: Remedy, cards: Sequence[ExperienceCard], asker_owner: str, k_owners: int) -> RankedRemedy:
    by_owner: dict[str, Counter[RemedyOutcome]] = {}
    for card in cards:
        if card.tried is not None:
            by_owner.setdefault(card.owner_id, Counter())[card.tried.outcome] += 1
    votes = _votes(by_owner, owner_votes(cards))
    helped, cast = sum(share for share, _ in votes), sum(weight for _, weight in votes)
    rate, lower, upper = _bounds(helped, cast)
    prices = paid_by_currency(cards, asker_owner, k_owners)
    return RankedRemedy(
        remedy=remedy,
        rate=rate,
        lower=lower,
        upper=upper,
        tries=sum(_tries(each) for each in by_owner.values()),
        owners=len(by_owner),
        own_fleet=_tries(by_owner.get(asker_owner, Counter())),
        came_back=sum(each[RemedyOutcome.CAME_BACK] for each in by_owner.values()),
        paid=_commonest(prices),
    )


def _votes(by_owner: Mapping[str, Counter[RemedyOutcome]], votes: Mapping[str, float]) -> list[tuple[float, float]]:
    """Return (share that helped, weight) an owner; within a single owner each try speaks for itself."""
    found = [(_helped(each), _tries(each), votes[owner]) for owner, each in by_owner.items() if _tries(each)]
    if len(found) == 1:
        return [(float(helped), float(tries)) for helped, tries, _ in found]
    return [(vote * helped / tries, vote) for helped, tries, vote in found]


def _tries(outcomes: Counter[RemedyOutcome]) -> int:
    return outcomes[RemedyOutcome.ENDED] + outcomes[RemedyOutcome.DID_NOT_HELP]


def _helped(outcomes: Counter[RemedyOutcome]) -> int:
    return max(0, outcomes[RemedyOutcome.ENDED] - outcomes[RemedyOutcome.CAME_BACK])


def _bounds(helped: float, cast: float) -> tuple[float, float, float]:
    """Return (share, lower, upper bound) by Wilson's score interval."""
    if cast <= 0:
        return 0.0, 0.0, 1.0
    share, z2 = helped / cast, _DEVIATIONS**2
    middle = (share + z2 / (2 * cast)) / (1 + z2 / cast)
    reach = _DEVIATIONS * math.sqrt(share * (1 - share) / cast + z2 / (4 * cast * cast)) / (1 + z2 / cast)
    return share, max(0.0, middle - reach), min(1.0, middle + reach)


def _commonest(prices: Mapping[str, Paid]) -> Paid | None:
    return next(iter(prices.values()), None)
