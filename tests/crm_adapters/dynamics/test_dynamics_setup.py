"""``crm check`` and ``crm prepare`` over environments that lack something."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from msgspec import Struct

from actors.model.outcomes import Offers
from actors.model.secrets import Secret
from crm_adapters.dynamics.adapter import DynamicsAdapter, open_dynamics
from crm_adapters.dynamics.config import DynamicsConfig
from crm_adapters.dynamics.sandbox import SANDBOX
from crm_adapters.readiness import Finding, StepState, Verdict
from crm_adapters.sandboxing import SandboxOptions, listening
from crm_adapters.sandboxing.client import SandboxAdmin, administer
from crm_adapters.testing import OWNER, TickingClock, deps, offer_query, order_from
from crm_adapters.testing.samples import ORDER_KEY

MISSING = ("salesorder.new_hubkey", "msdyn_workorder.new_hubkey:key", "product.new_taxpercent")
MADE = {
    "salesorder.new_hubkey",
    "alternate key salesorder.new_hubkey",
    "alternate key msdyn_workorder.new_hubkey",
    "product.new_taxpercent",
}


class Environment(Struct):
    adapter: DynamicsAdapter
    admin: SandboxAdmin

    async def wrong(self) -> dict[str, Finding]:
        return {each.about: each for each in await self.adapter.check() if each.verdict is Verdict.WRONG}


@asynccontextmanager
async def environment(*lacks: str, secret: str = "", **changes: object) -> AsyncGenerator[Environment, None]:
    options = SandboxOptions(clock=TickingClock(), accounts=(OWNER,), lacks=lacks)
    known = SANDBOX.credentials
    async with listening(SANDBOX, options) as url, administer(url) as admin:
        config = DynamicsConfig(
            org_url=url,
            login_url=url,
            tenant=known["tenant"],
            client_id=known["client_id"],
            client_secret=Secret(secret or known["client_secret"]),
            **changes,  # type: ignore[arg-type] -- keyword arguments of a Struct
        )
        async with open_dynamics(config, deps()) as adapter:
            assert isinstance(adapter, DynamicsAdapter)
            yield Environment(adapter=adapter, admin=admin)


@pytest.mark.parametrize("changes", [{}, {"create_accounts": False}, {"service_table": "incident"}])
async def test_a_complete_environment_passes_and_nothing_is_left_behind(changes: dict[str, object]) -> None:
    async with environment(**changes) as env:
        findings = await env.adapter.check()
        assert [each for each in findings if each.verdict is Verdict.WRONG] == []
        assert {"credentials", "salesorder, made once", "price list Things"} <= {each.about for each in findings}
        assert await env.admin.records() == []


@pytest.mark.parametrize(
    ("lacks", "about", "found", "remedy"),
    [
        ("salesorder.new_hubkey", "salesorder.new_hubkey", "not there", "crm prepare"),
        (
            "salesorder.new_hubkey:key",
            "alternate key salesorder.new_hubkey",
            "ordered twice|a second order",
            "alone on",
        ),
        ("contact.new_hubkey:key", "alternate key contact.new_hubkey", "a second order", "crm prepare"),
        ("salesorder.new_hubkey:active", "alternate key salesorder.new_hubkey", "index is Pending", "check again"),
        ("salesorder.new_hubkey:key", "salesorder, made once", "not a defined key", "define what is missing"),
        ("product.new_deliverydays", "product.new_deliverydays", "not there", "[crm.NAME.columns]"),
        ("account.accountnumber:key", "alternate key account.accountnumber", "second", "crm prepare"),
        ("msdyn_workorder", "msdyn_workorder", "not there", "Field Service"),
        ("prvCreatesalesorder", "salesorder", "may not Create", "security role"),
        ("prvWritemsdyn_workorder", "msdyn_workorder", "may not Write", "security role"),
        ("prvCreatesalesorder", "salesorder, made once", "prvCreatesalesorder", "application user"),
    ],
)
async def test_what_an_environment_lacks_is_found_with_its_remedy(
    lacks: str, about: str, found: str, remedy: str
) -> None:
    async with environment(lacks) as env:
        finding = (await env.wrong())[about]
        assert any(words in finding.found for words in found.split("|")), finding
        assert remedy in finding.remedy
        assert await env.admin.records() == []


@pytest.mark.parametrize(
    ("changes", "about"),
    [
        ({"price_list": "Machines"}, "price list Machines"),
        ({"work_order_type": "Repair"}, "work order type Repair"),
        ({"booking_status": "Booked"}, "booking status Booked"),
    ],
)
async def test_what_the_configuration_names_must_be_there(changes: dict[str, str], about: str) -> None:
    async with environment(**changes) as env:
        assert (await env.wrong())[about].remedy


async def test_without_credentials_there_is_one_finding() -> None:
    async with environment(secret="wrong-canary") as env:
        (finding,) = await env.adapter.check()
        assert (finding.about, finding.verdict) == ("credentials", Verdict.WRONG)
        assert "wrong-canary" not in str(finding)


async def test_prepare_makes_what_is_missing_and_a_second_time_nothing() -> None:
    async with environment(*MISSING) as env:
        assert set(MISSING) & (await env.wrong()).keys()
        steps = await env.adapter.prepare()
        assert {step.about for step in steps if step.state is StepState.MADE} == MADE
        assert [step.said for step in steps if "Pending" in step.said] != []
        assert await env.wrong() == {}
        again = await env.adapter.prepare()
        assert {step.state for step in again} == {StepState.THERE, StepState.BY_HAND}


async def test_prepare_says_who_may_add_columns() -> None:
    async with environment("salesorder.new_hubkey", "prvCreateAttribute") as env:
        failed = [step for step in await env.adapter.prepare() if step.state is StepState.FAILED]
        assert {step.about for step in failed} == {"salesorder.new_hubkey", "alternate key salesorder.new_hubkey"}
        assert all("System Customizer" in step.said for step in failed)


async def test_what_prepare_would_send_is_shown_and_not_sent() -> None:
    async with environment() as env:
        steps = {step.about: step for step in env.adapter.preparation()}
        (request,) = steps["alternate key salesorder.new_hubkey"].requests
        assert request.url.endswith("/EntityDefinitions(LogicalName='salesorder')/Keys")
        assert request.body["KeyAttributes"] == ["new_hubkey"]
        assert await env.admin.requests() == []


async def test_a_dry_run_shows_the_requests_of_an_order_and_sends_nothing() -> None:
    async with environment() as env:
        offers = await env.adapter.find_offers(offer_query())
        assert isinstance(offers, Offers)
        sent = len(await env.admin.requests())
        shown = env.adapter.previews(order_from(offers.offers[0]))
        assert len(await env.admin.requests()) == sent
        header = next(each for each in shown if each.step == "changeset, 1")
        assert (header.method, header.headers) == ("PATCH", {"If-None-Match": "*"})
        assert header.url.endswith(f"salesorders(new_hubkey='{ORDER_KEY}')")
        assert shown[-2].body == {"statecode": 1, "statuscode": 3}
        assert shown[-1].method == "GET"
        assert SANDBOX.credentials["client_secret"] not in str(shown)
