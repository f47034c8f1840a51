"""Liars among peers: expelled whatever they say, and honest peers stay."""

from collections.abc import Callable

import numpy as np
import pytest
from msgspec.structs import replace

from actors.community.lives import FloatArray, Life
from actors.community.trimming import believed
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
