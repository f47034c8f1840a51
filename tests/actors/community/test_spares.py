"""Spare parts asked for now and then: how many to keep, from parts of at least k owners that behaved alike."""

import pytest
from firm import COMMUNITY, NOW, OWNER, PRINTER

from actors.community.answers import AnswerRules
from actors.community.spares import SPARES, advise_spares, looks_of, moments_of
from actors.model.advice import Abstention, Advice, ExperienceCard, Question, Recommendation, Topic
from actors.model.ids import CorrelationId, OwnerId

QUIET = [0.0, 0.0, 1.0] * 8
BUSY = [9.0, 12.0, 10.0] * 8


def cards(owner: str, months: list[float], lead: int = 3) -> list[ExperienceCard]:
    return [
        ExperienceCard(
            card_id=f"{owner}.{place}.{months[0]}",
            community_id=COMMUNITY,
            topic=Topic.SPARES,
            owner_id=OwnerId(owner),
            subject=SPARES,
            looks=looks,
        )
        for place, looks in enumerate(moments_of(months, lead))
    ]


def ask(known: list[ExperienceCard], months: list[float], *, surely: float = 0.95, lead: float = 3.0) -> Advice:
    question = Question(
        correlation_id=CorrelationId("c"),
        community_id=COMMUNITY,
        topic=Topic.SPARES,
        thing_id=PRINTER,
        owner_id=OWNER,
        subject=SPARES,
        features=(*looks_of(months), surely, lead),
        skus=("ROLLER-1",),
        asked_at=NOW,
    )
    return advise_spares(known, question, rules=AnswerRules(), answered_at=NOW)


def fleet(owners: int, months: list[float]) -> list[ExperienceCard]:
    return [each for owner in range(owners) for each in cards(f"o{owner}", months)]


def test_what_parts_that_behaved_alike_needed_is_what_to_keep() -> None:
    said = ask([*fleet(30, QUIET), *fleet(30, BUSY)], QUIET)
    assert isinstance(said, Recommendation)
    assert (said.quantity, said.sku, said.action) == (1, "ROLLER-1", "keep_spares")
    assert said.evidence.owners >= 5
    busy = ask([*fleet(30, QUIET), *fleet(30, BUSY)], BUSY)
    assert isinstance(busy, Recommendation)
    assert busy.quantity == 31


def test_owners_below_k_abstain_and_say_what_is_missing() -> None:
    said = ask(fleet(4, QUIET), QUIET)
    assert isinstance(said, Abstention)
    assert said.reason == "too_few_owners"
    assert said.missing == "histories of parts, shared by at least 5 owners besides the asker's, or by its own fleet"
    assert isinstance(ask([], QUIET), Abstention)


def test_the_own_fleet_counts_alone_and_is_named() -> None:
    said = ask([*cards(OWNER, BUSY), *cards("o1", QUIET)], BUSY)
    assert isinstance(said, Recommendation)
    assert "of your own fleet" in said.sentence


def test_an_owner_of_many_parts_has_one_vote() -> None:
    loud = [replace_id(each, place) for place in range(9) for each in cards("loud", [9.0] * 24)]
    said = ask([*fleet(5, QUIET), *loud], QUIET, surely=0.8)
    assert isinstance(said, Recommendation)
    assert said.quantity == 1


def replace_id(card: ExperienceCard, place: int) -> ExperienceCard:
    return ExperienceCard(
        **{name: getattr(card, name) for name in card.__struct_fields__} | {"card_id": f"{place}{card.card_id}"}
    )


def test_less_certainty_needs_less_stock_and_the_answer_says_how_much() -> None:
    mixed = [*fleet(10, QUIET), *[each for owner in range(10, 20) for each in cards(f"o{owner}", [0.0, 0.0, 4.0] * 8)]]
    said = ask(mixed, QUIET)
    assert isinstance(said, Recommendation)
    assert said.quantity is not None
    less = ask(mixed, QUIET, surely=0.5)
    assert isinstance(less, Recommendation)
    if less.quantity != said.quantity:
        assert f"To last in 50% of cases, {less.quantity} would do." in said.would_change


def test_another_delivery_time_is_another_question() -> None:
    assert isinstance(ask(fleet(20, QUIET), QUIET, lead=6.0), Abstention)


@pytest.mark.parametrize("months", [[0.0] * 18, [1.0] * 20])
def test_too_short_a_history_has_no_moments(months: list[float]) -> None:
    with pytest.raises(ValueError, match="at least 21 months"):
        moments_of(months, 3)
