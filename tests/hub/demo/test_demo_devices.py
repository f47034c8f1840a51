"""The demo's devices as the processes they are, against the real adapters and a sink that does as told."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from free_ports import free_port

from actors.model.readings import ReadingRefusal
from protocols.coap import SPEC as COAP
from protocols.coap import CoapConfig
from protocols.http import SPEC as HTTP
from protocols.http import HttpConfig
from protocols.testing import DEADLINE_S, TANK, TOKEN, ProtocolKit, sample_thing

ROOT = Path(__file__).parents[3]


class Played:
    """A device process and its lines."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def tell(self, **command: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        await self.process.stdin.drain()

    async def answer(self) -> Any:
        assert self.process.stdout
        async with asyncio.timeout(DEADLINE_S):
            return json.loads(await self.process.stdout.readline())

    async def do(self, **command: Any) -> Any:
        await self.tell(**command)
        return await self.answer()

    async def ended(self) -> int:
        assert self.process.stdin
        self.process.stdin.close()
        async with asyncio.timeout(DEADLINE_S):
            await self.process.communicate()
        return self.process.returncode or 0


@asynccontextmanager
async def played(module: str, url: str, *options: str) -> AsyncGenerator[Played]:
    command = [sys.executable, "-m", module, "--url", url, "--thing", TANK, *options]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, cwd=ROOT)
    device = Played(process)
    try:
        yield device
    finally:
        assert await device.ended() == 0


@asynccontextmanager
async def http_hub(kit: ProtocolKit) -> AsyncGenerator[str]:
    kit.things.register(sample_thing())
    async with HTTP.open(HttpConfig(retry_after_s=1), kit.deps()) as adapter:
        app = web.Application()
        app.add_routes(adapter.http_routes)
        async with TestServer(app) as server:
            yield str(server.make_url("/"))


@asynccontextmanager
async def coap_hub(kit: ProtocolKit) -> AsyncGenerator[str]:
    kit.things.register(sample_thing(options={"address": "127.0.0.1"}))
    async with COAP.open(CoapConfig(port=0, plain_from=("127.0.0.1",)), kit.deps()) as adapter:
        yield adapter.urls[0]


@pytest.fixture
def printer(tmp_path: Path) -> Sequence[str]:
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    return ("--token-file", str(token), "--boot", "b1", "--level-name", "ink", "--level", "50")


@pytest.fixture
def closed_port() -> int:
    return free_port()


def levels(kit: ProtocolKit) -> dict[str, Any]:
    return {message.message_id: message.readings[0].value for message in kit.sink.stored}


async def test_the_printer_logs_what_the_hub_stored_in_three_media_types(printer: Sequence[str]) -> None:
    kit = ProtocolKit()
    async with http_hub(kit) as url, played("hub.demo.printer", url, *printer) as device:
        answer = await device.do(do="stream", count=3, drop=0.5, pages=25, start="2026-03-01T12:00:00Z", step_s=3600)
        logged = await device.do(do="log", ref="r")
    assert answer == {
        "ok": True,
        "acknowledged": ["key:b1:1", "key:b1:2", "b1:3"],
        "refused": [],
        "level": 48.5,
        "pages": 75,
    }
    assert {entry["id"]: entry["level"] for entry in logged["log"]} == levels(kit)
    assert logged["ref"] == "r"
    last = kit.sink.stored[-1].readings
    assert [(r.name, r.value, r.unit) for r in last] == [("ink", 48.5, "%"), ("pages", 75.0, "page")]
    assert [m.readings[0].observed_at.hour for m in kit.sink.stored if m.readings[0].observed_at] == [12, 13, 14]


async def test_the_printer_tries_again_until_the_hub_is_there(printer: Sequence[str], closed_port: int) -> None:
    kit = ProtocolKit()
    kit.sink.refuse(ReadingRefusal.BUSY)
    async with (
        http_hub(kit) as url,
        played("hub.demo.printer", f"http://127.0.0.1:{closed_port}", *printer) as device,
    ):
        await device.tell(do="report", level=41.0, pages=7)
        assert await device.do(do="aim", url=url) == {"ok": True}
        await kit.sink.arrived(1)
        kit.sink.store()
        answer = await device.answer()
    assert answer["acknowledged"] == ["key:b1:1"]
    assert {message.message_id for message in kit.sink.messages} == {"key:b1:1"}
    assert len(kit.sink.stored) == 1


