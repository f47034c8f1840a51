"""Failing components from events, and stock of rarely sold parts."""

import numpy as np
import pytest

from actors.community.component_failure import EventSpec, MachineEvents, event_features, within_horizon
from actors.community.failure_training import Examples, FailureSettings, best_threshold, f1, train_failures
from actors.community.intermittent import StockRules, order_up_to

SPEC = EventSpec(events=("hot", "odd"), components=("pump",), kinds=("a",))
HOT_H = np.array([30.0, 500.0, 900.0])


def machine(hot_h: np.ndarray[tuple[int], np.dtype[np.float64]]) -> MachineEvents:
    return MachineEvents(
        machine_id="m", kind="a", age_years=3.0, events={"hot": hot_h}, replaced={"pump": np.array([24.0])}
    )


def test_nothing_after_the_moment_is_looked_at() -> None:
    at = np.array([29.0, 30.0, 48.0])
    columns = event_features(SPEC, machine(HOT_H), at)
    assert np.array_equal(columns, event_features(SPEC, machine(HOT_H[:1]), at))
    assert columns[:, 0].tolist() == [0, 1, 1]
    assert columns[:, 4].tolist() == [-1, 6, 6]
    assert columns[2, -3:].tolist() == [1.0, 3.0, 1.0]


def test_a_failure_is_ahead_for_the_day_before_it() -> None:
    assert within_horizon(np.array([100.0]), np.array([75.0, 76.0, 99.0, 100.0])).tolist() == [0, 1, 1, 0]


def examples(machines: int) -> Examples:
    chance, at = np.random.default_rng(3), np.arange(0.0, 1500.0, 3)
    hot = [np.sort(chance.choice(1400, 8, replace=False)).astype(np.float64) for _ in range(machines)]
    return Examples(
        vectors=np.concatenate([event_features(SPEC, machine(each), at) for each in hot]),
        at_h=np.tile(at, machines),
        machine=np.repeat(np.arange(machines), len(at)),
        fails={"pump": np.concatenate([within_horizon(each + 24, at) for each in hot])},
    )


@pytest.mark.parametrize("validation_h", [300.0, 0.0])
def test_what_events_foretell_is_learned_and_said_in_words(validation_h: float) -> None:
    seen, unseen = examples(8), examples(4)
    model = train_failures(SPEC, seen, FailureSettings(rounds=20, learning_rate=0.3, validation_h=validation_h))
    assert f1(model.alarms(unseen.vectors)["pump"], unseen.fails["pump"]) > 0.9
    warned = model.failing(event_features(SPEC, machine(HOT_H), np.array([31.0]))[0])
    assert warned is not None
    assert warned[0] == "pump"
    assert warned[2].startswith("hot within 24 h: ")
    assert model.failing(event_features(SPEC, machine(HOT_H), np.array([300.0]))[0]) is None


def test_a_chance_is_the_mean_of_forests_that_differ() -> None:
    how = FailureSettings(rounds=5, learning_rate=0.3)
    forest, same = (train_failures(SPEC, examples(6), how).forests["pump"] for _ in range(2))
    one, two, three = np.split(forest.column, 3, axis=1)
    assert one.shape[1] == how.rounds
    assert not np.array_equal(one, two)
    assert not np.array_equal(two, three)
    assert np.array_equal(forest.column, same.column)


def test_the_threshold_parts_what_happened_from_what_did_not() -> None:
    threshold = best_threshold(np.array([0.1, 0.2, 0.8, 0.85]), np.array([False, False, True, True]))
    assert 0.2 < threshold <= 0.8


def test_parts_are_stocked_like_parts_that_sold_alike() -> None:
    chance = np.random.default_rng(5)
    demand = np.concatenate([chance.poisson(0.05, (200, 36)), chance.poisson(3.0, (200, 36))]).astype(np.float64)
    stock = order_up_to(demand, StockRules(neighbours=40))
    assert stock[:200].mean() < 2
    assert 11 < stock[200:].mean() < 17


def test_too_short_a_history_of_sales_is_refused() -> None:
    with pytest.raises(ValueError, match="21 months"):
        order_up_to(np.zeros((3, 20)))
