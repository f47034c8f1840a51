"""Visits: moved, freed when they are cancelled, and cancelled with the work they were for."""

from actors.model.ids import OrderKey
from actors.model.orders import AppointmentMove, RecordKind, TimeSlot
from actors.model.outcomes import Absent, Conflict, Created, Found, Permanent, RecordStatus, TimeSlots
from crm_adapters.testing.bench import Bench, ContractBase
from crm_adapters.testing.samples import BOOKING_KEY, SERVICE_KEY, THING, appointment_query, booking, service_request

OTHER_KEY = OrderKey("I2CTESTBOOKING00000000000002")


class VisitContract(ContractBase):
    """What must hold for appointments after they are booked."""

    async def test_a_visit_is_for_the_thing(self) -> None:
        """The technician reads in the CRM which thing it is."""
        async with self.bench() as bench:
            if bench.adapter.capabilities.appointments:
                await _booked(bench)
                (record,) = await bench.admin.records(BOOKING_KEY)
                assert record.thing == THING

    async def test_a_visit_is_moved_and_its_old_time_is_free_again(self) -> None:
        """Moving twice to the same time is moving once."""
        async with self.bench() as bench:
            if not bench.adapter.capabilities.moves:
                await bench.refuses("moves", bench.adapter.move_appointment(_move(_SOME_SLOT)))
                return
            old = await _booked(bench)
            new = (await _free(bench))[-1]
            for _ in range(2):
                moved = await bench.adapter.move_appointment(_move(new))
                assert isinstance(moved, Found), moved
                assert moved.record.scheduled is not None
                assert moved.record.scheduled.starts_at == new.starts_at
            free = {(slot.starts_at, slot.reference) for slot in await _free(bench)}
            assert (old.starts_at, old.reference) in free
            assert (new.starts_at, new.reference) not in free

    async def test_a_visit_is_not_moved_to_a_time_that_is_taken(self) -> None:
        """The visit stays where it was."""
        async with self.bench() as bench:
            if bench.adapter.capabilities.moves:
                old = await _booked(bench)
                taken = await _booked(bench, OTHER_KEY)
                refused = await bench.adapter.move_appointment(_move(taken))
                assert isinstance(refused, Permanent | Conflict), refused
                (record,) = await bench.admin.records(BOOKING_KEY)
                assert record.scheduled_start == old.starts_at

    async def test_a_visit_that_does_not_exist_is_not_moved(self) -> None:
        """Nothing is made by moving."""
        async with self.bench() as bench:
            if bench.adapter.capabilities.moves:
                await _booked(bench, OTHER_KEY)
                moved = await bench.adapter.move_appointment(_move((await _free(bench))[0]))
                assert moved == Absent()

    async def test_a_cancelled_visit_frees_its_time(self) -> None:
        """Somebody else can have the technician."""
        async with self.bench() as bench:
            if not (bench.adapter.capabilities.appointments and bench.adapter.capabilities.cancel):
                return
            old = await _booked(bench)
            gone = await bench.adapter.cancel(BOOKING_KEY, RecordKind.APPOINTMENT, "mended by itself")
            assert isinstance(gone, Found), gone
            assert gone.record.status is RecordStatus.CANCELLED
            assert old.starts_at in {slot.starts_at for slot in await _free(bench)}

    async def test_cancelling_the_work_cancels_its_visit(self) -> None:
        """No technician drives to a thing that needs nothing."""
        async with self.bench() as bench:
            if not (bench.adapter.capabilities.appointments and bench.adapter.capabilities.cancel):
                return
            await _booked(bench)
            gone = await bench.adapter.cancel(SERVICE_KEY, RecordKind.SERVICE, "mended by itself")
            assert isinstance(gone, Found), gone
            assert gone.record.status is RecordStatus.CANCELLED
            visit = await bench.adapter.find_by_key(BOOKING_KEY, RecordKind.APPOINTMENT)
            assert isinstance(visit, Found), visit
            assert visit.record.status is RecordStatus.CANCELLED


async def _booked(bench: Bench, key: OrderKey = BOOKING_KEY) -> TimeSlot:
    slot = (await _free(bench))[0]
    outcome = await bench.adapter.book_appointment(booking(await _work(bench), slot, key=key))
    assert isinstance(outcome, Created), outcome
    return slot


async def _work(bench: Bench) -> str:
    outcome = await bench.adapter.request_service(service_request())
    assert not isinstance(outcome, Permanent), outcome
    found = await bench.adapter.find_by_key(SERVICE_KEY, RecordKind.SERVICE)
    assert isinstance(found, Found), found
    return found.record.record_id


async def _free(bench: Bench) -> tuple[TimeSlot, ...]:
    times = await bench.adapter.search_appointments(appointment_query(await _work(bench)))
    assert isinstance(times, TimeSlots), times
    assert times.slots, "the sandbox of a contract test has technicians"
    return times.slots


def _move(slot: TimeSlot) -> AppointmentMove:
    return AppointmentMove(key=BOOKING_KEY, slot=slot)


_SOME_SLOT = TimeSlot(
    starts_at=service_request().requested_at, ends_at=service_request().requested_at, resource="", reference=""
)
