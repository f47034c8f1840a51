"""Long lists a page at a time: read in small pieces, so that no list keeps the loop from anybody else."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar
from urllib.parse import urlencode

from aiohttp import web

from hub.api.context import answer, asker, hub_of, page_limit, scope_of

_T = TypeVar("_T")
PAGED: Final = {"limit": "how many a page", "after": "where the page before ended"}
"""The parameters of the query that every paged list takes."""
_AT_ONCE: Final = 50
_MOST_LOOKED_AT: Final = 20_000
"""Records that one request looks at: what narrows the list may leave a page short, or empty."""


async def page_of(request: web.Request, kind: str, read: Callable[[bytes], _T | None]) -> tuple[list[_T], str | None]:
    """Return the asker's next records of a kind, by key, that ``read`` makes something of, and the key to go on after.

    Raises:
        Problem: no token, or a limit that is none.
    """
    journal, owner_id = hub_of(request).journal, scope_of(asker(request))
    limit, after = page_limit(request), request.query.get("after", "")
    found: list[_T] = []
    for _ in range(_MOST_LOOKED_AT // _AT_ONCE):
        rows = list(journal.records(kind, owner_id, after=after, limit=_AT_ONCE))
        for row in rows:
            if len(found) == limit:
                return found, after
            made = read(row.body or b"")
            after = row.key
            if made is not None:
                found.append(made)
        if len(rows) < _AT_ONCE:
            return found, None
        await asyncio.sleep(0)
    return found, after


def paged(request: web.Request, shown: object, after: str | None) -> web.Response:
    """Return a page; the header ``Link`` names the next one (RFC 8288)."""
    response = answer(shown)
    if after is not None:
        told = {name: value for name, value in request.query.items() if name != "after"}
        response.headers["Link"] = f'<{request.path}?{urlencode({**told, "after": after})}>; rel="next"'
    return response
