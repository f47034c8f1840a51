"""Passes requests on to a server and remembers them, so that a bare client can send the very same ones."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
from aiohttp import web
from msgspec import Struct

_OF_THE_CONNECTION: Final = frozenset({"connection", "content-length", "transfer-encoding", "accept-encoding"})


class Recorded(Struct, frozen=True, kw_only=True):
    """One request as it came."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    def instead(self, old: str, new: str) -> "Recorded":
        """Return the request with another key in it."""
        return Recorded(
            method=self.method,
            target=self.target.replace(old, new),
            headers=self.headers,
            body=self.body.replace(old.encode(), new.encode()),
        )


class Recorder:
    """What came since ``requests`` was cleared."""

    def __init__(self, server: str, session: aiohttp.ClientSession) -> None:
        self.requests: list[Recorded] = []
        self._server = server
        self._session = session

    async def pass_on(self, request: web.Request) -> web.Response:
        """Send a request to the server and answer as it does."""
        body = await request.read()
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OF_THE_CONNECTION}
        target = request.raw_path
        self.requests.append(Recorded(method=request.method, target=target, headers=headers, body=body))
        async with self._session.request(request.method, self._server + target, headers=headers, data=body) as reply:
            kept = {name: value for name, value in reply.headers.items() if name.lower() not in _OF_THE_CONNECTION}
            return web.Response(status=reply.status, body=await reply.read(), headers=kept)


@asynccontextmanager
async def recording(server: str) -> AsyncGenerator[tuple[str, Recorder]]:
    """Listen before a server while the context lasts; the value is the address and what came."""
    async with aiohttp.ClientSession() as session:
        recorder = Recorder(server, session)
        application = web.Application()
        application.router.add_route("*", "/{tail:.*}", recorder.pass_on)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port, *_ = runner.addresses[0]
            yield f"http://{host}:{port}", recorder
        finally:
            await runner.cleanup()
