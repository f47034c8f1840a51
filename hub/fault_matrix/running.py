"""Plays the cells, many at a time: they mostly wait."""

import asyncio
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Final, cast

from msgspec import Struct

from hub.fault_matrix.cell import Cell, Evidence, play
from hub.fault_matrix.judge import Judgement, judge
from hub.fault_matrix.systems import SYSTEMS, plugged
from hub.fault_matrix.troubles import TROUBLES, Phase
from hub.storage.shards import open_shards

PARALLEL: Final = 64
_LATEST_S: Final = 0.05
_LOOK_S: Final = 0.005


class Seen(Struct, frozen=True, kw_only=True):
    """What was seen of a cell; ``broken`` is why it could not be played."""

    evidence: Evidence | None = None
    broken: str = ""


class Played(Struct, frozen=True, kw_only=True):
    """A cell, what was seen of it, and the judgement."""

    cell: Cell
    seen: Seen
    judgement: Judgement = Judgement()

    @property
    def evidence(self) -> Evidence | None:
        """What hub and CRM knew in the end."""
        return self.seen.evidence

    @property
    def broken(self) -> str:
        """Why it could not be played."""
        return self.seen.broken

    @property
    def wrong(self) -> tuple[str, ...]:
        """Everything that is wrong with it."""
        return (*((self.broken,) if self.broken else ()), *self.judgement.wrong)


class Figures(Struct, frozen=True, kw_only=True):
    """The last line. All but cells, ends and seconds must be zero."""

    cells: int
    lost: int
    doubled: int
    unnamed: int
    unlike: int
    unexpected: int
    unmet: int
    broken: int
    ends: Mapping[str, int]
    slowest_s: float
    seconds: float
    seed: int

    @property
    def ok(self) -> bool:
        """Say whether nothing is wrong."""
        return self.cells > 0 and not any(
            (self.lost, self.doubled, self.unnamed, self.unlike, self.unexpected, self.unmet, self.broken)
        )


def all_cells() -> list[Cell]:
    """Return every combination that is a cell, row by row."""
    plugs = plugged(SYSTEMS)
    return [
        Cell(plug=plug, flow=flow, phase=phase, trouble=trouble)
        for trouble in TROUBLES
        for plug in plugs.values()
        for flow in plug.system.flows
        for phase in Phase
        if trouble.applies(plug.system, flow, phase)
    ]


async def play_all(
    cells: Sequence[Cell], folder: Path, seed: int, told: Callable[[Played], None], *, parallel: int = PARALLEL
) -> list[Played]:
    """Play all cells and return them in their order; ``told`` hears of each as it ends."""
    room, blank = asyncio.Semaphore(parallel), folder / "blank"
    with open_shards(blank):
        pass  # an empty journal is copied faster than made
    async with asyncio.TaskGroup() as group:
        tasks: list[asyncio.Task[Played]] = []
        for number, cell in enumerate(cells):
            await room.acquire()
            await _keeps_up()
            chance = Random(f"{seed}/{cell.name}")
            place = Path(shutil.copytree(blank, folder / str(number)))
            tasks.append(group.create_task(_played(cell, place, chance, room, told)))
    return [task.result() for task in tasks]


def judged(cell: Cell, seen: Seen) -> Played:
    """Return a cell with its judgement."""
    if seen.evidence is None:
        return Played(cell=cell, seen=seen)
    return Played(cell=cell, seen=seen, judgement=judge(cell, seen.evidence))


async def _played(
    cell: Cell, folder: Path, chance: Random, room: asyncio.Semaphore, told: Callable[[Played], None]
) -> Played:
    try:
        async with asyncio.timeout(3 * cell.deadline_s):
            seen = Seen(evidence=await play(cell, folder, chance))
    except Exception as error:  # noqa: BLE001 - one broken cell must not end the others; it is told
        seen = Seen(broken="; ".join(_causes(error)))
    finally:
        room.release()
    played = judged(cell, seen)
    if not played.wrong:
        shutil.rmtree(folder)
    told(played)
    return played


def _causes(error: Exception) -> Iterator[str]:
    if not isinstance(error, ExceptionGroup):
        yield f"{type(error).__name__}: {error}"
        return
    for inner in cast("ExceptionGroup[Exception]", error).exceptions:
        yield from _causes(inner)


async def _keeps_up() -> None:
    """Wait until the loop is on time: a cell that starves measures nothing."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _LOOK_S
        await asyncio.sleep(_LOOK_S)
        if loop.time() - due < _LATEST_S:
            return


def figures_of(played: Sequence[Played], seconds: float, seed: int) -> Figures:
    """Return the figures."""
    return Figures(
        cells=len(played),
        lost=sum(bool(each.judgement.lost) for each in played),
        doubled=sum(bool(each.judgement.doubled) for each in played),
        unnamed=sum(bool(each.judgement.unnamed) for each in played),
        unlike=sum(bool(each.judgement.unlike) for each in played),
        unexpected=sum(bool(each.judgement.unexpected) for each in played),
        unmet=sum(bool(each.judgement.unmet) for each in played),
        broken=sum(bool(each.broken) for each in played),
        ends=Counter(end_of(each) for each in played),
        slowest_s=round(max((each.evidence.took_s for each in played if each.evidence), default=0.0), 1),
        seconds=round(seconds, 1),
        seed=seed,
    )


def end_of(played: Played) -> str:
    """Return how a cell ended."""
    order = played.evidence.order if played.evidence else None
    return f"{order.state}/{order.code}" if order else "broken"
