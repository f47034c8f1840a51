"""The sandbox on its socket: tokens, limits, life on disk, what people do."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from actors.model.outcomes import RecordStatus
from crm_adapters.dynamics.sandbox import SANDBOX, DynamicsSandbox, ServiceLimits
from crm_adapters.dynamics.sandbox.errors import DataverseError
from crm_adapters.dynamics.sandbox.limits import ServiceProtection
from crm_adapters.dynamics.sandbox.view import advance, records_of
from crm_adapters.sandboxing import SandboxOptions, SandboxSpec, UnknownRecord, listening
from crm_adapters.testing import TickingClock

KNOWN = SANDBOX.credentials
CREDENTIALS = {"client_id": KNOWN["client_id"], "client_secret": KNOWN["client_secret"]}


class Wire:
    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self.session = session
        self.base_url = base_url

    async def token(self, tenant: str = KNOWN["tenant"], **form: str) -> tuple[int, dict[str, Any]]:
        full = {"grant_type": "client_credentials", "scope": f"{self.base_url}/.default", **CREDENTIALS, **form}
        async with self.session.post(f"{self.base_url}/{tenant}/oauth2/v2.0/token", data=full) as reply:
            return reply.status, await reply.json()

    async def get(self, token: str) -> aiohttp.ClientResponse:
        headers = {"Authorization": f"Bearer {token}"}
        async with self.session.get(f"{self.base_url}/api/data/v9.2/accounts", headers=headers) as reply:
            await reply.read()
            return reply


@asynccontextmanager
async def wire(spec: SandboxSpec = SANDBOX, **options: Any) -> AsyncGenerator[Wire, None]:
    async with (
        listening(spec, SandboxOptions(clock=TickingClock(), **options)) as base_url,
        aiohttp.ClientSession() as session,
    ):
        yield Wire(session, base_url)


async def test_a_token_has_a_life_and_opens_the_api() -> None:
    async with wire(token_life_s=900.0) as it:
        status, body = await it.token()
        assert (status, body["token_type"], body["expires_in"]) == (200, "Bearer", 900)
        reply = await it.get(body["access_token"])
        assert reply.status == 200
        assert int(reply.headers["x-ms-ratelimit-burst-remaining-xrm-requests"]) == 5999


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "stranger"}, 400, "unauthorized_client"),
        ({"scope": "https://elsewhere.example/.default"}, 400, "invalid_scope"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"tenant": "unknown"}, 400, "invalid_request"),
    ],
)
async def test_a_refused_token_is_told_as_entra_tells_it(form: dict[str, str], status: int, error: str) -> None:
    async with wire() as it:
        answered, body = await it.token(**form)
        assert (answered, body["error"]) == (status, error)
        assert body["error_description"].startswith(f"AADSTS{body['error_codes'][0]}: ")


async def test_no_token_no_entry() -> None:
    async with wire() as it:
        assert (await it.get("invented")).status == 401


async def test_too_many_requests_are_refused_until_the_window_has_passed() -> None:
    spec = SandboxSpec(
        name="dynamics",
        title="",
        build=lambda options: DynamicsSandbox(options, limits=ServiceLimits(requests=2)),
        credentials=KNOWN,
    )
    async with wire(spec) as it:
        token = (await it.token())[1]["access_token"]
        replies = [await it.get(token) for _ in range(3)]
        assert [reply.status for reply in replies] == [200, 200, 429]
        assert 0 < int(replies[2].headers["Retry-After"]) <= 300


def test_each_limit_has_its_code_and_ends() -> None:
    clock = TickingClock()
    limits = ServiceLimits(requests=3, concurrent=1, execution_s=10)
    protection = ServiceProtection(limits, clock)
    began = protection.enter()
    assert refusal(protection) == "0x80072326"
    clock.advance(11)
    protection.leave(began)
    assert refusal(protection) == "0x80072321"
    clock.advance(300)
    for _ in range(3):
        protection.leave(protection.enter())
    assert refusal(protection) == "0x80072322"


def refusal(protection: ServiceProtection) -> str:
    with pytest.raises(DataverseError) as refused:
        protection.enter()
    assert refused.value.status == 429
    assert int(refused.value.headers["Retry-After"]) >= 1
    return refused.value.code


def test_an_unknown_record_cannot_be_advanced() -> None:
    sandbox = DynamicsSandbox(SandboxOptions(clock=TickingClock(), credentials=KNOWN))
    with pytest.raises(UnknownRecord):
        sandbox.advance("nobody", RecordStatus.CONFIRMED)
    sandbox.close()


def test_a_closed_order_is_not_reopened(crm: Any) -> None:
    order = crm.order()
    with crm.environment.tables.transaction():
        crm.environment.change("salesorder", order, {"statecode": 2, "statuscode": 4})
    with pytest.raises(ValueError, match="closed"):
        advance(crm.environment, order, RecordStatus.CONFIRMED)


def test_a_person_can_do_to_work_orders_what_their_status_allows(crm: Any) -> None:
    crm("PATCH", "msdyn_workorders(new_hubkey='W1')", {})
    work = crm.one("msdyn_workorder", new_hubkey="W1")["msdyn_workorderid"]
    for status in (RecordStatus.CONFIRMED, RecordStatus.FULFILLED, RecordStatus.CANCELLED):
        advance(crm.environment, work, status)
        (record,) = records_of(crm.environment)
        assert record.status is status
