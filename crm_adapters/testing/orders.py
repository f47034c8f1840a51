"""Orders: offered, placed once, found again, followed and cancelled."""

import asyncio

from actors.model.ids import OrderKey
from actors.model.offers import landed_cost
from actors.model.orders import RecordKind
from actors.model.outcomes import (
    Absent,
    Changes,
    Conflict,
    Created,
    CrmRecord,
    Duplicate,
    Found,
    Offers,
    PlaceOutcome,
    RecordStatus,
    Unsupported,
)
from crm_adapters.testing.bench import Bench, ContractBase
from crm_adapters.testing.samples import ORDER_KEY, OWNER, THING, offer_query

UNKNOWN_KEY = OrderKey("I2CTESTNOBODYKNOWSTHISKEY001")


class OrderContract(ContractBase):
    """What must hold for offers and orders while the CRM behaves."""

    async def test_placing_twice_makes_one_record(self) -> None:
        """The second answer names the record of the first."""
        async with self.bench() as bench:
            order = await bench.order()
            first = await bench.adapter.place_order(order)
            second = await bench.adapter.place_order(order)
            assert isinstance(first, Created), first
            assert isinstance(second, Duplicate), second
            assert second.record.record_id == first.record.record_id
            assert second.record.fingerprint == order.fingerprint
            assert len(await bench.admin.records(ORDER_KEY)) == 1

    async def test_placing_twice_at_once_makes_one_record(self) -> None:
        """Two requests that race end in one record, whoever wins."""
        async with self.bench() as bench:
            order = await bench.order()
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(bench.adapter.place_order(order)) for _ in range(4)]
            outcomes: list[PlaceOutcome] = [task.result() for task in tasks]
            assert sum(isinstance(outcome, Created) for outcome in outcomes) == 1, outcomes
            assert all(isinstance(outcome, Created | Duplicate | Conflict) for outcome in outcomes), outcomes
            assert len(await bench.admin.records(ORDER_KEY)) == 1

    async def test_the_record_says_what_was_ordered(self) -> None:
        """Key, fingerprint, owner, thing, lines and total arrive in the CRM's own tables."""
        async with self.bench() as bench:
            order = await bench.order()
            outcome = await bench.adapter.place_order(order)
            assert isinstance(outcome, Created), outcome
            (record,) = await bench.admin.records(ORDER_KEY)
            assert (record.record_id, record.kind) == (outcome.record.record_id, RecordKind.ORDER)
            assert (record.owner, record.thing, record.fingerprint) == (OWNER, THING, order.fingerprint)
            assert record.lines == {"INK-XL-BK": 2}
            assert (record.total_minor, record.currency) == (order.total.minor, "EUR")
            assert outcome.record.total in {None, order.total}

    async def test_another_need_under_the_same_key_changes_nothing(self) -> None:
        """The answer carries the first one's fingerprint, so that the core sees the conflict."""
        async with self.bench() as bench:
            first = await bench.order()
            await bench.adapter.place_order(first)
            outcome = await bench.adapter.place_order(await bench.order(fingerprint="0000000000000bad"))
            assert isinstance(outcome, Duplicate), outcome
            assert outcome.record.fingerprint == first.fingerprint
            (record,) = await bench.admin.records(ORDER_KEY)
            assert record.fingerprint == first.fingerprint

    async def test_a_placed_order_is_found_by_its_key(self) -> None:
        """The look-up returns the same record."""
        async with self.bench() as bench:
            placed = await bench.placed()
            found = await bench.adapter.find_by_key(ORDER_KEY, RecordKind.ORDER)
            assert isinstance(found, Found), found
            assert (found.record.record_id, found.record.key) == (placed.record.record_id, ORDER_KEY)

    async def test_an_unknown_key_is_absent(self) -> None:
        """Not found is an answer, not an error."""
        async with self.bench() as bench:
            assert await bench.adapter.find_by_key(UNKNOWN_KEY, RecordKind.ORDER) == Absent()

    async def test_offers_add_up_and_an_order_totals_what_was_offered(self) -> None:
        """Landed = goods - discounts + shipping + tax, and the CRM charges exactly that."""
        async with self.bench() as bench:
            offer = await bench.offer()
            assert (offer.sku, offer.quantity, offer.connection) == ("INK-XL-BK", 2, "crm")
            assert offer.landed == landed_cost(offer.goods, offer.discounts, offer.shipping, offer.tax)
            await bench.placed()
            (record,) = await bench.admin.records(ORDER_KEY)
            assert record.total_minor == offer.landed.minor

    async def test_an_article_nobody_sells_has_no_offers(self) -> None:
        """Known articles of the same query are offered nevertheless."""
        async with self.bench() as bench:
            assert await bench.adapter.find_offers(offer_query("NO-SUCH-SKU")) == Offers(offers=())
            both = await bench.adapter.find_offers(offer_query("NO-SUCH-SKU", "FILTER-7"))
            assert isinstance(both, Offers), both
            assert {offer.sku for offer in both.offers} == {"FILTER-7"}

    async def test_what_people_do_in_the_crm_is_seen(self) -> None:
        """Each status is mapped."""
        async with self.bench() as bench:
            placed = await bench.placed()
            for status in (RecordStatus.CONFIRMED, RecordStatus.FULFILLED):
                await bench.admin.advance(placed.record.record_id, status)
                assert (await _found(bench)).status is status

    async def test_cancelling_is_done_once_and_seen(self) -> None:
        """A second cancel finds it cancelled."""
        async with self.bench() as bench:
            await bench.placed()
            if not bench.adapter.capabilities.cancel:
                refused = await bench.adapter.cancel(ORDER_KEY, RecordKind.ORDER, "no longer needed")
                assert isinstance(refused, Unsupported), refused
                return
            for _ in range(2):
                outcome = await bench.adapter.cancel(ORDER_KEY, RecordKind.ORDER, "no longer needed")
                assert isinstance(outcome, Found), outcome
                assert outcome.record.status is RecordStatus.CANCELLED
            (record,) = await bench.admin.records(ORDER_KEY)
            assert record.status is RecordStatus.CANCELLED

    async def test_changes_are_told_after_a_cursor(self) -> None:
        """A change after the cursor comes with the next call."""
        async with self.bench() as bench:
            placed = await bench.placed()
            first = await bench.adapter.changes_since("")
            if not bench.adapter.capabilities.changes:
                assert isinstance(first, Unsupported), first
                return
            assert isinstance(first, Changes), first
            assert ORDER_KEY in {record.key for record in first.records}
            await bench.admin.advance(placed.record.record_id, RecordStatus.CONFIRMED)
            second = await bench.adapter.changes_since(first.cursor)
            assert isinstance(second, Changes), second
            assert RecordStatus.CONFIRMED in {record.status for record in second.records if record.key == ORDER_KEY}


async def _found(bench: Bench) -> CrmRecord:
    found = await bench.adapter.find_by_key(ORDER_KEY, RecordKind.ORDER)
    assert isinstance(found, Found), found
    return found.record
