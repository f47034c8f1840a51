import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from actors.model.outcomes import AuthFailed, Failure, Transient
from actors.model.secrets import Secret
from crm_adapters.oauth import ClientAuth, ClientCredentials, TokenKeeper
from crm_adapters.testing import TickingClock
from crm_adapters.transport import Call, Reply, TransportSettings, open_transport


class AuthServer:
    """Gives numbered tokens, takes the newest alone, and counts."""

    def __init__(self, **reply: Any) -> None:
        self.reply: dict[str, Any] = {"expires_in": 3600, **reply}
        self.status = 200
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.served = 0
        self.accepts = True

    async def token(self, request: web.Request) -> web.Response:
        self.asked.append((request.headers.get("Authorization", ""), dict(await request.post())))
        given = {"access_token": f"token-{len(self.asked)}", **self.reply} if self.status == 200 else self.reply
        return web.json_response({key: value for key, value in given.items() if value is not None}, status=self.status)

    async def resource(self, request: web.Request) -> web.Response:
        self.served += 1
        fresh = request.headers["Authorization"] == f"Bearer token-{len(self.asked)}"
        return web.json_response({}, status=200 if fresh and self.accepts else 401)

    def forget(self) -> None:
        self.asked.append(("", {}))


@asynccontextmanager
async def keeper(
    server: AuthServer, clock: TickingClock | None = None, how: ClientAuth = ClientAuth.BODY
) -> AsyncGenerator[tuple[TokenKeeper, Call], None]:
    application = web.Application()
    application.add_routes([web.post("/token", server.token), web.put("/it", server.resource)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    credentials = ClientCredentials(
        token_url=f"{url}/token", client_id="me:1", client_secret=Secret("canary+"), scope="s", client_auth=how
    )
    async with open_transport(TransportSettings()) as transport:
        yield (
            TokenKeeper(credentials, transport, clock or TickingClock()),
            Call(method="PUT", url=f"{url}/it", writes=True),
        )
    await runner.cleanup()


async def together(keeper: TokenKeeper, call: Call, times: int) -> list[Reply | Failure]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(keeper.send(call)) for _ in range(times)]
    return [task.result() for task in tasks]


async def test_all_who_wait_share_one_token() -> None:
    server = AuthServer()
    async with keeper(server) as (tokens, call):
        outcomes = await together(tokens, call, 20)
    assert all(isinstance(outcome, Reply) and outcome.ok for outcome in outcomes)
    assert len(server.asked) == 1


async def test_all_who_wait_share_one_refusal() -> None:
    server = AuthServer(error="invalid_client")
    server.status = 401
    async with keeper(server) as (tokens, call):
        outcomes = await together(tokens, call, 20)
    assert all(isinstance(outcome, AuthFailed) and "invalid_client" in outcome.reason for outcome in outcomes)
    assert (len(server.asked), server.served) == (1, 0)
    assert "canary" not in repr(outcomes)


async def test_a_401_renews_once_and_replays_once_for_all() -> None:
    server = AuthServer()
    async with keeper(server) as (tokens, call):
        await tokens.send(call)
        server.forget()
        outcomes = await together(tokens, call, 5)
    assert all(isinstance(outcome, Reply) and outcome.ok for outcome in outcomes)
    assert len(server.asked) == 3


async def test_a_second_401_ends_it() -> None:
    server = AuthServer()
    server.accepts = False
    async with keeper(server) as (tokens, call):
        assert isinstance(await tokens.send(call), AuthFailed)
    assert (len(server.asked), server.served) == (2, 2)


async def test_a_token_is_renewed_before_it_expires() -> None:
    server, clock = AuthServer(), TickingClock()
    async with keeper(server, clock) as (tokens, call):
        await tokens.send(call)
        clock.advance(3500)
        await tokens.send(call)
        clock.advance(50)
        await tokens.send(call)
    assert len(server.asked) == 2
    assert server.served == 3


@pytest.mark.parametrize("life", [None, "unlimited"])
async def test_a_token_without_a_stated_life_is_kept_until_a_401(life: str | None) -> None:
    server, clock = AuthServer(expires_in=life), TickingClock()
    async with keeper(server, clock) as (tokens, call):
        await tokens.send(call)
        clock.advance(1_000_000)
        await tokens.send(call)
    assert len(server.asked) == 1


@pytest.mark.parametrize(("status", "reply"), [(503, {}), (200, {"access_token": None}), (200, {"access_token": ""})])
async def test_no_token_for_now_is_transient_and_nothing_is_sent(status: int, reply: dict[str, Any]) -> None:
    server = AuthServer(**reply)
    server.status = status
    async with keeper(server) as (tokens, call):
        assert isinstance(await tokens.send(call), Transient)
    assert server.served == 0


async def test_credentials_travel_in_the_body_or_as_basic_never_both() -> None:
    in_body, basic = AuthServer(), AuthServer()
    async with keeper(in_body) as (tokens, call):
        await tokens.send(call)
    async with keeper(basic, how=ClientAuth.BASIC) as (tokens, call):
        await tokens.send(call)
    grant = {"grant_type": "client_credentials", "scope": "s"}
    assert in_body.asked == [("", {**grant, "client_id": "me:1", "client_secret": "canary+"})]
    assert basic.asked == [("Basic bWUlM0ExOmNhbmFyeSUyQg==", grant)]
