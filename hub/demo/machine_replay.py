"""Replays Microsoft's machines (simulated data) over HTTP to a hub of its own, with a shop that takes the orders.

Everything runs as processes on loopback. Time is compressed: a day of the machines takes a fraction of a second, and
their hour meters tell the hub what time it is for them. The hub learns from what happened to all machines until August,
asks, decides and orders by itself; what the shop then holds is judged against what really failed.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path
from random import Random
from socket import SOCK_STREAM
from tempfile import TemporaryDirectory
from typing import Any, Final

import aiohttp
from msgspec import Struct, json

from actors.community.failing import FAILING
from actors.community.lives import FloatArray
from actors.model.secrets import Secret
from actors.ports import Clock
from crm_adapters.sandboxing import CatalogItem, find_sandbox
from hub.clock import SystemClock
from hub.demo.azure import Plant, hours, read_plant
from hub.demo.clients import HubClient, Row, SandboxClient
from hub.demo.machine_orders import Judged, Place, judged
from hub.demo.machine_uplink import Line, Pace, Told, tell_all
from hub.demo.processes import Crew, NeverHappened, until
from hub.demo.scenery import free_port
from hub.demo.stage import euro, thing

Say = Callable[[str], None]

LEARNED_FROM_H: Final = hours("2015-01-01 06:00")
REPLAYED_FROM_H: Final = hours("2015-08-01 00:00")
NAME: Final = "Azure PdM (Microsoft, simulated machines)"

_PLANTS: Final = 20
_MODELS: Final = ("model1", "model2", "model3", "model4")
_COMMUNITY: Final = "machines"
_SHOP: Final = "parts"
_VARIABLE: Final = "DEMO_PARTS_CLIENT_SECRET"
_PRICE_MINOR: Final = 25_000
_LEARNING_S: Final = 1800.0
_SETTLED_S: Final = 120.0
_WARM_UP_H: Final = 48.0
_METER_ZERO_H: Final = hours("2014-01-01 00:00")
"""Where the hour meters stood at zero: before the first thing that is told."""
_BEFORE_H: Final = 120.0
_UNSETTLED: Final = frozenset({"drafted", "approved", "placing", "unknown", "reconciling", "placed"})


class ReplayOptions(Struct, frozen=True, kw_only=True):
    """What is replayed, and how fast."""

    machines: int = 20
    until_h: float = hours("2016-01-01 00:00")
    day_s: float = 0.5
    """So long a day of the machines takes."""
    every_h: float = 3.0
    """So often a machine tells its hour meter when nothing else happens."""


def replay_machines(folder: Path, options: ReplayOptions, say: Say) -> Judged:
    """Replay machines and judge the orders. Raises: UnreadableData, NeverHappened."""
    plant = read_plant(folder)
    with TemporaryDirectory(prefix="iot2crm-replay-") as place:
        return asyncio.run(_replayed(plant, Path(place), options, say))


def in_words(judged: Judged) -> str:
    """Return the figures as a sentence."""
    return (
        f"{judged.data}: of {judged.failures} failures of {judged.machines} machines {judged.caught} had their part on "
        f"order before, {judged.in_time} of them 12 h or more before (median {judged.lead_h_p50 or 0:.0f} h); of "
        f"{judged.orders} orders {judged.false_orders} were not needed. Simulated data: real failures are harder to "
        "foresee."
    )


async def _replayed(plant: Plant, folder: Path, options: ReplayOptions, say: Say) -> Judged:
    clock = SystemClock()
    numbers = sorted(plant.machines)[: options.machines]
    patience = aiohttp.ClientTimeout(total=300)
    async with Crew(folder, clock) as crew, aiohttp.ClientSession(timeout=patience) as session:
        shop, hub = await _open(crew, session, folder)
        await hub.post(f"/api/v1/communities/{_COMMUNITY}/histories", {"histories": _histories(plant)})
        tokens = await _register(hub, plant, numbers, clock)
        say(f"the hub learns from {len(plant.machines)} machines' events until August")
        await _until_learned(hub, clock)
        days = (options.until_h - REPLAYED_FROM_H) / 24
        say(f"{len(numbers)} machines live {days:.0f} days in about {days * options.day_s:.0f} s")
        told = {name: _life(plant, _number(name), options) for name in tokens}
        pace = Pace(start_h=REPLAYED_FROM_H, day_s=options.day_s, zero_h=_METER_ZERO_H)
        meters = await tell_all(Line(session, hub.url, tokens), told, pace, clock=clock, say=say)
        await _at_rest(hub, clock)
        orders = await _orders(shop, hub, meters)
    failures = {
        (_name(number), part): times.tolist() for number in numbers for part, times in plant.failed[number].items()
    }
    span = REPLAYED_FROM_H + _WARM_UP_H, options.until_h
    return judged(failures, orders, span, data=NAME, machines=len(numbers))


async def _open(crew: Crew, session: aiohttp.ClientSession, folder: Path) -> tuple[SandboxClient, HubClient]:
    catalog = folder / "catalog.json"
    items = [
        CatalogItem(sku=f"COMP-{n}", title=f"Component {n}", list_price_minor=_PRICE_MINOR, price_minor=_PRICE_MINOR)
        for n in range(1, 5)
    ]
    catalog.write_bytes(json.encode(items))
    files = ("--catalog", str(catalog), "--url-file", str(folder / "shop.url"))
    sandbox = await crew.start("shop", "hub", "sandbox", "rest", "--port", "0", *files)
    url = await crew.content_of(folder / "shop.url", sandbox)
    _configure(folder, url, free_port(SOCK_STREAM, Random()))
    known = find_sandbox("rest").credentials
    arguments = ("-c", str(folder / "hub.toml"), "--log-level", "info")
    worker = await crew.start("hub", "hub", "run", *arguments, secrets={_VARIABLE: known["client_secret"]})
    hub_url = await crew.content_of(folder / "data" / "hub.url", worker)
    token = (folder / "data" / "owner.token").read_text(encoding="utf-8").strip()
    return SandboxClient(session, _SHOP, "rest", url), HubClient(session, hub_url, token)


def _configure(folder: Path, shop_url: str, port: int) -> None:
    """Write hub.toml and a profile for each model. Limits on orders count real days: here a day lasts half a second."""
    text = (resources.files("hub.demo") / "plant_files" / "machine.toml").read_text(encoding="utf-8")
    (folder / "profiles").mkdir()
    profiles = [f"machine_{model}" for model in _MODELS]
    for model, profile in zip(_MODELS, profiles, strict=True):
        named = text.replace('name = "machine"', f'name = "{profile}"').replace('= "machine"', f'= "{model}"')
        (folder / "profiles" / f"{profile}.toml").write_text(named, encoding="utf-8")
    client = find_sandbox("rest").credentials["client_id"]
    (folder / "hub.toml").write_text(
        f"""\
