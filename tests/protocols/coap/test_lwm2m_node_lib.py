"""A client that is not ours: lwm2m-node-lib registers at the hub, is read and observed, and is told what to do."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from coap_wire import coap_listening, until
from lwm2m_node import NodeClient, NoNodeLib, installed, node_client

from actors.model.commands import Carried, InvokeAction, WriteProperty
from actors.model.profiles import ActionSpec, PropertyKind, PropertySpec, ThingProfile
from actors.model.readings import Reading
from protocols.coap import CoapAdapter
from protocols.testing import TANK, ProtocolKit, sample_command, sample_thing

PROFILE = ThingProfile(
    name="weather",
    title="Weather station",
    model="W-1",
    properties={
        "temperature": PropertySpec(unit="Cel"),
        "label": PropertySpec(kind=PropertyKind.TEXT, writable=True),
        "battery": PropertySpec(unit="%"),
    },
    actions={"reset_extremes": ActionSpec(title="Forget the lowest and highest")},
    sources={
        "coap": {
            "reset_extremes": "/3303/0/5605",
            "temperature": "/3303/0/5700",
            "label": "/3303/0/5750",
            "battery": "/3/0/9",
        }
    },
)


class Station:
    """A registered client and the hub it is registered at."""

    def __init__(self, kit: ProtocolKit, adapter: CoapAdapter, client: NodeClient) -> None:
        self.kit = kit
        self.adapter = adapter
        self.client = client

    async def set(self, resource: int, value: Any, object_path: str = "/3303/0") -> None:
        await self.client.do("set", object=object_path, resource=resource, value=str(value))

    async def heard(self, count: int) -> list[Reading]:
        await self.kit.sink.arrived(count)
        return [message.readings[0] for message in self.kit.sink.stored]


@pytest.fixture
async def station() -> AsyncGenerator[Station]:
    try:
        await asyncio.to_thread(installed)
    except NoNodeLib as why:
        pytest.skip(str(why))
    kit = ProtocolKit()
    async with coap_listening(kit) as (adapter, (_, port)):
        kit.things.register(sample_thing(profile=PROFILE, options={"address": "127.0.0.1", "endpoint": "station"}))
        async with node_client(port) as client:
            station = Station(kit, adapter, client)
            await station.set(5700, 21.5)
            await station.set(5750, "roof")
            yield station


async def test_it_registers_and_is_read_and_observed(station: Station) -> None:
    told = await station.client.do("register", endpoint="station")
    assert told["location"].startswith("rd/")
    first = await station.heard(2)
    assert {(reading.name, reading.value) for reading in first} == {("temperature", 21.5), ("label", "roof")}
    await station.set(5700, 23.25)
    assert (await station.heard(3))[-1].value == 23.25
    assert [told.value for told in await station.adapter.devices.read(TANK, "/3303/0/5750")] == ["roof"]
    assert {link.state for link in station.adapter.links()} == {"up"}


async def test_it_is_written_and_executed(station: Station) -> None:
    await station.set(5605, "ready")
    await station.client.do("register", endpoint="station")
    await station.heard(2)
    thing = station.kit.things.find(TANK)
    assert thing is not None
    for body in (WriteProperty(name="label", value="cellar"), InvokeAction(name="reset_extremes")):
        assert isinstance(await station.adapter.carry_out(thing, sample_command(body), again=False), Carried)
    seen = (await station.client.do("seen"))["seen"]
    assert [(told["kind"], told["path"]) for told in seen] == [("write", "/3303/0/5750"), ("execute", "/3303/0/5605")]
    assert seen[0]["value"] == "cellar"


async def test_it_renews_its_registration_and_ends_it(station: Station) -> None:
    await station.client.do("register", endpoint="station")
    await station.heard(2)
    await station.client.do("update")
    assert station.adapter.counters()["registrations"] == 1
    await station.client.do("unregister")
    assert station.adapter.counters()["registrations"] == 0
    assert not station.adapter.links()


async def test_who_is_no_thing_is_not_registered(station: Station) -> None:
    with pytest.raises(AssertionError, match=r"4\.03"):
        await station.client.do("register", endpoint="stranger")
    await until(station.adapter, "refused_unknown_thing")
