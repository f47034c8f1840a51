"""The servers of the HTTP benchmarks, each a process: ``python -m hub.bench.http_server KIND THINGS``."""

import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
import structlog
from aiohttp import web
from msgspec import Struct

from hub.api.direct import runner_of
from hub.api.idempotency import REPLAYS, idempotent, key_store
from hub.api.problems import problems
from hub.bench.server_process import run
from hub.bench.turns import TurnBench
from hub.storage.sqlite import open_journal
from protocols.http import SPEC, HttpConfig


class _Body(Struct):
    boot: str
    seq: int
    name: str
    value: float
    unit: str


_decode = msgspec.json.Decoder(_Body).decode


@asynccontextmanager
async def durable(things: int) -> AsyncGenerator[int]:
    """The adapter of the hub in an application with its middlewares, on its turn engine and journal."""
    with tempfile.TemporaryDirectory(prefix="iot2crm-bench-") as name, open_journal(Path(name)) as journal:
        bench = TurnBench(journal, things, with_tokens=True)
        await bench.register()
        async with SPEC.open(HttpConfig(), bench.deps()) as adapter:
            application = web.Application(middlewares=[problems, idempotent])
            application[REPLAYS] = key_store()
            application.add_routes(adapter.http_routes)
            async with _listening(await runner_of(application)) as port:
                yield port
        await bench.stop()


@asynccontextmanager
async def bare(_things: int) -> AsyncGenerator[int]:
    """Aiohttp with a handler that only reads the body."""

    async def handler(request: web.Request) -> web.Response:
        _decode(await request.read())
        return web.Response(status=204)

    application = web.Application()
    application.router.add_post("/things/{thing_id}/readings", handler)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    async with _listening(runner) as port:
        yield port


@asynccontextmanager
async def _listening(runner: web.AppRunner) -> AsyncGenerator[int]:
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


_KINDS: Final = {"durable": durable, "bare": bare}


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    run(_KINDS)
