"""The administration of a running sandbox, from the side of who judges it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import msgspec
from aiohttp import web

from actors.model.outcomes import RecordStatus
from actors.ports import Webhook
from crm_adapters.sandboxing.application import ADMIN, LoggedRequest
from crm_adapters.sandboxing.contract import SandboxRecord
from crm_adapters.sandboxing.faults import Fault, FaultState
from crm_adapters.sandboxing.limit import LimitReport

_LONGEST_SHUT_S: Final = 30.0
_LOOK_S: Final = 0.02


class SandboxAdmin:
    """Reads a sandbox's records and requests, plans its faults, and acts as a person in its CRM."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def records(self, key: str | None = None) -> list[SandboxRecord]:
        """Return the records under a key (compared without regard to case), or all."""
        records: list[SandboxRecord] = await self._call("GET", "records", wanted=list[SandboxRecord])
        return [record for record in records if key is None or record.key.casefold() == key.casefold()]

    async def requests(self) -> list[LoggedRequest]:
        """Return the requests that came, oldest first; those to the administration are not among them."""
        answer: list[LoggedRequest] = await self._call("GET", "requests", wanted=list[LoggedRequest])
        return answer

    async def limit(self) -> LimitReport:
        """Return how the sandbox's limit was kept."""
        report: LimitReport = await self._call("GET", "limit", wanted=LimitReport)
        return report

    async def plan(self, *faults: Fault) -> None:
        """Replace the planned faults; none ends them."""
        await self._call("PUT", "faults", faults)

    async def faults(self) -> list[FaultState]:
        """Return the planned faults and how far they are."""
        states: list[FaultState] = await self._call("GET", "faults", wanted=list[FaultState])
        return states

    async def outage(self, *, down: bool) -> None:
        """Begin or end an outage."""
        await self._call("POST", "outage", {"down": down})

    async def advance(self, record_id: str, status: RecordStatus) -> None:
        """Change a record's status as a person would."""
        await self._call("POST", "advance", {"record_id": record_id, "status": status})

    async def expire_tokens(self) -> None:
        """Let every access token expire."""
        await self._call("POST", "expire-tokens")

    async def subscribe(self, url: str) -> None:
        """Let the vendor's messages about changes be sent to this address."""
        await self._call("POST", "webhooks", {"url": url})

    async def _call(self, method: str, name: str, body: Any = None, wanted: Any = Any) -> Any:
        """Call, and where connections are refused wait until the sandbox opens its door again."""
        async with asyncio.timeout(_LONGEST_SHUT_S):
            while True:
                try:
                    return await self._once(method, name, body, wanted)
                except aiohttp.ClientConnectorError:
                    await asyncio.sleep(_LOOK_S)

    async def _once(self, method: str, name: str, body: Any, wanted: Any) -> Any:
        content = None if body is None else msgspec.json.encode(body)
        async with self._session.request(method, f"{ADMIN}/{name}", data=content) as reply:
            answer = await reply.read()
            if reply.status >= 400:
                raise ValueError(f"sandbox administration {name}: {reply.status} {answer.decode(errors='replace')}")
            return msgspec.json.decode(answer, type=wanted) if answer else None


@asynccontextmanager
async def administer(base_url: str) -> AsyncGenerator[SandboxAdmin, None]:
    """Open the administration of the sandbox at this address."""
    async with aiohttp.ClientSession(base_url) as session:
        yield SandboxAdmin(session)


class Inbox:
    """Receives what a sandbox sends by itself."""

    def __init__(self) -> None:
        self._arrived: asyncio.Queue[Webhook] = asyncio.Queue()

    async def get(self, within_s: float = 30.0) -> Webhook:
        """Return the next message.

        Raises:
            TimeoutError: none came.
        """
        async with asyncio.timeout(within_s):
            return await self._arrived.get()

    async def receive(self, request: web.Request) -> web.Response:
        """Take one message in."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        self._arrived.put_nowait(Webhook(headers=headers, query=dict(request.query), body=await request.read()))
        return web.Response(status=202)


@asynccontextmanager
async def receiving() -> AsyncGenerator[tuple[str, Inbox], None]:
    """Receive messages on this machine while the context lasts; the values are the address and what arrives there."""
    inbox = Inbox()
    application = web.Application()
    application.add_routes([web.post("/hook", inbox.receive)])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port, *_ = runner.addresses[0]
        yield f"http://{host}:{port}/hook", inbox
    finally:
        await runner.cleanup()
