"""An owner's own server: takes webhooks, and checks their signatures with nothing of ours."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web


class Receiver:
    """An owner's server. ``status`` is what it answers with."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.status = 204
        self.headers: dict[str, str] = {}
        self.open = 0
        self.most_open = 0
        self.hold: asyncio.Event | None = None
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        self.heard.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        if self.hold is not None:
            await self.hold.wait()
        self.open -= 1
        return web.Response(status=self.status, headers=self.headers)

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.heard]

    @property
    def told(self) -> list[tuple[str, str]]:
        read = [json.loads(body) for _, body in self.heard]
        return [(one["type"], one["data"].get("state", "")) for one in read]

    async def until(self, holds: Callable[["Receiver"], bool], within_s: float = 30.0) -> None:
        async with asyncio.timeout(within_s):
            while not holds(self):  # noqa: ASYNC110 - a server in a test tells nobody
                await asyncio.sleep(0.01)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    application = web.Application()
    application.router.add_post("/hook", receiver.take)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


def signatures(secret: str, headers: dict[str, str], body: bytes) -> list[bool]:
    """Say of each signature whether it is of this secret."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return [given == wanted for given in headers["webhook-signature"].split()]
