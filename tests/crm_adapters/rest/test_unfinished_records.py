"""What a CRM refuses to finish leaves nothing that nobody stands by, and an answer without content proves nothing."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from actors.model.orders import RecordKind
from actors.model.outcomes import Created, Duplicate, Permanent, Transient
from actors.model.secrets import Secret
from crm_adapters.rest import SPEC, RestConfig
from crm_adapters.rest.sandbox.vendors import ERPNEXT, HUBSPOT
from crm_adapters.sandboxing import Fault, FaultAction, SandboxOptions, SandboxSpec, listening
from crm_adapters.sandboxing.client import administer
from crm_adapters.testing import TickingClock, deps
from crm_adapters.testing.bench import Bench
from crm_adapters.testing.samples import ORDER_KEY, OWNER

SUBMIT = "^PUT /api/resource/Sales%20Order"
REMOVE = "^DELETE "
REFUSED = Fault(match=SUBMIT, action=FaultAction.STATUS, status=417, body='{"exc_type": "ValidationError"}', times=None)


@asynccontextmanager
async def bench(spec: SandboxSpec, **changed: object) -> AsyncGenerator[Bench, None]:
    known = {name: Secret(value) if name != "username" else value for name, value in spec.credentials.items()}
    options = SandboxOptions(clock=TickingClock(), accounts=(OWNER,))
    told = {"manifest": spec.name, "internal_hosts": ("127.0.0.1",), **known, **changed}
    async with listening(spec, options) as url, administer(url) as admin:
        config = RestConfig(base_url=url, **told)  # type: ignore[arg-type] -- keyword arguments of a Struct
        async with SPEC.open(config, deps()) as adapter:
            yield Bench(adapter=adapter, admin=admin, base_url=url, writes="")


async def test_a_draft_that_the_crm_refuses_to_submit_is_removed() -> None:
    async with bench(ERPNEXT, variables={"company": "Seller"}) as erp:
        order = await erp.order()
        await erp.admin.plan(REFUSED)
        outcome = await erp.adapter.place_order(order)
        assert isinstance(outcome, Permanent), outcome
        assert (outcome.code, outcome.leaves_record) == ("ValidationError", False)
        assert await erp.admin.records() == []


async def test_a_draft_that_cannot_be_removed_either_is_told_as_left_behind() -> None:
    async with bench(ERPNEXT, variables={"company": "Seller"}) as erp:
        order = await erp.order()
        await erp.admin.plan(REFUSED, Fault(match=REMOVE, action=FaultAction.STATUS, status=403))
        outcome = await erp.adapter.place_order(order)
        assert isinstance(outcome, Permanent), outcome
        assert outcome.leaves_record
        assert len(await erp.admin.records(ORDER_KEY)) == 1


async def test_what_was_left_behind_is_finished_under_the_same_key() -> None:
    async with bench(ERPNEXT, variables={"company": "Seller"}) as erp:
        order = await erp.order()
        await erp.admin.plan(REFUSED, Fault(match=REMOVE, action=FaultAction.STATUS, status=403))
        await erp.adapter.place_order(order)
        await erp.admin.plan()
        assert isinstance(await erp.adapter.place_order(order), Duplicate)
        assert len(await erp.admin.records(ORDER_KEY)) == 1


@pytest.mark.parametrize("body", ["", "{}", "null"])
async def test_line_items_that_hubspot_does_not_show_are_made_again(body: str) -> None:
    async with bench(HUBSPOT) as hubspot:
        order = await hubspot.order()
        fault = Fault(match="line_items", action=FaultAction.STATUS_AFTER, status=200, body=body)
        await hubspot.admin.plan(fault)
        assert isinstance(await hubspot.adapter.place_order(order), Transient)
        assert isinstance(await hubspot.adapter.place_order(order), Created)


async def test_a_look_up_that_is_answered_without_content_proves_no_absence() -> None:
    async with bench(ERPNEXT, variables={"company": "Seller"}) as erp:
        await erp.placed()
        await erp.admin.plan(Fault(match="^GET ", action=FaultAction.STATUS_AFTER, status=200))
        assert isinstance(await erp.adapter.find_by_key(ORDER_KEY, RecordKind.ORDER), Transient)