[hub]
name = "replay"
data_dir = "data"
listen = "127.0.0.1:{port}"
profiles = ["profiles/*.toml"]
log = "json"

[limits]
max_body_bytes = 67108864
max_orders_per_7_days = 100000
min_hours_between_orders = 0

[protocols.http]

[crm.{_SHOP}]
adapter = "rest"
base_url = "{shop_url}"
internal_hosts = ["127.0.0.1"]
manifest = "shop"
client_id = "{client}"
client_secret = {{ env = "{_VARIABLE}" }}

[communities.{_COMMUNITY}]
members = {json.encode(profiles).decode()}
""",
        encoding="utf-8",
    )


def _histories(plant: Plant) -> list[dict[str, Any]]:
    """Return what happened to all machines before August, each of one of twenty plants."""
    return [
        {
            "history_id": f"m{number}",
            "owner_id": _owner(number),
            "kind": machine.kind,
            "age_years": machine.age_years,
            "since_h": LEARNED_FROM_H,
            "until_h": REPLAYED_FROM_H,
            "events": _before(machine.events),
            "replaced": _before(machine.replaced),
            "failed": _before(plant.failed[number]),
        }
        for number, machine in plant.machines.items()
    ]


def _before(times: Mapping[str, FloatArray]) -> dict[str, list[float]]:
    return {name: [at for at in each.tolist() if at < REPLAYED_FROM_H] for name, each in times.items()}


async def _register(hub: HubClient, plant: Plant, numbers: Sequence[int], clock: Clock) -> dict[str, Secret]:
    things = [
        thing(_name(number), _owner(number), f"machine_{plant.machines[number].kind}", "http") for number in numbers
    ]
    reply: Row = await hub.post("/api/v1/things/import", things)
    if reply["rejected"]:
        raise NeverHappened(f"the hub took not all machines: {reply['rejected']}")
    for owner in sorted({_owner(number) for number in numbers}):
        mandate = {
            "mandate_id": f"{owner}-parts",
            "owner_id": owner,
            "levels": {"part": "autonomous"},
            "valid_until": clock.now() + timedelta(days=365),
            "budget": euro(100_000_000),
            "per_order_limit": euro(4 * _PRICE_MINOR),
            "allowed_payees": [_SHOP],
            "approval_kinds": [],
        }
        await hub.post("/api/v1/mandates", mandate)
    return {row["thing_id"]: Secret(row["token"]) for row in reply["things"]}


async def _until_learned(hub: HubClient, clock: Clock) -> None:
    async def probe() -> bool | None:
        (shown,) = await hub.get("/api/v1/communities")
        failed = shown["training"].get(FAILING, "ready")
        if failed != "ready":
            raise NeverHappened(f"the hub learned nothing: {failed}")
        return True if FAILING in shown["models"] else None

    await until(clock, "the community knows which parts fail", probe, _LEARNING_S)


def _life(plant: Plant, number: int, options: ReplayOptions) -> list[Told]:
    """Return what a machine tells: its last replacements and errors before August, then everything, hour by hour."""
    machine, failed = plant.machines[number], plant.failed[number]
    told: list[Told] = []
    for part, times in machine.replaced.items():
        past = _between(times, -1e9, REPLAYED_FROM_H)
        ahead = _between(times, REPLAYED_FROM_H, options.until_h)
        told += [Told(at, "replaced", part) for at in (*past[-1:], *ahead)]
    for part, times in failed.items():
        told += [Told(at, "failed", part) for at in _between(times, REPLAYED_FROM_H, options.until_h)]
    for error, times in machine.events.items():
        told += [Told(at, "error", error) for at in _between(times, REPLAYED_FROM_H - _BEFORE_H, options.until_h)]
    steps = int((options.until_h - REPLAYED_FROM_H) / options.every_h)
    told += [Told(REPLAYED_FROM_H + step * options.every_h, "age", machine.age_years) for step in range(1, steps)]
    return sorted(told)


def _between(times: FloatArray, after: float, until_h: float) -> list[float]:
    return [at for at in times.tolist() if after <= at < until_h]


async def _at_rest(hub: HubClient, clock: Clock) -> None:
    async def probe() -> bool | None:
        orders: Sequence[Row] = await hub.get("/api/v1/orders")
        return None if any(order["state"] in _UNSETTLED for order in orders) else True

    await until(clock, "all orders have come to rest", probe, _SETTLED_S)


async def _orders(
    shop: SandboxClient, hub: HubClient, meters: Mapping[str, Sequence[tuple[datetime, float]]]
) -> list[tuple[Place, float]]:
    """Return the shop's orders, each with what the machine's hour meter showed when the hub knew it to be there."""
    held = {row["key"] for row in await shop.records() if row["kind"] == "order"}
    shown: Sequence[Row] = await hub.get("/api/v1/orders")
    found: list[tuple[Place, float]] = []
    for order in shown:
        if order["key"] not in held:
            continue
        at = next(datetime.fromisoformat(each["at"]) for each in order["passages"] if each["state"] == "confirmed")
        meter = meters[order["thing_id"]]
        place = bisect_right(meter, at, key=lambda each: each[0])
        found.append(((order["thing_id"], order["subject"]), meter[max(0, place - 1)][1]))
    return found


def _name(number: int) -> str:
    return f"machine-{number}"


def _number(name: str) -> int:
    return int(name.rpartition("-")[2])


def _owner(number: int) -> str:
    return f"plant-{number % _PLANTS}"
