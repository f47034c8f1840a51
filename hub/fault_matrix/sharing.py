"""The cells dealt out to processes, one a processor: each plays its share and hands back what it saw."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.queues import Queue
from pathlib import Path
from queue import Empty
from typing import Final

from hub.fault_matrix.cell import Cell
from hub.fault_matrix.running import PARALLEL, Played, Seen, all_cells, judged, play_all
from hub.logs import set_up_logs

_LOOK_S: Final = 1.0

Report = tuple[str, Seen]
"""The name of a cell and what was seen in it."""


def play_shared(
    cells: Sequence[Cell],
    folder: Path,
    seed: int,
    told: Callable[[Played], None],
    *,
    processes: int,
    parallel: int = PARALLEL,
) -> list[Played]:
    """Play all cells in so many processes and return them in their order; ``told`` hears of each as it ends."""
    context = get_context("spawn")
    reports: Queue[Report] = context.Queue()
    names = [cell.name for cell in cells]
    workers = [
        context.Process(
            target=_work,
            args=(names[share::processes], folder / f"share-{share}", seed, parallel, reports),
            daemon=True,
        )
        for share in range(processes)
    ]
    for worker in workers:
        worker.start()
    played: dict[str, Played] = {}
    known = {cell.name: cell for cell in cells}
    while len(played) < len(cells):
        name, seen = _next(reports, [worker.is_alive for worker in workers])
        played[name] = judged(known[name], seen)
        told(played[name])
    for worker in workers:
        worker.join()
    return [played[name] for name in names]


def _next(reports: "Queue[Report]", alive: Sequence[Callable[[], bool]]) -> Report:
    """Return the next report.

    Raises:
        RuntimeError: nobody is left who could make one.
    """
    while True:
        works = any(is_alive() for is_alive in alive)
        try:
            return reports.get(timeout=_LOOK_S)
        except Empty:
            if not works:
                raise RuntimeError("a process of the matrix ended before its cells were played") from None


def _work(names: Sequence[str], folder: Path, seed: int, parallel: int, reports: "Queue[Report]") -> None:
    set_up_logs(level="error")
    folder.mkdir(parents=True)
    known: Mapping[str, Cell] = {cell.name: cell for cell in all_cells()}

    def told(played: Played) -> None:
        reports.put((played.cell.name, played.seen))

    asyncio.run(play_all([known[name] for name in names], folder, seed, told, parallel=parallel))
