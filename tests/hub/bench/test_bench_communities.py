"""The communities' bench: what it prints, and that peers' cards carry the answer."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from actors.community.lives import Life
from actors.community.training import train
from hub.bench import communities, communities_exchange, communities_loop, communities_robustness
from hub.cli.root import cli
from hub.demo.turbofan import fleet, running_life

ASKED = {
    *("subset", "rmse", "score", "rmse_raw", "caught", "false_alarms", "coverage80", "peers_p50", "ask_p95_ms"),
    *("seeds", "rmse_hi_only", "rmse_shuffled_cards", "answered_without_cards"),
}


def write_engines(path: Path, engines: list[Life]) -> None:
    rows = [
        np.hstack([np.full((life.cycles, 1), unit), np.arange(1, life.cycles + 1)[:, None], life.rows])
        for unit, life in enumerate(engines, 1)
    ]
    np.savetxt(path, np.concatenate(rows), fmt="%.6g")


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder, left = tmp_path_factory.mktemp("engines"), [5, 15, 25, 70, 80, 90]
    write_engines(folder / "train_FD009.txt", fleet(seed=1, size=12, owners=12))
    write_engines(folder / "test_FD009.txt", [running_life(900 + n, owner="me", left=n) for n in left])
    (folder / "RUL_FD009.txt").write_text("\n".join(map(str, left)))
    said = CliRunner().invoke(
        cli, ["bench", "communities", "--cmapss", str(folder), "--subset", "FD009", "--seeds", "1"]
    )
    assert said.exit_code == 0, said.output
    found: dict[str, Any] = json.loads(said.stdout)
    return found


def test_the_figures_are_those_that_were_asked_for(figures: dict[str, Any]) -> None:
    assert set(figures) >= ASKED
    assert json.loads(json.dumps(figures)) == figures
    assert (figures["subset"], figures["seeds"]) == ("FD009", [1])


def test_without_cards_there_is_no_answer_and_shuffled_ones_are_worthless(figures: dict[str, Any]) -> None:
    assert figures["answered_without_cards"] == 0
    assert figures["rmse_shuffled_cards"] > 2 * figures["rmse"]
    assert figures["peers_p50"] >= 5


def test_the_worst_seed_is_told() -> None:
    found = [{"rmse": 1.0, "caught": 0.9, "coverage80": 0.82}, {"rmse": 2.0, "caught": 1.0, "coverage80": 0.7}]
    assert communities.worst_of(found) == {"rmse": 2.0, "caught": 0.9, "coverage80": 0.7}


def test_of_liars_the_worst_seed_is_told_too() -> None:
    found = [
        {"clean_rmse": 11.0, "liars20_too_late_coverage80": 0.83, "liars20_worst_over_clean": -0.1},
        {"clean_rmse": 10.0, "liars20_too_late_coverage80": 0.71, "liars20_worst_over_clean": 0.4},
    ]
    worst = {"clean_rmse": 11.0, "liars20_too_late_coverage80": 0.71, "liars20_worst_over_clean": 0.4}
    assert communities_robustness.worst_of(found) == worst


def test_a_bench_of_nothing_says_what_to_name() -> None:
    said = CliRunner().invoke(cli, ["bench", "communities"])
    assert said.exit_code == 2
    assert "--cmapss DIR" in said.output


def test_the_loop_is_watched_with_and_without_work_for_communities() -> None:
    trained = train(fleet(seed=1, size=12, owners=12), seed=0)
    found = communities_loop.measure(trained, things=20, seconds=0.5)
    assert set(found) == {"communities.loop_block_ms_p99", "communities.loop_block_ms_p99_without"}
    assert all(0 <= each < 1000 for each in found.values())


def test_the_loop_is_watched_while_another_hubs_evidence_is_told_and_taken_in() -> None:
    found = communities_exchange.measure(cards=200, things=20)
    assert found["communities.import_s"] > 0
    assert 0 <= found["communities.import_loop_block_ms_p99"] <= found["communities.import_loop_block_ms_max"]
