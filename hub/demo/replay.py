"""Replays C-MAPSS: training engines are the peers' finished lives, test engines live machines over OPC UA."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from actors.community.lives import Life
from hub.demo.clients import Row, part
from hub.demo.cmapss import Subset, UnreadableData, read_subset, subsets_in
from hub.demo.engines import SUBJECT, VARIABLES, Engines, cycle_values, until_trained
from hub.demo.processes import until
from hub.demo.scenery import MAKER, kind_of_subset
from hub.demo.stage import Plant, Stage
from hub.demo.telling import Show

TELLS: Final = "data"

_DUE: Final = 30.0
_EARLY: Final = 60.0
_SETTLED_S: Final = 120.0
_TELL_EVERY: Final = 25
_UNSETTLED: Final = frozenset({"drafted", "approved", "placing", "unknown", "reconciling", "placed"})
_ORDER_MINOR: Final = 1_500_000


class Figures(Struct, frozen=True, kw_only=True):
    """How a subset's engines fared; shares are None where there is no such engine."""

    engines: int
    due: int
    due_caught: float | None
    """Share of the engines with 30 cycles or less to go that got their order."""
    far: int
    early_orders: float | None
    """Share of the engines with more than 60 cycles to go that were ordered for."""
    missed: list[str]
    """Engines that were due and got no order."""


def subsets(folder: Path) -> list[Subset]:
    """Return the subsets in a folder. Raises: UnreadableData."""
    found = [read_subset(folder, name) for name in subsets_in(folder)]
    if not found:
        raise UnreadableData(f"{folder}: files like train_FD001.txt or train_FD001.txt.gz expected")
    return found


def engines_of(subset: Subset) -> Engines:
    """Return the engines of a subset; the story is told by the one that is nearest to its failure."""
    nearest = min(range(len(subset.left)), key=lambda number: subset.left[number])
    return Engines(kind=kind_of_subset(subset.name), finished=subset.finished, told=subset.running[nearest].rows)


async def replay(stage: Stage, plant: Plant, subset: Subset, show: Show) -> Figures:
    """Play all test engines of a subset, whose finished lives were brought in, side by side and judge the orders."""
    engines = engines_of(subset)
    show.say(TELLS, f"{subset.name}: {len(subset.finished)} finished lives, {len(subset.running)} live machines")
    machines = {_thing_id(subset, life): life for life in subset.running}
    await _register(stage, plant, subset, engines, machines)
    await until_trained(stage, engines.kind)
    await _play(plant, subset, machines, show)
    await _until_judged(stage, machines)
    ordered = await _ordered(stage, machines)
    return figures(dict(zip(machines, subset.left, strict=True)), ordered)


def figures(left: Mapping[str, float], ordered: Mapping[str, int]) -> Figures:
    """Judge orders: engine -> true remaining life at the end of its replay, and engine -> how many orders it got."""
    due = [engine for engine, cycles in left.items() if cycles <= _DUE]
    fresh = [engine for engine, cycles in left.items() if cycles > _EARLY]
    missed = [engine for engine in due if not ordered.get(engine)]
    return Figures(
        engines=len(left),
        due=len(due),
        due_caught=_share(len(due) - len(missed), len(due)),
        far=len(fresh),
        early_orders=_share(sum(bool(ordered.get(engine)) for engine in fresh), len(fresh)),
        missed=missed,
    )


def _share(some: int, of_all: int) -> float | None:
    return some / of_all if of_all else None


def _thing_id(subset: Subset, life: Life) -> str:
    return f"{subset.name}-{life.life_id.rsplit('-', 1)[-1]}"


async def _register(stage: Stage, plant: Plant, subset: Subset, engines: Engines, machines: Mapping[str, Life]) -> None:
    owner = f"fleet-{subset.name.lower()}"
    await plant.define(dict.fromkeys(machines, VARIABLES))
    await stage.machines(owner, engines.kind.profile, {thing_id: thing_id for thing_id in machines})
    await stage.grant(
        f"{owner}-replacements",
        owner,
        {"replacement": "autonomous"},
        budget=_ORDER_MINOR * len(machines),
        per_order_limit=_ORDER_MINOR,
        allowed_payees=[MAKER],
        approval_kinds=[],
    )


async def _play(plant: Plant, subset: Subset, machines: Mapping[str, Life], show: Show) -> None:
    """Play a cycle of all machines as soon as the hub has acknowledged the one before: as fast as it keeps up."""
    rows = {thing_id: life.rows for thing_id, life in machines.items()}
    longest = max(life.cycles for life in machines.values())
    for cycle in range(1, longest + 1):
        await plant.set(cycle_values(rows, cycle))
        await plant.settle()
        if cycle % _TELL_EVERY == 0 or cycle == longest:
            show.say(TELLS, f"{subset.name}: cycle {cycle} of {longest}")


async def _until_judged(stage: Stage, machines: Mapping[str, Life]) -> None:
    """Wait until every machine's last cycle is in, every answer was taken, and every order has come to rest."""
    left = dict(machines)

    async def probe() -> bool | None:
        for thing_id, life in list(left.items()):
            if _is_judged(await stage.hub.get(f"/api/v1/things/{thing_id}"), life.cycles):
                del left[thing_id]
        return None if left else True

    await until(stage.clock, "all answers are taken", probe, _SETTLED_S)

    async def at_rest() -> bool | None:
        orders: Sequence[Row] = await stage.hub.get("/api/v1/orders")
        moving = [order for order in orders if order["thing_id"] in machines and order["state"] in _UNSETTLED]
        return None if moving else True

    await until(stage.clock, "all orders have come to rest", at_rest, _SETTLED_S)


def _is_judged(shown: Row, cycles: int) -> bool:
    component = part(part(shown, "components"), SUBJECT)
    need: Mapping[str, Any] = part(part(shown, "needs"), SUBJECT)
    is_answered = component.get("answers", 0) >= component.get("questions", 0)
    return component.get("cycle") == cycles and (is_answered or bool(need.get("is_open")))


async def _ordered(stage: Stage, machines: Mapping[str, Life]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in await stage.sandboxes[MAKER].records():
        if row["kind"] == "order" and row["thing"] in machines:
            counts[row["thing"]] = counts.get(row["thing"], 0) + 1
    return counts
