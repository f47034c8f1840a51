"""Bodies of requests, within their deadline: who sends slowly holds no connection for good."""

import asyncio
from typing import Final

from aiohttp import web

from hub.api.problems import Problem

WITHIN_S: Final = web.AppKey("body_within_s", float)


async def whole_body(request: web.Request, most: int | None = None) -> bytes:
    """Return the body, of at most so many bytes where that is less than the application takes.

    Raises:
        Problem: it is too large, came too late, or broke off.
    """
    within_s = request.app[WITHIN_S]
    try:
        async with asyncio.timeout(within_s):
            return await (request.read() if most is None else _bounded(request, most))
    except TimeoutError:
        told = f"expected the whole body within {within_s:g} s"
        raise Problem(408, "body_late", told, "send it again on a better connection") from None
    except web.RequestPayloadError as error:
        raise Problem(400, "malformed", f"the body broke off: {error}", "send it again") from None


async def _bounded(request: web.Request, most: int) -> bytes:
    body = bytearray()
    while more := await request.content.read(most + 1 - len(body)):
        body += more
        if len(body) > most:
            raise Problem(413, "too_large", f"a message has at most {most} bytes")
    return bytes(body)
