"""Where a sandbox listens: a socket that can be shut for a while, so that connections are refused, and opened again."""

import asyncio
import contextlib
import socket
import ssl
from typing import Final

from aiohttp import web


class Door:
    """The listening socket of one application. While it is shut the port stays its own."""

    def __init__(self, runner: web.AppRunner, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self._runner = runner
        self._socket = _bound(host, port)
        self._tls = tls
        self._site: web.SockSite | None = None
        self._opens: asyncio.TimerHandle | None = None
        self._opening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Listen."""
        self._opens = None
        listening = self._socket.dup()
        listening.listen()
        self._site = web.SockSite(self._runner, listening, ssl_context=self._tls)
        await self._site.start()

    async def shut(self, for_s: float) -> None:
        """Refuse connections and break those that stand; listen again after ``for_s``."""
        if self._site is None or self._opens is not None:
            return
        site, self._site = self._site, None
        await site.stop()
        with contextlib.suppress(OSError):  # where this cannot be, connections wait instead of being refused
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._runner.server is not None:
            for connection in list(self._runner.server.connections):
                if connection.transport is not None:
                    connection.transport.abort()
        self._opens = asyncio.get_running_loop().call_later(for_s, self._open_soon)

    def close(self) -> None:
        """Listen no more."""
        if self._opens is not None:
            self._opens.cancel()
        self._socket.close()

    def _open_soon(self) -> None:
        self._opening = asyncio.get_running_loop().create_task(self.open())


DOOR: Final = web.AppKey("door", Door)
"""Under this name an application that ``listening`` serves holds its door."""


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket bound to a port by its number: one that the system chose is lost when nobody listens."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if port == 0:
        with socket.create_server((host, 0), family=family) as chosen:
            port = chosen.getsockname()[1]
    return socket.create_server((host, port), family=family)
