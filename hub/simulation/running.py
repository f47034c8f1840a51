"""Many universes beside each other, and the search for planted faults."""

import os
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from msgspec import Struct

from hub.simulation.planted import PLANTED
from hub.simulation.universe import Report, simulate

_REPEATED_EVERY = 20
_MOST_SHOWN = 20


class Figures(Struct, frozen=True, kw_only=True):
    """What many universes came to. ``violations`` counts broken promises, ``unlike`` seeds that ran otherwise again."""

    seeds: int
    first_seed: int
    shards: int
    violations: int
    failed_seeds: tuple[int, ...]
    repeated: int
    unlike: int
    virtual_days: float
    lives: int
    acknowledged: int
    orders: int
    requests: int
    letters: int
    records: int
    events: int
    planted: Mapping[str, int | None] = {}
    """Fault -> the first seed that caught it; None where none did."""
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether everything was as promised, and every planted fault was caught."""
        return not self.violations and not self.unlike and None not in self.planted.values()


def hunt(name: str, *, first: int = 0, most: int = 300) -> int | None:
    """Return the first seed whose universe catches a planted fault."""
    parts = PLANTED[name]
    return next((seed for seed in range(first, first + most) if simulate(seed, parts).wrong), None)


def simulate_many(
    seeds: int, *, first: int = 0, hunted: Iterable[str] = (), jobs: int | None = None, shards: int = 1
) -> tuple[Figures, list[Report]]:
    """Run ``seeds`` universes and hunt the named faults, in as many processes as there are cores.

    Each hub has so many ``shards``. Some universes are run twice, mostly by another process, whose hashes differ.
    The reports are of those that failed.
    """
    started_s = time.monotonic()
    numbers = range(first, first + seeds)
    with ProcessPoolExecutor(jobs or os.cpu_count(), mp_context=get_context("spawn")) as pool:
        hunts = {name: pool.submit(partial(hunt, name)) for name in hunted}
        run = partial(simulate, shards=shards)
        reports = list(pool.map(run, numbers, chunksize=5))
        again = list(pool.map(run, reversed(numbers[::_REPEATED_EVERY])))
        planted = {name: found.result() for name, found in hunts.items()}
    digests = {report.seed: report.digest for report in reports}
    failed = [report for report in reports if report.wrong]
    figures = Figures(
        seeds=seeds,
        first_seed=first,
        shards=shards,
        violations=sum(len(report.wrong) for report in failed),
        failed_seeds=tuple(report.seed for report in failed[:_MOST_SHOWN]),
        repeated=len(again),
        unlike=sum(1 for report in again if digests[report.seed] != report.digest),
        virtual_days=round(sum(report.virtual_s for report in reports) / 86400, 1),
        lives=sum(report.lives for report in reports),
        acknowledged=sum(report.acknowledged for report in reports),
        orders=sum(report.orders for report in reports),
        requests=sum(report.requests for report in reports),
        letters=sum(report.letters for report in reports),
        records=sum(report.records for report in reports),
        events=sum(report.events for report in reports),
        planted=planted,
        seconds=round(time.monotonic() - started_s, 1),
    )
    return figures, failed
