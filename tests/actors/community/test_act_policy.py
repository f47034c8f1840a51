"""When to act: chosen on finished lives, constant state, intervals that cover."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.community.calibration import UNCALIBRATED, HeldOut, calibrate
from actors.community.policy import (
    DEFAULT_POLICY,
    ActBand,
    ActPolicy,
    ActState,
    Replay,
    choose_policy,
    first_due,
    judge,
)


def noisy_lives(seed: int, noise: float, count: int = 40) -> list[Replay]:
    chance = np.random.default_rng(seed)
    remaining = np.arange(199, -1, -1, dtype=np.float64)
    return [
        Replay(estimates=np.clip(remaining + noise * chance.standard_normal(200), 0, 125), remaining=remaining)
        for _ in range(count)
    ]


def test_a_policy_chosen_on_some_lives_holds_on_others() -> None:
    policy = choose_policy(noisy_lives(1, noise=6))
    held = judge(policy, noisy_lives(2, noise=6), ActBand())
    assert held.caught >= 0.98
    assert held.early <= 0.01


def test_wild_estimates_ask_for_persistence() -> None:
    spiky = noisy_lives(1, noise=4)
    for life in spiky:
        life.estimates[20::37] = 5.0
    policy = choose_policy(spiky)
    assert policy.needed > 1
    assert judge(policy, spiky, ActBand()).early <= 0.005


def test_without_lives_the_middle_of_the_band_is_taken() -> None:
    assert choose_policy([]) == DEFAULT_POLICY


@given(
    st.lists(st.one_of(st.none(), st.floats(0, 125)), min_size=1, max_size=60),
    st.sampled_from([(1, 1), (2, 2), (2, 3), (3, 4), (4, 6)]),
)
def test_stepping_finds_the_moment_that_the_replay_finds(
    values: list[float | None], persistence: tuple[int, int]
) -> None:
    policy = ActPolicy(threshold=50.0, needed=persistence[0], of=persistence[1])
    state, stepped = ActState(), -1.0
    for left, value in zip(range(len(values) - 1, -1, -1), values, strict=True):
        state, due = policy.step(state, value)
        if due and stepped < 0:
            stepped = float(left)
    heard = np.array([np.nan if value is None else value for value in values])
    assert stepped == first_due(policy, Replay(heard, np.arange(len(values) - 1, -1, -1, dtype=np.float64)))


def test_what_the_policy_remembers_stays_small() -> None:
    policy, state = ActPolicy(threshold=50.0, needed=4, of=6), ActState()
    for _ in range(1000):
        state, _ = policy.step(state, 1.0)
    assert state.below < 2**6


def _held_out(seed: int, lives: int = 40) -> list[HeldOut]:
    chance = np.random.default_rng(seed)
    outcomes = np.arange(99, -1, -1, dtype=np.float64)
    said = [outcomes + 10 * chance.standard_normal(100) for _ in range(lives)]
    return [HeldOut(values=each, lows=each - 2, highs=each + 2, outcomes=outcomes) for each in said]


def _covered(calibrated_on: int) -> float:
    more = float(np.median(calibrate(_held_out(1, calibrated_on)).widen))
    return float(np.mean([(np.abs(o.values - o.outcomes) <= 2 + more).mean() for o in _held_out(2)]))


def test_calibrated_intervals_cover_four_fifths_of_unseen_lives() -> None:
    assert (calibrate(_held_out(1)).widen > 5).all()
    assert 0.8 <= _covered(40) <= 0.9


def test_the_margin_for_not_knowing_shrinks_with_more_lives() -> None:
    assert 0.8 <= _covered(400) < _covered(40) < _covered(12)


def test_nothing_held_out_changes_nothing() -> None:
    silent = HeldOut(*[np.full(5, np.nan)] * 3, np.zeros(5))
    assert calibrate([]) is UNCALIBRATED
    assert calibrate([silent]) is UNCALIBRATED


def test_ends_hold_the_answer_and_stay_in_range() -> None:
    assert UNCALIBRATED.ends(10, 8, 12, 20) == (0.0, 32.0)
    assert UNCALIBRATED.ends(10, 8, 12, -20) == (10.0, 10.0)
    assert UNCALIBRATED.ends(120, 110, 124, 9)[1] == pytest.approx(125)
