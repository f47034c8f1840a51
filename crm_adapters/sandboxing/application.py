"""The HTTP application around a sandbox: faults, request log, and the administration that judges use."""

import asyncio
from collections import deque
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Struct

from actors.model.outcomes import RecordStatus
from actors.ports import Clock
from crm_adapters.sandboxing.contract import RequestLimit, Sandbox, UnknownRecord
from crm_adapters.sandboxing.door import DOOR
from crm_adapters.sandboxing.faults import Fault, FaultAction, FaultPlan
from crm_adapters.sandboxing.limit import Turnstile
from crm_adapters.sandboxing.misbehaviour import (
    CUT,
    PROCESSES,
    SHUTS,
    TOLD_BACK,
    WAITS_BEFORE,
    cut,
    faulty_answer,
    telling_back,
)
from crm_adapters.sandboxing.webhooks import Courier, SendsWebhooks

ADMIN: Final = "/_sandbox"
_LOG_LENGTH = 50_000
_BODY_CAP = 16 * 1024 * 1024


class LoggedRequest(Struct, frozen=True, kw_only=True):
    """One request as the log keeps it: never headers and never bodies, so never credentials."""

    when: datetime
    method: str
    path: str
    status: int
    fault: FaultAction | None = None


class _Outage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    down: bool


