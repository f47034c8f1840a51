"""One torture, from an empty folder to the judge's figures."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Final

import msgspec
from msgspec import Struct

from actors.model.errors import HubError
from crm_adapters.sandboxing import SandboxRecord
from crm_adapters.sandboxing.client import SandboxAdmin
from hub.torture.evidence import Evidence, JournalFile
from hub.torture.fleet import Ledger
from hub.torture.judge import SETTLED, Money, Orders, Readings, judge_money, judge_orders, judge_readings
from hub.torture.progress import Progress, share
from hub.torture.scene import scene
from hub.torture.storm import Storm, TortureSettings

_LOOK_AGAIN_S: Final = 0.1


class NotSettled(HubError):
    """Something still hangs, long after every fault has ended. The text says what."""


class Figures(Struct, frozen=True, kw_only=True):
    """What came out. ``wrong`` lists the violations; ``ok`` says that there are none."""

    ok: bool
    seed: int
    kills: int
    interrupted: bool
    """It was stopped before the last kill; all figures are of what was done by then."""
    history: int
    """Messages in the journal before the first kill under load."""
    moments: Mapping[str, int]
    """What the hub was doing when it was killed -> how often; ``drained`` and ``copied`` came to their end first."""
    readings: Readings
    orders: Orders
    money: Money
    differences: int
    left: Mapping[str, int]
    integrity: str
    faults: Mapping[str, int]
    start_p50_s: float
    start_p99_s: float
    seconds: float
    wrong: Sequence[str]


async def torture(folder: Path, settings: TortureSettings, stop: asyncio.Event | None = None) -> Figures:
    """Run a whole torture in this empty folder and judge it; ``stop`` ends it early, with the figures so far."""
    began, stopped = monotonic(), stop or asyncio.Event()
    progress = Progress(shows=stop is not None)
    async with scene(folder, settings.hub_program) as place:
        storm = Storm(place, settings, progress, stopped)
        await storm.rage()
        progress.turn("waiting until nothing moves any more")
        hanging = await _hanging(place.journal, settings.settle_s)
        await place.hub.stop()
        progress.turn("judging")
        found = _Findings(evidence=place.evidence(), storm=storm, records=await place.records(), hanging=hanging)
        figures = _judged(found, settings)
        faults = await _faults(place.shops.values())
    return msgspec.structs.replace(
        figures, interrupted=stopped.is_set(), faults=faults, seconds=round(monotonic() - began, 1)
    )


async def settle(journal: Path, within_s: float) -> None:
    """Wait until every order stands and nothing waits to be done.

    Raises:
        NotSettled: something still hangs.
    """
    deadline = monotonic() + within_s
    looked = JournalFile(journal)
    try:
        while True:
            waiting = looked.waiting()
            states = looked.order_states()
            moving = {state: count for state, count in states.items() if state not in SETTLED}
            if not moving and not any(waiting.values()):
                return
            if monotonic() > deadline:
                raise NotSettled(f"after {within_s:g} s: orders {dict(states)}, not consumed {dict(waiting)}")
            await asyncio.sleep(_LOOK_AGAIN_S)
    finally:
        looked.close()


async def _hanging(journal: Path, within_s: float) -> list[str]:
    try:
        await settle(journal, within_s)
    except NotSettled as error:
        return [str(error)]
    return []


class _Findings(Struct, frozen=True, kw_only=True):
    evidence: Evidence
    storm: Storm
    records: Mapping[str, Sequence[SandboxRecord]]
    hanging: Sequence[str]


def _judged(found: _Findings, settings: TortureSettings) -> Figures:
    evidence, storm = found.evidence, found.storm
    readings = judge_readings(storm.ledger, evidence)
    orders, wrong_orders = judge_orders(evidence, found.records)
    money, wrong_money = judge_money(evidence)
    starts = storm.reaper.starts_s
    wrong = [
        *found.hanging,
        *_wrong_readings(readings, storm.ledger),
        *wrong_orders,
        *wrong_money,
        *evidence.differences,
        *storm.reaper.wrong,
        *(f"{count} rows of {table} are left" for table, count in evidence.left.items() if count),
        *([] if evidence.integrity == "ok" else [f"integrity: {evidence.integrity}"]),
        *_slow_starts(starts, settings.start_limit_s),
    ]
    return Figures(
        ok=not wrong,
        seed=settings.seed,
        kills=storm.kills,
        interrupted=False,
        history=storm.history,
        moments=storm.reaper.hit,
        readings=readings,
        orders=orders,
        money=money,
        differences=len(evidence.differences),
        left=evidence.left,
        integrity=evidence.integrity,
        faults={},
        start_p50_s=round(share(starts, 50), 3),
        start_p99_s=round(share(starts, 99), 3),
        seconds=0.0,
        wrong=wrong,
    )


def _wrong_readings(readings: Readings, ledger: Ledger) -> list[str]:
    bad = ("lost", "doubled", "altered", "unknown", "refused", "not_known_again")
    counts = {name: int(getattr(readings, name)) for name in bad}
    return [*(f"{count} messages {name}" for name, count in counts.items() if count), *ledger.refused[:5]]


def _slow_starts(starts: Sequence[float], limit_s: float | None) -> list[str]:
    slow = share(starts, 99)
    return [f"start-up p99 {slow:.2f} s, expected under {limit_s:g} s"] if limit_s and slow >= limit_s else []


async def _faults(shops: Iterable[SandboxAdmin]) -> dict[str, int]:
    """Return how often each fault was played (as far back as the shops' logs reach)."""
    counts: dict[str, int] = {}
    for shop in shops:
        for request in await shop.requests():
            if request.fault is not None:
                counts[request.fault] = counts.get(request.fault, 0) + 1
    return counts
