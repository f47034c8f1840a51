"""Takes readings that things post. Answers only when the hub has stored them."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Final, final

import msgspec
from aiohttp import web

from actors.model.errors import MalformedPayload
from actors.model.ids import ThingId
from actors.model.readings import (
    DeviceMessage,
    Principal,
    PrincipalKind,
    ReadingRefusal,
    Receipt,
    Refused,
    Stored,
)
from actors.ports import ConnectedThing, LinkStatus, ProtocolDeps, RefusesCommands
from protocols.http.config import HttpConfig
from protocols.http.mapping import FORMATS, PROBLEM_TYPE, Rejected, bearer, message_id, rejection
from protocols.payloads import Format, decode_payload

PROTOCOL: Final = "http"
_BODY_UNREAD: Final = frozenset({"too_large", "body_late"})


@asynccontextmanager
async def open_http(config: HttpConfig, deps: ProtocolDeps) -> AsyncGenerator["HttpAdapter"]:
    """Run the adapter; it has no socket of its own."""
    yield HttpAdapter(config, deps)


@final
class HttpAdapter(RefusesCommands):
    """A ``ProtocolAdapter`` whose routes run in the hub's HTTP application."""

    def __init__(self, config: HttpConfig, deps: ProtocolDeps) -> None:
        self._config = config
        self._deps = deps
        self._arrivals = count()
        self._counts = Counter(accepted=0, duplicates=0, refused=0, malformed=0)

    @property
    def http_routes(self) -> Sequence[web.RouteDef]:
        """The devices' routes."""
        return (web.post("/things/{thing_id}/readings", self._post_readings),)

    @property
    def urls(self) -> Sequence[str]:
        """None: the hub's own address serves."""
        return ()

    def links(self) -> Sequence[LinkStatus]:
        """None: devices come and go."""
        return ()

    def counters(self) -> Mapping[str, int]:
        """Return accepted (``duplicates`` among them), malformed, refused, and ``refused_...`` by code."""
        return dict(self._counts)

    async def _post_readings(self, request: web.Request) -> web.Response:
        try:
            principal, thing = self._sender(request)
            message = await self._message(request, thing)
            stored = await self._store(principal, message)
        except Rejected as rejected:
            return self._rejection(rejected)
        self._counts["accepted"] += 1
        self._counts["duplicates"] += stored.duplicate
        headers = {"Iot2crm-Message-Id": message.message_id} | (
            {"Iot2crm-Duplicate": "true"} if stored.duplicate else {}
        )
        return web.Response(status=204, headers=headers)

    def _sender(self, request: web.Request) -> tuple[Principal, ConnectedThing]:
        token = bearer(request.headers.get("Authorization"))
        principal = None if token is None else self._deps.authenticator.by_bearer(token)
        if principal is None:
            got = "no bearer token" if token is None else "a token that nobody holds"
            raise Rejected("unauthenticated", f"expected a thing's token, got {got}", {"WWW-Authenticate": "Bearer"})
        thing_id = ThingId(request.match_info["thing_id"])
        if principal.kind is not PrincipalKind.THING or principal.thing_id != thing_id:
            raise Rejected(ReadingRefusal.FOREIGN_THING, "a thing posts only for itself")
        thing = self._deps.things.find(thing_id)
        if thing is None:
            raise Rejected(ReadingRefusal.UNKNOWN_THING, f"{thing_id} is not registered")
        return principal, thing

    async def _message(self, request: web.Request, thing: ConnectedThing) -> DeviceMessage:
        form = self._form(request)
        body = await self._body(request)
        received_at = self._deps.clock.now()
        try:
            payload = decode_payload(body, form, received_at, thing.profile.sources.get(PROTOCOL, {}))
        except MalformedPayload as error:
            raise Rejected("malformed", str(error)) from None
        key = request.headers.get("Idempotency-Key")
        arrival = f"{received_at.isoformat()}/{next(self._arrivals)}"
        return DeviceMessage(
            thing_id=thing.thing_id,
            message_id=message_id(payload, key, form=form, body=body, arrival=arrival),
            received_at=received_at,
            readings=payload.readings,
            protocol=PROTOCOL,
        )

    def _form(self, request: web.Request) -> Format:
        encoding = request.headers.get("Content-Encoding", "identity").lower()
        if encoding not in (("identity", "gzip") if self._config.accept_gzip else ("identity",)):
            allowed = "gzip, identity" if self._config.accept_gzip else "identity"
            raise Rejected("unsupported", f"Content-Encoding: expected {allowed}", {"Accept-Encoding": allowed})
        try:
            return FORMATS[request.content_type]
        except KeyError:
            allowed = ", ".join(FORMATS)
            text = f"Content-Type: expected one of {allowed}, got {request.content_type}"
            raise Rejected("unsupported", text, {"Accept-Post": allowed}) from None

    async def _body(self, request: web.Request) -> bytes:
        self._check_size(request.content_length or 0)
        body = bytearray()
        try:
            async with asyncio.timeout(self._config.body_within_s):
                async for chunk in request.content.iter_any():
                    body += chunk
                    self._check_size(len(body))
        except TimeoutError:
            raise Rejected("body_late", f"expected the whole body within {self._config.body_within_s:g} s") from None
        except web.RequestPayloadError as error:
            raise Rejected("malformed", f"the body broke off or is not what its encoding says: {error}") from None
        return bytes(body)

    def _check_size(self, size: int) -> None:
        limit = self._config.max_body_bytes
        if size > limit:
            raise Rejected("too_large", f"expected up to {limit} bytes, got at least {size}")

    async def _store(self, principal: Principal, message: DeviceMessage) -> Stored:
        answered: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()

        def done(receipt: Receipt) -> None:
            if not answered.done():  # the wait may have ended
                answered.set_result(receipt)

        self._deps.sink.accept(principal, message, done)
        default_retry_s = self._config.retry_after_s
        try:
            async with asyncio.timeout(self._config.reply_within_s):
                receipt = await answered
        except TimeoutError:
            late = f"not stored within {self._config.reply_within_s:g} s; it may be stored later"
            raise Rejected("not_stored_yet", late, {"Retry-After": str(round(default_retry_s))}) from None
        match receipt:
            case Stored():
                return receipt
            case Refused():
                raise rejection(receipt, default_retry_s=default_retry_s)

    def _rejection(self, rejected: Rejected) -> web.Response:
        problem = rejected.problem
        self._counts["malformed" if problem.code == "malformed" else "refused"] += 1
        if problem.code != "malformed":
            self._counts[f"refused_{problem.code}"] += 1
        response = web.Response(
            status=problem.status,
            body=msgspec.json.encode(problem),
            headers={"Content-Type": PROBLEM_TYPE, **rejected.headers},
        )
        if problem.code in _BODY_UNREAD:
            response.force_close()
        return response
