"""``crm check`` and ``crm prepare`` over organisations that lack something."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec
import pytest
from msgspec import Struct, structs

from actors.model.outcomes import Created, Offers
from actors.model.secrets import Secret
from crm_adapters.readiness import Finding, StepState, Verdict
from crm_adapters.salesforce.adapter import SalesforceAdapter, open_salesforce
from crm_adapters.salesforce.config import SalesforceConfig
from crm_adapters.salesforce.sandbox import SANDBOX
from crm_adapters.sandboxing import SandboxOptions, listening
from crm_adapters.sandboxing.client import SandboxAdmin, administer
from crm_adapters.testing import OWNER, TickingClock, deps, offer_query, order_from
from crm_adapters.testing.samples import ORDER_KEY
from hub.bench.recorder import recording

FIELDS = ("Order.HubKey__c", "Order.HubFingerprint__c", "OrderItem.HubKey__c", "Product2.TaxPercent__c")


class Organisation(Struct):
    adapter: SalesforceAdapter
    admin: SandboxAdmin
    config: SalesforceConfig
    url: str

    async def wrong(self) -> dict[str, Finding]:
        return {each.about: each for each in await self.adapter.check() if each.verdict is Verdict.WRONG}


@asynccontextmanager
async def organisation(*lacks: str, secret: str = "", **changes: object) -> AsyncGenerator[Organisation, None]:
    options = SandboxOptions(clock=TickingClock(), accounts=(OWNER,), lacks=lacks)
    known = SANDBOX.credentials
    async with listening(SANDBOX, options) as url, administer(url) as admin:
        config = SalesforceConfig(
            login_url=url,
            client_id=known["client_id"],
            client_secret=Secret(secret or known["client_secret"]),
            **changes,  # type: ignore[arg-type] -- keyword arguments of a Struct
        )
        async with open_salesforce(config, deps()) as adapter:
            yield Organisation(adapter=adapter, admin=admin, config=config, url=url)


async def test_a_complete_organisation_passes_and_nothing_is_left_behind() -> None:
    async with organisation() as org:
        findings = await org.adapter.check()
        assert [each for each in findings if each.verdict is Verdict.WRONG] == []
        assert {"credentials", "API version", "Order, made once", "WorkOrder, made once", "activation"} <= {
            each.about for each in findings
        }
        assert await org.admin.records() == []


@pytest.mark.parametrize(
    ("lacks", "about", "found", "remedy"),
    [
        ("Order.HubKey__c", "Order.HubKey__c", "not there", "crm prepare"),
        ("Asset.HubKey__c:unique", "Asset.HubKey__c", "not unique", "Unique and External ID"),
        ("Order.HubKey__c:unique", "Order, made once", "ordered twice", "Unique and External ID"),
        ("Product2.TaxPercent__c", "Product2.TaxPercent__c", "not there", "permission set"),
        ("Account.AccountNumber", "Account.AccountNumber", "not there", "[crm.NAME.fields]"),
        ("Order.Status=Cancelled", "Order.Status = Cancelled", "the active values are Draft", "order_cancelled"),
        ("Order:create", "Order", "may not create", "permission set"),
        ("Order:create", "Order, made once", "INSUFFICIENT_ACCESS", "create it"),
        ("ActivateOrder", "activation", "INSUFFICIENT_ACCESS", "Activate Orders"),
        ("WorkOrder", "WorkOrder", "not enabled", "Field Service"),
        ("ReturnOrder", "ReturnOrder", "not enabled", "returns = false"),
    ],
)
async def test_what_an_organisation_lacks_is_found_with_its_remedy(
    lacks: str, about: str, found: str, remedy: str
) -> None:
    async with organisation(lacks) as org:
        finding = (await org.wrong())[about]
        assert found in finding.found
        assert remedy in finding.remedy
        assert finding.expected
        assert await org.admin.records() == []


@pytest.mark.parametrize(
    ("changes", "about"),
    [
        ({"price_book": "Machines"}, "price book Machines"),
        ({"shipping_sku": "FREIGHT"}, "FREIGHT in price book Things"),
    ],
)
async def test_what_the_configuration_names_must_be_there(changes: dict[str, str], about: str) -> None:
    async with organisation(**changes) as org:
        flawed = {each.about: each.remedy for each in await org.adapter.check() if each.verdict is not Verdict.FINE}
        assert flawed.get(about), flawed


async def test_without_credentials_there_is_one_finding() -> None:
    async with organisation(secret="wrong-canary") as org:
        (finding,) = await org.adapter.check()
        assert (finding.about, finding.verdict) == ("credentials", Verdict.WRONG)
        assert "wrong-canary" not in str(finding)


async def test_prepare_makes_what_is_missing_and_a_second_time_nothing() -> None:
    async with organisation(*FIELDS) as org:
        assert set(FIELDS) <= (await org.wrong()).keys()
        made = {step.about for step in await org.adapter.prepare() if step.state is StepState.MADE}
        assert made == {*FIELDS, "permission set IoT2CRM"}
        assert await org.wrong() == {}
        again = await org.adapter.prepare()
        assert {step.state for step in again} == {StepState.THERE, StepState.BY_HAND}


async def test_prepare_says_who_may_add_fields() -> None:
    async with organisation("Order.HubKey__c", "CustomizeApplication") as org:
        (failed,) = [step for step in await org.adapter.prepare() if step.state is StepState.FAILED]
        assert failed.about == "Order.HubKey__c"
        assert "Customize Application" in failed.said


async def test_what_prepare_would_send_is_shown_and_not_sent() -> None:
    async with organisation() as org:
        steps = {step.about: step for step in org.adapter.preparation()}
        (request,) = steps["Order.HubKey__c"].requests
        assert request.body["Metadata"] == {
            "label": "HubKey",
            "type": "Text",
            "externalId": True,
            "unique": True,
            "caseSensitive": True,
            "length": 64,
        }
        assert steps["permission Activate Orders"].state is StepState.BY_HAND
        assert await org.admin.requests() == []


async def test_a_dry_run_shows_the_one_transaction_of_an_order_and_sends_nothing() -> None:
    async with organisation() as org:
        offers = await org.adapter.find_offers(offer_query())
        assert isinstance(offers, Offers)
        sent = len(await org.admin.requests())
        account, order = org.adapter.previews(order_from(offers.offers[0]))
        assert len(await org.admin.requests()) == sent
        parts = {part["referenceId"]: part for part in order.body["compositeRequest"]}
        assert (account.method, order.method, order.body["allOrNone"]) == ("GET", "POST", True)
        assert parts["request"]["body"]["HubKey__c"] == ORDER_KEY
        assert list(parts)[-2:] == ["activate", "record"]
        assert SANDBOX.credentials["client_secret"] not in str((account, order))


async def test_what_a_dry_run_shows_is_what_is_sent() -> None:
    async with organisation() as org, recording(org.url) as (address, recorder):
        config = structs.replace(org.config, login_url=address)
        async with open_salesforce(config, deps()) as adapter:
            offers = await adapter.find_offers(offer_query())
            assert isinstance(offers, Offers)
            order = order_from(offers.offers[0])
            recorder.requests.clear()
            placed = await adapter.place_order(order)
            assert isinstance(placed, Created)
        (sent,) = [request for request in recorder.requests if request.target.endswith("/composite")]
        shown = org.adapter.previews(order)[-1]
        header = msgspec.json.decode(sent.body)["compositeRequest"][0]["body"]
        expected = shown.body["compositeRequest"]
        expected[0]["body"]["AccountId"] = header["AccountId"]
        found = {part["referenceId"]: part for part in msgspec.json.decode(sent.body)["compositeRequest"]}
        assert {"TAX", "SHIPPING"} <= {part["body"].get("Description") for part in expected if "body" in part}
        assert found["request"] == expected[0]
        assert [part["url"] for part in expected] == [part["url"] for part in found.values()]
