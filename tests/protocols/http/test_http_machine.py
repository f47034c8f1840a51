"""What a thing does by itself over HTTP, commands that it fetches, and the stream of events."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import pytest
from http_device import Post, connected
from msgspec import structs

from actors.model.commands import Carried, CommandFailure, CommandOutcome, NotCarried
from actors.model.ids import CommandId
from actors.model.machine import DeclineCode, RequestEnding, Wanted
from actors.model.orders import OrderState
from protocols.http.mapping import Rejected
from protocols.testing import (
    ORDER,
    TANK,
    TOKEN,
    ProtocolKit,
    sample_command,
    sample_order,
    sample_thing,
    thing_principal,
)


@pytest.fixture
async def tank() -> AsyncGenerator[Post]:
    async with connected(ProtocolKit(), heartbeat_s=0.05, max_streams=2) as device:
        yield device


async def test_each_route_asks_in_the_things_own_name(tank: Post) -> None:
    wanted = {"subject": "content", "sku": "REFILL-1", "quantity": 2}
    assert (await tank.ask("POST", "/advice", {"subject": "content"}))[2]["sentence"] == "peers say so"
    assert (await tank.ask("POST", "/offers", wanted))[2]["silent"] == {"shop": "closed"}
    assert (await tank.ask("POST", "/requests", wanted))[2]["key"] == ORDER
    assert (await tank.ask("POST", "/requests/end", {"subject": "content", "met": True}))[0] == 200
    told = Wanted(subject="content", sku="REFILL-1", quantity=2)
    assert [what for _, _, what in tank.kit.machine.asked] == [
        "content",
        told,
        told,
        RequestEnding(subject="content", met=True),
    ]
    assert {principal for _, principal, _ in tank.kit.machine.asked} == {thing_principal()}


async def test_an_order_is_found_where_the_answer_says(tank: Post) -> None:
    status, headers, _ = await tank.ask("POST", "/requests", {"subject": "content"})
    assert (status, headers["Location"]) == (201, f"/things/{TANK}/orders/{ORDER}")
    assert (await tank.ask("GET", f"/orders/{ORDER}"))[2]["state"] == "drafted"
    assert [order["key"] for order in (await tank.ask("GET", "/orders"))[2]] == [ORDER]


async def test_asking_again_is_no_new_order(tank: Post) -> None:
    statuses = [(await tank.ask("POST", "/requests", {"subject": "content"}))[0] for _ in range(2)]
    assert statuses == [201, 200]


async def test_a_key_carries_a_request_out_once(tank: Post) -> None:
    for _ in range(2):
        reply = await tank.ask("POST", "/requests", {"subject": "content"}, Idempotency_Key="k")
        assert reply[0] == 201
    assert len(tank.kit.machine.asked) == 1


@pytest.mark.parametrize("code", DeclineCode)
async def test_every_no_is_a_problem_with_its_code(tank: Post, code: DeclineCode) -> None:
    tank.kit.machine.decline(code, retry_after_s=2.5)
    status, headers, problem = await tank.ask("POST", "/requests", {"subject": "content"})
    assert (status, problem["code"], problem["next_step"]) == (problem["status"], code, "do as told")
    assert (headers.get("Retry-After") == "3") == (status in {429, 503})
    assert status >= 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/requests", {"subject": "Content!"}),
        ("/requests", {"subject": "content", "quantity": 0}),
        ("/requests", {"subject": "content", "budget": 9}),
        ("/advice", {}),
        ("/requests/end", {"subject": "content"}),
    ],
)
async def test_what_cannot_be_meant_is_told_and_not_asked(tank: Post, path: str, body: Any) -> None:
    status, _, problem = await tank.ask("POST", path, body)
    assert (status, problem["code"]) == (400, "malformed")
    assert not tank.kit.machine.asked


async def test_another_things_token_opens_nothing(tank: Post) -> None:
    paths = [("GET", "/orders"), ("GET", "/commands"), ("GET", "/events"), ("POST", "/requests")]
    assert [(await tank.ask(method, path, token="stolen"))[0] for method, path in paths] == [401] * 4


# Commands.


async def ordered(tank: Post, group: asyncio.TaskGroup, command_id: str = "c1") -> asyncio.Task[CommandOutcome]:
    command = sample_command(command_id=command_id)
    task = group.create_task(tank.adapter.carry_out(sample_thing(), command, again=False))
    await asyncio.sleep(0)
    return task


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ({"ok": True, "results": {"took_s": 2.0}}, Carried(results={"took_s": 2.0})),
        (
            {"ok": False, "code": "rejected", "detail": "in use"},
            NotCarried(code=CommandFailure.REJECTED, detail="in use"),
        ),
        ({"ok": False}, NotCarried(code=CommandFailure.FAILED, detail="the thing says so")),
    ],
)
async def test_a_command_ends_as_the_thing_says(tank: Post, said: Any, outcome: CommandOutcome) -> None:
    async with asyncio.TaskGroup() as group:
        task = await ordered(tank, group)
        _, _, told = await tank.ask("GET", "/commands")
        assert told["commands"][0]["body"] == {"type": "invoke", "name": "reset", "arguments": {"delay": 3.0}}
        assert (await tank.ask("POST", "/commands/c1/outcome", said))[0] == 200
        assert await task == outcome
    assert (await tank.ask("GET", "/commands"))[2] == {"commands": []}


async def test_a_command_is_taken_back_until_its_thing_has_fetched_it(tank: Post) -> None:
    async with asyncio.TaskGroup() as group:
        waiting = await ordered(tank, group)
        assert tank.adapter.recall(CommandId("c1"))
        assert await waiting == NotCarried(code=CommandFailure.RECALLED, detail="taken back before it left")
        assert (await tank.ask("GET", "/commands"))[2] == {"commands": []}
        fetched = await ordered(tank, group, "c2")
        assert len((await tank.ask("GET", "/commands"))[2]["commands"]) == 1
        assert not tank.adapter.recall(CommandId("c2"))
        await tank.ask("POST", "/commands/c2/outcome", {"ok": True})
        assert await fetched == Carried()


async def test_acknowledging_twice_is_acknowledging_once(tank: Post) -> None:
    async with asyncio.TaskGroup() as group:
        task = await ordered(tank, group)
        for _ in range(2):
            assert (await tank.ask("POST", "/commands/c1/outcome", {"ok": True}))[0] == 200
        await task


async def test_a_command_that_nobody_gave_cannot_be_acknowledged(tank: Post) -> None:
    status, _, problem = await tank.ask("POST", "/commands/c9/outcome", {"ok": True})
    assert (status, problem["code"]) == (404, "unknown_command")


async def test_a_command_that_was_given_up_waits_no_more(tank: Post) -> None:
    async with asyncio.TaskGroup() as group:
        (await ordered(tank, group)).cancel()
    assert (await tank.ask("GET", "/commands"))[2] == {"commands": []}


async def test_a_poll_waits_for_the_next_command(tank: Post) -> None:
    async with asyncio.TaskGroup() as group:
        poll = group.create_task(tank.ask("GET", "/commands?wait=30"))
        while not poll.done() and not tank.adapter.counters()["waiting"]:  # noqa: ASYNC110 - a handler tells nobody that it waits
            await asyncio.sleep(0.001)
        task = await ordered(tank, group)
        assert len((await poll)[2]["commands"]) == 1
        task.cancel()


@pytest.mark.parametrize("wait", ["-1", "1e9", "x", "٣"])
async def test_a_wait_that_is_no_time_is_refused(tank: Post, wait: str) -> None:
    assert (await tank.ask("GET", f"/commands?wait={wait}"))[0] == 400


# Events.


class Stream:
    """The far end of an event stream."""

    def __init__(self, reply: aiohttp.ClientResponse) -> None:
        self._reply = reply

    async def event(self) -> dict[str, str]:
        """Return the next event by its fields; a comment stands under the empty name."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(30):
            while (line := (await self._reply.content.readline()).decode().rstrip("\n")) or not fields:
                name, _, value = line.partition(": ")
                fields[name] = value
        return fields

    async def named(self, name: str) -> dict[str, str]:
        """Return the next event of a kind."""
        while (event := await self.event()).get("event") != name:
            pass
        return event


