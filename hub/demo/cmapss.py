"""NASA's C-MAPSS engines as lives of machines: reading the files, and figures of the communities on them.

Format and meaning: Saxena and others, "Damage Propagation Modeling for Aircraft Engine Run-to-Failure Simulation",
PHM08.
"""

import gzip
import json
import time
from pathlib import Path

import click
import msgspec
import numpy as np
from msgspec import Struct

from actors.community.evaluation import evaluate
from actors.community.lives import FloatArray, Life

SETTINGS = ("setting1", "setting2", "setting3")
SENSORS = tuple(f"s{number}" for number in range(1, 22))

_COLUMNS = 2 + len(SETTINGS) + len(SENSORS)
_K_OWNERS = 5


class UnreadableData(ValueError):
    """A C-MAPSS file is missing or not in NASA's format."""


class Subset(Struct, frozen=True, kw_only=True, eq=False):
    """Finished lives, running machines, and how many cycles each of those really ran on."""

    name: str
    finished: tuple[Life, ...]
    running: tuple[Life, ...]
    left: tuple[float, ...]


def subsets_in(folder: Path) -> list[str]:
    """Return the names of the subsets in a folder (FD001 ...), in order."""
    names = {path.name.removeprefix("train_").split(".")[0] for path in folder.glob("train_*.txt*")}
    return sorted(names)


def read_subset(folder: Path, name: str) -> Subset:
    """Read train, test and true remaining lives of one subset, plain or gzip. Raises: UnreadableData."""
    left = _table(folder, f"RUL_{name}", 1)[:, 0]
    running = _lives(folder, f"test_{name}")
    if len(left) != len(running):
        raise UnreadableData(f"RUL_{name}: one line for each of {len(running)} engines expected, got {len(left)}")
    return Subset(
        name=name,
        finished=tuple(_lives(folder, f"train_{name}")),
        running=tuple(running),
        left=tuple(float(each) for each in left),
    )


def _lives(folder: Path, stem: str) -> list[Life]:
    table = _table(folder, stem, _COLUMNS)
    starts = np.flatnonzero(np.diff(table[:, 0])) + 1
    return [_life(stem, rows) for rows in np.split(table, starts)]


def _life(stem: str, rows: FloatArray) -> Life:
    name = f"{stem}-{int(rows[0, 0])}"
    return Life(life_id=name, owner_id=f"owner-of-{name}", rows=rows[:, 2:], n_settings=len(SETTINGS))


def _table(folder: Path, stem: str, columns: int) -> FloatArray:
    path = _file(folder, stem)
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
            table = np.loadtxt(lines, ndmin=2)
    except (OSError, ValueError) as error:
        raise UnreadableData(f"{path}: numbers separated by spaces expected: {error}") from error
    if table.shape[1] != columns or not len(table):
        raise UnreadableData(f"{path}: {columns} columns expected, got {table.shape[1]} in {len(table)} lines")
    return table


def _file(folder: Path, stem: str) -> Path:
    for ending in (".txt", ".txt.gz"):
        if (path := folder / (stem + ending)).exists():
            return path
    raise UnreadableData(f"{folder}: {stem}.txt or {stem}.txt.gz expected")


@click.command()
@click.option("--dir", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--subset", "name", default="FD001", show_default=True, help="Which subset in that folder.")
@click.option("--seed", default=0, show_default=True, help="Draws the folds.")
@click.option("--rounds", type=int, help="Boosting rounds a fold; as many as a hub's when it is left out.")
def main(folder: Path, name: str, seed: int, rounds: int | None) -> None:
    """Train on the finished engines of a C-MAPSS subset, replay the running ones, print figures as JSON."""
    from actors.community.training import TrainingSettings, train  # noqa: PLC0415 - heavy, and needed only here

    settings = TrainingSettings() if rounds is None else TrainingSettings(rounds=rounds)
    subset = read_subset(folder, name)
    began = time.perf_counter()
    trained = train(subset.finished, seed=seed, settings=settings)
    took = time.perf_counter() - began
    scores = evaluate(trained.model, trained.matrix(), subset.running, subset.left, _K_OWNERS)
    about = {
        "subset": name,
        "seed": seed,
        "train_s": round(took, 1),
        "policy": msgspec.to_builtins(trained.model.policy),
    }
    click.echo(json.dumps({**about, **msgspec.to_builtins(scores)}, indent=2))


if __name__ == "__main__":
    main()
