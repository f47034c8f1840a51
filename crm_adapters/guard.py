"""Keeps a connection to the addresses it may reach: a name is resolved once, checked, and connected to as checked."""

import re
import socket
from ipaddress import ip_address
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from actors.model.outcomes import Failure, Transient
from crm_adapters.addresses import Address, AddressPolicy
from crm_adapters.transport import Call, Exchange, Reply

_ORIGIN: Final = re.compile(r"[^/?#]+//[^/?#]*")
_REMEMBERED: Final = 100


class GuardedResolver(AbstractResolver):
    """Resolves names for the connector, which connects to exactly what this returns: a second answer has no effect."""

    def __init__(self, policy: AddressPolicy, inner: AbstractResolver | None = None) -> None:
        self._policy = policy
        self._inner = inner or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return a host's addresses; all of them must be allowed, or none is told.

        Raises:
            OSError: the name cannot be resolved, or leads where the connection may not go.
        """
        name = host.lower().rstrip(".")
        results = await self._inner.resolve(host, port, family)
        for result in results:
            refused = self._policy.why_not_address(_address(result["host"]), port, host=name)
            if refused is not None:
                raise OSError(None, f"refused: {refused}")
        return results

    async def close(self) -> None:
        """Close the inner resolver."""
        await self._inner.close()


class GuardedTransport:
    """Sends calls to where the connection may go, and none elsewhere."""

    def __init__(self, transport: Exchange, policy: AddressPolicy) -> None:
        self._transport = transport
        self._policy = policy
        self._allowed: set[str] = set()

    async def exchange(self, call: Call) -> Reply | Failure:
        """Send one call; what leads where it may not go is refused before anything is opened.

        Scheme, user, host and port decide, so an origin that was allowed is not read again. Names are resolved and
        judged at each connection all the same.
        """
        origin = _origin(call.url)
        if origin not in self._allowed:
            refused = self._policy.why_not_url(call.url)
            if refused is not None:
                return Transient(reason=f"nothing was sent: {refused}")
            if len(self._allowed) < _REMEMBERED:
                self._allowed.add(origin)
        return await self._transport.exchange(call)


def _origin(url: str) -> str:
    """Return all of a URL up to its path, query or fragment."""
    found = _ORIGIN.match(url)
    return url if found is None else found[0]


def _address(text: str) -> Address:
    return ip_address(text)
