"""Liars among peers: expelled whatever they say, and honest peers stay."""

from collections.abc import Callable

import numpy as np
import pytest
from msgspec.structs import replace

from actors.community.lives import FloatArray, Life
from actors.community.trimming import believed, doubtful
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
    kept = believed(told, seed=0)
    assert not kept[::4].any()
    assert np.count_nonzero(kept) >= 13


def test_the_honest_are_believed() -> None:
    assert np.count_nonzero(believed(HONEST, seed=0)) >= 18


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
