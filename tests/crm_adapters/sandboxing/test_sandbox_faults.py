import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from actors.ports import Clock
from crm_adapters.sandboxing import Fault, FaultAction, FaultPlan, SandboxOptions, SandboxSpec, build_application


async def put_note(client: aiohttp.ClientSession, key: str = "a") -> int:
    async with client.put(f"/notes/{key}") as reply:
        await reply.read()
        return reply.status


async def noted(client: aiohttp.ClientSession) -> list[str]:
    async with client.get("/_sandbox/records") as reply:
        return [record["record_id"] for record in await reply.json()]


async def plan(client: aiohttp.ClientSession, **fault: Any) -> None:
    async with client.put("/_sandbox/faults", json=[{"match": "^PUT ", **fault}]) as reply:
        assert reply.status == 200, await reply.text()


async def until_noted(client: aiohttp.ClientSession, key: str) -> None:
    async with asyncio.timeout(30):
        while key not in await noted(client):
            continue  # each look is a request, so the sandbox gets its turn


@pytest.mark.parametrize(
    ("action", "is_kept"),
    [
        ("drop_before", False),
        ("drop_after", True),
        ("reset_before", False),
        ("reset_after", True),
        ("hang_before", False),
        ("hang_after", True),
    ],
)
async def test_an_answer_that_never_comes_says_nothing_about_the_commit(
    client: aiohttp.ClientSession, action: str, is_kept: bool
) -> None:
    await plan(client, action=action, times=2)  # aiohttp tries a PUT a second time by itself
    with pytest.raises(aiohttp.ClientError):
        await put_note(client)
    assert (await noted(client) == ["a"]) is is_kept


async def test_a_late_commit_comes_after_the_connection_is_gone(client: aiohttp.ClientSession) -> None:
    for key, delay_s in (("a", 300.0), ("b", 0.05)):
        await plan(client, action="late_commit", delay_s=delay_s, times=2)
        with pytest.raises(aiohttp.ClientError):
            await put_note(client, key)
    await until_noted(client, "b")
    assert await noted(client) == ["b"]


@pytest.mark.parametrize(("action", "is_kept"), [("status", False), ("status_after", True)])
async def test_a_planned_status_is_answered_before_or_after_the_commit(
    client: aiohttp.ClientSession, action: str, is_kept: bool
) -> None:
    await plan(client, action=action, status=429, headers={"Retry-After": "7"}, body='{"error": "slow down"}')
    async with client.put("/notes/a") as reply:
        assert (reply.status, reply.headers["Retry-After"]) == (429, "7")
        assert await reply.json() == {"error": "slow down"}
    assert (await noted(client) == ["a"]) is is_kept


async def test_garbage_comes_after_the_commit(client: aiohttp.ClientSession) -> None:
    await plan(client, action="garbage_after")
    async with client.put("/notes/a") as reply:
        with pytest.raises(ValueError, match="Unterminated"):
            await reply.json()
    assert await noted(client) == ["a"]


async def test_slow_answers_as_ever(client: aiohttp.ClientSession) -> None:
    await plan(client, action="slow", delay_s=0.01)
    assert await put_note(client) == 201


def test_a_fault_lets_the_first_ones_pass_and_ends() -> None:
    faults = FaultPlan([Fault(match="^PUT ", action=FaultAction.STATUS, skip=1, times=2)])
    hit = [faults.take(line) is not None for line in ["PUT /a", "GET /a", "PUT /a", "PUT /b", "PUT /c"]]
    assert hit == [False, False, True, True, False]
    assert faults.states[0].hits == 2


def test_a_fault_that_follows_counts_once_the_one_ahead_is_over() -> None:
    dropped = Fault(match="^PUT ", action=FaultAction.DROP_BEFORE)
    faults = FaultPlan([dropped, Fault(match="^GET ", action=FaultAction.STATUS, follows=True)])
    hit = [faults.take(line) is not None for line in ["GET /a", "GET /a", "PUT /a", "GET /a", "GET /a"]]
    assert hit == [False, False, True, True, False]


def test_a_fault_without_times_never_ends() -> None:
    faults = FaultPlan([Fault(action=FaultAction.SLOW, times=None)])
    assert all(faults.take("GET /") for _ in range(100))


async def test_an_outage_closes_every_connection_but_the_administrations(client: aiohttp.ClientSession) -> None:
    await client.post("/_sandbox/outage", json={"down": True})
    with pytest.raises(aiohttp.ClientError):
        await put_note(client)
    assert await noted(client) == []
    await client.post("/_sandbox/outage", json={"down": False})
    assert await put_note(client) == 201


async def test_a_fault_that_cannot_be_is_refused_with_the_reason(client: aiohttp.ClientSession) -> None:
    async with client.put("/_sandbox/faults", json=[{"action": "slow", "match": "("}]) as reply:
        assert reply.status == 400
        assert "expected a regular expression" in await reply.text()


async def test_a_reset_is_not_the_usual_end_of_a_connection(client: aiohttp.ClientSession) -> None:
    await plan(client, action="reset_after", times=2)
    with pytest.raises(aiohttp.ClientOSError, match="reset"):
        await put_note(client)


async def test_a_dripping_answer_is_whole_in_the_end(client: aiohttp.ClientSession) -> None:
    await plan(client, action="drip_after", delay_s=0.05)
    async with client.put("/notes/a") as reply:
        assert (await reply.json())["id"] == "a"


async def test_a_huge_answer_is_as_large_as_planned(client: aiohttp.ClientSession) -> None:
    await plan(client, action="huge_after", size_bytes=1 << 20)
    async with client.put("/notes/a") as reply:
        assert (reply.status, len(await reply.read()) > 1 << 20) == (200, True)
    assert await noted(client) == ["a"]


@pytest.mark.parametrize(("action", "is_kept"), [("shut_before", False), ("shut_after", True)])
async def test_a_shut_door_refuses_connections_and_opens_again(
    client: aiohttp.ClientSession, action: str, is_kept: bool
) -> None:
    await plan(client, action=action, delay_s=1.0, times=1)
    with pytest.raises(aiohttp.ClientConnectorError):  # aiohttp tries a PUT a second time by itself
        await put_note(client)
    assert (await noted_once_open(client) == ["a"]) is is_kept
    assert await put_note(client, "b") == 201


async def test_a_torn_answer_ends_in_the_middle(client: aiohttp.ClientSession) -> None:
    await plan(client, action="torn_after")
    with pytest.raises(aiohttp.ClientError):
        await put_note(client)
    assert await noted(client) == ["a"]


async def test_tokens_expire_in_the_moment_that_is_planned(spec: SandboxSpec, clock: Clock) -> None:
    sandbox = spec.opened(SandboxOptions(clock=clock))
    faults = [Fault(match="^PUT ", action=FaultAction.EXPIRE_TOKENS)]
    application = build_application(sandbox, clock=clock, faults=faults)
    async with TestClient(TestServer(application)) as client:
        assert (await client.put("/notes/a")).status == 201
    assert sandbox.expired == 1  # type: ignore[attr-defined] -- the notes count it


async def noted_once_open(client: aiohttp.ClientSession) -> list[str]:
    async with asyncio.timeout(30):
        while True:
            try:
                return await noted(client)
            except aiohttp.ClientConnectorError:
                continue  # refused; the sandbox gets its turn meanwhile
