"""An order's cost: the hub's CPU for placing it durably through a desk, over a bare client's for the same requests.

Counted is from the owner's word to the CRM's confirmation, both on disk: the order is judged once more (mandate,
budget, off switch), journalled as leaving, sent by the desk, and what came of it is journalled and told to all.

The hub is what carries an order: engine, journal on disk, the cores of thing, owner and order, a desk, the adapter.
The CRM is a sandbox in a process of its own, so its work counts for neither. The bare client sends the very requests
that the hub's adapter sends for an order (addresses, headers, bodies; only our key differs), as many at a time as a
desk, with aiohttp's own JSON, and reads what is answered. Both run on the same event loop, the hub's.

Goal: ``crm.cpu_per_order_vs_bare_client`` <= 4.

Alone: ``python -m hub.bench.orders [ORDERS] [ROUNDS]``; the last lines hold the figures.
"""

import asyncio
import importlib
import importlib.util
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

import aiohttp
from msgspec import Struct
from yarl import URL

from actors.desk.desk import Desk, DeskSettings
from actors.dialogue import Approve, GrantMandate, RaiseNeed, RegisterThing, desk_relay, order_address, owner_address
from actors.model.ids import CorrelationId, InstallationId, MandateId, OrderKey, OwnerId, ThingId
from actors.model.mandates import Level, Mandate
from actors.model.money import Money
from actors.model.needs import Need, NeedKind
from actors.model.profiles import SkuChoice
from actors.model.secrets import Secret
from actors.model.things import Connection, Place, ThingRecord
from actors.owner.core import OwnerCore, OwnerLimits
from actors.ports import CrmAdapter, CrmDeps, CrmSpec
from actors.purchasing.choosing import key_of
from actors.purchasing.core import OrderCore
from actors.purchasing.sourcing import PurchasingSettings
from actors.runtime.engine import TurnEngine
from actors.runtime.journal import RecordRow
from actors.thing.asking import NoModels
from actors.thing.core import ThingCore
from crm_adapters.dynamics import SPEC as DYNAMICS
from crm_adapters.dynamics.config import DynamicsConfig
from crm_adapters.dynamics.sandbox import SANDBOX as DATAVERSE
from crm_adapters.rest import SPEC as REST
from crm_adapters.rest.config import RestConfig
from crm_adapters.rest.sandbox import SANDBOX as SHOP
from crm_adapters.salesforce import SPEC as SALESFORCE
from crm_adapters.salesforce.config import SalesforceConfig
from crm_adapters.salesforce.sandbox import SANDBOX as ORGANISATION
from hub.bench.recorder import Recorded, recording
from hub.bench.turns import BenchFailed, profile
from hub.clock import SystemClock
from hub.interpreter import tune_interpreter
from hub.storage.sqlite import SqliteJournal, open_journal
from hub.torture.processes import Child

Say = Callable[[str], None]
_Asked = tuple[str, str, dict[str, Any]]
_SHOP: Final = "shop"
_INSTALLATION: Final = InstallationId("bench")
_WITHIN_S: Final = 120.0
_WARM_UP: Final = 20


class Crm(Struct, frozen=True, kw_only=True):
    """A CRM that orders go to: its sandbox's name, its adapter, and how a connection to an address is written."""

    name: str
    spec: CrmSpec
    config: Callable[[str], Struct]


def _rest(url: str) -> Struct:
    known = SHOP.credentials
    return RestConfig(
        base_url=url,
        internal_hosts=("127.0.0.1",),
        client_id=known["client_id"],
        client_secret=Secret(known["client_secret"]),
    )


def _salesforce(url: str) -> Struct:
    known = ORGANISATION.credentials
    return SalesforceConfig(login_url=url, client_id=known["client_id"], client_secret=Secret(known["client_secret"]))


def _dynamics(url: str) -> Struct:
    known = DATAVERSE.credentials
    secret = Secret(known["client_secret"])
    return DynamicsConfig(
        org_url=url, login_url=url, tenant=known["tenant"], client_id=known["client_id"], client_secret=secret
    )


CRMS: Final = (
    Crm(name="rest", spec=REST, config=_rest),
    Crm(name="salesforce", spec=SALESFORCE, config=_salesforce),
    Crm(name="dynamics", spec=DYNAMICS, config=_dynamics),
)


def measure(say: Say, *, orders: int, rounds: int) -> dict[str, float]:
    """Return the medians of interleaved rounds: of each adapter, and of all three."""
    with (
        tempfile.TemporaryDirectory(prefix="iot2crm-orders-") as name,
        asyncio.Runner(loop_factory=hub_loop()) as runner,
    ):
        pairs = runner.run(_rounds(Path(name), orders, rounds, say))
    ratios = {crm: statistics.median(hub / bare for hub, bare in found) for crm, found in pairs.items()}
    each = {f"crm.cpu_per_order_vs_bare_client_{crm}": ratio for crm, ratio in ratios.items()}
    costs = [hub * 1000 for found in pairs.values() for hub, _ in found]
    median = {"crm.cpu_per_order_vs_bare_client": statistics.median(ratios.values())}
    return median | each | {"crm.cpu_per_order_ms": statistics.median(costs)}


