"""Owners command their things through the API; the thing fetches the command over HTTP and acknowledges it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fake_crm import FakeCrm
from firm import PROFILE
from msgspec.structs import replace
from served_hub import MANDATE, Client, served_hub

from actors.model.profiles import ActionSpec, PropertySpec

ABLE = replace(
    PROFILE,
    properties={**PROFILE.properties, "setpoint": PropertySpec(unit="%", minimum=0, maximum=100, writable=True)},
    actions={"clean": ActionSpec(title="Clean the head", arguments={"rounds": PropertySpec(minimum=1, maximum=3)})},
)
COMMANDS = "/api/v1/things/printer-1/commands"


@pytest.fixture
async def operator(tmp_path: Path) -> AsyncIterator[Client]:
    async with served_hub(tmp_path, profile=ABLE) as client:
        yield client


async def fetched(thing: Client) -> dict[str, Any]:
    """Wait for the thing's next command."""
    _, told = await thing.get("/things/printer-1/commands?wait=10")
    (command,) = told["commands"]
    found: dict[str, Any] = command
    return found


async def acknowledge(thing: Client, **said: Any) -> dict[str, Any]:
    command = await fetched(thing)
    status, _ = await thing.post(f"/things/printer-1/commands/{command['command_id']}/outcome", said)
    assert status == 200
    return command


async def test_a_property_is_written_when_the_thing_says_so(operator: Client) -> None:
    thing = await operator.registered()
    async with asyncio.TaskGroup() as group:
        write = group.create_task(operator.ask("PUT", "/things/printer-1/properties/setpoint", 40))
        command = await acknowledge(thing, ok=True)
    assert command["body"] == {"type": "write", "name": "setpoint", "value": 40.0, "unit": None}
    assert write.result()[0] == 204


async def test_an_actions_results_are_the_answer(operator: Client) -> None:
    thing = await operator.registered()
    async with asyncio.TaskGroup() as group:
        action = group.create_task(operator.post("/things/printer-1/actions/clean", {"rounds": 2}))
        await acknowledge(thing, ok=True, results={"ink_used": 0.5})
    assert action.result() == (200, {"ink_used": 0.5})


async def test_a_thing_that_refuses_tells_why(operator: Client) -> None:
    thing = await operator.registered()
    async with asyncio.TaskGroup() as group:
        action = group.create_task(operator.post("/things/printer-1/actions/clean", {}))
        await acknowledge(thing, ok=False, code="rejected", detail="printing")
    status, problem = action.result()
    assert (status, problem["code"], problem["detail"]) == (409, "rejected", "printing")


async def test_a_command_is_on_disk_before_the_thing_has_it(operator: Client) -> None:
    await operator.registered()
    body = {"body": {"type": "invoke", "name": "clean"}, "command_id": "c1"}
    status, view = await operator.post(COMMANDS, body)
    assert (status, view["outcome"]) == (202, None)
    assert (await operator.get(f"{COMMANDS}/c1"))[1]["command"]["body"]["name"] == "clean"
    assert [told["command"]["command_id"] for told in (await operator.get(COMMANDS))[1]] == ["c1"]


WRONG = [
    ({"type": "write", "name": "ink", "value": 3}, "not_writable"),
    ({"type": "write", "name": "setpoint", "value": 101}, "out_of_range"),
    ({"type": "write", "name": "setpoint", "value": "high"}, "wrong_type"),
    ({"type": "invoke", "name": "explode"}, "unknown_action"),
    ({"type": "invoke", "name": "clean", "arguments": {"heat": 9}}, "unknown_argument"),
    ({"type": "invoke", "name": "clean", "arguments": {"rounds": 9}}, "out_of_range"),
]


@pytest.mark.parametrize(("body", "code"), WRONG)
async def test_what_the_profile_does_not_allow_never_leaves(operator: Client, body: Any, code: str) -> None:
    thing = await operator.registered()
    status, problem = await operator.post(COMMANDS, {"body": body})
    assert (status, problem["code"]) == (422, code)
    assert (await thing.get("/things/printer-1/commands"))[1] == {"commands": []}


async def test_only_the_owner_commands_a_thing(operator: Client) -> None:
    thing = await operator.registered()
    body = {"body": {"type": "invoke", "name": "clean"}}
    rival = await operator.owner("rival")
    assert [(await who.post(COMMANDS, body))[0] for who in (thing, rival)] == [403, 404]


async def test_a_command_under_way_is_given_again_after_a_restart(tmp_path: Path) -> None:
    async with served_hub(tmp_path, profile=ABLE) as operator:
        thing = await operator.registered()
        await operator.post(COMMANDS, {"body": {"type": "invoke", "name": "clean"}, "command_id": "c1"})
        await fetched(thing)
    async with served_hub(tmp_path, profile=ABLE) as operator:
        again = operator.with_token(thing.token)
        assert (await acknowledge(again, ok=True))["command_id"] == "c1"
        await operator.quiet()
        assert (await operator.get(f"{COMMANDS}/c1"))[1]["outcome"]["type"] == "carried"


async def test_a_value_is_what_the_thing_told_last(operator: Client) -> None:
    thing = await operator.registered()
    assert (await operator.get("/things/printer-1/properties/ink"))[1]["code"] == "no_value"
    await thing.report({"ink": 41.5})
    assert await operator.get("/things/printer-1/properties/ink") == (200, 41.5)


async def test_a_thing_orders_by_itself_and_follows_its_order(tmp_path: Path) -> None:
    crm = FakeCrm()
    async with served_hub(tmp_path, crm) as operator:
        await operator.post("/api/v1/mandates", MANDATE)
        thing = await operator.registered()
        status, taken = await thing.post("/things/printer-1/requests", {"subject": "black"})
        assert status == 201
        await operator.order_in("confirmed")
        _, order = await thing.get(f"/things/printer-1/orders/{taken['key']}")
        assert (order["state"], len(crm.records)) == ("confirmed", 1)


async def test_a_key_carries_an_owners_post_out_once(operator: Client) -> None:
    await operator.registered()
    body = {"body": {"type": "invoke", "name": "clean"}}
    first = await operator.post(COMMANDS, body, headers={"Idempotency-Key": "k"})
    assert await operator.post(COMMANDS, body, headers={"Idempotency-Key": "k"}) == first
    other = await operator.post(COMMANDS, body | {"reason": "so"}, headers={"Idempotency-Key": "k"})
    assert (other[0], other[1]["code"]) == (422, "key_reused")
    assert len((await operator.get(COMMANDS))[1]) == 1


@pytest.mark.parametrize("path", ["/api/v1/things/printer-1/off", "/api/v1/owners/firm/off"])
async def test_off_takes_back_what_its_thing_has_not_fetched(operator: Client, path: str) -> None:
    thing = await operator.registered()
    told = {"command_id": "c1", "body": {"type": "invoke", "name": "clean"}, "reason": "dirty", "within_s": 600}
    assert (await operator.post(COMMANDS, told))[0] == 202
    assert (await operator.post(path))[0] == 200
    assert await thing.get("/things/printer-1/commands") == (200, {"commands": []})
    async with asyncio.timeout(30):
        while not (ended := (await operator.get(f"{COMMANDS}/c1"))[1].get("outcome")):  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.01)
    assert (ended["type"], ended["code"]) == ("not_carried", "recalled")
