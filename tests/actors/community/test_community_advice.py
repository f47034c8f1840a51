"""The two entry points: what a question gets back, in words and figures."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from actors.community.advising import HealthAnswer, advise_health, advise_material
from actors.community.answers import AnswerRules
from actors.community.cards import CardMatrix
from actors.community.lives import FloatArray
from actors.community.policy import ActState
from actors.community.training import Trained
from actors.model.advice import Abstention, ExperienceCard, Question, Recommendation, Topic
from actors.model.ids import CommunityId, CorrelationId, OwnerId, ThingId
from hub.demo.turbofan import running_life

NOW = datetime(2030, 1, 1, tzinfo=UTC)
RULES = AnswerRules(k_owners=5, lead=8.0)


def question(topic: Topic, features: tuple[float, ...] = (), age: float = 0.0, owner: str = "me") -> Question:
    return Question(
        correlation_id=CorrelationId("c-1"),
        community_id=CommunityId("engines"),
        topic=topic,
        thing_id=ThingId("engine-1"),
        owner_id=OwnerId(owner),
        subject="engine",
        features=features,
        age=age,
        asked_at=NOW,
    )


def ask_at_each_cycle(trained: Trained, rows: FloatArray) -> list[HealthAnswer]:
    matrix, state, said = trained.matrix(), ActState(), list[HealthAnswer]()
    for age in range(1, len(rows) + 1):
        vector = trained.model.features(rows[:20][:age], rows[max(0, age - 80) : age], age)
        asked = question(Topic.HEALTH, tuple(vector.tolist()), age)
        said.append(advise_health(trained.model, matrix, asked, rules=RULES, answered_at=NOW, state=state))
        state = said[-1].state
    return said


def test_a_machine_near_its_end_is_told_to_order(trained: Trained) -> None:
    rows = running_life(70_001, owner="me", left=8).rows
    last = ask_at_each_cycle(trained, rows)[-1]
    assert isinstance(last.advice, Recommendation)
    assert last.due
    assert last.advice.action == "order_replacement"
    assert last.advice.model_version == trained.model.version
    assert last.advice.evidence.owners == 6
    assert last.advice.interval is not None
    assert last.advice.interval.low <= (last.advice.estimate or 0) <= last.advice.interval.high
    assert last.advice.expires_at == NOW + timedelta(days=1)


def test_a_young_machine_is_not_told_to_order(trained: Trained) -> None:
    said = ask_at_each_cycle(trained, running_life(70_002, owner="me", left=110).rows[:60])
    assert not any(each.due for each in said)
    assert isinstance(said[-1].advice, Recommendation)
    assert said[-1].advice.action == "none"
    assert "Order by" not in said[-1].advice.sentence


def test_the_sentence_counts_peers_and_owners_and_says_when_to_order(trained: Trained) -> None:
    rows = running_life(70_001, owner="me", left=25).rows
    advice = ask_at_each_cycle(trained, rows)[-1].advice
    assert isinstance(advice, Recommendation)
    assert f"{advice.evidence.peers} peers (6 owners)" in advice.sentence
    assert advice.interval is not None
    order_by = max(len(rows), len(rows) + advice.interval.low - 8)
    assert advice.sentence.endswith(f"Order by cycle {order_by:.0f} at the latest.")


def test_own_fleet_is_named_in_the_sentence(trained: Trained) -> None:
    rows = running_life(70_001, owner="me", left=30).rows
    vector = tuple(trained.model.features(rows[:20], rows, len(rows)).tolist())
    asked = question(Topic.HEALTH, vector, len(rows), owner="owner-2")
    advice = advise_health(trained.model, trained.matrix(), asked, rules=RULES, answered_at=NOW).advice
    assert isinstance(advice, Recommendation)
    assert advice.evidence.own_fleet > 0
    assert "of your own fleet" in advice.sentence


@pytest.mark.parametrize("reason", ["no_model", "out_of_range", "no_evidence", "too_few_owners"])
def test_an_abstention_names_its_reason_and_keeps_the_state(trained: Trained, reason: str) -> None:
    rows = running_life(70_001, owner="me", left=30).rows
    vector = trained.model.features(rows[:20], rows, len(rows))
    features = tuple((vector * (100 if reason == "out_of_range" else 1)).tolist())
    matrix = CardMatrix(trained.model.version) if reason == "no_evidence" else trained.matrix()
    rules = AnswerRules(k_owners=99 if reason == "too_few_owners" else 5)
    model = None if reason == "no_model" else trained.model
    asked = question(Topic.HEALTH, features, 30.0)
    said = advise_health(model, matrix, asked, rules=rules, answered_at=NOW, state=ActState(below=1))
    assert isinstance(said.advice, Abstention)
    assert said.advice.reason == reason
    assert len(said.advice.sentence) > 20
    assert (said.state, said.due) == (ActState(below=1), False)


def test_cards_of_another_model_are_never_mixed_in(trained: Trained) -> None:
    with pytest.raises(ValueError, match="expected, got those of"):
        advise_health(trained.model, CardMatrix("older"), question(Topic.HEALTH), rules=RULES, answered_at=NOW)


def test_shuffled_cards_give_worse_answers(trained: Trained) -> None:
    shuffled = CardMatrix(trained.model.version)
    chance = np.random.default_rng(0)
    for card in trained.cards:
        shuffled.append(card.life_id, card.owner_id, chance.permutation(card.curve))
    rows = running_life(70_001, owner="me", left=5).rows
    asked = question(Topic.HEALTH, tuple(trained.model.features(rows[:20], rows, len(rows)).tolist()), len(rows))
    right, wrong = (
        advise_health(trained.model, cards, asked, rules=RULES, answered_at=NOW).estimate
        for cards in (trained.matrix(), shuffled)
    )
    assert right is not None
    assert wrong is not None
    assert abs(wrong.value - 5) > 2 * abs(right.value - 5)


def supply_card(owner: str, sku: str, lived: float) -> ExperienceCard:
    return ExperienceCard(
        card_id=f"{owner}-{sku}",
        community_id=CommunityId("printers"),
        topic=Topic.MATERIAL,
        owner_id=OwnerId(owner),
        subject="ink",
        sku=sku,
        lived=lived,
        price_minor=2500,
        currency="EUR",
    )


def test_the_better_supply_is_advised_with_its_ranking() -> None:
    cards = [supply_card(f"o{n}", sku, lived) for n in range(6) for sku, lived in (("XL", 900.0), ("S", 400.0))]
    rules = AnswerRules(unit="pages")
    advice = advise_material(cards, question(Topic.MATERIAL), rules=rules, answered_at=NOW)
    assert isinstance(advice, Recommendation)
    assert (advice.action, advice.sku) == ("order_supply", "XL")
    assert advice.ranking["XL"] > advice.ranking["S"] > 0
    assert advice.evidence.quantiles["price_minor_EUR_p50"] == 2500
    assert advice.sentence.startswith("XL lasted 900 pages a piece for 6 pieces used up (6 owners), ")
    assert advice.sentence.endswith("more than 1 other supply. Most paid 25.00 to 25.00 EUR.")


def test_too_few_owners_of_supplies_is_an_abstention() -> None:
    cards = [supply_card(f"o{n}", "XL", 900.0) for n in range(4)]
    advice = advise_material(cards, question(Topic.MATERIAL), rules=RULES, answered_at=NOW)
    assert isinstance(advice, Abstention)
    assert advice.reason == "too_few_owners"
    assert "at least 5" in advice.sentence
