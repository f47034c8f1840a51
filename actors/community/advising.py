"""The two answers a community gives: about health and about materials. Pure: everything is passed in."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import numpy as np
from msgspec import Struct

from actors.community.calibration import INTERVAL_LEVEL
from actors.community.cards import CardMatrix, Estimate, answer
from actors.community.health_index import HealthModel
from actors.community.policy import ActState
from actors.community.sentences import abstention_sentence, health_sentence, material_sentence
from actors.community.supplies import SupplyChoice, SupplyRanking, rank_supplies
from actors.model.advice import Abstention, Advice, Evidence, ExperienceCard, Interval, Question, Recommendation, Topic

HEALTH_METHOD = "health index and peers' cards"
MATERIAL_METHOD = "life a piece by supply, lower bound"

_WATCH_WITHIN = 2.0
_HALF_SURE = 5.0


class AnswerRules(Struct, frozen=True, kw_only=True):
    """How a community answers. ``lead`` is the delivery time in ``unit``, for the latest time to order."""

    k_owners: int = 5
    keep_for: timedelta = timedelta(days=1)
    unit: str = "cycles"
    lead: float = 0.0


class HealthAnswer(Struct, frozen=True, kw_only=True):
    """The advice, what the policy remembers until the next question, and the bare estimate behind it."""

    advice: Advice
    state: ActState
    due: bool
    estimate: Estimate | None = None


def advise_health(
    model: HealthModel | None,
    matrix: CardMatrix,
    question: Question,
    *,
    rules: AnswerRules,
    answered_at: datetime,
    state: ActState | None = None,
) -> HealthAnswer:
    """Answer how long a machine has left, and whether that calls for a replacement now.

    ``question.features`` is what ``HealthModel.features`` returned, ``question.age`` its cycles. Ask once a cycle: the
    policy counts questions. Raises: ValueError when the cards belong to another version of the model.
    """
    before = state or ActState()
    said = _estimate(model, matrix, question, rules.k_owners)
    if model is None or isinstance(said, str):
        reason = said if isinstance(said, str) else "no_model"
        return HealthAnswer(advice=_abstain(question, reason, rules, answered_at), state=before, due=False)
    after, due = model.policy.step(before, said.value)
    advice = _recommend_health(model, question, said, due=due, rules=rules, answered_at=answered_at)
    return HealthAnswer(advice=advice, state=after, due=due, estimate=said)


def advise_material(
    cards: Iterable[ExperienceCard], question: Question, *, rules: AnswerRules, answered_at: datetime
) -> Advice:
    """Answer which supply lasts longest. The first of ``question.features``, if any, is the asker's use a day."""
    ranking = rank_supplies(
        cards,
        asker_owner=question.owner_id,
        k_owners=rules.k_owners,
        usage=question.features[0] if question.features else 0.0,
        skus=question.skus,
    )
    if ranking.reason:
        return _abstain(question, ranking.reason, rules, answered_at)
    return _recommend_material(ranking, question, rules, answered_at)


def _estimate(model: HealthModel | None, matrix: CardMatrix, question: Question, k_owners: int) -> Estimate | str:
    if model is None:
        return "no_model"
    if matrix.model_version != model.version:
        raise ValueError(f"cards of model {model.version} expected, got those of {matrix.model_version or 'none'}")
    vector = np.array(question.features, dtype=np.float64)
    if not model.knows(vector):
        return "out_of_range"
    return answer(matrix, float(model.index(vector)[0]), asker_owner=question.owner_id, k_owners=k_owners)


def _recommend_health(
    model: HealthModel, question: Question, said: Estimate, *, due: bool, rules: AnswerRules, answered_at: datetime
) -> Recommendation:
    low, high = model.calibration.apply(said)
    interval = Interval(level=INTERVAL_LEVEL, low=low, high=high)
    action = _action(said.value, model.policy.threshold, due=due)
    order_by = None if action == "none" else max(question.age, question.age + low - rules.lead)
    return Recommendation(
        correlation_id=question.correlation_id,
        topic=Topic.HEALTH,
        subject=question.subject,
        action=action,
        estimate=said.value,
        unit=rules.unit,
        interval=interval,
        evidence=_health_evidence(said),
        method=HEALTH_METHOD,
        model_version=model.version,
        confidence=said.agreeing / said.peers * _certainty(said.peers),
        sentence=health_sentence(said, interval, unit=rules.unit, order_by=order_by),
        answered_at=answered_at,
        expires_at=answered_at + rules.keep_for,
    )


def _action(value: float, threshold: float, *, due: bool) -> str:
    if due:
        return "order_replacement"
    return "watch" if value <= _WATCH_WITHIN * threshold else "none"


def _health_evidence(said: Estimate) -> Evidence:
    return Evidence(
        peers=said.peers,
        owners=said.owners,
        own_fleet=said.own_fleet,
        lives=said.peers,
        quantiles={"p10": said.p10, "p50": said.p50, "p90": said.p90},
    )


def _certainty(lives: float) -> float:
    """Return how far a number of lives may be trusted: half at five, towards one."""
    return lives / (lives + _HALF_SURE)


def _recommend_material(
    ranking: SupplyRanking, question: Question, rules: AnswerRules, answered_at: datetime
) -> Recommendation:
    best = ranking.choices[0]
    return Recommendation(
        correlation_id=question.correlation_id,
        topic=Topic.MATERIAL,
        subject=question.subject,
        action="order_supply",
        estimate=best.mean,
        unit=rules.unit,
        interval=Interval(level=INTERVAL_LEVEL, low=best.lower, high=2 * best.mean - best.lower),
        sku=best.sku,
        ranking={each.sku: each.lower for each in ranking.choices},
        evidence=_material_evidence(best),
        method=MATERIAL_METHOD,
        model_version="",
        confidence=_certainty(best.owners if best.owners > 1 else best.lives),
        sentence=material_sentence(best, len(ranking.choices) - 1, unit=rules.unit),
        answered_at=answered_at,
        expires_at=answered_at + rules.keep_for,
    )


def _material_evidence(best: SupplyChoice) -> Evidence:
    prices = {
        f"price_minor_{currency}_p{share}": float(each)
        for currency, paid in best.prices.items()
        for share, each in zip((10, 50, 90), paid, strict=True)
    }
    return Evidence(peers=best.lives, owners=best.owners, own_fleet=best.own_fleet, lives=best.lives, quantiles=prices)


def _abstain(question: Question, reason: str, rules: AnswerRules, answered_at: datetime) -> Abstention:
    return Abstention(
        correlation_id=question.correlation_id,
        topic=question.topic,
        subject=question.subject,
        reason=reason,
        sentence=abstention_sentence(reason, k_owners=rules.k_owners),
        answered_at=answered_at,
    )
