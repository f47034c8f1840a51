"""The adapter against its sandbox, beyond the contract."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
from msgspec import Struct
from msgspec.structs import replace

from actors.model.ids import OrderKey, OwnerId
from actors.model.orders import AppointmentMove, AppointmentQuery, PurchaseOrder, RecordKind
from actors.model.outcomes import (
    Absent,
    Changes,
    Conflict,
    Created,
    Duplicate,
    Found,
    Offers,
    Permanent,
    RecordStatus,
    TimeSlots,
    Unsupported,
    Upserted,
)
from actors.model.secrets import Secret
from actors.ports import CrmAdapter
from crm_adapters.dynamics import SPEC, DynamicsConfig
from crm_adapters.dynamics.config import AmountPlace, ServiceTable
from crm_adapters.dynamics.sandbox import SANDBOX
from crm_adapters.sandboxing import SandboxOptions, listening
from crm_adapters.sandboxing.client import SandboxAdmin, administer
from crm_adapters.testing import TickingClock, booking, deps, offer_query, order_from, service_request
from crm_adapters.testing.samples import BEGIN, BOOKING_KEY, ORDER_KEY, SERVICE_KEY, customer, customer_thing


class Rig(Struct, frozen=True, kw_only=True):
    adapter: CrmAdapter
    admin: SandboxAdmin
    base_url: str

    async def order(self, *skus: str, key: OrderKey = ORDER_KEY) -> PurchaseOrder:
        offers = await self.adapter.find_offers(offer_query(*skus))
        assert isinstance(offers, Offers), offers
        return order_from(offers.offers[0], key)

    async def booked(self) -> Created:
        request = await self.adapter.request_service(service_request())
        assert isinstance(request, Created), request
        slots = await self.adapter.search_appointments(query(request.record.record_id))
        assert isinstance(slots, TimeSlots), slots
        outcome = await self.adapter.book_appointment(booking(request.record.record_id, slots.slots[0]))
        assert isinstance(outcome, Created), outcome
        return outcome


def query(record_id: str) -> AppointmentQuery:
    return AppointmentQuery(
        service_key=SERVICE_KEY,
        record_id=record_id,
        duration_minutes=60,
        not_before=BEGIN,
        not_after=BEGIN + timedelta(days=3),
    )


def config_for(base_url: str, **changes: Any) -> DynamicsConfig:
    known = SANDBOX.credentials
    config = DynamicsConfig(
        org_url=base_url,
        login_url=base_url,
        tenant=known["tenant"],
        client_id=known["client_id"],
        client_secret=Secret(known["client_secret"]),
        timeout_s=5.0,
    )
    return replace(config, **changes)


@asynccontextmanager
async def rig(*, data_file: Path | None = None, **changes: Any) -> AsyncGenerator[Rig, None]:
    options = SandboxOptions(clock=TickingClock(), data_file=data_file)
    async with (
        listening(SANDBOX, options) as base_url,
        administer(base_url) as admin,
        SPEC.open(config_for(base_url, **changes), deps()) as adapter,
    ):
        yield Rig(adapter=adapter, admin=admin, base_url=base_url)


async def delete_account(base_url: str, owner: str) -> None:
    known = SANDBOX.credentials
    form = {"grant_type": "client_credentials", "scope": f"{base_url}/.default", **known}
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{base_url}/{known['tenant']}/oauth2/v2.0/token", data=form) as reply:
            token = (await reply.json())["access_token"]
        address = f"{base_url}/api/data/v9.2/accounts(accountnumber='{owner}')"
        async with session.delete(address, headers={"Authorization": f"Bearer {token}"}) as reply:
            assert reply.status == 204


async def test_a_placed_order_is_confirmed_and_totals_what_was_agreed() -> None:
    async with rig() as it:
        order = await it.order()
        outcome = await it.adapter.place_order(order)
        assert isinstance(outcome, Created), outcome
        assert (outcome.record.status, outcome.record.total) == (RecordStatus.CONFIRMED, order.total)
        assert outcome.record.number.startswith("ORD-")


async def test_write_in_lines_give_the_same_total() -> None:
    async with rig(shipping_in=AmountPlace.LINE, tax_in=AmountPlace.LINE) as it:
        order = await it.order()
        outcome = await it.adapter.place_order(order)
        assert isinstance(outcome, Created), outcome
        assert outcome.record.total == order.total


async def test_an_order_takes_one_request_and_makes_its_customer() -> None:
    async with rig() as it:
        order = await it.order()
        before = len(await it.admin.requests())
        assert isinstance(await it.adapter.place_order(order), Created)
        assert [request.path for request in (await it.admin.requests())[before:]] == ["/api/data/v9.2/$batch"]
        (record,) = await it.admin.records(ORDER_KEY)
        assert record.owner == order.owner_id


async def test_a_customer_nobody_made_is_a_persons_task_where_so_configured() -> None:
    async with rig(create_accounts=False) as it:
        outcome = await it.adapter.place_order(await it.order())
        assert isinstance(outcome, Permanent), outcome
        assert outcome.code == "0x80060891"
        assert await it.admin.records() == []


async def test_a_customer_that_cannot_be_made_is_told_as_the_reason() -> None:
    async with rig() as it:
        order = replace(await it.order(), owner_id=OwnerId("owner" * 21))
        outcome = await it.adapter.place_order(order)
        assert isinstance(outcome, Permanent), outcome
        assert outcome.code == "0x80044331"


async def test_a_draft_of_ours_is_submitted_when_it_is_found() -> None:
    async with rig() as it:
        order = await it.order()
        async with SPEC.open(config_for(it.base_url, submit_orders=False), deps()) as drafting:
            drafted = await drafting.place_order(order)
        assert isinstance(drafted, Created), drafted
        assert drafted.record.status is RecordStatus.OPEN
        resumed = await it.adapter.place_order(order)
        assert isinstance(resumed, Duplicate), resumed
        assert resumed.record.status is RecordStatus.CONFIRMED


async def test_a_strangers_draft_is_left_alone() -> None:
    async with rig(submit_orders=False) as it:
        order = await it.order()
        await it.adapter.place_order(order)
        async with SPEC.open(config_for(it.base_url), deps()) as other:
            found = await other.place_order(replace(order, fingerprint="0000000000000bad"))
        assert isinstance(found, Duplicate), found
        assert found.record.status is RecordStatus.OPEN


async def test_an_order_without_the_offers_ids_is_looked_up() -> None:
    async with rig() as it:
        order = await it.order("FILTER-7")
        bare = replace(order, lines=tuple(replace(line, references={}) for line in order.lines))
        assert isinstance(await it.adapter.place_order(bare), Created)
        (record,) = await it.admin.records(ORDER_KEY)
        assert record.lines == {"FILTER-7": 2}


async def test_a_service_request_is_open_until_its_appointment_is_booked() -> None:
    async with rig() as it:
        request = await it.adapter.request_service(service_request())
        assert isinstance(request, Created), request
        assert request.record.status is RecordStatus.OPEN
        slots = await it.adapter.search_appointments(query(request.record.record_id))
        assert isinstance(slots, TimeSlots), slots
        await it.adapter.book_appointment(booking(request.record.record_id, slots.slots[0]))
        found = await it.adapter.find_by_key(SERVICE_KEY, RecordKind.SERVICE)
        assert isinstance(found, Found), found
        assert found.record.status is RecordStatus.CONFIRMED


async def test_an_appointment_tells_when_and_who() -> None:
    async with rig() as it:
        booked = await it.booked()
        assert booked.record.scheduled is not None
        assert booked.record.scheduled.resource in {"Ada Berg", "Noor Haddad"}
        assert booked.record.status is RecordStatus.CONFIRMED


async def test_a_taken_slot_is_refused_to_another() -> None:
    async with rig() as it:
        booked = await it.booked()
        assert booked.record.scheduled is not None
        wanted = replace(booking("", booked.record.scheduled), key=OrderKey("ANOTHER"))
        outcome = await it.adapter.book_appointment(wanted)
        assert isinstance(outcome, Permanent), outcome
        assert outcome.code == "slot_taken"


async def test_a_cancelled_appointment_frees_time_and_work_order() -> None:
    async with rig() as it:
        await it.booked()
        outcome = await it.adapter.cancel(BOOKING_KEY, RecordKind.APPOINTMENT, "machine is well again")
        assert isinstance(outcome, Found), outcome
        assert outcome.record.status is RecordStatus.CANCELLED
        work = await it.adapter.find_by_key(SERVICE_KEY, RecordKind.SERVICE)
        assert isinstance(work, Found), work
        assert work.record.status is RecordStatus.OPEN


async def test_cancelling_what_is_not_there_says_absent() -> None:
    async with rig() as it:
        assert await it.adapter.cancel(ORDER_KEY, RecordKind.ORDER, "x") == Absent()


async def test_a_fulfilled_order_is_not_cancelled() -> None:
    async with rig() as it:
        placed = await it.adapter.place_order(await it.order())
        assert isinstance(placed, Created), placed
        await it.admin.advance(placed.record.record_id, RecordStatus.FULFILLED)
        outcome = await it.adapter.cancel(ORDER_KEY, RecordKind.ORDER, "too late")
        assert isinstance(outcome, Permanent), outcome


async def test_cases_are_made_found_and_cancelled_and_have_no_appointments() -> None:
    async with rig(service_table=ServiceTable.INCIDENT) as it:
        request = await it.adapter.request_service(service_request())
        assert isinstance(request, Created), request
        assert request.record.number.startswith("CAS-")
        assert not it.adapter.capabilities.appointments
        assert isinstance(await it.adapter.search_appointments(query("x")), Unsupported)
        outcome = await it.adapter.cancel(SERVICE_KEY, RecordKind.SERVICE, "well again")
        assert isinstance(outcome, Found), outcome
        assert outcome.record.status is RecordStatus.CANCELLED


async def test_changes_tell_each_version_of_every_kind_once() -> None:
    async with rig() as it:
        await it.adapter.place_order(await it.order())
        await it.booked()
        first = await it.adapter.changes_since("")
        assert isinstance(first, Changes), first
        assert {record.key for record in first.records} == {ORDER_KEY, SERVICE_KEY, BOOKING_KEY}
        second = await it.adapter.changes_since(first.cursor)
        assert isinstance(second, Changes), second
        assert second.records == ()


async def test_many_changes_come_over_several_pages() -> None:
    async with rig(page_size=5) as it:
        order = await it.order()
        for number in range(12):
            await it.adapter.place_order(replace(order, key=OrderKey(f"KEY{number}")))
        changes = await it.adapter.changes_since("")
        assert isinstance(changes, Changes), changes
        assert len({record.key for record in changes.records}) == 12
        pages = [request for request in await it.admin.requests() if "salesorders?" in request.path]
        assert len(pages) == 3


async def test_a_customer_that_vanished_is_introduced_anew() -> None:
    async with rig() as it:
        order = await it.order()
        await it.adapter.place_order(order)
        await delete_account(it.base_url, order.owner_id)
        again = replace(order, key=OrderKey("SECOND"))
        assert isinstance(await it.adapter.place_order(again), Conflict)
        assert isinstance(await it.adapter.place_order(again), Created)


async def test_a_sandbox_started_again_still_knows_the_order(tmp_path: Path) -> None:
    async with rig(data_file=tmp_path / "crm.db") as it:
        placed = await it.adapter.place_order(await it.order())
        assert isinstance(placed, Created), placed
    async with rig(data_file=tmp_path / "crm.db") as it:
        again = await it.adapter.place_order(await it.order())
        assert isinstance(again, Duplicate), again
        assert again.record.record_id == placed.record.record_id
        assert again.record.total == placed.record.total


async def test_a_coupon_of_the_catalogue_counts_in_the_order() -> None:
    async with rig() as it:
        offers = await it.adapter.find_offers(offer_query("INK-XL-BK", coupons=("MACHINE5",)))
        assert isinstance(offers, Offers), offers
        assert [discount.title for discount in offers.offers[0].discounts] == ["price list Things", "coupon MACHINE5"]
        placed = await it.adapter.place_order(order_from(offers.offers[0]))
        assert isinstance(placed, Created), placed
        assert placed.record.total == offers.offers[0].landed


async def test_an_alert_is_posted_once_with_the_work_that_answers_it() -> None:
    async with rig(iot_alerts=True) as it:
        outcomes = [await it.adapter.request_service(service_request()) for _ in range(2)]
        assert [type(outcome) for outcome in outcomes] == [Created, Duplicate]
        (record,) = await it.admin.records(SERVICE_KEY)
        assert record.raw["_msdyn_iotalert_value"]


async def test_a_cancelled_appointment_is_not_moved() -> None:
    async with rig() as it:
        booked = await it.booked()
        assert booked.record.scheduled is not None
        await it.adapter.cancel(BOOKING_KEY, RecordKind.APPOINTMENT, "machine is well again")
        refused = await it.adapter.move_appointment(AppointmentMove(key=BOOKING_KEY, slot=booked.record.scheduled))
        assert isinstance(refused, Permanent), refused
        assert (refused.code, "Canceled" in refused.message) == ("already_over", True)


async def test_a_customer_who_is_a_persons_task_is_not_made() -> None:
    async with rig(create_accounts=False) as it:
        refused = await it.adapter.upsert_customer(customer())
        assert isinstance(refused, Permanent), refused
        assert await it.admin.records() == []


async def test_a_thing_of_a_product_that_nobody_sells_is_refused() -> None:
    async with rig() as it:
        refused = await it.adapter.upsert_thing(replace(customer_thing(), product_sku="NO-SUCH-SKU"))
        assert isinstance(refused, Permanent), refused
        told = await it.adapter.upsert_thing(replace(customer_thing(), product_sku="FILTER-7"))
        assert isinstance(told, Upserted), told
