"""One torture, from an empty folder to the judge's figures."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from statistics import quantiles
from time import monotonic
from typing import Any, Final

import aiohttp
import msgspec
from msgspec import Struct

from actors.model.errors import HubError
from crm_adapters.sandboxing import SandboxRecord
from crm_adapters.sandboxing.client import SandboxAdmin, administer
from hub.config import load
from hub.storage.sqlite import FILE_NAME
from hub.torture.evidence import Evidence, JournalFile, read_evidence
from hub.torture.fleet import Ledger, Line, fleet, registrations
from hub.torture.judge import SETTLED, Money, Orders, Readings, judge_money, judge_orders, judge_readings
from hub.torture.premises import OWNER, SELLERS, write_catalog, write_hub
from hub.torture.processes import HUB_PROGRAM, Child, hub_process, owner_token, sandbox_process
from hub.torture.trouble import end_trouble, make_trouble

_SHORTEST_LIFE_S: Final = 0.05
_LONGEST_LIFE_S: Final = 0.4
_LOOK_AGAIN_S: Final = 0.1
_ORDER_MINOR: Final = 4_000
"""About what one order costs; budgets are told in so many orders."""


class NotSettled(HubError):
    """Something still hangs, long after every fault has ended. The text says what."""


class TortureSettings(Struct, frozen=True, kw_only=True):
    """How long and how hard. ``hub_program`` replaces the hub under test (the judge's own test does that)."""

    kills: int = 20
    seed: int = 1
    things: int = 20
    settle_s: float = 90.0
    hub_program: Sequence[str] = HUB_PROGRAM


class Figures(Struct, frozen=True, kw_only=True):
    """What came out. ``wrong`` lists the violations; ``ok`` says that there are none."""

    ok: bool
    seed: int
    kills: int
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


class Scene(Struct, frozen=True, kw_only=True):
    """The folder, the shops' processes and their administration, and the hub's configuration."""

    folder: Path
    config: Path
    hub: Child
    shop_urls: Mapping[str, str]
    shops: Mapping[str, SandboxAdmin]

    @property
    def data_dir(self) -> Path:
        """Where the hub keeps its journal and its owner's token."""
        return self.folder / "data"

    @property
    def journal(self) -> Path:
        """The hub's journal file."""
        return self.data_dir / FILE_NAME

    def evidence(self) -> Evidence:
        """Read the journal; the hub must have ended."""
        return read_evidence(self.journal, load(self.config).profiles)

    async def records(self) -> dict[str, list[SandboxRecord]]:
        """Return the shops' own records."""
        return {name: await shop.records() for name, shop in self.shops.items()}


@asynccontextmanager
async def scene(folder: Path, hub_program: Sequence[str] = HUB_PROGRAM, *, more: str = "") -> AsyncGenerator[Scene]:
    """Start the shops and write the hub's configuration, with ``more`` in it; whatever runs in the end is killed."""
    processes = {name: sandbox_process(folder, name, write_catalog(folder, name)) for name in SELLERS}
    async with AsyncExitStack() as stack:
        async with asyncio.TaskGroup() as group:
            for process in processes.values():
                stack.push_async_callback(process.kill)
                group.create_task(process.start())
        urls = {name: process.url for name, process in processes.items()}
        config = write_hub(folder, urls, more=more)
        hub = hub_process(config, folder / "data", hub_program)
        stack.push_async_callback(hub.kill)
        shops = {name: await stack.enter_async_context(administer(p.url)) for name, p in processes.items()}
        yield Scene(folder=folder, config=config, hub=hub, shop_urls=urls, shops=shops)


class OwnersDesk:
    """What the owner does over the API: registers things, and raises the budget now and then."""

    def __init__(self, session: aiohttp.ClientSession, hub: Child, data_dir: Path) -> None:
        self._session = session
        self._hub = hub
        self._data_dir = data_dir
        self._budget_minor = 0

    async def register(self, things: int) -> dict[str, str]:
        """Register printers and return their tokens."""
        imported = await self._post("things/import", registrations(things))
        return {thing["thing_id"]: thing["token"] for thing in imported["things"]}

    async def allow(self, orders: int) -> None:
        """Raise the budget by what so many orders cost; orders that it blocked are tried again."""
        self._budget_minor += orders * _ORDER_MINOR
        mandate = {
            "mandate_id": "supplies",
            "owner_id": OWNER,
            "levels": {"supply": "autonomous"},
            "budget": {"minor": self._budget_minor, "currency": "EUR"},
            "budget_period": "year",
            "per_order_limit": {"minor": 10_000, "currency": "EUR"},
            "allowed_payees": list(SELLERS),
            "valid_until": "2999-01-01T00:00:00Z",
        }
        await self._post("mandates", mandate)

    async def _post(self, path: str, body: Any) -> Any:
        headers = {"Authorization": f"Bearer {owner_token(self._data_dir)}", "Content-Type": "application/json"}
        async with self._session.post(f"{self._hub.url}/api/v1/{path}", json=body, headers=headers) as reply:
            answer = await reply.read()
            if reply.status >= 300:
                raise HubError(f"{path}: {reply.status} {answer.decode(errors='replace')}")
            return msgspec.json.decode(answer)


class Storm(Struct, kw_only=True):
    """The kills: what the devices know afterwards, and how long the hub took to be back each time."""

    ledger: Ledger
    starts_s: list[float]


async def rage(place: Scene, settings: TortureSettings) -> Storm:
    """Kill the hub again and again under load; in the end it runs, all faults are over, every device has its ack."""
    chance = Random(settings.seed)
    storm = Storm(ledger=Ledger(), starts_s=[])
    line, ended = Line(), asyncio.Event()
    timeout = aiohttp.ClientTimeout(total=20.0)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
        await place.hub.start()
        desk = OwnersDesk(session, place.hub, place.data_dir)
        printers = fleet(session, await desk.register(settings.things), Random(chance.random()), storm.ledger)
        await desk.allow(settings.things // 2)
        async with asyncio.TaskGroup() as group:
            group.create_task(make_trouble(tuple(place.shops.values()), Random(chance.random()), ended))
            for printer in printers:
                group.create_task(printer.work(line, ended))
            line.connect(place.hub.url)
            for _ in range(settings.kills):
                await asyncio.sleep(chance.uniform(_SHORTEST_LIFE_S, _LONGEST_LIFE_S))
                await _kill_and_start(place.hub, line, storm)
                await desk.allow(chance.choice((0, 2, settings.things // 2, settings.things // 2)))
            ended.set()
    await end_trouble(tuple(place.shops.values()))
    return storm


async def _kill_and_start(hub: Child, line: Line, storm: Storm) -> None:
    await hub.kill()
    line.cut()
    storm.starts_s.append(await hub.start())
    line.connect(hub.url)


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


async def torture(folder: Path, settings: TortureSettings) -> Figures:
    """Run a whole torture in this empty folder and judge it."""
    began = monotonic()
    async with scene(folder, settings.hub_program) as place:
        storm = await rage(place, settings)
        hanging: list[str] = []
        try:
            await settle(place.journal, settings.settle_s)
        except NotSettled as error:
            hanging.append(str(error))
        await place.hub.stop()
        faults = await _faults(place.shops.values())
        figures = _judged(place.evidence(), storm, await place.records(), hanging)
    return msgspec.structs.replace(
        figures, seed=settings.seed, kills=settings.kills, faults=faults, seconds=round(monotonic() - began, 1)
    )


def _judged(
    evidence: Evidence, storm: Storm, records: Mapping[str, Sequence[SandboxRecord]], hanging: Sequence[str]
) -> Figures:
    readings = judge_readings(storm.ledger, evidence)
    orders, wrong_orders = judge_orders(evidence, records)
    money, wrong_money = judge_money(evidence)
    wrong = [*hanging, *_wrong_readings(readings, storm.ledger), *wrong_orders, *wrong_money, *evidence.differences]
    wrong += [f"{count} rows of {table} are left" for table, count in evidence.left.items() if count]
    wrong += [] if evidence.integrity == "ok" else [f"integrity: {evidence.integrity}"]
    return Figures(
        ok=not wrong,
        seed=0,
        kills=0,
        readings=readings,
        orders=orders,
        money=money,
        differences=len(evidence.differences),
        left=evidence.left,
        integrity=evidence.integrity,
        faults={},
        start_p50_s=round(_share(storm.starts_s, 50), 3),
        start_p99_s=round(_share(storm.starts_s, 99), 3),
        seconds=0.0,
        wrong=wrong,
    )


def _wrong_readings(readings: Readings, ledger: Ledger) -> list[str]:
    bad = ("lost", "doubled", "altered", "unknown", "refused", "not_known_again")
    counts = {name: int(getattr(readings, name)) for name in bad}
    return [*(f"{count} messages {name}" for name, count in counts.items() if count), *ledger.refused[:5]]


def _share(values: Sequence[float], percent: int) -> float:
    """Return a percentile, 0 where there is nothing to share."""
    if len(values) < 2:
        return max(values, default=0.0)
    return quantiles(values, n=100, method="inclusive")[percent - 1]


async def _faults(shops: Any) -> dict[str, int]:
    """Return how often each fault was played (as far back as the shops' logs reach)."""
    counts: dict[str, int] = {}
    for shop in shops:
        for request in await shop.requests():
            if request.fault is not None:
                counts[request.fault] = counts.get(request.fault, 0) + 1
    return counts
