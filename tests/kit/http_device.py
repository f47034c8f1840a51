"""A device with a connection to a running HTTP adapter, and the hub behind it made of fakes."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import aiohttp
from aiohttp import web

from hub.api.direct import runner_of
from protocols.http import SPEC, HttpAdapter, HttpConfig
from protocols.testing import TANK, TOKEN, ProtocolKit, sample_thing


@dataclass
class Post:
    """One device with a connection to a running adapter."""

    kit: ProtocolKit
    adapter: HttpAdapter
    session: aiohttp.ClientSession
    url: str
    seq: "count[int]" = field(default_factory=count)

    def __call__(
        self,
        data: Any = None,
        *,
        body: Any = None,
        thing: str = TANK,
        token: str | None = TOKEN,
        media: str = "application/json",
        **headers: str,
    ) -> Any:
        sent = {"Content-Type": media} | {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        body = body if body is not None else json.dumps(data).encode()
        return self.session.post(f"{self.url}/things/{thing}/readings", data=body, headers=sent)

    async def ask(self, method: str, path: str, data: Any = None, *, token: str = TOKEN, **headers: str) -> Any:
        """Ask a route of the tank's; return status, headers and decoded body."""
        sent = {"Authorization": f"Bearer {token}"} | {name.replace("_", "-"): value for name, value in headers.items()}
        options = {} if data is None else {"json": data}
        url = f"{self.url}/things/{TANK}{path}"
        async with self.session.request(method, url, headers=sent, **options) as reply:
            body = await reply.read()
            return reply.status, reply.headers, json.loads(body) if body else None

    async def report(self, level: float) -> bool:
        message = {"boot": "b1", "seq": next(self.seq), "readings": [{"name": "level", "value": level}]}
        async with self(message) as response:
            return response.status == 204


@asynccontextmanager
async def connected(kit: ProtocolKit, **config: Any) -> AsyncGenerator[Post]:
    kit.things.register(sample_thing())
    async with SPEC.open(HttpConfig(**config), kit.deps()) as adapter:
        assert isinstance(adapter, HttpAdapter)
        app = web.Application()
        app.add_routes(adapter.http_routes)
        runner = await runner_of(app)  # as the hub serves it
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            async with aiohttp.ClientSession() as session:
                url = f"http://127.0.0.1:{runner.addresses[0][1]}"
                yield Post(kit=kit, adapter=adapter, session=session, url=url)
        finally:
            await runner.cleanup()