def stream(tank: Post, last: str = "") -> Any:
    headers = {"Authorization": f"Bearer {TOKEN}"} | ({"Last-Event-ID": last} if last else {})
    return tank.session.get(f"{tank.url}/things/{TANK}/events", headers=headers)


async def test_a_stream_begins_with_how_things_stand_and_goes_on(tank: Post) -> None:
    tank.kit.machine.progress(sample_order(OrderState.PLACED))
    async with stream(tank) as reply:
        assert reply.headers["Content-Type"] == "text/event-stream"
        events = Stream(reply)
        assert '"state":"placed"' in (await events.named("order"))["data"]
        tank.kit.machine.progress(sample_order(OrderState.CONFIRMED))
        assert '"state":"confirmed"' in (await events.named("order"))["data"]


async def test_a_command_comes_by_the_stream(tank: Post) -> None:
    async with stream(tank) as reply, asyncio.TaskGroup() as group:
        events = Stream(reply)
        await events.event()
        task = await ordered(tank, group)
        assert '"command_id":"c1"' in (await events.named("command"))["data"]
        task.cancel()


async def test_a_silent_stream_shows_that_it_lives(tank: Post) -> None:
    async with stream(tank) as reply:
        events = Stream(reply)
        while "" not in await events.event():
            pass


