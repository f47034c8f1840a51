"""Long lists a page at a time: read in small pieces, so that no list keeps the loop from anybody else."""

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Final, TypeVar
from urllib.parse import urlencode

from aiohttp import web

from actors.runtime.journal import RecordRow
from hub.api.context import answer, asker, hub_of, page_limit, scope_of
from hub.api.problems import Problem

_T = TypeVar("_T")
PAGED: Final = {"limit": "how many a page", "after": "where the page before ended"}
"""The parameters of the query that every paged list takes."""
_AT_ONCE: Final = 50
_MOST_LOOKED_AT: Final = 20_000
"""Records that one request looks at: what narrows the list may leave a page short, or empty."""
_SECONDS: Final = re.compile(r"\d{1,12}\.\d{1,20}", re.ASCII)
"""A time as a place in a list names it."""


_Look = Callable[[str], Sequence[RecordRow]]


async def page_of(request: web.Request, kind: str, read: Callable[[bytes], _T | None]) -> tuple[list[_T], str | None]:
    """Return the asker's next records of a kind, by key, that ``read`` makes something of, and the key to go on after.

    Raises:
        Problem: no token, or a limit that is none.
    """
    journal, owner_id = hub_of(request).journal, scope_of(asker(request))

    def look(after: str) -> Sequence[RecordRow]:
        return list(journal.records(kind, owner_id, after=after, limit=_AT_ONCE))

    return await _walk(request, look, read, lambda row: row.key)


async def latest_of(request: web.Request, kind: str, read: Callable[[bytes], _T | None]) -> tuple[list[_T], str | None]:
    """Return the asker's next records of a kind, newest first, that ``read`` makes something of, and where it ended.

    Raises:
        Problem: no token, a limit that is none, or ``after`` names no place in the list.
    """
    journal, owner_id = hub_of(request).journal, scope_of(asker(request))

    def look(after: str) -> Sequence[RecordRow]:
        return journal.latest(kind, owner_id, before=_place(after) if after else None, limit=_AT_ONCE)

    return await _walk(request, look, read, lambda row: f"{row.at!r}~{row.key}")


def _place(after: str) -> tuple[float, str]:
    at, _, key = after.partition("~")
    if not key or not _SECONDS.fullmatch(at):
        detail = f"after: expected what the header Link of the page before names, got {after[:60]!r}"
        raise Problem(422, "malformed", detail, "begin at the first page, without after")
    return float(at), key


async def _walk(
    request: web.Request, look: _Look, read: Callable[[bytes], _T | None], mark: Callable[[RecordRow], str]
) -> tuple[list[_T], str | None]:
    limit, after = page_limit(request), request.query.get("after", "")
    found: list[_T] = []
    for _ in range(_MOST_LOOKED_AT // _AT_ONCE):
        rows = look(after)
        for row in rows:
            if len(found) == limit:
                return found, after
            made = read(row.body or b"")
            after = mark(row)
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
