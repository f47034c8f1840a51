"""A service request gets its visit: one search, one turn, one booking at a time, and a lost answer is proven."""

from typing import Any

import pytest
from buying import OWNER_ADDRESS, PRINTER, Buying, service
from fake_crm import time_slot
from firm import INSTALLATION

from actors.dialogue import (
    Approve,
    BookReported,
    BookTime,
    Cancel,
    CloseNeed,
    DeadlinePassed,
    LookUp,
    MandateChanged,
    PlaceRequest,
    SearchTimes,
    SwitchOff,
    SwitchOn,
    TakeTurn,
    TimesReported,
)
from actors.model.orders import OrderState, RecordKind
from actors.model.outcomes import (
    Absent,
    Ambiguous,
    Capabilities,
    Created,
    CrmRecord,
    Duplicate,
    Found,
    Permanent,
    TimeSlots,
    Transient,
    Unsupported,
)
from actors.purchasing.choosing import booking_key_of

S = OrderState
TAKEN = Permanent(code="taken", message="somebody else took that time")
TIMES = TimeSlots(slots=(time_slot(0), time_slot(1)))


def booked(buying: Buying, lost: int = 0, **changes: Any) -> CrmRecord:
    key = booking_key_of(INSTALLATION, buying.need.need, lost)
    (job,) = [job.body for job in buying.world.jobs if isinstance(job.body, BookTime)] or [None]
    mark = job.booking.fingerprint if job else None
    return buying.record(key, **({"kind": RecordKind.APPOINTMENT, "fingerprint": mark} | changes))


def test_a_call_for_help_ends_confirmed_with_a_visit() -> None:
    buying = service().booking()
    buying.world.answer(BookTime, Created(record=booked(buying)))
    assert (buying.state, buying.data.slot, buying.used()) == (S.CONFIRMED, time_slot(0), 0)


def test_without_appointments_the_case_is_enough() -> None:
    assert service(connections={"shop": Capabilities(appointments=False)}).placed().state is S.CONFIRMED


def test_nobody_who_takes_service_requests_is_told_as_the_reason() -> None:
    buying = service(connections={"shop": Capabilities(service=False)}).raised()
    assert (buying.state, buying.data.waiting and buying.data.waiting.reason) == (
        S.DRAFTED,
        "no connected CRM takes service requests",
    )


@pytest.mark.parametrize("found", [True, False])
def test_a_lost_booking_is_looked_up_and_never_booked_blindly(found: bool) -> None:
    buying = service().booking()
    record = booked(buying)
    buying.world.answer(BookTime, Ambiguous(reason="reset"))
    assert buying.writes() == 0
    buying.world.answer(LookUp, Found(record=record) if found else Absent())
    if not found:
        buying.world.answer(TakeTurn)
        assert booked(buying).key == record.key
        buying.world.answer(BookTime, Created(record=record))
    assert (buying.state, buying.data.booking) == (S.CONFIRMED, record)


def test_a_time_that_another_took_leads_to_the_next_one_under_another_key() -> None:
    buying = service().booking()
    first = booked(buying).key
    buying.world.answer(BookTime, TAKEN)
    buying.world.answer(SearchTimes, TimeSlots(slots=(time_slot(1),)))
    buying.world.answer(TakeTurn)
    record = booked(buying, lost=1)
    buying.world.answer(BookTime, Created(record=record))
    assert (buying.state, buying.data.slot, record.key != first) == (S.CONFIRMED, time_slot(1), True)


def test_after_three_lost_times_a_person_looks_and_may_let_it_go_on() -> None:
    buying = service().booking()
    for _round in range(2):
        buying.world.answer(BookTime, TAKEN)
        buying.world.answer(SearchTimes, TIMES)
        buying.world.answer(TakeTurn)
    buying.world.answer(BookTime, TAKEN)
    assert (buying.state, buying.data.code) == (S.DEAD_LETTER, "no_visit")
    assert buying.tell(Approve(by="Ada")) == "approved"
    assert (buying.state, buying.writes(), len(buying.world.jobs)) == (S.PLACED, 0, 1)


@pytest.mark.parametrize("outcome", [TimeSlots(slots=()), Permanent(code="x", message="closed")])
def test_without_a_free_time_it_searches_again_later(outcome: Any) -> None:
    buying = service().placed()
    buying.world.answer(SearchTimes, outcome)
    assert buying.data.waiting is not None
    buying.world.advance(1801)
    assert buying.world.job(SearchTimes)


def test_deadlines_and_changes_start_no_second_search_or_booking_beside_the_first() -> None:
    buying = service().booking()
    before = buying.data
    for message in (
        DeadlinePassed(name="times"),
        MandateChanged(reason="granted"),
        TimesReported(outcome=TIMES),
        BookReported(attempt=1, outcome=TAKEN),
    ):
        buying.tell(message)
    assert (buying.data, buying.writes(), len(buying.world.jobs)) == (before, 1, 1)


def test_no_booking_leaves_while_the_thing_is_off() -> None:
    buying = service().placed()
    buying.world.answer(SearchTimes, TIMES)
    buying.world.send(OWNER_ADDRESS, SwitchOff(thing_id=PRINTER, by="Ada"))
    buying.world.answer(TakeTurn)
    assert (buying.state, buying.writes()) == (S.PLACED, 0)
    buying.world.send(OWNER_ADDRESS, SwitchOn(thing_id=PRINTER, by="Ada"))
    buying.world.answer(SearchTimes, TIMES)
    buying.world.answer(TakeTurn)
    assert buying.writes() == 1


def test_a_booking_that_surely_failed_waits_for_another_turn() -> None:
    buying = service().booking()
    buying.world.answer(BookTime, Transient(reason="refused"))
    buying.world.answer(TakeTurn)
    buying.world.answer(BookTime, Created(record=booked(buying)))
    assert (buying.state, buying.data.attempt) == (S.CONFIRMED, 3)


def test_a_booking_with_another_fingerprint_is_not_ours() -> None:
    buying = service().booking()
    buying.world.answer(BookTime, Duplicate(record=booked(buying, fingerprint="stranger")))
    assert (buying.state, buying.data.code) == (S.DEAD_LETTER, "foreign_booking")


def test_a_crm_that_books_nobody_after_all_still_has_the_case() -> None:
    buying = service().booking()
    buying.world.answer(BookTime, Unsupported(capability="appointments"))
    assert buying.state is S.CONFIRMED


def test_a_visit_on_its_way_is_waited_for_before_cancelling() -> None:
    buying = service().booking()
    assert "try again" in buying.tell(Cancel(by="Ada", reason="fixed"))
    buying.world.answer(BookTime, Created(record=booked(buying)))
    assert buying.tell(Cancel(by="Ada", reason="fixed")) == "cancelling"
    assert not [job for job in buying.world.jobs if isinstance(job.body, PlaceRequest)]


def test_a_need_that_ends_while_its_visit_is_being_booked_waits_for_the_booking() -> None:
    buying = service().booking()
    buying.tell(CloseNeed(reason="repaired by hand"))
    assert buying.state is S.PLACED
    visit = booked(buying)
    buying.world.answer(BookTime, Created(record=visit))
    assert (buying.state, buying.data.booking) == (S.FULFILLED, visit)
