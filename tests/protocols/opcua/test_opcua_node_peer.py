"""A server that is not ours (node-opcua): nothing that it has queued is lost, whatever happens to the path."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from actors.model.ids import ThingId
from actors.model.profiles import PropertySpec, ThingProfile
from actors.ports import ConnectedThing
from hub.bench.node_opcua import NAMESPACE, NodeServer
from protocols.testing import OWNER

SHORT = {"silence_s": 0.6, "request_timeout_s": 1.0, "sampling_interval_ms": 0, "queue_size": 100}
PROPERTIES = 10
PATIENT_S = 100.0  # the server shares this machine, and keeps a history of all that changes
PATIENT = {"silence_s": 20.0, "request_timeout_s": 20.0}  # where a server is killed, which is heard at once


@pytest.fixture
async def sim_path(sim: NodeServer, network_path: Any) -> AsyncGenerator[Any]:
    async with network_path.open(sim.port, "UA/Sim") as opened:
        yield opened


def racks(count: int, first: int = 0) -> Sequence[ConnectedThing]:
    """Return things of ten numbers each."""
    return [_rack(number) for number in range(first, first + count)]


def _rack(number: int) -> ConnectedThing:
    names = {f"p{index}": f"nsu={NAMESPACE};s=t{number}.p{index}" for index in range(PROPERTIES)}
    profile = ThingProfile(
        name="rack",
        title="Rack",
        model="R",
        properties={name: PropertySpec() for name in names},
        sources={"opcua": names},
    )
    return ConnectedThing(
        thing_id=ThingId(f"rack-{number}"), owner_id=OWNER, profile=profile, options={"endpoint": "plant"}
    )


def install(hub: Any, things: Sequence[ConnectedThing]) -> None:
    for thing in things:
        hub.kit.things.register(thing)


def values_by_item(messages: Sequence[Any]) -> dict[tuple[str, str], list[float]]:
    found: dict[tuple[str, str], list[float]] = {}
    for message in messages:
        for told in message.readings:
            found.setdefault((message.thing_id, told.name), []).append(told.value)
    return found


async def test_initial_values_of_five_thousand_items_are_all_seen(sim: NodeServer, hub: Any) -> None:
    install(hub, racks(500))
    async with hub.running(sim.url, items=5000) as link:
        await link.until(lambda: link.count("values") >= 5000)
        assert {len(told) for told in values_by_item(link.told).values()} == {1}


@pytest.mark.parametrize("harm", ["none", "stall", "reset"])
async def test_no_value_of_a_thousand_changing_doubles_is_lost(
    harm: str, sim: NodeServer, sim_path: Any, hub: Any
) -> None:
    install(hub, racks(100))
    begin = sim.do("value")["value"]
    async with hub.running(sim_path.url, items=1000, **SHORT) as link:
        await link.until(lambda: link.count("values") >= 1000)
        sim.do("count", variables=1000, every_ms=100, times=25)
        await link.until(lambda: link.count("values") >= 3000)
        await _harm(harm, sim_path, link)
        expected = [float(number) for number in range(begin, begin + 26)]
        await link.until(lambda: link.count("values") - link.count("without_news") >= 26_000, PATIENT_S)
        seen = values_by_item(link.told)
    assert {tuple(told) for told in seen.values()} == {tuple(expected)}
    assert link.count("lost_notifications") == link.count("overflowed") == 0


async def _harm(harm: str, path: Any, link: Any) -> None:
    if harm == "stall":
        path.flows.clear()
    elif harm == "reset":
        path.cut()
    else:
        return
    await link.until(lambda: link.state == "down")
    await asyncio.sleep(0.3)  # values go on changing while the path is broken
    path.flows.set()
    path.mend()


async def test_an_item_s_own_deadband_is_the_server_s(sim: NodeServer, hub: Any) -> None:
    thing = _rack(400)
    sources = {
        "p0": f"nsu={NAMESPACE};s=t400.p0 | deadband=5 queue=2 sampling_ms=0",
        "p1": f"nsu={NAMESPACE};s=t400.p1",
    }
    hub.kit.things.register(replace(thing, profile=replace(thing.profile, sources={"opcua": sources})))
    sim.do("set", values={"t400.p0": 10, "t400.p1": 10})
    async with hub.running(sim.url, items=2, sampling_interval_ms=0) as link:
        for value in (12, 20, 21):
            await link.until(lambda: bool(link.values("p1")))
            seen = len(link.values("p1"))
            sim.do("set", values={"t400.p0": value, "t400.p1": value})
            await link.until(lambda seen=seen: len(link.values("p1")) > seen)
        assert link.values("p1") == [10.0, 12.0, 20.0, 21.0]
        assert link.values("p0") == [10.0, 20.0]


def _is_at(hub: Any, value: float) -> bool:
    """Say whether the latest message of every rack ends with this value."""
    last = {message.thing_id: message.readings[-1].value for message in hub.kit.sink.stored[-300:]}
    return list(last.values()) == [value] * 100


def without_repeats(told: Sequence[float]) -> list[float]:
    return [value for number, value in enumerate(told) if number == 0 or told[number - 1] != value]


async def test_a_restarted_server_s_history_fills_the_gap(start_sim: Any, hub: Any) -> None:
    options = {"variables": 1000, "history": True}
    first = await asyncio.to_thread(start_sim, **options)
    install(hub, racks(100))
    async with hub.running(first.url, items=1000, **SHORT | PATIENT) as link:
        await link.until(lambda: link.count("values") >= 1000)
        first.do("count", every_ms=100, times=10)
        await link.until(lambda: link.count("values") >= 11_000, PATIENT_S)
        first.kill()
        second = await asyncio.to_thread(start_sim, port=first.port, first=10, **options)
        second.do("count", every_ms=100, times=20)  # at once: before the link is back
        await link.until(lambda: _is_at(hub, 30.0), PATIENT_S)
        seen = {tuple(without_repeats(told)) for told in values_by_item(link.told).values()}
    assert seen == {tuple(map(float, range(31)))}
    assert link.count("backfilled") > 1000
    assert link.count("reconnects") == 1
