"""Run-out: quantiles from few or many readings, refills and wild readings notwithstanding."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.community.depletion import run_out


def daily(levels: list[float]) -> list[tuple[float, float]]:
    return [(float(day), level) for day, level in enumerate(levels)]


def test_steady_use_runs_out_when_the_quotient_says() -> None:
    found = run_out(50.0, daily([100.0 - 2 * day for day in range(26)]))
    assert found is not None
    assert found.p50_days == pytest.approx(25, rel=0.05)
    assert found.p10_days < found.p50_days < found.p90_days


def test_no_use_and_no_history_give_no_forecast() -> None:
    assert run_out(50.0, daily([50.0] * 10)) is None
    assert run_out(50.0, []) is None
    assert run_out(50.0, [(0.0, 50.0)]) is None


def test_a_refill_is_not_negative_use() -> None:
    levels = [100.0 - 2 * (day % 20) for day in range(60)]
    found = run_out(40.0, daily(levels))
    assert found is not None
    assert found.rate_per_day == pytest.approx(2.0, rel=0.01)


def test_noise_of_a_level_gauge_does_not_raise_the_rate() -> None:
    chance = np.random.default_rng(1)
    levels = [100.0 - day + float(chance.normal(0, 1)) for day in range(60)]
    found = run_out(40.0, daily(levels))
    assert found is not None
    assert found.rate_per_day == pytest.approx(1.0, rel=0.1)


def test_one_wild_day_moves_the_forecast_little() -> None:
    levels = [1000.0 - 2 * day - (300 if day > 15 else 0) for day in range(31)]
    found = run_out(100.0, daily(levels))
    assert found is not None
    assert found.rate_per_day < 2.5


def test_a_short_history_leans_towards_peers() -> None:
    short = run_out(50.0, daily([100.0, 98.0]), peers_rate=8.0)
    assert short is not None
    assert short.rate_per_day == pytest.approx((1 * 2 + 5 * 8) / 6)
    none_yet = run_out(50.0, [], peers_rate=5.0)
    assert none_yet is not None
    assert none_yet.p50_days == pytest.approx(10, rel=0.1)


def test_more_history_narrows_the_forecast() -> None:
    few, many = (run_out(50.0, daily([200.0 - 2 * day for day in range(n)])) for n in (3, 60))
    assert few is not None
    assert many is not None
    assert many.p90_days - many.p10_days < few.p90_days - few.p10_days


def test_half_of_random_histories_are_empty_by_the_median() -> None:
    chance = np.random.default_rng(7)
    early = 0
    for _ in range(200):
        use = chance.gamma(2.0, 1.0, size=120)
        found = run_out(40.0, daily([200.0 - used for used in np.cumsum(use[:30]).tolist()]))
        assert found is not None
        early += int(np.searchsorted(np.cumsum(use[30:]), 40.0)) + 1 <= found.p50_days
    assert 80 <= early <= 130


@example(1e-300, [(1.0, 5e-301), (1.0, 1e-308)])
@example(1.0, [(1.0, 5e-308), (1.0, 1e-308)])
@given(st.floats(0, 1e6), st.lists(st.tuples(st.floats(0.001, 100), st.floats(0, 1e6)), max_size=20))
def test_quantiles_are_finite_and_in_order(level: float, steps: list[tuple[float, float]]) -> None:
    days = np.cumsum([gap for gap, _ in steps]).tolist()
    found = run_out(level, list(zip(days, [height for _, height in steps], strict=True)))
    if found is not None:
        assert 0 <= found.p10_days <= found.p50_days <= found.p90_days < float("inf")


@pytest.mark.parametrize("level", [6.7e153, 1.7e308])
def test_what_nothing_can_hold_stops_no_forecast(level: float) -> None:
    forecast = run_out(0.0, [(0.0, 16.0), (0.1, level), (0.2, 16.0), (0.2001, -level)])
    assert forecast is not None
    assert forecast.rate_per_day > 0
