"""The two answers a community gives: about health and about materials. Pure: everything is passed in."""

from collections.abc import Iterable
from datetime import datetime

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from actors.community.answers import AnswerRules, Count, abstain, certainty
from actors.community.calibration import INTERVAL_LEVEL
from actors.community.cards import CardMatrix, Estimate, answer
from actors.community.explaining import Timing, health_changes, signals_of, supply_changes
from actors.community.health_index import HealthModel
from actors.community.policy import ActState
from actors.community.sentences import health_sentence, material_sentence
from actors.community.supplies import SupplyChoice, SupplyRanking, rank_supplies
from actors.community.usage import peers_use
from actors.model.advice import Advice, Evidence, ExperienceCard, Interval, Question, Recommendation, Topic

HEALTH_METHOD = "health index and peers' cards"
MATERIAL_METHOD = "life a piece by supply, lower bound"

_WATCH_WITHIN = 2.0


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
        return HealthAnswer(advice=abstain(question, reason, rules, answered_at), state=before, due=False)
    after, due = model.policy.step(before, said.value)
    shown = _shown(said, rules)
    advice = _recommend_health(model, question, shown, due=due, rules=rules, answered_at=answered_at)
    return HealthAnswer(advice=advice, state=after, due=due, estimate=said)


def advise_material(
    cards: Iterable[ExperienceCard], question: Question, *, rules: AnswerRules, answered_at: datetime
) -> Advice:
    """Answer which supply lasts longest. The first of ``question.features``, if any, is the asker's use a day."""
    heard = list(cards)
    ranking = rank_supplies(
        heard,
        asker_owner=question.owner_id,
        k_owners=rules.k_owners,
        usage=question.features[0] if question.features else 0.0,
        skus=question.skus,
    )
    if ranking.reason:
        return abstain(question, ranking.reason, rules, answered_at)
    use = peers_use(heard, asker_owner=question.owner_id, k_owners=rules.k_owners)
    if use is not None:
        own = any(card.usage > 0 and card.owner_id == question.owner_id for card in heard)
        use = replace(use, owners=rules.told(Count(use.owners, use.owners), int(own), "use").owners)
    return replace(_recommend_material(ranking, question, rules, answered_at), use=use)


def _shown(said: Estimate, rules: AnswerRules) -> Estimate:
    count = rules.told(Count(said.peers, said.owners), said.own_fleet, "peers")
    return replace(
        said, peers=count.peers, owners=count.owners, agreeing=round(said.agreeing / said.peers * count.peers)
    )


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
    timing = Timing(age=question.age, low=low, lead=rules.lead, unit=rules.unit)
    latest = timing.order_by()
    signals = signals_of(model, np.array(question.features, dtype=np.float64), rules.sensor_names)
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
        confidence=said.agreeing / said.peers * certainty(said.peers),
        sentence=health_sentence(
            said, interval, unit=rules.unit, order_by=None if action == "none" else latest, signals=signals
        ),
        answered_at=answered_at,
        expires_at=answered_at + rules.keep_for,
        order_by=latest,
        index=said.index,
        signals=signals,
        would_change=health_changes(said, timing, threshold=model.policy.threshold, due=due),
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
        hubs=said.hubs,
        quantiles={"p10": said.p10, "p50": said.p50, "p90": said.p90},
    )


def _recommend_material(
    ranking: SupplyRanking, question: Question, rules: AnswerRules, answered_at: datetime
) -> Recommendation:
    best = ranking.choices[0]
    count = rules.told(Count(best.lives, best.owners), best.own_fleet, best.sku)
    best = replace(best, lives=count.peers, owners=count.owners)
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
        confidence=certainty(best.owners if best.owners > 1 else best.lives),
        sentence=material_sentence(best, len(ranking.choices) - 1, unit=rules.unit),
        answered_at=answered_at,
        expires_at=answered_at + rules.keep_for,
        would_change=supply_changes(ranking.choices, rules.unit),
        prices={each.sku: next(iter(each.prices.values())) for each in ranking.choices if each.prices},
    )


def _material_evidence(best: SupplyChoice) -> Evidence:
    prices = {
        f"price_minor_{currency}_p{share}": float(each)
        for currency, paid in best.prices.items()
        for share, each in ((10, paid.p10), (50, paid.p50), (90, paid.p90))
    }
    return Evidence(peers=best.lives, owners=best.owners, own_fleet=best.own_fleet, lives=best.lives, quantiles=prices)