async def _rounds(folder: Path, orders: int, rounds: int, say: Say) -> dict[str, list[tuple[float, float]]]:
    """Return the CPU seconds an order of hub and bare client, round by round, for each CRM."""
    pairs: dict[str, list[tuple[float, float]]] = {crm.name: [] for crm in CRMS}
    async with AsyncExitStack() as stack:
        stands: list[tuple[Crm, str, OrderingHub, list[Recorded]]] = []
        for crm in CRMS:
            url = await stack.enter_async_context(sandbox_of(crm, folder))
            sample = await _sample(folder / f"{crm.name}-recorded", crm, url)
            hub = await stack.enter_async_context(ordering_hub(folder / crm.name, crm, url))
            await hub.place(await hub.prepare(_WARM_UP))
            stands.append((crm, url, hub, sample))
        for number in range(1, rounds + 1):
            for crm, url, hub, sample in stands:
                keys = await hub.prepare(orders)
                hub_s = await hub.place(keys)
                bare_s = await _bare_client(url, sample, orders, f"R{number}")
                pairs[crm.name].append((hub_s / orders, bare_s / orders))
            say(f"orders, round {number} of {rounds}")
    return pairs


def hub_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return the loop that a hub runs on: uvloop where it can be had."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    return factory


class OrderingHub:
    """What carries orders: engine, journal, cores, a desk. Every order is of a thing of its own."""

    def __init__(self, journal: SqliteJournal, adapter: CrmAdapter, settings: DeskSettings) -> None:
        self._clock = SystemClock()
        self._engine = engine = TurnEngine(journal, self._clock)
        kind = profile()
        engine.add_kind(ThingCore({"bench@1": kind}, NoModels(), _INSTALLATION))
        engine.add_kind(OwnerCore(OwnerLimits()))
        engine.add_kind(OrderCore(PurchasingSettings(installation=_INSTALLATION, connections=_can(adapter))))
        self.desk = Desk(_SHOP, adapter, engine, self._clock, Random(1), settings)
        engine.add_relay(desk_relay(_SHOP), self.desk)
        engine.on_records(self._hear)
        self._numbers = 0
        self._left: set[str] = set()
        self._state = _CONFIRMED
        self._done = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled."""
        self._engine.start()
        try:
            await self.desk.run()
        finally:
            await self._engine.stop()

    async def prepare(self, orders: int, *, within_s: float = _WITHIN_S) -> list[OrderKey]:
        """Let so many things need something, up to the moment at which their owners are asked."""
        raised = {key_of(_INSTALLATION, need.need): need for need in (self._need() for _ in range(orders))}
        for owner in {need.need.owner_id for need in raised.values()}:
            await self._engine.ask(owner_address(owner), _grant(owner, self._clock), timeout_s=_WITHIN_S)
        for need in raised.values():  # a thing that needs something is there, and known to the hub
            registered = _register(need.need.thing_id, need.need.owner_id)
            await self._engine.ask(f"thing/{need.need.thing_id}", registered, timeout_s=_WITHIN_S)
        await self.until(_WAITS, {order_address(key): need for key, need in raised.items()}, within_s)
        return list(raised)

    async def place(self, keys: Sequence[OrderKey], *, within_s: float = _WITHIN_S) -> float:
        """Approve orders, and return the CPU seconds until all are confirmed by the CRM and on disk."""
        began = time.process_time()
        await self.until(_CONFIRMED, {order_address(key): Approve(by="owner") for key in keys}, within_s)
        return time.process_time() - began

    async def until(self, state: bytes, messages: Mapping[str, Any], within_s: float) -> None:
        """Tell orders something, and wait until all of them are in a state and on disk."""
        self._state, self._left = state, {address.partition("/")[2] for address in messages}
        self._done.clear()
        for address, message in messages.items():
            self._engine.submit(address, message, _taken)
        async with asyncio.timeout(within_s):
            await self._done.wait()

    def _need(self) -> RaiseNeed:
        self._numbers += 1
        need = Need(
            thing_id=ThingId(f"printer-{self._numbers}"),
            owner_id=OwnerId(f"owner-{self._numbers // 10}"),
            kind=NeedKind.SUPPLY,
            subject="black",
            episode=1,
            reason="black is at 10, at or under its limit of 15",
            opened_at=self._clock.now(),
            correlation_id=CorrelationId(f"printer-{self._numbers}.black.1"),
            skus=(SkuChoice(sku="INK-XL-BK", fills=100.0),),
            title="Black ink",
        )
        return RaiseNeed(need=need, serial="SN-1", place=Place(country="DE"), is_test=False, community_id=None)

    def _hear(self, rows: Sequence[RecordRow]) -> None:
        for row in rows:
            if row.kind == "order" and row.key in self._left and row.body is not None and self._state in row.body:
                self._left.discard(row.key)
        if not self._left:
            self._done.set()


@asynccontextmanager
async def ordering_hub(
    folder: Path, crm: Crm, url: str, settings: DeskSettings | None = None
) -> AsyncGenerator[OrderingHub]:
    """Run a hub that orders at the shop, with its journal in a folder."""
    deps = CrmDeps(connection=_SHOP, clock=SystemClock(), chance=Random(1))
    with open_journal(folder) as journal:
        async with crm.spec.open(crm.config(url), deps) as adapter:
            hub = OrderingHub(journal, adapter, settings or DeskSettings())
            async with asyncio.TaskGroup() as group:
                running = group.create_task(hub.run())
                yield hub
                running.cancel()


@asynccontextmanager
async def sandbox_of(crm: Crm, folder: Path, *more: str) -> AsyncGenerator[str]:
    """Run a CRM's sandbox in a process of its own; the value is its address."""
    announced_in = folder / f"{crm.name}.url"
    arguments = ("-m", "hub", "sandbox", crm.name, "--url-file", str(announced_in), *more)
    process = Child(arguments, folder / f"{crm.name}.log", announced_in)
    await process.start()
    try:
        yield process.url
    finally:
        await process.kill()


