"""A slot's levels are packed: the same samples as ever in a sixth of the memory."""

import sys

from hypothesis import given
from hypothesis import strategies as st

from actors.thing.levels import count, ends, extended, newest, packed, unpacked

SAMPLES = st.lists(st.tuples(st.floats(allow_nan=False), st.floats(allow_nan=False)), min_size=1, max_size=200)


@given(SAMPLES)
def test_what_is_packed_comes_back_number_by_number(samples: list[tuple[float, float]]) -> None:
    levels = packed(samples)
    assert (list(unpacked(levels)), count(levels)) == (samples, len(samples))
    assert (ends(levels), newest(levels)) == ((*samples[0], *samples[-1]), samples[-1])


@given(SAMPLES)
def test_levels_stay_bounded_and_keep_the_first_and_the_newest(samples: list[tuple[float, float]]) -> None:
    levels = b""
    for at, level in samples:
        levels = extended(levels, at, level)
        assert ends(levels) == (*samples[0], at, level)
    assert count(levels) == len(samples) if len(samples) <= 48 else count(levels) <= 48
    assert sys.getsizeof(levels) < 900
    kept = iter(samples)
    assert all(sample in kept for sample in unpacked(levels)), "in their order, none made up"
