"""A device that is not ours: libcoap's client against the adapter."""

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from coap_wire import coap_listening, until
from libcoap import NoLibcoap, client

from actors.model.orders import OrderState
from protocols.coap import CoapAdapter
from protocols.testing import DEADLINE_S, ORDER, TANK, ProtocolKit, sample_order

PACK = [{"n": "level", "v": 41.5}]  # the client decodes percent signs


class Libcoap:
    """The client, the kit and the adapter it talks to."""

    def __init__(self, client: str, kit: ProtocolKit, adapter: CoapAdapter) -> None:
        self._client = client
        self.kit = kit
        self.adapter = adapter

    async def run(self, *options: str, path: str = f"t/{TANK}") -> str:
        """Return what the client prints; -v 7 tells codes."""
        command = [self._client, "-v", "7", "-B", "5", *options, f"{self.adapter.urls[0]}/{path}"]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        async with asyncio.timeout(DEADLINE_S):
            printed, _ = await process.communicate()
        return printed.decode(errors="replace")


@pytest.fixture
async def libcoap() -> AsyncGenerator[Libcoap]:
    try:
        found = await asyncio.to_thread(client)
    except NoLibcoap as why:
        pytest.skip(str(why))
    kit = ProtocolKit()
    async with coap_listening(kit, max_payload_bytes=8192) as (adapter, _):
        yield Libcoap(found, kit, adapter)


def fast_and_slow(adapter: CoapAdapter) -> tuple[int, int]:
    return adapter.counters()["fast"], adapter.counters()["slow"]


@pytest.mark.parametrize("method", ["post", "put"])
@pytest.mark.parametrize("kind", [(), ("-N",)], ids=["con", "non"])
async def test_a_small_post_is_stored_and_takes_the_fast_way(
    libcoap: Libcoap, method: str, kind: tuple[str, ...]
) -> None:
    printed = await libcoap.run(*kind, "-m", method, "-t", "110", "-e", json.dumps(PACK))
    assert "2.04" in printed
    assert [message.readings[0].value for message in libcoap.kit.sink.stored] == [41.5]
    assert fast_and_slow(libcoap.adapter) == (1, 0)


async def test_a_pack_in_blocks_is_put_together(libcoap: Libcoap, tmp_path: Path) -> None:
    pack = [{"n": "level", "u": "%", "t": 1.7e9 + number, "v": number % 100} for number in range(100)]
    body = tmp_path / "pack.json"
    body.write_text(json.dumps(pack))
    assert "2.04" in await libcoap.run("-m", "put", "-b", "256", "-t", "110", "-f", str(body))
    assert len(libcoap.kit.sink.stored[0].readings) == 100


@pytest.mark.parametrize(
    ("options", "path", "code"),
    [
        (("-m", "post", "-t", "110", "-e", "[{}]"), f"t/{TANK}", "4.00"),
        (("-m", "post", "-t", "110", "-e", "[{}]"), "t/ghost", "4.04"),
        (("-m", "get"), "nothing", "4.04"),
        (("-m", "delete"), f"t/{TANK}", "4.05"),
        (("-m", "post", "-t", "42", "-e", "x"), f"t/{TANK}", "4.15"),
        (("-m", "post", "-t", "110", "-O", "2049,x", "-e", "x"), f"t/{TANK}", "4.02"),
    ],
)
async def test_a_wrong_request_gets_its_code(libcoap: Libcoap, options: tuple[str, ...], path: str, code: str) -> None:
    assert code in await libcoap.run(*options, path=path)
    assert not libcoap.kit.sink.stored


async def test_what_there_is_can_be_asked_with_a_filter(libcoap: Libcoap) -> None:
    assert "</t>" in await libcoap.run("-m", "get", path=".well-known/core?rt=iot2crm.readings")
    assert "</t>" not in await libcoap.run("-m", "get", path=".well-known/core?rt=other")


async def test_a_late_commit_reaches_the_client_as_a_separate_response(libcoap: Libcoap) -> None:
    libcoap.kit.sink.withhold()
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(libcoap.run("-m", "post", "-t", "110", "-e", json.dumps(PACK)))
        async with asyncio.timeout(DEADLINE_S):
            await libcoap.kit.sink.arrived(1)
        await until(libcoap.adapter, "empty_acks")
        libcoap.kit.sink.release()
    assert "2.04" in asked.result()
    assert libcoap.adapter.counters()["separate"] == 1


async def test_a_body_over_the_cap_gets_413(libcoap: Libcoap, tmp_path: Path) -> None:
    body = tmp_path / "large"
    body.write_text("[" + " " * 20_000 + "]")
    assert "4.13" in await libcoap.run("-m", "put", "-b", "1024", "-t", "110", "-f", str(body))


async def test_orders_are_read_in_blocks(libcoap: Libcoap) -> None:
    libcoap.kit.machine.progress(sample_order())
    printed = await libcoap.run("-m", "get", "-b", "64", path=f"m/{TANK}/orders")
    assert printed.count("2.05") > 3
    assert f'"key":"{ORDER}"' in printed.replace("\n", "")


async def test_a_large_answer_comes_after_the_client_showed_that_it_is_there(libcoap: Libcoap) -> None:
    libcoap.kit.machine.progress(sample_order())
    printed = await libcoap.run("-m", "get", path=f"m/{TANK}/orders")
    assert "4.01" in printed
    assert "Echo" in printed
    assert f'"key":"{ORDER}"' in printed
    assert libcoap.adapter.counters()["refused_echo"] == 1


async def test_an_order_is_requested_and_its_outcome_observed(libcoap: Libcoap) -> None:
    wanted = ("-m", "post", "-t", "50", "-e", '{"subject":"content"}')
    assert "2.01" in await libcoap.run(*wanted, path=f"m/{TANK}/requests")
    async with asyncio.TaskGroup() as group:
        observing = group.create_task(libcoap.run("-s", "5", path=f"m/{TANK}/orders/{ORDER}"))
        async with asyncio.timeout(DEADLINE_S):
            while not libcoap.kit.machine.watchers:  # noqa: ASYNC110 - a fake has no event
                await asyncio.sleep(0.01)
        libcoap.kit.machine.progress(sample_order(OrderState.CONFIRMED))
    assert '"state":"drafted"' in observing.result()
    assert '"state":"confirmed"' in observing.result()


async def test_a_device_registers_in_the_directory(libcoap: Libcoap) -> None:
    links = ("-m", "post", "-t", "40", "-e", "</sensors/temp>")
    printed = await libcoap.run(*links, path=f"rd?ep={TANK}&lt=60")
    assert "2.01" in printed
    assert "Location-Path:rd" in printed
    assert libcoap.adapter.counters()["registrations"] == 1