async def _sample(folder: Path, crm: Crm, url: str) -> list[Recorded]:
    """Return the requests of one order when all that can be remembered is, with ``_KEY`` as its key."""
    async with recording(url) as (address, recorder), ordering_hub(folder, crm, address) as hub:
        await hub.place(await hub.prepare(2))
        keys = await hub.prepare(1)
        recorder.requests.clear()
        await hub.place(keys)
        key = keys[0]
        requests = [request.instead(key, _KEY) for request in recorder.requests]
    if not any(_KEY in request.target or _KEY.encode() in request.body for request in requests):
        raise BenchFailed("the order of the sample did not name its key")
    return requests


async def _bare_client(url: str, sample: Sequence[Recorded], orders: int, name: str) -> float:
    """Return the CPU seconds in which a bare client sends the requests of so many orders, and reads the answers."""
    work = [
        [_asked(request.instead(_KEY, f"I2C{name}X{number:020}")) for request in sample] for number in range(orders)
    ]
    lanes = DeskSettings().parallel
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=lanes)) as session:
        await _send(session, url, work[:1])
        began = time.process_time()
        async with asyncio.TaskGroup() as group:
            for lane in range(lanes):
                group.create_task(_send(session, url, work[1 + lane :: lanes]))
        return (time.process_time() - began) * orders / (orders - 1)


async def _send(session: aiohttp.ClientSession, url: str, orders: Iterable[Sequence[_Asked]]) -> None:
    for requests in orders:
        for method, target, given in requests:
            async with session.request(method, URL(url + target, encoded=True), **given) as reply:
                is_json = reply.headers.get("Content-Type", "").startswith(_JSON)
                await (reply.json() if is_json else reply.read())
                if reply.status >= 300:
                    raise BenchFailed(f"the CRM answered the bare client {reply.status}")


def _asked(request: Recorded) -> _Asked:
    """Return how a client gives a request: its body as a value where it is JSON, as it is where it is a batch."""
    is_json = request.headers.get("Content-Type") == _JSON
    content: dict[str, Any] = {"json": json.loads(request.body)} if is_json else {"data": request.body or None}
    return request.method, request.target, {"headers": request.headers, **content}


def _can(adapter: CrmAdapter) -> dict[str, Any]:
    return {_SHOP: adapter.capabilities}


def _grant(owner: OwnerId, clock: SystemClock) -> GrantMandate:
    budget = Money(minor=10_000_000, currency="EUR")
    now = clock.now()
    mandate = Mandate(
        mandate_id=MandateId(f"m-{owner}"),
        owner_id=owner,
        levels=dict.fromkeys(NeedKind, Level.ADAPTABLE),
        budget=budget,
        per_order_limit=budget,
        approval_above=Money.zero("EUR"),
        allowed_payees=(_SHOP,),
        valid_from=now - timedelta(days=1),
        valid_until=now + timedelta(days=365),
    )
    return GrantMandate(mandate=mandate)


def _register(thing: ThingId, owner: OwnerId) -> RegisterThing:
    connection = Connection(protocol="http")
    record = ThingRecord(thing_id=thing, owner_id=owner, profile="bench", connection=connection)
    return RegisterThing(record=record, profile="bench@1")


def _taken(outcome: Any) -> None:
    """Whether it was taken shows in what becomes of the order."""
    del outcome


_JSON: Final = "application/json"
_KEY: Final = "I2CBENCHBENCHBENCHBENCHBENCHB"
_CONFIRMED: Final = b'"state":"confirmed"'
_WAITS: Final = b'"state":"awaiting_approval"'


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    tune_interpreter()  # as the hub does
    orders, rounds = [int(text) for text in [*arguments, *("300", "5")[len(arguments) :]]]
    for key, value in measure(_say, orders=orders, rounds=rounds).items():
        sys.stdout.write(f"{key:40} {value:12.3f}\n")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
