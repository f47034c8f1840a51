"""A CRM that keeps its customers' things is told of a thing before its first order, once for each version."""

from typing import Any

from buying import Buying
from desk_bench import PLACE, working
from fake_crm import FakeCrm
from msgspec.structs import replace

from actors.dialogue import (
    CustomerIntroduced,
    IntroductionFailed,
    PlaceReported,
    PlaceRequest,
    TakeTurn,
    ThingIntroduced,
    connection_address,
)
from actors.model.customers import Customer, CustomerThing
from actors.model.ids import OwnerId, ThingId
from actors.model.orders import OrderState
from actors.model.outcomes import Capabilities, Created, Permanent, Throttled, Transient, Upserted
from actors.testing import virtual_time

KEEPS = {"shop": Capabilities(customers=True)}
THING = CustomerThing(owner_id=PLACE.request.owner_id, thing_id=PLACE.request.thing_id, serial="SN-1")
FIRST = replace(PLACE, introduces=THING)
OWNER = Customer(owner_id=PLACE.request.owner_id, name="Firm Ltd", contact_name="Ada Firm")


class AssetCrm(FakeCrm):
    """A CRM that keeps things."""

    def __init__(self, **capabilities: Any) -> None:
        super().__init__(**({"customers": True} | capabilities))

    async def upsert_thing(self, thing: CustomerThing) -> Any:
        return await self._read("upsert_thing", thing, Upserted(record_id="A-1", created=True))

    async def upsert_customer(self, customer: Customer) -> Any:
        return await self._read("upsert_customer", customer, Upserted(record_id="C-1", created=True))


class Known:
    """What was told in a former life."""

    def __init__(self, version: str) -> None:
        self._version = version

    def version(self, connection: str, thing_id: ThingId) -> str:
        return self._version

    def customer_version(self, connection: str, owner_id: OwnerId) -> str:
        return self._version


@virtual_time
async def test_the_thing_is_told_before_the_order_and_once() -> None:
    async with working(AssetCrm()) as work:
        assert isinstance(await work.outcome(FIRST), Created)
        work.give(FIRST)
        await work.reports(2)
        assert [name for name, _ in work.crm.calls] == ["upsert_thing", "place_order", "place_order"]
        ((address, told),) = work.office.waits
        assert (address, type(told)) == (connection_address("shop"), ThingIntroduced)


@virtual_time
async def test_what_a_former_process_told_is_not_told_again_but_what_changed_is() -> None:
    async with working(AssetCrm()) as work:
        await work.outcome(FIRST)
        known = Known(work.office.waits[0][1].version)
    for thing, calls in ((THING, 0), (replace(THING, serial="SN-2"), 1)):
        async with working(AssetCrm()) as work:
            work.desk.remember(known)
            await work.outcome(replace(FIRST, introduces=thing))
            assert len(work.crm.called("upsert_thing")) == calls


@virtual_time
async def test_where_the_thing_is_refused_nothing_is_placed_and_the_order_hears_why() -> None:
    async with working(AssetCrm()) as work:
        work.crm.plan("upsert_thing", Permanent(code="x", message="serial too long"), RuntimeError("a defect"))
        work.give(FIRST)
        await work.reports()
        work.give(FIRST)
        first, second = await work.reports(2)
        assert first == IntroductionFailed(attempt=FIRST.attempt, reason="serial too long")
        assert isinstance(second, IntroductionFailed)
        assert work.crm.called("place_order") == []


@virtual_time
async def test_a_crm_that_keeps_no_things_is_not_told_of_any() -> None:
    async with working(AssetCrm(customers=False)) as work:
        assert isinstance(await work.outcome(FIRST), Created)
        assert work.crm.called("upsert_thing") == []


@virtual_time
async def test_a_thing_and_its_order_are_two_requests() -> None:
    async with working(AssetCrm(), requests_per_s=0.1) as work:
        await work.outcome(FIRST)
        assert work.office.times == [10.0]


def test_an_order_says_what_the_crm_must_know_where_it_keeps_things() -> None:
    buying = Buying(connections=KEEPS, introduces_things=frozenset({"shop"})).placing()
    assert buying.world.job(PlaceRequest).body.introduces == THING
    assert Buying(connections=KEEPS).placing().world.job(PlaceRequest).body.introduces is None
    assert Buying(introduces_things=frozenset({"shop"})).placing().world.job(PlaceRequest).body.introduces is None


