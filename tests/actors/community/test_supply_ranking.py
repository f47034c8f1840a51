"""Supplies: what lasts, told only by enough owners, one vote each, unfinished lives counted rightly."""

import pytest

from actors.community.supplies import rank_supplies
from actors.model.advice import ExperienceCard, Paid, Topic
from actors.model.ids import CommunityId, OwnerId


def card(owner: str, sku: str, lived: float, **more: object) -> ExperienceCard:
    fixed = {"card_id": f"{owner}/{sku}/{lived}", "community_id": CommunityId("printers"), "topic": Topic.MATERIAL}
    return ExperienceCard(**fixed, owner_id=OwnerId(owner), subject="ink", sku=sku, lived=lived, **more)  # type: ignore[arg-type]


def owners(count: int, sku: str, lived: float, **more: object) -> list[ExperienceCard]:
    return [card(f"o{n}", sku, lived + n, **more) for n in range(count)]


def test_the_supply_that_lasts_longer_comes_first() -> None:
    ranking = rank_supplies([*owners(6, "XL", 900), *owners(6, "S", 400)], asker_owner="me", k_owners=5)
    assert [each.sku for each in ranking.choices] == ["XL", "S"]
    assert 400 < ranking.choices[0].lower < ranking.choices[0].mean


def test_thin_evidence_for_more_loses_to_much_evidence_for_a_little_less() -> None:
    cards = [*owners(40, "KNOWN", 800), card("me", "NEW", 850)]
    assert rank_supplies(cards, asker_owner="me", k_owners=5).choices[0].sku == "KNOWN"


def test_too_few_owners_say_nothing_about_their_supply() -> None:
    ranking = rank_supplies(owners(4, "XL", 900), asker_owner="me", k_owners=5)
    assert (ranking.choices, ranking.reason) == ((), "too_few_owners")
    assert rank_supplies([], asker_owner="me", k_owners=5).reason == "no_evidence"


def test_own_fleet_counts_and_is_counted() -> None:
    cards = [card("me", "XL", 900), card("me", "XL", 910), *owners(4, "XL", 100)]
    only = rank_supplies(cards, asker_owner="me", k_owners=5).choices[0]
    assert (only.lives, only.owners, only.own_fleet) == (2, 1, 2)
    assert only.mean == pytest.approx(905)


def test_one_owner_has_one_vote() -> None:
    cards = [*owners(9, "XL", 500), *[card("loud", "XL", 5000 + n) for n in range(200)]]
    assert rank_supplies(cards, asker_owner="me", k_owners=5).choices[0].mean < 1000


def test_pieces_used_like_mine_weigh_more() -> None:
    heavy = [card(f"h{n}", "XL", 300, usage=100) for n in range(6)]
    light = [card(f"l{n}", "XL", 900, usage=5) for n in range(6)]
    assert rank_supplies([*heavy, *light], asker_owner="me", k_owners=5, usage=100).choices[0].mean < 320
    assert rank_supplies([*heavy, *light], asker_owner="me", k_owners=5).choices[0].mean == pytest.approx(600)


def test_an_unfinished_life_hands_its_weight_to_the_longer_ones() -> None:
    # Kaplan-Meier over 10, 20+, 30: half of what is alive at 20 is handed on, so mean = (10 + 2 x 30) / 3.
    cards = [card("a", "XL", 10), card("b", "XL", 20, censored=True), card("c", "XL", 30)]
    found = rank_supplies(cards, asker_owner="me", k_owners=3).choices[0]
    assert found.mean == pytest.approx(70 / 3)


def test_unfinished_lives_alone_say_nothing() -> None:
    assert rank_supplies(owners(8, "XL", 900, censored=True), asker_owner="me", k_owners=5).choices == ()


def test_only_the_supplies_asked_for_are_ranked() -> None:
    cards = [*owners(6, "XL", 900), *owners(6, "S", 400)]
    assert [each.sku for each in rank_supplies(cards, asker_owner="me", k_owners=5, skus=["S"]).choices] == ["S"]


def test_prices_are_told_when_enough_owners_paid() -> None:
    paid = [card(f"o{n}", "XL", 900 + n, price_minor=1000 + 100 * n, currency="EUR") for n in range(5)]
    few = [card(f"p{n}", "XL", 900 + n, price_minor=99, currency="USD") for n in range(4)]
    found = rank_supplies([*paid, *few], asker_owner="me", k_owners=5).choices[0]
    assert found.prices == {"EUR": Paid(currency="EUR", p10=1000, p50=1200, p90=1400)}


def test_what_is_told_is_in_numbers_that_a_journal_keeps() -> None:
    (choice,) = rank_supplies(owners(6, "XL", 900), asker_owner="me", k_owners=5).choices
    assert {type(choice.lower), type(choice.mean)} == {float}
