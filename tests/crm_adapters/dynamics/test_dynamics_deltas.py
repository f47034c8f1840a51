"""Following delta links with the adapter: pages, expiry, other people's rows, foreign links."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from actors.model.ids import OrderKey
from actors.model.outcomes import Changes, Created, Offers, Permanent, RecordStatus, Transient
from actors.model.secrets import Secret
from actors.ports import CrmAdapter
from crm_adapters.dynamics import SPEC, DynamicsConfig
from crm_adapters.dynamics.sandbox import SANDBOX
from crm_adapters.sandboxing import Fault, FaultAction, SandboxOptions, listening
from crm_adapters.sandboxing.client import SandboxAdmin, administer
from crm_adapters.testing import TickingClock, deps, offer_query, order_from

KNOWN = SANDBOX.credentials
FOREIGN = b'{"value": [], "@odata.deltaLink": "https://elsewhere.example/api/data/v9.2/salesorders?$deltatoken=1!1"}'


@asynccontextmanager
async def following(
    clock: TickingClock | None = None, **changes: Any
) -> AsyncGenerator[tuple[CrmAdapter, SandboxAdmin], None]:
    options = SandboxOptions(clock=clock or TickingClock())
    async with listening(SANDBOX, options) as base_url, administer(base_url) as admin:
        known = {name: KNOWN[name] for name in ("tenant", "client_id")}
        secret = Secret(KNOWN["client_secret"])
        config = DynamicsConfig(
            org_url=base_url, login_url=base_url, client_secret=secret, changes="delta", **known, **changes
        )
        async with SPEC.open(config, deps()) as adapter:
            yield adapter, admin


async def place(adapter: CrmAdapter, count: int) -> list[Created]:
    offers = await adapter.find_offers(offer_query())
    assert isinstance(offers, Offers), offers
    order = order_from(offers.offers[0])
    placed = [await adapter.place_order(replace(order, key=OrderKey(f"KEY{number}"))) for number in range(count)]
    return [one for one in placed if isinstance(one, Created)]


async def told(adapter: CrmAdapter, cursor: str = "") -> Changes:
    changes = await adapter.changes_since(cursor)
    assert isinstance(changes, Changes), changes
    return changes


async def test_many_changes_are_read_again_some_at_a_time() -> None:
    async with following(page_size=20) as (adapter, admin):
        await place(adapter, 45)
        assert len((await told(adapter)).records) == 45
        again = [
            request for request in await admin.requests() if re.search("salesorders.*filter=salesorderid", request.path)
        ]
        assert len(again) == 3


async def test_a_change_is_told_once_and_as_it_is_now() -> None:
    async with following() as (adapter, admin):
        (placed,) = await place(adapter, 1)
        first = await told(adapter)
        await admin.advance(placed.record.record_id, RecordStatus.FULFILLED)
        second = await told(adapter, first.cursor)
        assert [record.status for record in second.records] == [RecordStatus.FULFILLED]
        assert (await told(adapter, second.cursor)).records == ()


async def test_when_the_links_have_expired_everything_is_told_anew() -> None:
    clock = TickingClock()
    async with following(clock) as (adapter, admin):
        await place(adapter, 2)
        cursor = (await told(adapter)).cursor
        clock.advance(timedelta(days=8).total_seconds())
        await admin.expire_tokens()
        assert len((await told(adapter, cursor)).records) == 2


async def test_a_link_to_another_host_is_not_followed() -> None:
    async with following() as (adapter, admin):
        await admin.plan(
            Fault(match="GET .*/salesorders", action=FaultAction.STATUS, status=200, body=FOREIGN.decode())
        )
        refused = await adapter.changes_since("")
        assert isinstance(refused, Transient), refused


@pytest.mark.parametrize("cursor", ["x", msgspec.json.encode([1]).decode()])
async def test_a_cursor_of_another_kind_is_refused(cursor: str) -> None:
    async with following() as (adapter, _):
        assert isinstance(await adapter.changes_since(cursor), Permanent)
