"""Waiting between attempts."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from protocols.backoff import next_delay_s


@given(st.integers(1, 10_000), st.floats(0.001, 3600), st.integers())
def test_a_wait_is_never_longer_than_the_cap_or_the_doubling(attempt: int, cap_s: float, seed: int) -> None:
    delay_s = next_delay_s(attempt, cap_s=cap_s, chance=Random(seed))
    assert 0 <= delay_s <= min(cap_s, 2.0 ** min(attempt, 64))


def test_waits_are_spread_over_the_whole_range() -> None:
    chance = Random(1)
    delays_s = [next_delay_s(10, cap_s=30.0, chance=chance) for _ in range(1000)]
    assert min(delays_s) < 1.0
    assert max(delays_s) > 29.0
