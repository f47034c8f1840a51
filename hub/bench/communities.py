"""Remaining life from peers on NASA's C-MAPSS engines: official test sets, three seeds, nothing chosen on a test file.

What each figure means and the goals: the table of published results in Saxena and others (PHM08) and its successors;
both RMSE and score are with remaining lives capped at 125, beside the uncapped RMSE. Engines count as separate owners.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from actors.community.advising import advise_health
from actors.community.answers import AnswerRules
from actors.community.cards import CardMatrix, LifeCard
from actors.community.evaluation import Scores, evaluate
from actors.community.health_index import HealthModel
from actors.community.lives import FloatArray, Life
from actors.community.training import Trained, TrainingSettings, train
from actors.model.advice import Question, Topic
from actors.model.ids import CommunityId, CorrelationId, OwnerId, ThingId
from hub.demo.cmapss import Subset, read_subset

Say = Callable[[str], None]

SEEDS = (0, 1, 2)
DATA = "NASA C-MAPSS engines: simulated, real failures are harder to foresee"
K_OWNERS = 5

_BASELINE_ROWS = 20
_LATEST_ROWS = 80
_NOW = datetime(2026, 1, 1, tzinfo=UTC)  # stamped on answers; no figure depends on it


def measure(folder: Path, name: str, say: Say, *, seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """Return the figures of one subset, each the worst of the seeds. Raises: UnreadableData."""
    subset = read_subset(folder, name)
    found: list[dict[str, float]] = []
    for seed in seeds:
        found.append(_one_seed(subset, seed))
        say(f"{name} seed {seed}: " + ", ".join(f"{key} {value:.4g}" for key, value in found[-1].items()))
    return {"subset": name, "data": DATA, **worst_of(found), "seeds": list(seeds), "by_seed": found}


def scores_of(trained: Trained, subset: Subset, cards: CardMatrix | None = None) -> Scores:
    """Judge a training on the running engines of a subset, with its own cards or with these."""
    matrix = trained.matrix() if cards is None else cards
    return evaluate(trained.model, matrix, subset.running, subset.left, K_OWNERS)


def ask_p95_ms(model: HealthModel, matrix: CardMatrix, machines: Sequence[Life]) -> float:
    """Return the 95 % quantile of the time of one question, from the machine's rows to the sentence."""
    taken = [_ask_ms(model, matrix, machine) for machine in machines]
    return float(np.quantile(taken, 0.95))


def shuffled(cards: Sequence[LifeCard], version: str, seed: int) -> CardMatrix:
    """Return a matrix of these cards with the levels of each in disorder: the same outcomes, no experience."""
    matrix, chance = CardMatrix(version), np.random.default_rng(seed)
    for card in cards:
        matrix.append(card.life_id, card.owner_id, chance.permutation(card.curve))
    return matrix


def _one_seed(subset: Subset, seed: int) -> dict[str, float]:
    began = time.perf_counter()
    trained = train(subset.finished, seed=seed, settings=TrainingSettings())
    took = time.perf_counter() - began
    matrix, version = trained.matrix(), trained.model.version
    scores = scores_of(trained, subset, matrix)
    mixed = scores_of(trained, subset, shuffled(trained.cards, version, seed))
    alone = scores_of(trained, subset, CardMatrix(version))
    return {
        "rmse": scores.rmse,
        "score": scores.phm_score,
        "rmse_raw": scores.rmse_raw,
        "rmse_hi_only": scores.rmse_index_only,
        "caught": scores.caught,
        "false_alarms": scores.false_alarms,
        "coverage80": scores.coverage80,
        "peers_p50": scores.peers_p50,
        "answered": scores.answered / scores.machines,
        "due_caught": scores.due_caught,
        "early_orders": scores.early_orders,
        "rmse_shuffled_cards": mixed.rmse,
        "answered_without_cards": alone.answered / alone.machines,
        "ask_p95_ms": ask_p95_ms(trained.model, matrix, subset.running),
        "train_s": took,
    }


def worst_of(found: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the worst of each figure: the least where more is better, and the coverage farthest from 0.8."""
    worst: dict[str, float] = {}
    for key in found[0]:
        values = [each[key] for each in found]
        worst[key] = round(_WORST.get(key, max)(values), 4)
    return worst


def _farthest_from_nominal(values: list[float]) -> float:
    return max(values, key=lambda value: abs(value - 0.8))


_WORST: dict[str, Callable[[list[float]], float]] = {
    "caught": min,
    "due_caught": min,
    "answered": min,
    "peers_p50": min,
    "rmse_shuffled_cards": min,
    "coverage80": _farthest_from_nominal,
}


def _ask_ms(model: HealthModel, matrix: CardMatrix, machine: Life) -> float:
    first, last = machine.rows[:_BASELINE_ROWS], machine.rows[-_LATEST_ROWS:]
    began = time.perf_counter()
    vector = model.features(first, last, machine.cycles)
    said = advise_health(model, matrix, question(machine, vector), rules=AnswerRules(), answered_at=_NOW)
    msgspec.json.encode(said.advice)
    return (time.perf_counter() - began) * 1000


def question(machine: Life, vector: FloatArray) -> Question:
    """Return what a machine asks its peers about its health."""
    return Question(
        correlation_id=CorrelationId(machine.life_id),
        community_id=CommunityId("bench"),
        topic=Topic.HEALTH,
        thing_id=ThingId(machine.life_id),
        owner_id=OwnerId(machine.owner_id),
        subject="engine",
        features=tuple(vector.tolist()),
        age=float(machine.cycles),
        asked_at=_NOW,
    )
