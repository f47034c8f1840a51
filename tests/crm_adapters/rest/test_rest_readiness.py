"""``crm check`` and ``crm prepare`` of shipped manifests, over systems that lack something."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from msgspec import Struct

from actors.model.secrets import Secret
from crm_adapters.readiness import Finding, StepState, Verdict
from crm_adapters.rest import SPEC, RestConfig
from crm_adapters.rest.adapter import RestAdapter
from crm_adapters.rest.sandbox import SANDBOX as SHOP
from crm_adapters.rest.sandbox.vendors import ERPNEXT, HUBSPOT, ODOO, SERVICENOW
from crm_adapters.sandboxing import SandboxOptions, SandboxSpec, listening
from crm_adapters.sandboxing.client import SandboxAdmin, administer
from crm_adapters.testing import OWNER, TickingClock, deps

VENDORS = {spec.name: spec for spec in (SHOP, ODOO, HUBSPOT, SERVICENOW, ERPNEXT)}
LACKING = [
    ("hubspot", "orders.hub_key", "property orders.hub_key", "not there"),
    ("hubspot", "tickets.hub_key:unique", "property tickets.hub_key", "without unique values"),
    ("hubspot", "companies.hub_owner_id", "property companies.hub_owner_id", "not there"),
    ("odoo", "sale.order.x_fingerprint", "field sale.order.x_fingerprint", "not there"),
    ("odoo", "helpdesk.ticket.x_key", "field helpdesk.ticket.x_key", "not there"),
    ("servicenow", "sc_request.u_thing", "column sc_request.u_thing", "not there"),
    ("servicenow", "core_company.u_owner_id", "column core_company.u_owner_id", "not there"),
    ("erpnext", "Sales Order.custom_fingerprint", "field Sales Order.custom_fingerprint", "not there"),
    ("erpnext", "Sales Order:naming", "naming of Sales Order", "not there"),
]


class System(Struct):
    adapter: RestAdapter
    admin: SandboxAdmin

    async def wrong(self) -> dict[str, Finding]:
        return {each.about: each for each in await self.adapter.check() if each.verdict is Verdict.WRONG}


@asynccontextmanager
async def system(name: str, *lacks: str, secret: str = "") -> AsyncGenerator[System, None]:
    spec: SandboxSpec = VENDORS[name]
    options = SandboxOptions(clock=TickingClock(), accounts=(OWNER,), lacks=lacks)
    known = spec.credentials
    async with listening(spec, options) as url, administer(url) as admin:
        config = RestConfig(
            base_url=url,
            internal_hosts=("127.0.0.1",),
            manifest="shop" if spec is SHOP else name,
            client_id=known.get("client_id", ""),
            username=known.get("username", ""),
            client_secret=Secret(secret or known.get("client_secret", "-")),
            password=Secret(secret or known.get("password", "-")),
            api_key=Secret(secret or known.get("api_key", "-")),
            variables={"company": "Seller"},
        )
        async with SPEC.open(config, deps()) as adapter:
            assert isinstance(adapter, RestAdapter)
            yield System(adapter=adapter, admin=admin)


@pytest.mark.parametrize("name", VENDORS)
async def test_a_complete_system_passes_and_nothing_is_written(name: str) -> None:
    async with system(name) as crm:
        findings = await crm.adapter.check()
        assert [each for each in findings if each.verdict is Verdict.WRONG] == []
        assert {"credentials", "unique key", "look-up of order"} <= {each.about for each in findings}
        assert await crm.admin.records() == []


@pytest.mark.parametrize(("name", "lacks", "about", "found"), LACKING)
async def test_what_a_system_lacks_is_found_and_can_be_made(name: str, lacks: str, about: str, found: str) -> None:
    async with system(name, lacks) as crm:
        finding = (await crm.wrong())[about]
        assert found in finding.found
        assert finding.expected
        assert "crm prepare" in finding.remedy
        steps = {step.about: step.state for step in await crm.adapter.prepare()}
        can_be_made = ":unique" not in lacks  # HubSpot lets nobody make a property unique afterwards
        assert steps.pop(about) is (StepState.MADE if can_be_made else StepState.BY_HAND)
        assert set(steps.values()) <= {StepState.THERE}
        assert (about in await crm.wrong()) is not can_be_made


@pytest.mark.parametrize("name", VENDORS)
async def test_wrong_credentials_are_the_only_finding(name: str) -> None:
    async with system(name, secret="wrong-canary") as crm:
        (finding,) = await crm.adapter.check()
        assert (finding.about, finding.verdict) == ("credentials", Verdict.WRONG)
        assert "wrong-canary" not in str(finding)


@pytest.mark.parametrize("name", ["hubspot", "odoo", "servicenow", "erpnext"])
async def test_what_prepare_would_send_is_shown_and_not_sent(name: str) -> None:
    async with system(name) as crm:
        steps = crm.adapter.preparation()
        assert all(step.state is StepState.WANTED and step.requests for step in steps)
        assert await crm.admin.requests() == []