class _Advance(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    record_id: str
    status: RecordStatus


class _Subscription(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    url: str


def build_application(
    sandbox: Sandbox, *, clock: Clock, faults: Iterable[Fault] = (), limit: RequestLimit | None = None
) -> web.Application:
    """Return the application of a sandbox. It closes the sandbox when it is cleaned up."""
    front = _Front(sandbox, clock, FaultPlan(faults), Turnstile(limit, clock))
    application = web.Application(middlewares=[front.meet], client_max_size=_BODY_CAP)
    application.add_routes(sandbox.routes())
    application.add_routes(front.routes())

    async def end_waits(_application: web.Application) -> None:
        front.ending.set()

    async def close(_application: web.Application) -> None:
        sandbox.close()

    application.cleanup_ctx.append(front.courier.work)
    application.on_shutdown.append(end_waits)
    application.on_cleanup.append(close)
    return application


class _Front:
    """Stands before a sandbox: plays the faults, keeps the log, answers the administration."""

    def __init__(self, sandbox: Sandbox, clock: Clock, plan: FaultPlan, turnstile: Turnstile) -> None:
        self._sandbox = sandbox
        self._clock = clock
        self._plan = plan
        self._turnstile = turnstile
        self._log: deque[LoggedRequest] = deque(maxlen=_LOG_LENGTH)
        self.ending = asyncio.Event()
        self.courier = Courier()

    def routes(self) -> list[web.RouteDef]:
        """Return the administration's routes."""
        return [
            web.get(f"{ADMIN}/records", self._get_records),
            web.get(f"{ADMIN}/requests", self._get_requests),
            web.delete(f"{ADMIN}/requests", self._delete_requests),
            web.get(f"{ADMIN}/faults", self._get_faults),
            web.get(f"{ADMIN}/limit", self._get_limit),
            web.put(f"{ADMIN}/faults", self._put_faults),
            web.post(f"{ADMIN}/faults", self._post_faults),
            web.delete(f"{ADMIN}/faults", self._delete_faults),
            web.post(f"{ADMIN}/outage", self._post_outage),
            web.post(f"{ADMIN}/advance", self._post_advance),
            web.post(f"{ADMIN}/expire-tokens", self._post_expire_tokens),
            web.post(f"{ADMIN}/webhooks", self._post_webhooks),
        ]

    @web.middleware
    async def meet(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request through, or play the fault that is planned for it; then tell who wants to hear of changes."""
        try:
            return await (handler(request) if request.path.startswith(ADMIN) else self._meet(request, handler))
        finally:
            if isinstance(self._sandbox, SendsWebhooks):
                self.courier.send(self._sandbox.take_messages())

    async def _meet(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._plan.down:
            self._note(request, CUT, None)
            return cut(request)
        wait_s = self._turnstile.refuses_for_s()
        if wait_s:
            self._note(request, 429, None)
            return web.json_response({"error": "too_many_requests"}, status=429, headers=_come_again(wait_s))
        fault = self._plan.take(f"{request.method} {request.path_qs}")
        answer = await _answer_of(request, handler) if fault is None else await self._play(fault, request, handler)
        self._note(request, answer.status, None if fault is None else fault.action)
        return answer

    async def _play(self, fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
        content = await request.read()  # whole, so that it can be processed after the connection is gone
        if TOLD_BACK in fault.body:
            fault = telling_back(fault, request, content)
        if fault.action is FaultAction.LATE_COMMIT:
            cut(request)
        if fault.action is FaultAction.EXPIRE_TOKENS:
            self._sandbox.expire_tokens()
        if fault.action in WAITS_BEFORE and await self._ends_within(fault.delay_s):
            return cut(request)
        answer = await _answer_of(request, handler) if fault.action in PROCESSES else None
        if fault.action is FaultAction.HANG_AFTER:
            await self._ends_within(fault.delay_s)
        if fault.action in SHUTS and (door := request.app.get(DOOR)) is not None:
            await door.shut(fault.delay_s)
        return faulty_answer(fault, request, answer)

    async def _ends_within(self, delay_s: float) -> bool:
        """Wait this long, or until the sandbox ends; say whether it does."""
        try:
            async with asyncio.timeout(delay_s):
                return await self.ending.wait()
        except TimeoutError:
            return False

    def _note(self, request: web.Request, status: int, fault: FaultAction | None) -> None:
        entry = LoggedRequest(
            when=self._clock.now(), method=request.method, path=request.path_qs, status=status, fault=fault
        )
        self._log.append(entry)

    async def _get_records(self, _request: web.Request) -> web.Response:
        return _json(list(self._sandbox.records()))

    async def _get_requests(self, _request: web.Request) -> web.Response:
        return _json(list(self._log))

    async def _get_limit(self, _request: web.Request) -> web.Response:
        return _json(self._turnstile.report())

    async def _delete_requests(self, _request: web.Request) -> web.Response:
        self._log.clear()
        return web.Response(status=204)

    async def _get_faults(self, _request: web.Request) -> web.Response:
        states = [{"fault": state.fault, "seen": state.seen, "hits": state.hits} for state in self._plan.states]
        return _json(states)

    async def _put_faults(self, request: web.Request) -> web.Response:
        self._plan.replace(await _body(request, tuple[Fault, ...]))
        return await self._get_faults(request)

    async def _post_faults(self, request: web.Request) -> web.Response:
        added: Fault | tuple[Fault, ...] = await _body(request, Fault | tuple[Fault, ...])
        self._plan.add((added,) if isinstance(added, Fault) else added)
        return await self._get_faults(request)

    async def _delete_faults(self, _request: web.Request) -> web.Response:
        self._plan.replace(())
        return web.Response(status=204)

    async def _post_outage(self, request: web.Request) -> web.Response:
        outage: _Outage = await _body(request, _Outage)
        self._plan.down = outage.down
        return _json(outage)

    async def _post_advance(self, request: web.Request) -> web.Response:
        step: _Advance = await _body(request, _Advance)
        try:
            self._sandbox.advance(step.record_id, step.status)
        except UnknownRecord:
            raise web.HTTPNotFound(text=f"no record {step.record_id!r}") from None
        except ValueError as error:
            raise web.HTTPUnprocessableEntity(text=str(error)) from error
        return _json([record for record in self._sandbox.records() if record.record_id == step.record_id])

    async def _post_webhooks(self, request: web.Request) -> web.Response:
        wanted: _Subscription = await _body(request, _Subscription)
        if not isinstance(self._sandbox, SendsWebhooks):
            raise web.HTTPUnprocessableEntity(text=f"{self._sandbox.name} sends no webhooks")
        self._sandbox.subscribe(wanted.url)
        return web.Response(status=204)

    async def _post_expire_tokens(self, _request: web.Request) -> web.Response:
        self._sandbox.expire_tokens()
        return web.Response(status=204)


def _come_again(wait_s: float) -> dict[str, str]:
    return {"Retry-After": str(max(1, round(wait_s)))}


async def _answer_of(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as answer:  # aiohttp raises what it answers; the log wants its status
        return web.Response(status=answer.status, text=answer.text, headers=_without_length(answer))


def _without_length(answer: web.HTTPException) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.lower() == "allow"}


async def _body(request: web.Request, wanted: Any) -> Any:
    try:
        return msgspec.json.decode(await request.read(), type=wanted)
    except msgspec.DecodeError as error:
        raise web.HTTPBadRequest(text=str(error)) from error


def _json(value: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
