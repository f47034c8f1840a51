"""What all device routes share: who asks, the body within its bounds, replies under a key, and problems."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from hashlib import blake2b
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import hdrs, web

from actors.model.errors import MalformedPayload
from actors.model.ids import ThingId
from actors.model.machine import Declined
from actors.model.readings import Principal, PrincipalKind, ReadingRefusal
from actors.ports import ConnectedThing, ProtocolDeps
from protocols.http.config import HttpConfig
from protocols.http.mapping import PROBLEM_TYPE, Rejected, bare_key, bearer
from protocols.http.replays import Replays, Reply, Standing
from protocols.http.unpacking import TooLarge, unpacked

PROTOCOL: Final = "http"
KEY_HEADER: Final = "Idempotency-Key"
_BODY_UNREAD: Final = frozenset({"too_large", "body_late"})
_JSON: Final = "application/json"
_T = TypeVar("_T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Door:
    """Where requests of things come in and answers go out."""

    def __init__(self, config: HttpConfig, deps: ProtocolDeps) -> None:
        self._config = config
        self._deps = deps
        self._replays = Replays(config.keep_keys)
        self.counts = Counter(accepted=0, duplicates=0, refused=0, malformed=0)

    def sender(self, request: web.Request, named: str | None = None) -> tuple[Principal, ConnectedThing]:
        """Return who asks, and that it is the thing of the path (``named`` where that was read already).

        Raises:
            Rejected: no token, a strange one, or another thing's.
        """
        token = bearer(request.headers.get(hdrs.AUTHORIZATION))
        principal = None if token is None else self._deps.authenticator.by_bearer(token)
        if principal is None:
            got = "no bearer token" if token is None else "a token that nobody holds"
            raise Rejected("unauthenticated", f"expected a thing's token, got {got}", {"WWW-Authenticate": "Bearer"})
        thing_id = ThingId(request.match_info["thing_id"] if named is None else named)
        if principal.kind is not PrincipalKind.THING or principal.thing_id != thing_id:
            raise Rejected(ReadingRefusal.FOREIGN_THING, "a thing speaks only for itself")
        thing = self._deps.things.find(thing_id)
        if thing is None:
            raise Rejected(ReadingRefusal.UNKNOWN_THING, f"{thing_id} is not registered")
        return principal, thing

    def body_at_hand(self, request: web.Request) -> bytes | None:
        """Return a body that came with the head as it is meant; None for any other, which ``body`` waits for.

        Raises:
            Rejected: too large.
        """
        content = request.content
        if not content.is_eof() or content.exception() is not None or hdrs.CONTENT_ENCODING in request.headers:
            return None
        body = content.read_nowait()
        self._check_size(len(body))
        return body

    async def body(self, request: web.Request) -> bytes:
        """Return the whole body, unpacked, within its bounds of size and time.

        The server must hand bodies on as they came (``auto_decompress=False``): only so the bound holds.

        Raises:
            Rejected: too large, too late, broken off, or of a coding that is not taken.
        """
        at_hand = self.body_at_hand(request)
        if at_hand is not None:
            return at_hand
        packing = self._coding(request)
        self._check_size(request.content_length or 0)
        body = await self._late_body(request)
        return body if packing == "identity" else self._unpacked(body)

    async def _late_body(self, request: web.Request) -> bytes:
        try:
            async with asyncio.timeout(self._config.body_within_s):
                return await self._read(request)
        except TimeoutError:
            raise Rejected("body_late", f"expected the whole body within {self._config.body_within_s:g} s") from None
        except web.RequestPayloadError as error:
            raise Rejected("malformed", f"the body broke off or is not what its encoding says: {error}") from None

    async def once(
        self, request: web.Request, thing: ConnectedThing, body: bytes, answer: Callable[[], Awaitable[Reply]]
    ) -> web.Response:
        """Answer; with an ``Idempotency-Key`` only once, and with the first reply from then on.

        Raises:
            Rejected: the same request is under way, or the key was used for another body.
        """
        told = request.headers.get(KEY_HEADER)
        if told is None:
            return answered(await answer())
        key = (thing.thing_id, request.path, bare_key(told))
        digest = blake2b(body, digest_size=16, person=request.content_type.encode()[-16:]).digest()
        standing = self._replays.begin(key, digest)
        if isinstance(standing, Reply):
            self.counts["accepted"] += 1
            self.counts["duplicates"] += 1
            return answered(standing, {"Iot2crm-Duplicate": "true"})
        if standing is not Standing.NEW:
            raise _not_again(standing, bare_key(told))
        try:
            reply = await answer()
        except BaseException:
            self._replays.forget(key)
            raise
        self._replays.end(key, reply)
        return answered(reply)

    def check_room(self, held: Counter[ThingId], thing_id: ThingId, what: str) -> None:
        """Refuse one more connection that stays, where all things or this one hold as many as they may.

        Raises:
            Rejected: come again later.
        """
        most, most_of_one = self._config.max_streams, self._config.max_streams_of_a_thing
        if held.total() >= most or held[thing_id] >= most_of_one:
            told = f"{held.total()} {what}, {held[thing_id]} of this thing; expected less than {most} and {most_of_one}"
            raise Rejected("too_many_streams", told, {"Retry-After": str(round(self._config.retry_after_s))})

    def guarded(self, answer: Callable[..., Awaitable[web.StreamResponse]]) -> Handler:
        """Return a handler that answers what is rejected with a problem, and counts it."""

        async def handler(request: web.Request, *parts: str) -> web.StreamResponse:
            try:
                return await answer(request, *parts)
            except Rejected as rejected:
                return self.rejection(rejected)

        return wraps(answer)(handler)

    def rejection(self, rejected: Rejected) -> web.Response:
        """Return a problem, counted by its code."""
        problem = rejected.problem
        self.counts["malformed" if problem.code == "malformed" else "refused"] += 1
        if problem.code != "malformed":
            self.counts[f"refused_{problem.code}"] += 1
        response = web.Response(
            status=problem.status,
            body=msgspec.json.encode(problem),
            headers={"Content-Type": PROBLEM_TYPE, **rejected.headers},
        )
        if problem.code in _BODY_UNREAD:
            response.force_close()
        return response

    async def _read(self, request: web.Request) -> bytes:
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
            self._check_size(len(body))
        return bytes(body)

    def _unpacked(self, body: bytes) -> bytes:
        try:
            return unpacked(body, self._config.max_body_bytes)
        except TooLarge:
            limit = self._config.max_body_bytes
            raise Rejected("too_large", f"expected up to {limit} bytes, unpacked it is more") from None
        except MalformedPayload as error:
            raise Rejected("malformed", str(error)) from None

    def _coding(self, request: web.Request) -> str:
        coding = request.headers.get("Content-Encoding", "identity").lower()
        allowed = ("gzip", "identity") if self._config.accept_gzip else ("identity",)
        if coding not in allowed:
            told = ", ".join(allowed)
            raise Rejected("unsupported", f"Content-Encoding: expected {told}", {"Accept-Encoding": told})
        return coding

    def _check_size(self, size: int) -> None:
        limit = self._config.max_body_bytes
        if size > limit:
            raise Rejected("too_large", f"expected up to {limit} bytes, got at least {size}")


def decoded(body: bytes, decoder: msgspec.json.Decoder[_T]) -> _T:
    """Return a JSON body as what a route takes.

    Raises:
        Rejected: the text says where and what was expected.
    """
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected("malformed", f"JSON: {error}") from None


def check_json(request: web.Request) -> None:
    """Refuse any other body.

    Raises:
        Rejected: its media type is not JSON.
    """
    if request.content_type != _JSON:
        text = f"Content-Type: expected {_JSON}, got {request.content_type}"
        raise Rejected("unsupported", text, {"Accept-Post": _JSON})


def json_reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """Return a reply in JSON.

    Raises:
        Rejected: it is a no of the machine interface.
    """
    if isinstance(value, Declined):
        raise Rejected.declined(value)
    return Reply(status, {"Content-Type": _JSON, **(headers or {})}, msgspec.json.encode(value))


def json_response(value: Any) -> web.Response:
    """Return an answer in JSON.

    Raises:
        Rejected: it is a no of the machine interface.
    """
    return answered(json_reply(value))


def answered(reply: Reply, more: Mapping[str, str] | None = None) -> web.Response:
    """Return a reply as it goes over the wire."""
    headers = reply.headers if more is None else {**reply.headers, **more}
    return web.Response(status=reply.status, body=reply.body or None, headers=headers)


def _not_again(standing: Standing, key: str) -> Rejected:
    if standing is Standing.IN_FLIGHT:
        return Rejected("in_flight", f"a request under the key {key} is not answered yet", {"Retry-After": "1"})
    return Rejected("key_reused", f"the key {key} came before with another body")