async def test_a_stream_goes_on_where_it_broke_off(tank: Post) -> None:
    async with stream(tank) as reply:
        tank.kit.machine.progress(sample_order(OrderState.PLACED))
        last = (await Stream(reply).named("order"))["id"]
    tank.kit.machine.progress(sample_order(OrderState.CONFIRMED))
    async with stream(tank, last) as reply:
        event = await Stream(reply).named("order")
        assert '"state":"confirmed"' in event["data"]
        assert event["id"] != last


async def test_a_place_that_nobody_knows_begins_anew(tank: Post) -> None:
    tank.kit.machine.progress(sample_order(OrderState.PLACED))
    async with stream(tank, "of-another-life-7") as reply:
        assert '"state":"placed"' in (await Stream(reply).named("order"))["data"]


async def test_too_many_streams_are_refused_with_a_time_to_come_again(tank: Post) -> None:
    async with stream(tank) as one, stream(tank) as two:
        assert (one.status, two.status) == (200, 200)
        status, headers, problem = await tank.ask("GET", "/events")
        assert (status, problem["code"]) == (503, "too_many_streams")
        assert "Retry-After" in headers


async def test_one_thing_cannot_take_the_streams_of_all() -> None:
    async with connected(ProtocolKit(), max_streams_of_a_thing=1) as tank, stream(tank) as one:
        assert one.status == 200
        status, _, problem = await tank.ask("GET", "/events")
        assert (status, problem["code"]) == (503, "too_many_streams")


def test_a_decline_keeps_its_next_step() -> None:
    tank = ProtocolKit().machine
    tank.decline(DeclineCode.BUSY, "so", 1.0)
    declined = tank.orders(thing_principal())
    assert not isinstance(declined, list)
    assert Rejected.declined(declined).headers == {"Retry-After": "1"}  # type: ignore[arg-type]


async def test_a_stream_whose_reader_takes_nothing_is_cut_off() -> None:
    async with connected(ProtocolKit(), reader_within_s=0.3) as tank:
        host, port = tank.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
        writer.write(f"GET /things/{TANK}/events HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
        long = structs.replace(sample_order(), sentence="x" * 50_000)
        async with asyncio.timeout(30):
            while not tank.adapter.counters()["streams"]:  # noqa: ASYNC110 - it is counted, not told
                await asyncio.sleep(0.01)
            while tank.adapter.counters()["streams"]:
                tank.kit.machine.progress(long)
                await asyncio.sleep(0.002)
        assert tank.adapter.counters()["stalled_readers"] == 1
        del reader
        writer.transport.abort()
