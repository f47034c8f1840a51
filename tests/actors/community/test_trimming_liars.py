"""Liars among peers: expelled whatever they say, and honest peers stay."""

from collections.abc import Callable

import numpy as np
import pytest
from msgspec.structs import replace

from actors.community.lives import FloatArray, Life
from actors.community.trimming import doubtful
from hub.demo.turbofan import fleet

HONEST = fleet(seed=11, size=20, owners=20)
ATTACKS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "too_late": lambda left: left + 80,
    "inverted": lambda left: 125 - left,
    "cry_wolf": lambda left: left / 3,
}


def lying(life: Life, attack: str) -> Life:
    return replace(life, reported=ATTACKS[attack](life.remaining()))


@pytest.mark.parametrize("attack", list(ATTACKS))
def test_liars_are_not_believed(attack: str) -> None:
    told = [lying(life, attack) if number % 4 == 0 else life for number, life in enumerate(HONEST)]
    lost = doubtful(told, seed=0)
    assert lost >= {life.life_id for life in told[::4]}
    assert len(lost) <= 7


def test_the_honest_are_believed() -> None:
    assert len(doubtful(HONEST, seed=0)) <= 2


def test_one_owner_is_not_believed_for_bringing_more_lives_than_all_others() -> None:
    liar = [replace(lying(life, "too_late"), owner_id="liar") for life in fleet(seed=13, size=25, owners=25)]
    named = [replace(life, life_id=f"liar-{number}") for number, life in enumerate(liar)]
    lost = doubtful([*HONEST, *named], seed=0)
    assert lost >= {life.life_id for life in named}
    assert len(lost) <= len(named) + 2


def test_what_is_reported_counts_and_is_told_up_to_the_cap() -> None:
    left = lying(HONEST[0], "too_late").remaining()
    assert (left[0], left[-1]) == (125, 80)


def test_a_rarer_way_to_fail_is_believed_and_few_of_the_usual_are_lost() -> None:
    rare = [replace(life, life_id=f"rare-{n}", owner_id=f"rare-{n}") for n, life in enumerate(other_way(5))]
    lost = doubtful([*HONEST, *rare], seed=0)
    assert lost.isdisjoint(life.life_id for life in rare)
    assert len(lost) <= 2


def other_way(size: int) -> list[Life]:
    """Return lives in which other sensors tell the wear, and in the other direction."""
    sensors = slice(3, None)
    turned = []
    for life in fleet(seed=12, size=size, owners=size):
        rows = life.rows.copy()
        first = rows[:10, sensors].mean(axis=0)
        rows[:, sensors] = first * (2 - np.roll(rows[:, sensors] / first, 7, axis=1))
        turned.append(replace(life, rows=rows))
    return turned
