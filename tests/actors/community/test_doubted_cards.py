"""Cards that no peer confirms are left aside; honest ones stay, also where there are two honest ways to live."""

from collections.abc import Callable

import numpy as np
import pytest

from actors.community.cards import LEVELS
from actors.community.doubting import doubted, judging
from actors.community.evidence import Book, Standing, Stood, cell_of
from actors.model.advice import ExperienceCard, Topic
from actors.model.ids import CommunityId, OwnerId

ATTACKS: dict[str, Callable[[float], float]] = {
    "too_late": lambda left: min(left + 80, 125),
    "inverted": lambda left: 125 - left,
    "cry_wolf": lambda left: left / 3,
}


def health(owner: str, *, shift: float = 0.0, lie: Callable[[float], float] = float) -> ExperienceCard:
    """Return the card of a machine whose index errs by ``shift`` cycles."""
    chance = np.random.default_rng(sum(owner.encode()))
    honest = np.clip(LEVELS + shift + chance.normal(0, 6, len(LEVELS)), 0, 125)
    return ExperienceCard(
        card_id=owner,
        community_id=CommunityId("engines"),
        topic=Topic.HEALTH,
        owner_id=OwnerId(owner),
        subject="engine",
        curve=tuple(lie(float(left)) for left in honest),
        lived=200.0,
    )


def piece(owner: str, lived: float, *, usage: float = 0.0, card_id: str = "") -> ExperienceCard:
    return ExperienceCard(
        card_id=card_id or owner,
        community_id=CommunityId("office"),
        topic=Topic.MATERIAL,
        owner_id=OwnerId(owner),
        subject="black",
        sku="INK",
        lived=lived,
        usage=usage,
    )


@pytest.mark.parametrize("attack", list(ATTACKS))
@pytest.mark.parametrize("n_liars", [4, 6])
def test_liars_are_doubted_and_nobody_else(attack: str, n_liars: int) -> None:
    liars = [health(f"liar{n}", lie=ATTACKS[attack]) for n in range(n_liars)]
    honest = [health(f"h{n}") for n in range(20 - n_liars)]
    assert doubted([*honest, *liars]) == {card.card_id for card in liars}


def test_judging_pauses_so_that_questions_are_answered_in_between() -> None:
    cards = [health(f"h{n}") for n in range(20)]
    assert sum(1 for _ in judging(cards)) > len(LEVELS), "at each column of the curves, and between"


def test_in_a_clean_community_nobody_is_doubted() -> None:
    assert doubted([health(f"h{n}") for n in range(60)]) == frozenset()


@pytest.mark.parametrize("n_rare", [3, 10, 20])
def test_a_rarer_honest_way_to_fail_is_not_taken_for_a_lie(n_rare: int) -> None:
    usual = [health(f"h{n}", shift=-8) for n in range(40 - n_rare)]
    rare = [health(f"r{n}", shift=14) for n in range(n_rare)]
    assert doubted([*usual, *rare]) == frozenset()


def test_light_and_heavy_use_are_two_honest_ways_to_live() -> None:
    light = [piece(f"l{n}", 100.0 + n, usage=2.0) for n in range(16)]
    heavy = [piece(f"h{n}", 10.0 + n / 10, usage=20.0) for n in range(4)]
    assert doubted([*light, *heavy]) == frozenset()


def test_a_supply_that_lasted_for_ever_is_doubted() -> None:
    assert doubted([*(piece(f"o{n}", 500.0 + n) for n in range(12)), piece("seller", 90_000.0)]) == {"seller"}


def test_a_crowd_of_one_owners_cards_does_not_move_the_middle() -> None:
    crowd = [piece("crowd", 9000.0, card_id=f"c{n}") for n in range(500)]
    told = doubted([*(piece(f"o{n}", 500.0 + n) for n in range(12)), *crowd])
    assert told == {card.card_id for card in crowd}


def test_among_few_owners_nobody_is_called_a_liar() -> None:
    assert doubted([*(piece(f"o{n}", 500.0) for n in range(8)), piece("odd", 90_000.0)]) == frozenset()


def test_what_is_doubted_comes_back_when_it_is_confirmed_or_vouched_for() -> None:
    cards = [*(piece(f"o{n}", 500.0 + n) for n in range(12)), piece("odd", 5000.0)]
    book = Book(cell_of(cards[0]))
    for card in cards:
        book.take(card)
    book.change(book.next_epoch(doubted(book.candidates())))
    assert book.stood["odd"].standing is Standing.TRIMMED
    assert "odd" not in {card.card_id for card in book.told()}
    assert "odd" in {card.card_id for card in book.heard_by("odd")}  # for its own owner it counts
    book.change({"odd": Stood(standing=Standing.WAITING, vouched=True)})
    book.change(book.next_epoch(doubted(book.candidates())))
    assert "odd" in {card.card_id for card in book.told()}
