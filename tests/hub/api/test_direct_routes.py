"""The short way of direct routes: taken where nothing can tell it from the long one, and answering as that does."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from actors.model.routes import operation
from hub.api.direct import runner_of


@operation(is_direct=True)
async def _told(request: web.Request, named: str | None = None) -> web.Response:
    """Say which thing it is and which way it came."""
    return web.Response(text=f"long {request.match_info['thing_id']}" if named is None else f"short {named}")


@operation(is_direct=True)
async def _broken(_request: web.Request, _named: str) -> web.Response:
    """Fail as a defect does."""
    raise ZeroDivisionError


@asynccontextmanager
async def _serving(*routes: web.RouteDef) -> AsyncGenerator[str]:
    application = web.Application()
    application.add_routes(routes)
    runner = await runner_of(application)
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        ("/things/t1/readings", {}, "short t1"),
        ("/things/printer-7.b_~x/readings", {}, "short printer-7.b_~x"),
        ("/things/t1/readings?x=1", {}, "long t1"),
        ("/things/t%31/readings", {}, "long t1"),
        ("/things/t%2F1/readings", {}, "long t/1"),
        ("/things/-t/readings", {}, "long -t"),
        ("/things/t1/readings", {"Expect": "100-continue"}, "long t1"),
    ],
)
async def test_only_what_is_plain_goes_the_short_way(path: str, headers: dict[str, str], expected: str) -> None:
    async with (
        _serving(web.post("/things/{thing_id}/readings", _told)) as url,
        aiohttp.ClientSession() as session,
        session.post(URL(url + path, encoded=True), data=b"{}", headers=headers) as reply,
    ):
        assert await reply.text() == expected


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/things/t1/readings", 405), ("POST", "/things", 404)])
async def test_other_methods_and_paths_are_answered_as_ever(method: str, path: str, status: int) -> None:
    async with (
        _serving(web.post("/things/{thing_id}/readings", _told)) as url,
        aiohttp.request(method, url + path) as reply,
    ):
        assert reply.status == status


async def test_a_route_that_does_not_say_so_keeps_the_long_way() -> None:
    async def quiet(request: web.Request, *parts: str) -> web.Response:
        return web.Response(text=f"{request.match_info['thing_id']} {parts}")

    async with (
        _serving(web.post("/things/{thing_id}/quiet", quiet)) as url,
        aiohttp.request("POST", f"{url}/things/t1/quiet") as reply,
    ):
        assert await reply.text() == "t1 ()"


async def test_a_path_with_two_variable_parts_keeps_the_long_way() -> None:
    route = web.post("/things/{thing_id}/orders/{key}", _told)
    async with _serving(route) as url, aiohttp.request("POST", f"{url}/things/t1/orders/k") as reply:
        assert await reply.text() == "long t1"


async def test_a_defect_of_a_direct_handler_is_a_problem_that_keeps_its_insides() -> None:
    async with (
        _serving(web.post("/things/{thing_id}/readings", _broken)) as url,
        aiohttp.request("POST", f"{url}/things/t1/readings") as reply,
    ):
        told = await reply.json(content_type="application/problem+json")
        assert (reply.status, told["code"], "Zero" in told["detail"]) == (500, "internal", False)
