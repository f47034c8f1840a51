"""Events and alarms of a server that is not ours (node-opcua), and what is made of them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from actors.model.commands import Carried, CommandFailure, InvokeAction, NotCarried
from actors.model.errors import ConfigError
from actors.model.ids import ThingId
from actors.model.profiles import ActionSpec, PropertyKind, PropertySpec, ThingProfile
from actors.ports import ConnectedThing
from hub.bench.node_opcua import NAMESPACE, NodeServer
from protocols.opcua.addressing import ItemKey
from protocols.opcua.alarms import Alarms
from protocols.opcua.mapping import Subject
from protocols.opcua.publishing import EventFields
from protocols.opcua.sources import EventView, parse_source
from protocols.testing import OWNER, TANK, sample_command

BOILER = f"nsu={NAMESPACE};s=Boiler"
ACKNOWLEDGE = "i=9111"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ITEM = Subject(key=ItemKey(ThingId("boiler"), "fault"), kind=PropertyKind.TEXT)


def boiler(view: str = "active") -> ConnectedThing:
    profile = ThingProfile(
        name="boiler",
        title="Boiler",
        model="B",
        properties={"fault": PropertySpec(kind=PropertyKind.TEXT)},
        actions={"acknowledge": ActionSpec(title="Acknowledge all alarms")},
        sources={"opcua": {"fault": f"{BOILER} | events={view}", "acknowledge": f"{ACKNOWLEDGE} | alarms=fault"}},
    )
    return ConnectedThing(thing_id=TANK, owner_id=OWNER, profile=profile, options={"endpoint": "plant"})


async def test_an_alarm_is_the_property_until_it_is_over(sim: NodeServer, hub: Any) -> None:
    thing = boiler()
    hub.kit.things.register(thing)
    async with hub.running(sim.url, items=1) as link:
        await link.until(lambda: link.values("fault") == [""])  # by a refresh of conditions: there is none
        sim.do("call", what="pressure", value=9)
        await link.until(lambda: link.values("fault")[-1] == "PressureHigh")
        command = sample_command(InvokeAction(name="acknowledge", arguments={"comment": "seen"}))
        assert await link.adapter.carry_out(thing, command, again=False) == Carried(detail="PressureHigh")
        assert sim.do("call", what="acknowledged")["value"] is True
        sim.do("call", what="pressure", value=5)
        await link.until(lambda: link.values("fault")[-1] == "")


async def test_an_alarm_from_before_the_subscription_is_heard_of(sim: NodeServer, hub: Any) -> None:
    sim.do("call", what="pressure", value=9)
    hub.kit.things.register(boiler())
    async with hub.running(sim.url, items=1) as link:
        await link.until(lambda: link.values("fault")[-1:] == ["PressureHigh"])
        sim.do("call", what="pressure", value=5)
        await link.until(lambda: link.values("fault")[-1] == "")


async def test_without_an_alarm_there_is_nothing_to_acknowledge(sim: NodeServer, hub: Any) -> None:
    async with hub.running(sim.url) as link:
        command = sample_command(InvokeAction(name="acknowledge"))
        outcome = await link.adapter.carry_out(boiler(), command, again=False)
    assert isinstance(outcome, NotCarried)
    assert outcome.code is CommandFailure.REJECTED


def told(
    name: str | None, *, severity: int = 500, active: bool = True, retain: bool = True, kind: str = ""
) -> EventFields:
    node = None if name is None else f"ns=2;s={name}"
    return EventFields(1, (b"1", kind, NOON, "message", severity, node, name, retain, active, False))


def values(alarms: Alarms, *events: EventFields, view: EventView = EventView.ACTIVE) -> Sequence[object]:
    return [sample.value for _, sample in alarms.values_of([(ITEM, view, event) for event in events])]


def test_the_most_severe_active_alarm_is_named() -> None:
    alarms = Alarms()
    assert values(alarms, told("Low", severity=100), told("High", severity=900)) == ["Low", "High"]
    assert values(alarms, told("High", severity=900, active=False)) == ["Low"]
    assert values(alarms, told("Low", active=False, retain=False)) == [""]
    assert [condition.name for condition in alarms.unacknowledged(ITEM.key)] == ["High"]


def test_a_refresh_forgets_what_the_server_no_longer_retains() -> None:
    alarms = Alarms()
    values(alarms, told("Gone"), told("Stays"))
    start, end = told(None, kind="ns=0;i=2787"), told(None, kind="ns=0;i=2788")
    assert values(alarms, start, told("Stays"), end) == ["Stays"]
    assert [condition.name for condition in alarms.unacknowledged(ITEM.key)] == ["Stays"]


def test_messages_are_the_texts_of_events_and_what_lacks_fields_is_passed_over() -> None:
    assert values(Alarms(), told(None), EventFields(1, (1, 2)), view=EventView.MESSAGE) == ["message"]


def test_events_need_a_property_that_is_text() -> None:
    with pytest.raises(ConfigError, match='kind = "text"'):
        parse_source("i=2253 | events=active", {}, PropertySpec())
