"""What the Salesforce adapter does beyond the contract, over its sandbox on a real socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from actors.model.ids import OrderKey, ThingId
from actors.model.orders import AppointmentMove, AppointmentQuery, PurchaseOrder, RecordKind, TimeSlot
from actors.model.outcomes import (
    Ambiguous,
    Changes,
    Conflict,
    Created,
    Duplicate,
    Found,
    Offers,
    Permanent,
    RecordStatus,
    Throttled,
    TimeSlots,
    Unsupported,
    Upserted,
)
from actors.model.secrets import Secret
from actors.ports import CrmAdapter
from crm_adapters.salesforce import SPEC
from crm_adapters.salesforce.config import FieldNames, SalesforceConfig
from crm_adapters.salesforce.sandbox import SANDBOX
from crm_adapters.sandboxing import Fault, FaultAction, SandboxOptions, listening
from crm_adapters.sandboxing.client import SandboxAdmin, administer
from crm_adapters.testing import TickingClock, booking, deps, offer_query, order_from, service_request
from crm_adapters.testing.samples import (
    BEGIN,
    BOOKING_KEY,
    OWNER,
    SERVICE_KEY,
    appointment_query,
    customer,
    customer_thing,
    return_request,
)


@asynccontextmanager
async def connected(data_file: Path | None = None, **changes: Any) -> AsyncIterator[tuple[CrmAdapter, SandboxAdmin]]:
    """Start an organisation that knows no customers, and connect to it."""
    options = SandboxOptions(clock=TickingClock(), data_file=data_file)
    async with listening(SANDBOX, options) as base_url, administer(base_url) as admin:
        config = SalesforceConfig(
            login_url=base_url,
            client_id=SANDBOX.credentials["client_id"],
            client_secret=Secret(SANDBOX.credentials["client_secret"]),
            **changes,
        )
        async with SPEC.open(config, deps()) as adapter:
            yield adapter, admin


async def an_order(adapter: CrmAdapter, key: str = "I2CA", sku: str = "INK-XL-BK", quantity: int = 2) -> PurchaseOrder:
    found = await adapter.find_offers(offer_query(sku, quantity=quantity, coupons=("MACHINE5",)))
    assert isinstance(found, Offers), found
    return order_from(found.offers[0], OrderKey(key))


async def test_a_new_owner_becomes_one_account_however_many_orders_come_at_once() -> None:
    async with connected() as (adapter, admin):
        orders = [await an_order(adapter, f"I2CA{number}") for number in range(5)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(adapter.place_order(order)) for order in orders]
        assert all(isinstance(task.result(), Created) for task in tasks)
        assert len({record.raw["AccountId"] for record in await admin.records()}) == 1


async def test_a_refused_order_leaves_no_account_behind() -> None:
    async with connected(fields=FieldNames(fingerprint="Nope__c")) as (adapter, admin):
        outcome = await adapter.place_order(await an_order(adapter))
        assert isinstance(outcome, Permanent)
        assert outcome.code == "INVALID_FIELD"
        assert "Nope__c" in outcome.message
        assert await admin.records() == []


async def test_an_unknown_owner_is_refused_where_accounts_are_not_created() -> None:
    async with connected(create_accounts=False) as (adapter, _):
        outcome = await adapter.place_order(await an_order(adapter))
        assert isinstance(outcome, Permanent)
        assert outcome.code == "UNKNOWN_CUSTOMER"


async def test_a_thing_is_one_asset_of_its_owner_for_all_its_requests() -> None:
    async with connected() as (adapter, admin):
        for key in ("I2CS1", "I2CS2"):
            outcome = await adapter.request_service(service_request(OrderKey(key)))
            assert isinstance(outcome, Created), outcome
        assets = {record.raw["AssetId"] for record in await admin.records()}
        assert len(assets) == 1
        assert assets != {None}


@pytest.mark.parametrize("quantity", [1, 3, 7, 11])
async def test_odd_quantities_with_a_coupon_total_to_the_cent(quantity: int) -> None:
    async with connected() as (adapter, admin):
        order = await an_order(adapter, quantity=quantity)
        outcome = await adapter.place_order(order)
        assert isinstance(outcome, Created), outcome
        assert outcome.record.total == order.total
        (record,) = await admin.records()
        assert (record.total_minor, record.lines) == (order.total.minor, {"INK-XL-BK": quantity})
        assert record.status is RecordStatus.CONFIRMED


async def test_an_order_without_references_finds_its_price_book_entries() -> None:
    async with connected() as (adapter, admin):
        order = await an_order(adapter)
        bare = replace(order, lines=tuple(replace(line, references={}) for line in order.lines))
        assert isinstance(await adapter.place_order(bare), Created)
        assert (await admin.records())[0].lines == {"INK-XL-BK": 2}


async def test_an_order_of_a_test_thing_stays_a_draft() -> None:
    async with connected() as (adapter, admin):
        await adapter.place_order(replace(await an_order(adapter), is_test=True))
        assert [record.status for record in await admin.records()] == [RecordStatus.OPEN]


def with_lines(order: PurchaseOrder, count: int) -> PurchaseOrder:
    """Return an order of one piece with its line ``count`` times."""
    (line,) = order.lines
    many = tuple(replace(line, line=number) for number in range(1, count + 1))
    return replace(order, lines=many, total=order.total + line.unit_price.times(count - 1))


async def test_many_lines_go_as_one_graph_and_only_once() -> None:
    async with connected() as (adapter, admin):
        order = with_lines(await an_order(adapter, quantity=1), 60)
        assert isinstance(await adapter.place_order(order), Created)
        assert isinstance(await adapter.place_order(order), Duplicate)
        (record,) = await admin.records(order.key)
        assert (record.lines, record.total_minor) == ({"INK-XL-BK": 60}, order.total.minor)
        assert [request.path for request in await admin.requests() if "graph" in request.path]


async def test_a_graph_whose_answer_got_lost_is_ambiguous_and_whole() -> None:
    async with connected() as (adapter, admin):
        order = with_lines(await an_order(adapter, quantity=1), 60)
        await admin.plan(Fault(match="graph", action=FaultAction.DROP_AFTER))
        assert isinstance(await adapter.place_order(order), Ambiguous)
        (record,) = await admin.records(order.key)
        assert record.lines == {"INK-XL-BK": 60}


async def test_too_many_lines_are_refused_before_anything_is_sent() -> None:
    async with connected() as (adapter, admin):
        outcome = await adapter.place_order(with_lines(await an_order(adapter, quantity=1), 600))
        assert isinstance(outcome, Permanent)
        assert outcome.code == "TOO_MANY_LINES"
        assert not [request for request in await admin.requests() if "composite" in request.path]


@pytest.mark.parametrize(("message", "shortest_s"), [("TotalRequests Limit exceeded.", 600), ("Concurrent API", 1)])
async def test_both_request_limits_throttle(message: str, shortest_s: float) -> None:
    async with connected() as (adapter, admin):
        order = await an_order(adapter)
        body = f'[{{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "{message}"}}]'
        await admin.plan(Fault(match="composite", action=FaultAction.STATUS, status=403, body=body))
        outcome = await adapter.place_order(order)
        assert isinstance(outcome, Throttled)
        assert shortest_s <= outcome.retry_after_s <= 6 * shortest_s


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, '[{"errorCode": "UNABLE_TO_LOCK_ROW", "message": "locked"}]', Conflict),
        (300, '["/services/data/v64.0/sobjects/Order/801"]', Permanent),
        (200, '{"compositeResponse": []}', Ambiguous),
        (403, "<html>a proxy speaks</html>", Permanent),
        (502, "<html>bad gateway</html>", Ambiguous),
    ],
)
async def test_what_the_wire_may_answer(status: int, body: str, expected: type) -> None:
    async with connected() as (adapter, admin):
        order = await an_order(adapter)
        await admin.plan(Fault(match="composite", action=FaultAction.STATUS, status=status, body=body))
        assert isinstance(await adapter.place_order(order), expected)


async def test_a_time_that_somebody_else_booked_is_refused() -> None:
    async with connected() as (adapter, admin):
        request = await adapter.request_service(service_request())
        assert isinstance(request, Created)
        span = {"not_before": BEGIN + timedelta(hours=1), "not_after": BEGIN + timedelta(days=1)}
        query = AppointmentQuery(
            service_key=SERVICE_KEY, record_id=request.record.record_id, duration_minutes=60, **span
        )
        times = await adapter.search_appointments(query)
        assert isinstance(times, TimeSlots)
        wanted = booking(request.record.record_id, times.slots[0])
        assert isinstance(await adapter.book_appointment(wanted), Created)
        late = await adapter.book_appointment(replace(wanted, key=OrderKey("I2CLATE")))
        assert isinstance(late, Permanent)
        assert late.code == "TIME_TAKEN"
        assert len(await admin.records()) == 2


async def test_a_cancelled_visit_frees_its_time() -> None:
    async with connected() as (adapter, _):
        request = await adapter.request_service(service_request())
        assert isinstance(request, Created)
        query = AppointmentQuery(
            service_key=SERVICE_KEY,
            record_id=request.record.record_id,
            duration_minutes=60,
            not_before=BEGIN,
            not_after=BEGIN + timedelta(hours=4),
        )
        before = await adapter.search_appointments(query)
        assert isinstance(before, TimeSlots)
        await adapter.book_appointment(booking(request.record.record_id, before.slots[0]))
        assert await adapter.search_appointments(query) != before
        cancelled = await adapter.cancel(BOOKING_KEY, RecordKind.APPOINTMENT, "repaired by itself")
        assert isinstance(cancelled, Found)
        assert cancelled.record.status is RecordStatus.CANCELLED
        assert await adapter.search_appointments(query) == before


async def test_what_was_delivered_cannot_be_cancelled() -> None:
    async with connected() as (adapter, admin):
        placed = await adapter.place_order(await an_order(adapter))
        assert isinstance(placed, Created)
        await admin.advance(placed.record.record_id, RecordStatus.FULFILLED)
        refused = await adapter.cancel(OrderKey("I2CA"), RecordKind.ORDER, "too late")
        assert isinstance(refused, Permanent)
        assert refused.code == "ALREADY_FULFILLED"


async def test_nothing_is_told_twice_and_polling_costs_one_request() -> None:
    async with connected() as (adapter, admin):
        await adapter.place_order(await an_order(adapter))
        first = await adapter.changes_since("")
        assert isinstance(first, Changes)
        before = len(await admin.requests())
        second = await adapter.changes_since(first.cursor)
        assert isinstance(second, Changes)
        assert (len(first.records), second.records) == (1, ())
        assert len(await admin.requests()) == before + 1


async def test_an_organisation_started_again_still_knows_its_orders(tmp_path: Path) -> None:
    file = tmp_path / "organisation.sqlite"
    async with connected(file) as (adapter, _):
        first = await adapter.place_order(await an_order(adapter))
    async with connected(file) as (adapter, admin):
        second = await adapter.place_order(await an_order(adapter))
        assert isinstance(first, Created)
        assert isinstance(second, Duplicate)
        assert second.record.record_id == first.record.record_id
        assert isinstance(await adapter.place_order(await an_order(adapter, "I2CB")), Created)
        assert len({record.record_id for record in await admin.records()}) == 2


async def test_a_cancelled_appointment_is_not_moved() -> None:
    async with connected() as (adapter, _):
        slot = await a_free_time(adapter)
        await adapter.cancel(BOOKING_KEY, RecordKind.APPOINTMENT, "machine is well again")
        refused = await adapter.move_appointment(AppointmentMove(key=BOOKING_KEY, slot=slot))
        assert isinstance(refused, Permanent), refused
        assert (refused.code, "Canceled" in refused.message) == ("ALREADY_OVER", True)


async def test_a_thing_with_a_known_serial_number_is_adopted_and_not_made_again() -> None:
    async with connected() as (adapter, _):
        asked = await adapter.request_service(service_request())
        assert isinstance(asked, Created), asked
        by_serial = replace(customer_thing(owner=OWNER), thing_id=ThingId("renamed"), name="")
        told = await adapter.upsert_thing(by_serial)
        assert isinstance(told, Upserted), told
        assert told.created is False


async def test_a_thing_of_a_product_that_nobody_sells_is_refused() -> None:
    async with connected() as (adapter, _):
        refused = await adapter.upsert_thing(replace(customer_thing(), product_sku="NO-SUCH-SKU"))
        assert isinstance(refused, Permanent), refused
        told = await adapter.upsert_thing(replace(customer_thing(), product_sku="FILTER-7"))
        assert isinstance(told, Upserted), told


async def test_a_customer_who_is_a_persons_task_is_not_made() -> None:
    async with connected(create_accounts=False) as (adapter, _):
        refused = await adapter.upsert_customer(customer())
        assert isinstance(refused, Permanent), refused
        assert refused.code == "UNKNOWN_CUSTOMER"


async def test_an_organisation_without_return_orders_is_not_asked_for_one() -> None:
    async with connected(returns=False) as (adapter, admin):
        seen = len(await admin.requests())
        assert await adapter.request_return(return_request()) == Unsupported(capability="returns")
        assert len(await admin.requests()) == seen
        changes = await adapter.changes_since("")
        assert isinstance(changes, Changes), changes


async def a_free_time(adapter: CrmAdapter) -> TimeSlot:
    """Book the first free time for the sample service request and return it."""
    request = await adapter.request_service(service_request())
    assert isinstance(request, Created), request
    times = await adapter.search_appointments(appointment_query(request.record.record_id))
    assert isinstance(times, TimeSlots), times
    assert isinstance(await adapter.book_appointment(booking(request.record.record_id, times.slots[0])), Created)
    return times.slots[0]
