"""Engines: NASA's files read or refused, the built-in plant learnable, the real figures where the data is."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from actors.community.evaluation import evaluate, phm_score, rmse
from actors.community.training import TrainingSettings, train
from hub.demo.cmapss import UnreadableData, read_subset, subsets_in
from hub.demo.turbofan import fleet, running_life, synthetic_life

DATA = Path(os.environ.get("IOT2CRM_DATA", Path(__file__).parents[4] / "shared" / "data")) / "cmapss"
QUICK = TrainingSettings(rounds=25, learning_rate=0.3, steps=200)


def write_subset(folder: Path, engines: int = 2, columns: int = 26) -> None:
    rest = "1.5 " * (columns - 2)
    rows = [f"{unit} {cycle} {rest} " for unit in (1, 2) for cycle in (1, 2, 3)]
    (folder / "train_FD009.txt").write_text("\n".join(rows))
    with gzip.open(folder / "test_FD009.txt.gz", "wt") as packed:
        packed.write("\n".join(rows))
    (folder / "RUL_FD009.txt").write_text("7\n" * engines)


def test_plain_and_packed_files_are_read(tmp_path: Path) -> None:
    write_subset(tmp_path)
    subset = read_subset(tmp_path, "FD009")
    assert subsets_in(tmp_path) == ["FD009"]
    assert [life.cycles for life in subset.finished] == [3, 3]
    assert subset.running[1].rows.shape == (3, 24)
    assert subset.left == (7.0, 7.0)


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableData, match=r"FD009\.txt or"):
        read_subset(tmp_path, "FD009")
    write_subset(tmp_path, engines=3)
    with pytest.raises(UnreadableData, match="each of 2 engines"):
        read_subset(tmp_path, "FD009")
    write_subset(tmp_path, columns=25)
    with pytest.raises(UnreadableData, match="26 columns"):
        read_subset(tmp_path, "FD009")


def test_late_answers_cost_more_than_early_ones() -> None:
    assert phm_score(np.array([10.0])) > phm_score(np.array([-10.0])) > phm_score(np.array([0.0])) == 0
    assert rmse(np.array([3.0, -3.0])) == 3


def test_a_synthetic_life_is_the_same_for_its_seed() -> None:
    one, two = synthetic_life(7, owner="o", regimes=3), synthetic_life(7, owner="o", regimes=3)
    assert np.array_equal(one.rows, two.rows)
    assert 120 <= one.cycles <= 300
    assert not np.array_equal(one.rows[:100], synthetic_life(8, owner="o").rows[:100])


@pytest.mark.parametrize("regimes", [1, 3])
def test_peers_of_the_built_in_plant_warn_in_time(regimes: int) -> None:
    trained = train(fleet(seed=5, size=24, owners=6, regimes=regimes), seed=0, settings=QUICK)
    left = [5, 12, 20, 28, 62, 70, 80, 90] * 3
    running = [running_life(50_000 + n, owner="me", left=each, regimes=regimes) for n, each in enumerate(left)]
    scores = evaluate(trained.model, trained.matrix(), running, [float(each) for each in left], k_owners=5)
    assert scores.due_caught >= 0.9
    assert scores.early_orders <= 0.1
    assert scores.answered == len(left)


@pytest.mark.skipif(not (DATA / "train_FD001.txt.gz").exists(), reason=f"no C-MAPSS data in {DATA}")
def test_a_third_of_the_real_engines_as_peers_warn_the_others_in_time() -> None:
    subset = read_subset(DATA, "FD001")
    trained = train(subset.finished[::3], seed=0, settings=QUICK)
    scores = evaluate(trained.model, trained.matrix(), subset.running, subset.left, k_owners=5)
    assert scores.due_caught >= 0.9
    assert scores.early_orders <= 0.05
    assert scores.rmse <= 15