async def test_a_lost_answer_makes_no_second_message(printer: Sequence[str]) -> None:
    kit = ProtocolKit()
    kit.sink.withhold()
    async with http_hub(kit) as url, played("hub.demo.printer", url, *printer, "--timeout-s", "0.2") as device:
        await device.tell(do="report", level=41.0)
        await kit.sink.arrived(2)
        kit.sink.release()
        await device.answer()
        logged = await device.do(do="log")
    assert len(kit.sink.stored) == 1
    assert logged["log"][0]["attempts"] >= 2


async def test_a_refused_message_is_told_and_not_sent_again(printer: Sequence[str]) -> None:
    kit = ProtocolKit()
    kit.sink.refuse(ReadingRefusal.OUT_OF_RANGE, "ink is 900 %")
    async with http_hub(kit) as url, played("hub.demo.printer", url, *printer) as device:
        answer = await device.do(do="report", level=900.0)
    assert not answer["ok"]
    assert answer["acknowledged"] == []
    assert "ink is 900 %" in answer["refused"][0]["reason"]
    assert len(kit.sink.received) == 1


async def test_devices_do_not_send_again_what_the_hub_failed_on(printer: Sequence[str]) -> None:
    for hub, module, options in ((http_hub, "hub.demo.printer", printer), (coap_hub, "hub.demo.tank", ())):
        kit = ProtocolKit()
        kit.sink.refuse(ReadingRefusal.INTERNAL, "kept for a person")
        async with hub(kit) as url, played(module, url, *options) as device:
            answer = await device.do(do="report", level=41.0)
        assert "kept for a person" in answer["refused"][0]["reason"]
        assert len(kit.sink.received) == 1


async def test_the_tank_logs_what_the_hub_stored_in_both_formats() -> None:
    kit = ProtocolKit()
    async with coap_hub(kit) as url, played("hub.demo.tank", url, "--level", "60") as device:
        answer = await device.do(do="stream", count=4, drop=2.5)
        logged = await device.do(do="log")
    assert answer["level"] == 50.0
    assert answer["acknowledged"] == [message.message_id for message in kit.sink.stored]
    assert {entry["id"]: entry["level"] for entry in logged["log"]} == levels(kit)
    assert len(kit.sink.stored) == 4


async def test_the_tank_tries_again_until_the_hub_is_there(closed_port: int) -> None:
    kit = ProtocolKit()
    kit.sink.refuse(ReadingRefusal.STORAGE_DOWN, retry_after_s=1)
    async with coap_hub(kit) as url, played("hub.demo.tank", f"coap://127.0.0.1:{closed_port}") as device:
        await device.tell(do="report", level=41.0)
        await device.do(do="aim", url=url)
        await kit.sink.arrived(1)
        kit.sink.store()
        answer = await device.answer()
    assert list(levels(kit)) == answer["acknowledged"]
    assert len({message.message_id for message in kit.sink.messages}) == 1


async def test_a_refused_pack_is_told_with_the_hubs_text() -> None:
    kit = ProtocolKit()
    kit.sink.refuse(ReadingRefusal.UNKNOWN_PROPERTY, "no property level")
    async with coap_hub(kit) as url, played("hub.demo.tank", url) as device:
        answer = await device.do(do="report", level=41.0)
        unfit = await device.do(do="report", pages=3)
        unknown = await device.do(do="dance")
    assert "4.22 unknown_property: no property level" in answer["refused"][0]["reason"]
    assert unfit == {"ok": False, "error": "this device counts no pages"}
    assert "dance" in unknown["error"]


async def test_a_device_ends_on_sigterm_even_while_it_tries(closed_port: int) -> None:
    async with played("hub.demo.tank", f"coap://127.0.0.1:{closed_port}") as device:
        await device.tell(do="report", level=41.0)
        await device.do(do="log")
        device.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(DEADLINE_S):
            assert await device.process.wait() == 0
