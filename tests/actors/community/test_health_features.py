"""Features: causal, the same one by one as over a whole life, regimes found from the data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.community.arrays import UnreadableArrays
from actors.community.features import Normaliser, features, fit_normaliser, life_features
from actors.community.lives import Life
from actors.community.regimes import find_regimes
from hub.demo.turbofan import fleet, synthetic_life

NORMALISER = fit_normaliser(fleet(seed=1, size=6, owners=2, regimes=4))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), cycles=st.integers(1, 120))
def test_a_machine_alone_computes_what_its_whole_life_gives(seed: int, cycles: int) -> None:
    rows = synthetic_life(seed, owner="o", regimes=4).rows[:cycles]
    alone = features(NORMALISER, rows[:20], rows[-80:], cycles)
    assert np.allclose(alone, life_features(NORMALISER, rows)[-1], atol=1e-9)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), now=st.integers(1, 119))
def test_the_future_does_not_change_a_feature(seed: int, now: int) -> None:
    rows = synthetic_life(seed, owner="o").rows[:120]
    other_future = np.concatenate([rows[:now], rows[now:] * 1.5])
    assert np.allclose(life_features(NORMALISER, rows)[:now], life_features(NORMALISER, other_future)[:now])


@pytest.mark.parametrize("regimes", [1, 2, 4])
def test_regimes_are_found_from_the_settings(regimes: int) -> None:
    lives = fleet(seed=2, size=8, owners=2, regimes=regimes)
    assert len(fit_normaliser(lives).centres) == regimes


def test_a_continuum_of_settings_is_one_regime() -> None:
    chance = np.random.default_rng(5)
    _, centres = find_regimes(chance.uniform(size=(3000, 3)))
    assert len(centres) == 1


def test_sensors_that_never_move_are_dropped() -> None:
    lives = fleet(seed=2, size=8, owners=2)
    assert len(fit_normaliser(lives).kept) == 15


def test_readings_are_centred_within_their_regime() -> None:
    lives = fleet(seed=1, size=6, owners=2, regimes=4)
    z = NORMALISER.apply(np.concatenate([life.rows for life in lives]))
    assert abs(z.mean()) < 1e-6
    assert z.std() == pytest.approx(1.0, abs=0.01)


def test_a_missing_reading_counts_as_usual() -> None:
    rows = synthetic_life(4, owner="o").rows[:30].copy()
    rows[-1, 10] = np.nan
    assert np.isfinite(features(NORMALISER, rows[:20], rows, 30)).all()


def test_a_normaliser_survives_the_way_through_bytes() -> None:
    again = Normaliser.from_bytes(NORMALISER.to_bytes())
    rows = synthetic_life(9, owner="o", regimes=4).rows
    assert np.array_equal(again.apply(rows), NORMALISER.apply(rows))


@pytest.mark.parametrize("data", [b"", b"\x80", b"garbage", NORMALISER.to_bytes()[:-3]])
def test_bytes_that_are_no_normaliser_are_refused(data: bytes) -> None:
    with pytest.raises(UnreadableArrays):
        Normaliser.from_bytes(data)


def test_remaining_life_ends_at_zero_and_starts_capped() -> None:
    life = Life(life_id="l", owner_id="o", rows=np.zeros((200, 24)))
    assert life.remaining()[-1] == 0
    assert life.remaining()[0] == 125