def test_an_order_whose_thing_was_refused_waits_with_the_reason_and_comes_again() -> None:
    buying = Buying(connections=KEEPS, introduces_things=frozenset({"shop"})).placing()
    job = buying.world.jobs.pop()
    buying.tell(IntroductionFailed(attempt=job.body.attempt, reason="serial too long"))
    assert (buying.state, buying.data.code) == (OrderState.APPROVED, "thing_not_introduced")
    assert buying.data.waiting is not None
    assert buying.data.waiting.reason == "serial too long"
    buying.world.answer(TakeTurn)
    buying.tell(IntroductionFailed(attempt=job.body.attempt, reason="late"))
    assert (buying.state, buying.data.attempt) == (OrderState.PLACING, 2)
    buying.world.answer(PlaceRequest, buying.created())
    assert (buying.state, buying.used()) == (OrderState.CONFIRMED, 2000)


def test_it_waits_as_long_as_the_crm_asks() -> None:
    buying = Buying(connections=KEEPS, introduces_things=frozenset({"shop"})).placing()
    job = buying.world.jobs.pop()
    throttled = Throttled(retry_after_s=90.0, reason="slow down")
    buying.tell(IntroductionFailed(attempt=job.body.attempt, reason="slow down", retry_after_s=throttled.retry_after_s))
    assert buying.world.job(TakeTurn).body.after_s == 90.0


@virtual_time
async def test_a_crm_that_is_down_for_things_is_down_for_orders() -> None:
    async with working(AssetCrm()) as work:
        work.crm.plan("upsert_thing", Transient(reason="down"))
        work.give(FIRST)
        (report,) = await work.reports()
        assert (report.reason, work.desk.status().state) == ("down", "down")
        assert not isinstance(report, PlaceReported)


@virtual_time
async def test_an_owner_whom_the_operator_names_is_told_before_the_thing_and_once() -> None:
    async with working(AssetCrm()) as work:
        work.desk.present({OWNER.owner_id: OWNER})
        assert isinstance(await work.outcome(FIRST), Created)
        work.give(PLACE)
        await work.reports(2)
        names = ["upsert_customer", "upsert_thing", "place_order", "place_order"]
        assert [name for name, _ in work.crm.calls] == names
        assert work.crm.called("upsert_customer") == [OWNER]
        assert [type(told) for _, told in work.office.waits] == [CustomerIntroduced, ThingIntroduced]


@virtual_time
async def test_what_a_former_process_told_of_an_owner_is_told_again_only_when_it_changed() -> None:
    async with working(AssetCrm()) as work:
        work.desk.present({OWNER.owner_id: OWNER})
        await work.outcome(PLACE)
        known = Known(work.office.waits[0][1].version)
    for owner, calls in ((OWNER, 0), (replace(OWNER, contact_email="ada@firm.example"), 1)):
        async with working(AssetCrm()) as work:
            work.desk.remember(known)
            work.desk.present({owner.owner_id: owner})
            await work.outcome(PLACE)
            assert len(work.crm.called("upsert_customer")) == calls


@virtual_time
async def test_an_owner_whom_nobody_named_or_whom_the_crm_keeps_not_is_not_told() -> None:
    for crm, owners in ((AssetCrm(), {}), (AssetCrm(customers=False), {OWNER.owner_id: OWNER})):
        async with working(crm) as work:
            work.desk.present(owners)
            assert isinstance(await work.outcome(PLACE), Created)
            assert crm.called("upsert_customer") == []


@virtual_time
async def test_where_the_owner_is_refused_nothing_is_placed_and_the_order_hears_why() -> None:
    async with working(AssetCrm()) as work:
        work.desk.present({OWNER.owner_id: OWNER})
        work.crm.plan("upsert_customer", Permanent(code="x", message="no such country"))
        work.give(FIRST)
        assert await work.reports() == [IntroductionFailed(attempt=FIRST.attempt, reason="no such country")]
        assert [name for name, _ in work.crm.calls] == ["upsert_customer"]
