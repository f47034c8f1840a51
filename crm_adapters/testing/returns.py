"""Returns: goods of an order that go back, announced once."""

from msgspec.structs import replace

from actors.model.ids import OrderKey
from actors.model.orders import RecordKind
from actors.model.outcomes import Created, Duplicate, Found, Permanent, RecordStatus
from crm_adapters.testing.bench import Bench, ContractBase
from crm_adapters.testing.samples import ORDER_KEY, OWNER, RETURN_KEY, THING, return_request


class ReturnContract(ContractBase):
    """What must hold for returns."""

    async def test_announcing_a_return_twice_makes_one_record(self) -> None:
        """The second answer names the record of the first."""
        async with self.bench() as bench:
            if not bench.adapter.capabilities.returns:
                await bench.refuses("returns", bench.adapter.request_return(return_request()))
                await bench.refuses(None, bench.adapter.find_by_key(RETURN_KEY, RecordKind.RETURN))
                return
            await _delivered(bench)
            first = await bench.adapter.request_return(return_request())
            second = await bench.adapter.request_return(return_request())
            assert isinstance(first, Created), first
            assert isinstance(second, Duplicate), second
            assert second.record.record_id == first.record.record_id
            assert second.record.fingerprint == return_request().fingerprint
            (record,) = await bench.admin.records(RETURN_KEY)
            assert (record.kind, record.owner, record.thing) == (RecordKind.RETURN, OWNER, THING)
            assert record.lines == {"INK-XL-BK": 1}

    async def test_a_return_is_found_and_can_be_cancelled(self) -> None:
        """As every other record of ours."""
        async with self.bench() as bench:
            if not bench.adapter.capabilities.returns:
                return
            await _delivered(bench)
            await bench.adapter.request_return(return_request())
            found = await bench.adapter.find_by_key(RETURN_KEY, RecordKind.RETURN)
            assert isinstance(found, Found), found
            assert found.record.status is not RecordStatus.CANCELLED
            gone = await bench.adapter.cancel(RETURN_KEY, RecordKind.RETURN, "kept after all")
            assert isinstance(gone, Found), gone
            assert gone.record.status is RecordStatus.CANCELLED

    async def test_goods_of_an_order_that_nobody_knows_do_not_go_back(self) -> None:
        """Nothing is written, and a person reads why."""
        async with self.bench() as bench:
            if bench.adapter.capabilities.returns:
                refused = await bench.adapter.request_return(return_request())
                assert isinstance(refused, Permanent), refused
                assert ORDER_KEY in refused.message
                assert await bench.admin.records() == []

    async def test_what_was_not_ordered_does_not_go_back(self) -> None:
        """Neither another article nor more than was ordered."""
        async with self.bench() as bench:
            if not bench.adapter.capabilities.returns:
                return
            await _delivered(bench)
            (line,) = return_request().lines
            for wrong in (replace(line, sku="FILTER-7"), replace(line, quantity=3)):
                refused = await bench.adapter.request_return(return_request(OrderKey(RETURN_KEY), lines=(wrong,)))
                assert isinstance(refused, Permanent), refused
            assert await bench.admin.records(RETURN_KEY) == []


async def _delivered(bench: Bench) -> None:
    placed = await bench.placed()
    await bench.admin.advance(placed.record.record_id, RecordStatus.FULFILLED)
