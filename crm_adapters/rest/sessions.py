"""What must be fetched before requests count: a token, a session, a CSRF token. Fetched once for all who wait."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from actors.model.outcomes import AuthFailed, Failure
from actors.model.secrets import Secret
from actors.ports import Clock
from crm_adapters.redaction import Redactor
from crm_adapters.transport import Call, Exchange, Reply

_MARGIN_S = 60.0


class Grant(Struct, frozen=True, kw_only=True):
    """What was fetched: headers and cookies that requests carry, and where they go if not to the base address."""

    headers: Mapping[str, Secret] = {}
    cookies: Mapping[str, Secret] = {}
    moved: tuple[str, str] | None = None
    """The configured base address, and the one that takes its place."""
    renew_at: float | None = None

    def on(self, call: Call) -> Call:
        """Return a call that carries this."""
        revealed = {name: secret.reveal() for name, secret in self.headers.items()}
        cookies = [f"{name}={secret.reveal()}" for name, secret in self.cookies.items()]
        if cookies:
            revealed["Cookie"] = "; ".join([*filter(None, [call.headers.get("Cookie")]), *cookies])
        url = call.url if self.moved is None else self.moved[1] + call.url.removeprefix(self.moved[0])
        return replace(call, url=url, headers={**call.headers, **revealed})


class Keeper:
    """Sends calls with a grant, and fetches a new one when it is over: once for all who wait, and one replay each."""

    def __init__(
        self,
        inner: Exchange,
        fetch: Callable[[], Awaitable[Grant | Failure]],
        *,
        expired: Callable[[Reply], bool],
        clock: Clock,
        redactor: Redactor,
        writes_only: bool = False,
    ) -> None:
        self._inner = inner
        self._fetch = fetch
        self._expired = expired
        self._clock = clock
        self._redactor = redactor
        self._writes_only = writes_only
        self._lock = asyncio.Lock()
        self._fetched = 0
        self._latest: Grant | Failure | None = None

    async def exchange(self, call: Call) -> Reply | Failure:
        """Send a call. A refused grant is told before anything is processed: renew and replay, once."""
        if self._writes_only and not call.writes:
            return await self._inner.exchange(call)
        grant = await self._grant()
        if not isinstance(grant, Grant):
            return grant
        reply = await self._inner.exchange(grant.on(call))
        if not isinstance(reply, Reply) or not self._expired(reply):
            return reply
        renewed = await self._grant(instead_of=grant)
        if not isinstance(renewed, Grant):
            return renewed
        reply = await self._inner.exchange(renewed.on(call))
        if isinstance(reply, Reply) and reply.status == 401:
            return AuthFailed(reason="the CRM refuses fresh credentials with 401")
        return reply

    async def _grant(self, *, instead_of: Grant | None = None) -> Grant | Failure:
        """Return a grant that still counts and is not ``instead_of``; whoever waits shares one request."""
        seen = self._fetched
        current = self._usable(instead_of)
        if current is not None:
            return current
        async with self._lock:
            current = self._usable(instead_of)
            if current is not None:
                return current
            if self._fetched != seen and self._latest is not None:
                return self._latest
            self._latest = await self._fetch()
            self._fetched += 1
            if isinstance(self._latest, Grant):
                self._redactor.learn([*self._latest.headers.values(), *self._latest.cookies.values()])
            return self._latest

    def _usable(self, instead_of: Grant | None) -> Grant | None:
        grant = self._latest
        if not isinstance(grant, Grant) or grant is instead_of:
            return None
        return None if grant.renew_at is not None and self._clock.monotonic() >= grant.renew_at else grant


def renew_at(expires_in: object, clock: Clock) -> float | None:
    """Return when to renew what lives this many seconds; None where that is not told."""
    try:
        life_s = float(str(expires_in))  # some servers write the number as text
    except ValueError:
        return None
    return clock.monotonic() + life_s - min(_MARGIN_S, life_s / 10)
