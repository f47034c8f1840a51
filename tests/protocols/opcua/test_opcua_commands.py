"""Commands back to things at a server that is not ours (node-opcua): writes, method calls, and what is refused."""

import asyncio
from typing import Any

import msgspec
import pytest

from actors.model.commands import (
    Carried,
    CommandBody,
    CommandFailure,
    InvokeAction,
    NotCarried,
    TellOrder,
    WriteProperty,
)
from actors.model.profiles import PropertyKind, PropertySpec, ThingProfile
from actors.ports import ConnectedThing
from hub.bench.node_opcua import NAMESPACE, NodeServer
from protocols.opcua.coercion import DoesNotFit, variant_of
from protocols.opcua.structures import Field
from protocols.testing import OWNER, TANK, sample_command, sample_order

NODES = ("Setpoint", "Pieces", "Recipe", "Curve", "Fixed", "Mode", "AddUp", "Nowhere")
PROFILE = ThingProfile(
    name="press",
    title="Press",
    model="P",
    properties={name.lower(): PropertySpec(kind=PropertyKind.TEXT) for name in NODES},
    sources={
        "opcua": {name.lower(): f"nsu={NAMESPACE};s={name}" for name in NODES}
        | {"tell_order": f"nsu={NAMESPACE};s=Recipe"}
    },
)
PRESS = ConnectedThing(thing_id=TANK, owner_id=OWNER, profile=PROFILE, options={"endpoint": "plant"})


async def done(hub: Any, url: str, body: CommandBody, *, again: bool = False, within_s: float = 60.0) -> Any:
    async with hub.running(url) as link:
        command = sample_command(body, within_s=within_s)
        return await link.adapter.carry_out(PRESS, command, again=again)


@pytest.mark.parametrize(
    ("node", "value", "found", "kind"),
    [
        ("Setpoint", 21.5, 21.5, "Float"),
        ("Pieces", 12.0, 12, "UInt16"),
        ("Recipe", "soft", "soft", "String"),
        ("Curve", (3.0, 4.5, 6.0), [3.0, 4.5, 6.0], "Double"),
        ("Mode", "Jammed", 2, "Int32"),
    ],
)
async def test_a_value_is_written_in_the_type_of_its_variable(
    node: str, value: Any, found: Any, kind: str, sim: NodeServer, hub: Any
) -> None:
    assert await done(hub, sim.url, WriteProperty(name=node.lower(), value=value)) == Carried()
    assert sim.do("call", what="value", name=node) == {"value": found, "type": kind}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (WriteProperty(name="pieces", value=1.5), "expected UInt16, a whole number from 0 to 65535; got 1.5"),
        (WriteProperty(name="mode", value="Broken"), "expected one of Idle, Pressing, Jammed; got 'Broken'"),
        (WriteProperty(name="fixed", value=2.0), "does not let this user write it"),
        (WriteProperty(name="nowhere", value=2.0), "the server has no such node"),
        (InvokeAction(name="addup", arguments={"first_number": 1.0}), "argument TimesDone is missing; it takes"),
        (InvokeAction(name="addup", arguments={"first_number": 1.0, "times_done": -1.0}), "BadOutOfRange"),
    ],
)
async def test_what_the_server_would_not_do_is_rejected_with_the_reason(
    body: CommandBody, said: str, sim: NodeServer, hub: Any
) -> None:
    outcome = await done(hub, sim.url, body)
    assert isinstance(outcome, NotCarried)
    assert outcome.code is CommandFailure.REJECTED
    assert said in outcome.detail


async def test_a_method_is_called_with_named_arguments_and_gives_results_back(sim: NodeServer, hub: Any) -> None:
    body = InvokeAction(name="addup", arguments={"times_done": 2.0, "first_number": 1.5})
    assert await done(hub, sim.url, body) == Carried(results={"Sum": 3.5})


async def test_a_method_that_may_have_been_called_is_not_called_again(sim: NodeServer, hub: Any) -> None:
    before = sim.do("call", what="calls")
    body = InvokeAction(name="addup", arguments={"times_done": 2.0, "first_number": 1.5})
    outcome = await done(hub, sim.url, body, again=True)
    assert outcome.code is CommandFailure.DOUBTFUL
    assert sim.do("call", what="calls") == before


async def test_an_order_is_told_where_the_profile_says(sim: NodeServer, hub: Any) -> None:
    order = sample_order()
    assert await done(hub, sim.url, TellOrder(order=order)) == Carried()
    assert msgspec.json.decode(sim.do("call", what="value", name="Recipe")["value"], type=type(order)) == order


async def test_a_write_waits_for_a_broken_path_and_is_done_then(sim: NodeServer, network_path: Any, hub: Any) -> None:
    async with network_path.open(sim.port, "UA/Sim") as path:
        path.cut()
        async with hub.running(path.url) as link:
            await link.until(lambda: link.state == "down")
            path.mend()
            command = sample_command(WriteProperty(name="setpoint", value=7.0))
            assert await link.adapter.carry_out(PRESS, command, again=False) == Carried()
    assert sim.do("call", what="value", name="Setpoint")["value"] == 7.0


async def test_a_command_that_waits_for_a_broken_path_can_be_taken_back(
    sim: NodeServer, network_path: Any, hub: Any
) -> None:
    async with network_path.open(sim.port, "UA/Sim") as path, asyncio.TaskGroup() as group:
        path.cut()
        async with hub.running(path.url) as link:
            await link.until(lambda: link.state == "down")
            command = sample_command(WriteProperty(name="setpoint", value=99.0))
            waiting = group.create_task(link.adapter.carry_out(PRESS, command, again=False))
            await asyncio.sleep(0)
            assert link.adapter.recall(command.command_id)
            assert (await waiting).code is CommandFailure.RECALLED
            path.mend()
            await link.until(lambda: link.state == "up")
    assert sim.do("call", what="value", name="Setpoint")["value"] != 99.0


async def test_what_never_left_is_told_as_unreachable(hub: Any) -> None:
    outcome = await done(hub, "opc.tcp://127.0.0.1:9/", WriteProperty(name="setpoint", value=7.0), within_s=0.6)
    assert outcome.code is CommandFailure.UNREACHABLE


@pytest.mark.parametrize(
    ("kind", "value"),
    [(1, 2.0), (2, 128.0), (9, -1.0), (10, 1e39), (11, True), (12, 1.0), (13, "soon"), (14, "x"), (15, "x")],
)
def test_no_value_is_bent_to_fit(kind: int, value: Any) -> None:
    with pytest.raises(DoesNotFit):
        variant_of(value, Field(name="", builtin=kind), is_array=False)
