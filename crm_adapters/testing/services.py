"""Service requests and appointments."""

from actors.model.orders import AppointmentQuery, RecordKind
from actors.model.outcomes import Created, Duplicate, Found, TimeSlots, Unsupported
from actors.ports import CrmAdapter
from crm_adapters.sandboxing import FaultAction
from crm_adapters.testing.bench import ContractBase
from crm_adapters.testing.samples import (
    BOOKING_KEY,
    OWNER,
    SERVICE_KEY,
    THING,
    appointment_query,
    booking,
    service_request,
)


class ServiceContract(ContractBase):
    """What must hold for calls for help."""

    async def test_asking_twice_for_service_makes_one_record(self) -> None:
        """The second answer names the record of the first."""
        async with self.bench() as bench:
            request = service_request()
            first = await bench.adapter.request_service(request)
            second = await bench.adapter.request_service(request)
            assert isinstance(first, Created), first
            assert isinstance(second, Duplicate), second
            assert (second.record.record_id, second.record.fingerprint) == (first.record.record_id, request.fingerprint)
            (record,) = await bench.admin.records(SERVICE_KEY)
            assert (record.kind, record.owner, record.thing) == (RecordKind.SERVICE, OWNER, THING)

    async def test_a_service_request_whose_answer_got_lost_is_found(self) -> None:
        """As with orders."""
        async with self.bench() as bench:
            await bench.fail_writes(FaultAction.DROP_AFTER)
            await bench.adapter.request_service(service_request())
            await bench.admin.plan()
            assert isinstance(await bench.adapter.find_by_key(SERVICE_KEY, RecordKind.SERVICE), Found)

    async def test_a_free_time_is_booked_once(self) -> None:
        """Searching offers times within the span, and booking one twice makes one appointment."""
        async with self.bench() as bench:
            request = await bench.adapter.request_service(service_request())
            assert isinstance(request, Created), request
            query = appointment_query(request.record.record_id)
            if not bench.adapter.capabilities.appointments:
                await _refuses_appointments(bench.adapter, query)
                return
            times = await bench.adapter.search_appointments(query)
            assert isinstance(times, TimeSlots), times
            assert all(query.not_before <= slot.starts_at < slot.ends_at <= query.not_after for slot in times.slots)
            wanted = booking(request.record.record_id, times.slots[0])
            assert isinstance(await bench.adapter.book_appointment(wanted), Created)
            assert isinstance(await bench.adapter.book_appointment(wanted), Duplicate)
            (record,) = await bench.admin.records(BOOKING_KEY)
            assert (record.kind, record.scheduled_start) == (RecordKind.APPOINTMENT, times.slots[0].starts_at)

    async def test_a_booked_time_is_free_no_more(self) -> None:
        """Two machines do not get the same technician at the same time."""
        async with self.bench() as bench:
            if not bench.adapter.capabilities.appointments:
                return
            request = await bench.adapter.request_service(service_request())
            assert isinstance(request, Created), request
            query = appointment_query(request.record.record_id)
            before = await bench.adapter.search_appointments(query)
            assert isinstance(before, TimeSlots), before
            await bench.adapter.book_appointment(booking(request.record.record_id, before.slots[0]))
            after = await bench.adapter.search_appointments(query)
            assert isinstance(after, TimeSlots), after
            taken = before.slots[0]
            assert not any((slot.starts_at, slot.resource) == (taken.starts_at, taken.resource) for slot in after.slots)


async def _refuses_appointments(adapter: CrmAdapter, query: AppointmentQuery) -> None:
    refused = await adapter.search_appointments(query)
    assert isinstance(refused, Unsupported), refused
