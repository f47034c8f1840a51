"""Idempotency keys for the owners' API: a POST under a key is carried out once, and its reply is given again.

The devices' routes keep their own keys (``protocols.http``). Keys are remembered in memory, each person's apart.
"""

from hashlib import blake2b
from typing import Final

from aiohttp import web

from hub.api.bodies import whole_body
from hub.api.context import asker
from hub.api.problems import Handler, Problem
from protocols.http.replays import Replays, Reply, Standing

_MOST: Final = 10_000
_PREFIX: Final = "/api/"
REPLAYS: web.AppKey[Replays] = web.AppKey("replays", Replays)
_SECRET_ROUTES: Final = ("/token", "/secret", "/api/v1/endpoints", "/api/v1/things", "/api/v1/things/import")
"""Their replies hold tokens and secrets, which are shown once and kept nowhere."""


def key_store() -> Replays:
    """Return an empty store."""
    return Replays(_MOST)


@web.middleware
async def idempotent(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a POST under a known key with what was answered before, to who may still ask."""
    told = request.headers.get("Idempotency-Key")
    if told is None or request.method != "POST" or not request.path.startswith(_PREFIX) or _is_secret(request):
        return await handler(request)
    asker(request)
    key, digest = _checked(told), blake2b(await whole_body(request), digest_size=16).digest()
    replays = request.app[REPLAYS]
    signed_in = request.headers.get("Authorization", "").encode(errors="surrogatepass")
    scope = (blake2b(signed_in).digest(), request.path_qs, key)
    standing = replays.begin(scope, digest)
    if isinstance(standing, Reply):
        return web.Response(status=standing.status, body=standing.body, headers=standing.headers)
    if standing is not Standing.NEW:
        raise _not_again(standing, key)
    return await _carried_out(request, handler, replays, scope)


async def _carried_out(
    request: web.Request, handler: Handler, replays: Replays, scope: tuple[bytes, str, str]
) -> web.StreamResponse:
    try:
        response = await handler(request)
    except BaseException:
        replays.forget(scope)
        raise
    if isinstance(response, web.Response) and response.status < 300 and isinstance(response.body, bytes | None):
        headers = {"Content-Type": response.headers.get("Content-Type", "application/json")}
        replays.end(scope, Reply(response.status, headers, response.body or b""))
    else:
        replays.forget(scope)
    return response


def _is_secret(request: web.Request) -> bool:
    return request.path.endswith(_SECRET_ROUTES)


def _checked(told: str) -> str:
    key = told.removeprefix('"').removesuffix('"')
    if not 1 <= len(key) <= 100 or not key.isascii() or not key.isprintable() or " " in key:
        raise Problem(400, "malformed", "header Idempotency-Key: expected 1 to 100 visible ASCII characters")
    return key


def _not_again(standing: Standing, key: str) -> Problem:
    if standing is Standing.IN_FLIGHT:
        return Problem(409, "in_flight", f"a request under the key {key} is not answered yet", "send it again later")
    return Problem(422, "key_reused", f"the key {key} came before with another body", "use a new key for what is new")
