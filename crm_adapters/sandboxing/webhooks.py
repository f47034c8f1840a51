"""Messages that a sandbox sends by itself when its records change: at most once, and late to a slow receiver."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Final, Protocol, runtime_checkable

import aiohttp
from aiohttp import web
from msgspec import Struct

_DEADLINE_S: Final = 60.0
"""How long a receiver may take; Dataverse gives up after as long."""


class Outgoing(Struct, frozen=True, kw_only=True):
    """One message in the vendor's form."""

    url: str
    headers: Mapping[str, str]
    body: bytes


@runtime_checkable
class SendsWebhooks(Protocol):
    """A sandbox whose vendor sends messages."""

    def subscribe(self, url: str) -> None:
        """Send messages about all records to this address, as an administrator would arrange it."""
        ...

    def take_messages(self) -> Sequence[Outgoing]:
        """Return the messages about what has been committed since the last call."""
        ...


class Courier:
    """Delivers messages while the application runs, one after the other."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Outgoing] = asyncio.Queue()

    def send(self, messages: Iterable[Outgoing]) -> None:
        """Deliver messages soon."""
        for message in messages:
            self._waiting.put_nowait(message)

    async def work(self, _application: web.Application) -> AsyncGenerator[None, None]:
        """Deliver until the application is cleaned up (``cleanup_ctx`` of aiohttp)."""
        timeout = aiohttp.ClientTimeout(total=_DEADLINE_S)
        async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.TaskGroup() as group:
            delivering = group.create_task(self._deliver_all(session))
            yield
            delivering.cancel()

    async def _deliver_all(self, session: aiohttp.ClientSession) -> None:
        while True:
            message = await self._waiting.get()
            try:
                async with session.post(message.url, data=message.body, headers=message.headers) as reply:
                    await reply.read()
            except (aiohttp.ClientError, TimeoutError, OSError):  # the vendor gives up as well
                continue
