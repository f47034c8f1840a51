"""What happens to a link when the path or the server fails. Nothing is lost that the server still has."""

import asyncio
import socket
from typing import Any

import pytest

SHORT = {"silence_s": 0.5, "request_timeout_s": 0.5}


async def test_values_of_an_outage_arrive_afterwards_once_and_in_order(plant: Any, hub: Any) -> None:
    machine = plant.define()
    hub.register(machine)
    async with hub.running(plant.url, items=4) as link:
        plant.do("set", values={f"{machine}.Cycle": 0})
        await link.until(lambda: link.values("cycle") == [0])
        plant.do("stop_listening")
        await link.until(lambda: link.state == "down")
        plant.do("play", rows=[{f"{machine}.Cycle": number} for number in range(1, 60)])
        plant.do("listen")
        await link.until(lambda: len(link.values("cycle")) >= 60)
        assert await plant.settled()
        assert link.values("cycle") == list(range(60))
        assert [message.message_id for message in hub.kit.sink.messages] == [
            message.message_id for message in hub.kit.sink.stored
        ]
        assert link.state == "up"


async def test_a_stalled_path_loses_nothing_though_the_connection_looks_open(path: Any, plant: Any, hub: Any) -> None:
    machine = plant.define()
    hub.register(machine)
    async with hub.running(path.url, items=4, **SHORT) as link:
        rows = [{f"{machine}.Cycle": number} for number in range(150)]
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.to_thread(plant.do, "play", rows=rows, every_ms=15))
            await link.until(lambda: len(link.values("cycle")) > 5)
            path.flows.clear()
            await link.until(lambda: link.state == "down")
            assert "no notification and no keep-alive" in link.adapter.links()[0].reason
            path.flows.set()
        await link.until(lambda: len(link.values("cycle")) >= 150)
        assert link.values("cycle") == list(range(150))
        assert link.count("lost_notifications") == 0
        assert link.count("republished") >= 1


async def test_a_killed_server_is_resumed_when_it_is_back(start_plant: Any, hub: Any) -> None:
    first = start_plant()
    hub.register("M")
    variables = {"M": {"Level": "number", "Cycle": "count", "Note": "text", "Snapshot": "numbers"}}
    first.do("define", machines=variables)
    async with hub.running(first.url, items=4) as link:
        first.do("set", values={"M.Level": 40.0})
        await link.until(lambda: link.values("level") == [40.0])
        first.kill()
        await link.until(lambda: link.state == "down")
        second = await asyncio.to_thread(start_plant, first.port)
        second.do("define", machines=variables)
        second.do("set", values={"M.Level": 39.0})
        await link.until(lambda: link.values("level") == [40.0, 39.0])
        assert link.state == "up"
        assert link.count("reconnects") == 1


async def test_present_values_that_a_new_subscription_repeats_are_no_news(plant: Any, hub: Any) -> None:
    machine = plant.define()
    hub.register(machine)
    plant.do("set", values={f"{machine}.Level": 40.0, f"{machine}.Cycle": 7})
    for _ in range(2):
        async with hub.running(plant.url, items=4) as link:
            await link.until(lambda: link.values("cycle") == [7.0])
            assert await plant.settled()
    assert len(hub.kit.sink.stored) == 1  # the second link's message has the same id


async def test_a_link_that_cannot_connect_says_so_and_ends_at_once(hub: Any) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"opc.tcp://127.0.0.1:{nobody.getsockname()[1]}/"
        async with hub.running(url, request_timeout_s=100) as link:
            await link.until(lambda: link.state == "down")
            assert "ConnectionRefusedError" in link.adapter.links()[0].reason
            closing_at = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - closing_at < 30


@pytest.mark.parametrize("connected", [True, False])
async def test_a_black_hole_does_not_hold_up_the_end(connected: bool, path: Any, plant: Any, hub: Any) -> None:
    if not connected:
        path.flows.clear()
    async with hub.running(path.url, items=0 if connected else None, silence_s=100, request_timeout_s=100):
        path.flows.clear()
        closing_at = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - closing_at < 30


async def test_an_error_inside_the_context_comes_out_as_it_is(plant: Any, hub: Any) -> None:
    with pytest.raises(LookupError, match="mine"):
        async with hub.running(plant.url):
            raise LookupError("mine")
