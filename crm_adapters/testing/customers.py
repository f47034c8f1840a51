"""Customers and their things: made once, and brought up to date."""

from actors.model.outcomes import Created, Upserted
from crm_adapters.testing.bench import ContractBase
from crm_adapters.testing.samples import NEWCOMER, SERVICE_KEY, THING, customer, customer_thing, service_request


class CustomerContract(ContractBase):
    """What must hold for customers and things."""

    async def test_a_customer_is_made_once_and_brought_up_to_date(self) -> None:
        """Telling again, with another name, changes the same customer."""
        async with self.bench() as bench:
            if not bench.adapter.capabilities.customers:
                await bench.refuses("customers", bench.adapter.upsert_customer(customer()))
                return
            first = await bench.adapter.upsert_customer(customer(name="Acme"))
            second = await bench.adapter.upsert_customer(customer(name="Acme GmbH"))
            assert isinstance(first, Upserted), first
            assert isinstance(second, Upserted), second
            assert (first.created, second.created) == (True, False)
            assert second.record_id == first.record_id

    async def test_a_thing_is_made_once_and_belongs_to_its_owner(self) -> None:
        """The owner becomes a customer with it."""
        async with self.bench() as bench:
            if not bench.adapter.capabilities.customers:
                await bench.refuses("customers", bench.adapter.upsert_thing(customer_thing()))
                return
            first = await bench.adapter.upsert_thing(customer_thing(name="Printer 7"))
            second = await bench.adapter.upsert_thing(customer_thing(name="Printer in room 7"))
            assert isinstance(first, Upserted), first
            assert isinstance(second, Upserted), second
            assert (first.created, second.created, second.record_id) == (True, False, first.record_id)

    async def test_a_service_request_is_for_the_thing_that_was_made_known(self) -> None:
        """A thing told by itself and one introduced by its first request are the same record."""
        async with self.bench() as bench:
            if not bench.adapter.capabilities.customers:
                return
            told = await bench.adapter.upsert_thing(customer_thing(owner=NEWCOMER))
            assert isinstance(told, Upserted), told
            asked = await bench.adapter.request_service(service_request(owner=NEWCOMER))
            assert isinstance(asked, Created), asked
            (record,) = await bench.admin.records(SERVICE_KEY)
            assert (record.owner, record.thing) == (NEWCOMER, THING)
            again = await bench.adapter.upsert_thing(customer_thing(owner=NEWCOMER))
            assert again == Upserted(record_id=told.record_id, created=False)
