"""OAuth 2.0 for a program (RFC 6749 section 4.4 and others): one token, refreshed once for all who wait."""

import asyncio
import base64
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Protocol
from urllib.parse import quote_plus

from msgspec import Struct
from msgspec.structs import replace

from actors.model.outcomes import AuthFailed, Failure, Transient
from actors.model.secrets import Secret
from actors.ports import Clock
from crm_adapters.redaction import Redactor
from crm_adapters.transport import Call, Exchange, Reply, judge

_MARGIN_S = 60.0
_UNAVAILABLE = "temporarily_unavailable"
_PROVES = frozenset({"client_secret", "assertion", "client_assertion"})
"""Fields of a token request that nobody else may read."""


class ClientAuth(StrEnum):
    """Where the client's id and secret travel (RFC 6749 section 2.3.1)."""

    BODY = "body"
    BASIC = "basic"


class Grant(Protocol):
    """What a token is asked for with."""

    def call(self) -> Call:
        """Return the request for a new token."""
        ...


class ClientCredentials(Struct, frozen=True, kw_only=True):
    """How a token is asked for. ``extra`` are further form fields, such as an audience or a resource."""

    token_url: str
    client_id: str
    client_secret: Secret
    scope: str = ""
    extra: Mapping[str, str] = {}
    client_auth: ClientAuth = ClientAuth.BODY

    def call(self) -> Call:
        """Return the request for a new token."""
        form = {"grant_type": "client_credentials", **self.extra}
        if self.scope:
            form["scope"] = self.scope
        if self.client_auth is ClientAuth.BASIC:
            return Call(method="POST", url=self.token_url, writes=False, form=form, headers=self._basic())
        form |= {"client_id": self.client_id, "client_secret": self.client_secret.reveal()}
        return Call(method="POST", url=self.token_url, writes=False, form=form)

    def _basic(self) -> dict[str, str]:
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret.reveal())}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


class Token(Struct, frozen=True, kw_only=True):
    """An access token, when it must be renewed (never, where the reply named no life), and the reply's other fields."""

    access: Secret
    renew_at: float | None
    fields: Mapping[str, Any] = {}


class TokenKeeper:
    """Holds the token of one connection. What an answer repeats of it, or of ``secrets``, is taken out at once."""

    def __init__(self, grant: Grant, transport: Exchange, clock: Clock, secrets: Iterable[Secret] = ()) -> None:
        self._grant = grant
        self._transport = transport
        self._clock = clock
        self._redactor = Redactor(secrets)
        self._lock = asyncio.Lock()
        self._attempts = 0
        self._latest: Token | Failure | None = None

    async def token(self, *, instead_of: Token | None = None) -> Token | Failure:
        """Return a token that is still good and not ``instead_of``; whoever waits shares one request and its result."""
        attempts_seen = self._attempts
        current = self._usable(instead_of)
        if current is not None:
            return current
        async with self._lock:
            current = self._usable(instead_of)
            if current is not None:
                return current
            if self._attempts != attempts_seen and self._latest is not None:
                return self._latest
            self._latest = await self._ask()
            self._attempts += 1
            return self._latest

    async def send(self, call: Call) -> Reply | Failure:
        """Do as ``exchange``, and judge the answer as ``Transport.send`` does."""
        reply = await self.exchange(call)
        return (judge(call, reply) or reply) if isinstance(reply, Reply) else reply

    async def exchange(self, call: Call) -> Reply | Failure:
        """Send a call with a bearer token. A 401 is answered before anything is processed: renew and replay, once."""
        token = await self.token()
        if not isinstance(token, Token):
            return token
        reply = await self._send_with(token, call)
        if not isinstance(reply, Reply) or reply.status != 401:
            return reply
        renewed = await self.token(instead_of=token)
        if not isinstance(renewed, Token):
            return renewed
        reply = await self._send_with(renewed, call)
        if isinstance(reply, Reply) and reply.status == 401:
            return AuthFailed(reason=f"{_host(call)} refuses a fresh token with 401")
        return reply

    async def _send_with(self, token: Token, call: Call) -> Reply | Failure:
        headers = {**call.headers, "Authorization": f"Bearer {token.access.reveal()}"}
        reply = await self._transport.exchange(replace(call, headers=headers))
        return self._redactor.cleaned_reply(reply) if isinstance(reply, Reply) else reply

    def _usable(self, instead_of: Token | None) -> Token | None:
        token = self._latest
        if not isinstance(token, Token) or token is instead_of:
            return None
        expired = token.renew_at is not None and self._clock.monotonic() >= token.renew_at
        return None if expired else token

    async def _ask(self) -> Token | Failure:
        call = self._grant.call()
        self._redactor.learn(Secret(value) for name, value in (call.form or {}).items() if name in _PROVES)
        reply = await self._transport.exchange(call)
        if not isinstance(reply, Reply):
            return reply
        if not reply.ok:
            reply = self._redactor.cleaned_reply(reply)
        failure = judge(call, reply)
        if failure is not None:
            return failure
        if not reply.ok:
            return _no_token(call, reply)
        return self._read(call, reply.body)

    def _read(self, call: Call, body: Any) -> Token | Failure:
        match body:
            case {"access_token": str(access), **others} if access:
                fields = {str(name): value for name, value in others.items()}
                self._redactor.learn([Secret(access)])
                return Token(access=Secret(access), renew_at=self._renew_at(fields.get("expires_in")), fields=fields)
            case _:
                return Transient(reason=f"{_host(call)}: the token reply names no access_token")

    def _renew_at(self, expires_in: object) -> float | None:
        try:
            life_s = float(str(expires_in))  # some servers write the number as text
        except ValueError:
            return None
        return self._clock.monotonic() + life_s - min(_MARGIN_S, life_s / 10)


def _no_token(call: Call, reply: Reply) -> Failure:
    reason = f"{_host(call)} gives no token: {reply.status} {_error(reply)}"
    return Transient(reason=reason) if _error(reply) == _UNAVAILABLE else AuthFailed(reason=reason)


def _host(call: Call) -> str:
    return call.url.split("/")[2] if call.url.count("/") >= 2 else call.url


def _error(reply: Reply) -> str:
    """Return the error's code (RFC 6749 section 5.2); its description may repeat what was sent."""
    match reply.body:
        case {"error": str(code)}:
            return code
        case _:
            return ""
