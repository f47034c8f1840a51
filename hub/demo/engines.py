"""Engines whose peers' lives are known: brought in for training, and played over OPC UA, a cycle at a time."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from actors.community.lives import FloatArray, Life
from hub.demo.clients import Row
from hub.demo.processes import until
from hub.demo.scenery import BUILT_IN, EngineKind
from hub.demo.stage import Stage
from hub.demo.turbofan import fleet, running_life

SUBJECT: Final = "engine"
VARIABLES: Final = {"Snapshot": "numbers", "Cycle": "count"}

_TRAINING_S: Final = 900.0
_PEERS: Final = 24
_OWNERS: Final = 8
_FLEET_SEED: Final = 1
_ENGINE_SEED: Final = 528
"""A life of 122 cycles: a short one, so that people need not wait."""
_LEFT: Final = 8


class Engines(Struct, frozen=True, kw_only=True):
    """A kind of engine, its peers' finished lives, and the one whose story is told."""

    kind: EngineKind
    finished: Sequence[Life]
    told: FloatArray


def built_in() -> Engines:
    """Return the engines of the plant model."""
    told = running_life(_ENGINE_SEED, owner="acme-plant", left=_LEFT)
    return Engines(kind=BUILT_IN, finished=fleet(_FLEET_SEED, _PEERS, owners=_OWNERS), told=told.rows)


async def contribute(stage: Stage, engines: Engines) -> None:
    """Bring the finished lives in; the hub trains on them in its own time."""
    lives = [
        {"life_id": life.life_id, "owner_id": life.owner_id, "rows": life.rows.tolist()} for life in engines.finished
    ]
    body = {"subject": SUBJECT, "n_settings": engines.finished[0].n_settings, "lives": lives}
    await stage.hub.post(f"/api/v1/communities/{engines.kind.community}/lives", body)


async def until_trained(stage: Stage, kind: EngineKind) -> Row:
    """Wait until the community has a model, and return what it says of itself."""

    async def probe() -> Row | None:
        communities: Sequence[Row] = await stage.hub.get("/api/v1/communities")
        shown = next(row for row in communities if row["community_id"] == kind.community)
        return shown if SUBJECT in shown["models"] else None

    return await until(stage.clock, f"{kind.community} has a model", probe, _TRAINING_S)


def cycle_values(machines: Mapping[str, FloatArray], cycle: int) -> dict[str, Any]:
    """Return the values of one cycle (from 1) of all machines that still run then."""
    running: Iterable[tuple[str, FloatArray]] = ((name, rows) for name, rows in machines.items() if cycle <= len(rows))
    values: dict[str, Any] = {}
    for name, rows in running:
        values |= {f"{name}.Snapshot": rows[cycle - 1].tolist(), f"{name}.Cycle": cycle}
    return values
