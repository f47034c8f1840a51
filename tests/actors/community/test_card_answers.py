"""Cards: one vote an owner, enough owners or none, liars cut, rows forgotten."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.community.cards import LEVELS, CardMatrix, Estimate, answer, card_curve, level_of


def flat(value: float) -> list[float]:
    return [value] * len(LEVELS)


def community(*cards: tuple[str, float]) -> CardMatrix:
    matrix = CardMatrix(room=1)
    for number, (owner, value) in enumerate(cards):
        assert matrix.append(f"card-{number}", owner, flat(value))
    return matrix


def ask(matrix: CardMatrix, owner: str = "me", k_owners: int = 5) -> Estimate | str:
    return answer(matrix, 40.0, asker_owner=owner, k_owners=k_owners)


def test_a_card_tells_what_was_left_near_each_level() -> None:
    curve = card_curve(np.arange(60.0, -1, -1), np.arange(60.0, -1, -1))
    assert curve[level_of(30)] == pytest.approx(30, abs=0.1)
    assert curve[level_of(124)] == -1
    assert curve.shape == (63,)


def test_one_owner_too_few_is_no_answer() -> None:
    four = community(*[(f"o{n}", 40.0) for n in range(4)])
    assert ask(four) == "too_few_owners"
    assert ask(community()) == "no_evidence"


def test_enough_owners_answer() -> None:
    said = ask(community(*[(f"o{n}", 38.0 + n) for n in range(5)]))
    assert isinstance(said, Estimate)
    assert said.value == pytest.approx(40)
    assert (said.peers, said.owners, said.own_fleet) == (5, 5, 0)


def test_many_cards_of_one_owner_are_not_many_owners() -> None:
    assert ask(community(*[("one", 40.0)] * 50)) == "too_few_owners"


def test_own_fleet_counts_without_others_and_is_named() -> None:
    said = ask(community(("me", 30.0), ("me", 32.0), ("me", 34.0), ("other", 90.0)))
    assert isinstance(said, Estimate)
    assert said.value == pytest.approx(32)
    assert (said.peers, said.owners, said.own_fleet) == (3, 1, 3)


def test_a_thousand_cards_of_one_owner_have_one_vote() -> None:
    others = [(f"o{n}", 40.0 + n % 3) for n in range(9)]
    said = ask(community(*others, *[("loud", 100.0)] * 1000))
    assert isinstance(said, Estimate)
    assert said.p50 < 43
    assert said.value < 43


def test_those_far_from_the_median_do_not_count_for_the_value() -> None:
    said = ask(community(*[(f"o{n}", 40.0 + n % 3) for n in range(9)], ("liar", 120.0)))
    assert isinstance(said, Estimate)
    assert said.agreeing == 9
    assert said.value == pytest.approx(41, abs=0.5)


def test_where_most_had_all_left_those_with_somewhat_less_count_too() -> None:
    said = ask(community(*[(f"o{n}", 125.0) for n in range(8)], ("p", 95.0), ("q", 100.0)))
    assert isinstance(said, Estimate)
    assert said.value == pytest.approx(119.5)
    assert said.agreeing == 10


def test_a_card_is_added_once_and_forgotten_whole() -> None:
    matrix = community(*[(f"o{n}", 40.0) for n in range(5)])
    assert not matrix.append("card-0", "o0", flat(1.0))
    assert matrix.remove("card-0")
    assert not matrix.remove("card-0")
    assert ask(matrix) == "too_few_owners"


def test_an_owner_is_forgotten_with_its_last_card() -> None:
    matrix = community(("a", 1.0), ("a", 2.0), ("b", 3.0))
    assert matrix.remove("card-0")
    assert matrix.owner_code("a") >= 0
    assert matrix.remove("card-1")
    assert matrix.owner_code("a") == -1
    assert matrix.evidence(0)[0].tolist() == [3.0]


def test_a_card_of_the_wrong_size_is_refused() -> None:
    for wrong in ([1.0, 2.0], flat(float("nan"))):
        with pytest.raises(ValueError, match="63 finite levels"):
            CardMatrix().append("c", "o", wrong)


def test_a_card_left_out_says_nothing() -> None:
    matrix = community(*[(f"o{n}", 40.0) for n in range(5)])
    assert answer(matrix, 40.0, asker_owner="me", k_owners=5, without="card-3") == "too_few_owners"


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 12)), max_size=60))
def test_a_matrix_holds_what_was_added_and_not_removed(steps: list[tuple[bool, int]]) -> None:
    matrix, held = CardMatrix(room=1), dict[str, float]()
    for adding, number in steps:
        card = f"c{number}"
        if adding and matrix.append(card, f"o{number}", flat(float(number))):
            held[card] = float(number)
        if not adding and matrix.remove(card):
            del held[card]
    lives, owners, _ = matrix.evidence(0)
    assert sorted(lives.tolist()) == sorted(held.values())
    assert len(set(owners.tolist())) == len(matrix) == len(held)


@given(st.lists(st.floats(0, 125), min_size=5, max_size=40))
def test_an_answer_lies_within_what_peers_had_left(lives: list[float]) -> None:
    said = ask(community(*[(f"o{n}", value) for n, value in enumerate(lives)]))
    assert isinstance(said, Estimate)
    assert min(lives) - 1e-3 <= said.p10 <= said.p50 <= said.p90 <= max(lives) + 1e-3
    assert min(lives) - 1e-3 <= said.value <= max(lives) + 1e-3
