"""How many spare parts to keep: from moments of peers' parts that behaved alike (communities.md 4g). Pure.

A part asked for now and then has a history of mostly zeros. What peers share of theirs is bounded: five numbers that
say how a part looked at some month, and how many were asked for in the months after.
"""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime

import numpy as np
from msgspec import Struct

from actors.community.answers import AnswerRules, Count, abstain, certainty
from actors.community.calibration import INTERVAL_LEVEL
from actors.community.intermittent import StockRules, gather, part_looks
from actors.community.lives import FloatArray
from actors.model.advice import Advice, Evidence, ExperienceCard, Interval, Question, Recommendation

SPARES = "spares"
"""The subject of all such questions: parts that behaved alike are peers, whatever they are."""
SPARES_METHOD = "quantile of what parts that behaved alike needed"
_LOOKS = 5
_NEAREST = 50
_OTHER_RISKS = (0.9, 0.5)


class _Alike(Struct, frozen=True, kw_only=True, eq=False):
    needed: FloatArray
    weight: FloatArray
    owners: int
    own: int

    def at(self, share: float) -> int:
        """Return the stock that was enough in this share of the moments, one vote an owner."""
        return math.ceil(float(self.needed[np.searchsorted(np.cumsum(self.weight), share * self.weight.sum() - 1e-9)]))


def looks_of(months: Sequence[float]) -> tuple[float, ...]:
    """Return how a part looks by its demand a month, oldest first, as a question carries it."""
    return tuple(part_looks(np.array([months], dtype=np.float64))[0].tolist())


def moments_of(months: Sequence[float], lead_months: int) -> list[tuple[float, ...]]:
    """Return what a history tells peers: looks, then what was needed in the months after, then how many these were."""
    known = gather(np.array([months], dtype=np.float64), StockRules(lead_months=lead_months))
    return [
        (*looks.tolist(), float(needed), float(lead_months))
        for looks, needed in zip(known.looks, known.outcomes, strict=True)
    ]


def advise_spares(
    cards: Iterable[ExperienceCard], question: Question, *, rules: AnswerRules, answered_at: datetime
) -> Advice:
    """Answer how many pieces to keep. ``features`` are the part's looks, how surely they must last, and how long."""
    *looks, surely, lead = question.features
    heard = [card for card in cards if len(card.looks) == _LOOKS + 2 and card.looks[-1] == lead]
    others = {card.owner_id for card in heard} - {question.owner_id}
    if len(others) < rules.k_owners:
        heard = [card for card in heard if card.owner_id == question.owner_id]
    if not heard:
        return abstain(question, "too_few_owners" if others else "no_evidence", rules, answered_at)
    alike = _alike(heard, np.array(looks), question.owner_id)
    if alike.owners < rules.k_owners and alike.own < len(alike.needed):  # the nearest are of too few to be told
        return abstain(question, "too_few_owners", rules, answered_at)
    return _keep(alike, question, (surely, lead), rules, answered_at)


def _alike(cards: Sequence[ExperienceCard], looks: FloatArray, asker_owner: str) -> _Alike:
    """Return what the nearest moments needed, least first."""
    known = np.array([card.looks[:_LOOKS] for card in cards])
    middle, spread = known.mean(axis=0), np.maximum(known.std(axis=0), 1e-9)
    gaps = ((known - middle) / spread - (looks - middle) / spread) ** 2
    nearest: list[int] = np.argsort(gaps.sum(axis=1), kind="stable")[:_NEAREST].tolist()
    ordered = sorted((cards[place] for place in nearest), key=lambda card: card.looks[_LOOKS])
    _, owner = np.unique([card.owner_id for card in ordered], return_inverse=True)
    count = np.bincount(owner)
    return _Alike(
        needed=np.array([card.looks[_LOOKS] for card in ordered]),
        weight=np.ones(len(ordered)) if len(count) == 1 else 1.0 / count[owner],
        owners=len(count),
        own=sum(card.owner_id == asker_owner for card in ordered),
    )


def _keep(
    alike: _Alike, question: Question, wanted: tuple[float, float], rules: AnswerRules, answered_at: datetime
) -> Recommendation:
    surely, lead = wanted
    keep = alike.at(surely)
    count = rules.told(Count(len(alike.needed), alike.owners), alike.own, "parts")
    whose = "of your own fleet" if alike.own == len(alike.needed) else f"of {count.owners} owners"
    changes = {other: alike.at(other) for other in _OTHER_RISKS if alike.at(other) != keep}
    return Recommendation(
        correlation_id=question.correlation_id,
        topic=question.topic,
        subject=question.subject,
        action="keep_spares",
        estimate=float(alike.needed @ alike.weight / alike.weight.sum()),
        unit=f"pieces in {lead:g} months",
        interval=Interval(level=INTERVAL_LEVEL, low=alike.at(0.1), high=alike.at(0.9)),
        sku=question.skus[0] if question.skus else None,
        evidence=Evidence(peers=count.peers, owners=count.owners, own_fleet=alike.own, lives=count.peers),
        method=SPARES_METHOD,
        model_version="",
        confidence=certainty(count.owners if count.owners > 1 else count.peers),
        sentence=f"{count.peers} parts {whose} that looked alike needed {keep} or fewer in {lead:g} months, "
        f"{surely:.0%} of them: keep {keep}.",
        answered_at=answered_at,
        expires_at=answered_at + rules.keep_for,
        would_change=tuple(f"To last in {other:.0%} of cases, {pieces} would do." for other, pieces in changes.items()),
        quantity=keep,
    )
