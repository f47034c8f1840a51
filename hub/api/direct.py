"""How the application is served; and the short way of what is asked most, which no answer tells from the long one.

A post of readings is the hub's daily bread. aiohttp's table of routes, middlewares and signals would cost it a tenth of
its time and give it nothing: its handler answers in its adapter's own words. So a route that says ``is_direct`` gets
requests at once. What is not plain (an escape or a query in the path, ``Expect``) takes the long way.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from aiohttp import hdrs, web
from msgspec import Struct

from actors.model.routes import operation_of
from hub.api.bodies import WITHIN_S
from hub.api.problems import explained
from hub.logs import UnreadableRequests

_ONE_VARIABLE: Final = re.compile(r"([^{}]*)\{\w+\}([^{}]*)")
_PLAIN: Final = "([A-Za-z0-9][A-Za-z0-9._~-]*)"
"""Stands for itself in a path, and begins so that it is no dot segment."""
_LINGERS_S: Final = 10.0
"""aiohttp's own: how long it reads the rest of a body that was answered before its end."""
_Answer = Callable[[Any], Awaitable[web.StreamResponse]]


class _Direct(Struct, frozen=True):
    path: re.Pattern[str]
    handler: Callable[..., Awaitable[web.StreamResponse]]


async def runner_of(application: web.Application, unreadable: UnreadableRequests | None = None) -> web.AppRunner:
    """Return a runner that is set up and has no address yet; ``unreadable`` counts what is no HTTP."""
    log = (unreadable or UnreadableRequests()).logger
    lingers_s = min(_LINGERS_S, application.get(WITHIN_S, _LINGERS_S))
    how: dict[str, Any] = {"access_log": None, "shutdown_timeout": 2.0, "auto_decompress": False, "logger": log}
    runner = web.AppRunner(application, lingering_time=lingers_s, **how)
    await runner.setup()
    server = runner.server
    if server is not None:
        server.request_handler = _shortened(_direct_routes(application), server.request_handler)
    return runner


def _direct_routes(application: web.Application) -> Mapping[str, Sequence[_Direct]]:
    """Return by method the routes that can go the short way."""
    found: dict[str, list[_Direct]] = {}
    for route in application.router.routes():
        told = operation_of(route.handler)
        parts = None if route.resource is None else _ONE_VARIABLE.fullmatch(route.resource.canonical)
        if told is not None and told.is_direct and parts is not None:
            head, tail = parts.groups()
            path = re.compile(re.escape(head) + _PLAIN + re.escape(tail))
            found.setdefault(route.method, []).append(_Direct(path, route.handler))
    return found


def _shortened(routes: Mapping[str, Sequence[_Direct]], long_way: _Answer) -> _Answer:
    def answer(request: Any) -> Awaitable[web.StreamResponse]:
        for route in routes.get(request.method, ()):
            matched = route.path.fullmatch(request.raw_path)
            if matched is not None and hdrs.EXPECT not in request.headers:
                return explained(request, route.handler, matched[1])
        return long_way(request)

    return answer
