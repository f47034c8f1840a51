"""A device that is not ours: libcoap's client against the adapter."""

import asyncio
import json
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from coap_wire import coap_listening, until

from protocols.coap import CoapAdapter
from protocols.testing import DEADLINE_S, TANK, ProtocolKit

CLIENT = shutil.which("coap-client-notls") or shutil.which("coap-client")
pytestmark = pytest.mark.skipif(CLIENT is None, reason="libcoap's coap-client is not installed (libcoap3-bin)")
PACK = [{"n": "level", "v": 41.5}]  # the client decodes percent signs


class Libcoap:
    """The client, the kit and the adapter it talks to."""

    def __init__(self, kit: ProtocolKit, adapter: CoapAdapter) -> None:
        self.kit = kit
        self.adapter = adapter

    async def run(self, *options: str, path: str = f"t/{TANK}") -> str:
        """Return what the client prints; -v 7 tells codes."""
        command = [CLIENT or "", "-v", "7", "-B", "5", *options, f"{self.adapter.urls[0]}/{path}"]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        async with asyncio.timeout(DEADLINE_S):
            printed, _ = await process.communicate()
        return printed.decode(errors="replace")


@pytest.fixture
async def libcoap() -> AsyncGenerator[Libcoap]:
    kit = ProtocolKit()
    async with coap_listening(kit, max_payload_bytes=8192) as (adapter, _):
        yield Libcoap(kit, adapter)


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
