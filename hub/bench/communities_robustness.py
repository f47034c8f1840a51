"""Few peers and lying peers: how far the answers about remaining life get worse (C-MAPSS)."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from actors.community.lives import FloatArray, Life
from actors.community.training import train
from actors.community.trimming import train_trimmed
from hub.bench.communities import SEEDS, Say, scores_of
from hub.demo.cmapss import Subset, read_subset

PEERS = (20, 50)
SHARES = (0.2, 0.3)
NOMINAL = 0.8
ATTACKS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "too_late": lambda left: left + 80.0,
    "inverted": lambda left: 125.0 - left,
    "cry_wolf": lambda left: left / 3.0,
}
"""What a liar reports of what it had left: 80 cycles too many, the contrary, a third."""


def measure_cold(folder: Path, name: str, say: Say, *, seeds: Sequence[int] = SEEDS) -> dict[str, float]:
    """Return the worst RMSE of the seeds with 20 and 50 peers, drawn anew for each seed."""
    subset = read_subset(folder, name)
    found: dict[str, float] = {}
    for count in PEERS:
        errors = [_with_few(subset, count, seed) for seed in seeds]
        found[f"cold_{count}_rmse"] = round(max(errors), 4)
        say(f"{name} {count} peers: RMSE " + ", ".join(f"{each:.2f}" for each in errors))
    return found


def measure_liars(folder: Path, name: str, say: Say, *, seeds: Sequence[int] = SEEDS) -> dict[str, float]:
    """Return the worst of the seeds: without liars, trimmed without any, and trimmed liars of each kind and share.

    One training at a time, so it takes the memory of one.
    """
    subset = read_subset(folder, name)
    return worst_of([_one_seed(subset, name, say, seed) for seed in seeds])


def worst_of(found: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return of each figure that of the worst seed: a coverage furthest from 80 %, of all others the largest."""
    return {key: round(_worst(key, [each[key] for each in found]), 4) for key in found[0]}


def _one_seed(subset: Subset, name: str, say: Say, seed: int) -> dict[str, float]:
    clean = scores_of(train(subset.finished, seed=seed), subset).rmse
    found = {"clean_rmse": clean, **_trimmed("clean_trimmed", subset, subset.finished, seed)}
    for share in SHARES:
        for attack in ATTACKS:
            label = f"liars{round(100 * share)}_{attack}"
            found |= _trimmed(label, subset, _with_liars(subset.finished, share, attack, seed), seed)
            say(f"{name} seed {seed} {label}: RMSE {found[f'{label}_rmse']:.2f}, clean {clean:.2f}")
        worst = max(found[f"liars{round(100 * share)}_{attack}_rmse"] for attack in ATTACKS)
        found[f"liars{round(100 * share)}_worst_over_clean"] = worst - clean
    return found


def _worst(key: str, found: Sequence[float]) -> float:
    return max(found, key=lambda each: abs(each - NOMINAL)) if key.endswith("_coverage80") else max(found)


def _with_few(subset: Subset, count: int, seed: int) -> float:
    drawn: list[int] = np.random.default_rng(seed).permutation(len(subset.finished))[:count].tolist()
    return scores_of(train([subset.finished[each] for each in drawn], seed=seed), subset).rmse


def _with_liars(lives: Sequence[Life], share: float, attack: str, seed: int) -> list[Life]:
    liars: set[int] = set(np.random.default_rng(seed).permutation(len(lives))[: round(share * len(lives))].tolist())
    return [
        replace(life, reported=ATTACKS[attack](life.remaining())) if number in liars else life
        for number, life in enumerate(lives)
    ]


def _trimmed(label: str, subset: Subset, lives: Sequence[Life], seed: int) -> dict[str, float]:
    """Return the figures of a trimmed training; expelled honest peers and believed liars are counted."""
    done = train_trimmed(lives, seed=seed)
    scores = scores_of(done.trained, subset)
    liars = {life.life_id for life in lives if life.reported is not None}
    return {
        f"{label}_rmse": scores.rmse,
        f"{label}_score": scores.phm_score,
        f"{label}_coverage80": scores.coverage80,
        f"{label}_honest_expelled": float(len(set(done.expelled) - liars)),
        f"{label}_liars_believed": float(len(liars - set(done.expelled))),
    }
