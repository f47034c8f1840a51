"""An order that stays confirmed is no end: when it is overdue a person is asked, and a late word still ends it."""

from datetime import timedelta
from typing import Any

import pytest
from buying import OFFER, Buying, service
from fake_crm import time_slot
from firm import INSTALLATION
from msgspec.structs import replace

from actors.dialogue import (
    Approve,
    BookTime,
    Cancel,
    CancelRecord,
    CloseNeed,
    DeadlinePassed,
    LookUp,
    PlaceRequest,
    RecordHeard,
    Reject,
)
from actors.model.orders import OrderState, RecordKind
from actors.model.outcomes import Capabilities, Created, Found, RecordStatus, Unsupported
from actors.purchasing.choosing import booking_key_of

S = OrderState
DAY_S = 86400.0
PROMISED = replace(OFFER, delivery_days=3.0)
TELLS: dict[str, Any] = {"connections": {"shop": Capabilities(cancel=True, changes=True)}}


def confirmed(**changed: Any) -> Buying:
    """Return an order whose delivery was promised within three days, at a CRM that tells what changes."""
    buying = Buying(**(TELLS | changed)).placing(PROMISED)
    buying.world.answer(PlaceRequest, buying.created())
    assert buying.state is S.CONFIRMED
    return buying


def overdue() -> Buying:
    buying = confirmed()
    buying.world.advance(10 * DAY_S)
    assert (buying.state, buying.data.code) == (S.DEAD_LETTER, "not_fulfilled")
    return buying


def test_what_was_promised_and_never_came_goes_to_a_person_with_a_reason_and_a_next_step() -> None:
    buying = confirmed()
    assert buying.data.expected_until == buying.world.now + timedelta(days=10)
    buying.world.advance(9.9 * DAY_S)
    assert buying.state is S.CONFIRMED
    buying.world.advance(0.2 * DAY_S)
    assert (buying.state, buying.data.code, buying.used()) == (S.DEAD_LETTER, "not_fulfilled", 2000)
    assert "promised within 3 days" in buying.data.sentence
    assert "ask the seller" in buying.data.next_step
    assert buying.thing_heard() is S.DEAD_LETTER


def test_without_a_promise_a_fortnight_is_counted_with_and_the_operator_says_how_much_later() -> None:
    buying = Buying(overdue_after_days=2.0, **TELLS).confirmed()
    buying.world.advance(15.9 * DAY_S)
    assert buying.state is S.CONFIRMED
    buying.world.advance(0.2 * DAY_S)
    assert (buying.state, buying.data.code) == (S.DEAD_LETTER, "not_fulfilled")


def test_who_approves_what_is_overdue_waits_as_long_again() -> None:
    buying = overdue()
    assert (buying.tell(Approve(by="Ada")), buying.state) == ("approved", S.CONFIRMED)
    buying.world.advance(9.9 * DAY_S)
    assert buying.state is S.CONFIRMED
    buying.world.advance(0.2 * DAY_S)
    assert buying.state is S.DEAD_LETTER


def test_who_rejects_what_is_overdue_writes_it_off_and_its_money_is_spent() -> None:
    buying = overdue()
    assert buying.tell(Reject(by="Ada", reason="lost")) == "rejected"
    assert (buying.state, buying.data.code, buying.used()) == (S.CANCELLED, "written_off", 2000)
    assert buying.thing_heard() is S.CANCELLED


def test_what_the_crm_does_not_cancel_is_awaited_again() -> None:
    buying = overdue()
    assert buying.tell(Cancel(by="Ada", reason="lost")) == "cancelling"
    buying.world.answer(CancelRecord, Unsupported(capability="cancel"))
    assert buying.state is S.CONFIRMED
    buying.world.advance(10.1 * DAY_S)
    assert (buying.state, buying.data.code) == (S.DEAD_LETTER, "not_fulfilled")


def test_a_late_word_of_the_thing_ends_it() -> None:
    buying = overdue()
    buying.tell(CloseNeed(reason="refilled: from 9 to 100"))
    assert (buying.state, buying.data.code, buying.used()) == (S.FULFILLED, "need_met", 2000)


def test_a_late_word_of_the_crm_ends_it() -> None:
    buying = overdue()
    buying.tell(RecordHeard(connection="shop", record=buying.record(status=RecordStatus.FULFILLED)))
    assert (buying.state, buying.data.code, buying.used()) == (S.FULFILLED, "fulfilled_in_crm", 2000)


def test_a_crm_that_does_not_tell_is_asked_on_while_a_person_is() -> None:
    buying = Buying().confirmed()
    while buying.state is S.CONFIRMED:
        buying.world.advance(3600.0)
        if any(isinstance(job.body, LookUp) for job in buying.world.jobs):
            buying.world.answer(LookUp, Found(record=buying.record()))
    buying.world.advance(3600.0)
    buying.world.answer(LookUp, Found(record=buying.record()))
    assert buying.data.code == "not_fulfilled"
    buying.world.advance(3600.0)
    buying.world.answer(LookUp, Found(record=buying.record(status=RecordStatus.FULFILLED)))
    assert buying.state is S.FULFILLED


def test_a_visit_is_awaited_until_it_should_have_been_wherever_it_was_moved() -> None:
    buying = service().booking()
    key = booking_key_of(INSTALLATION, buying.need.need, 0)
    fingerprint = buying.world.job(BookTime).body.booking.fingerprint
    booking = buying.record(key, kind=RecordKind.APPOINTMENT, fingerprint=fingerprint)
    buying.world.answer(BookTime, Created(record=booking))
    late = replace(time_slot(0), ends_at=time_slot(0).ends_at + timedelta(days=30))
    buying.tell(RecordHeard(connection="shop", record=replace(booking, scheduled=late)))
    buying.world.advance((late.ends_at - buying.world.now).total_seconds() + 6.9 * DAY_S)
    assert buying.state is S.CONFIRMED
    buying.world.advance(0.2 * DAY_S)
    assert (buying.state, buying.data.code) == (S.DEAD_LETTER, "not_fulfilled")


def test_an_order_that_an_older_hub_confirmed_learns_until_when_it_is_awaited() -> None:
    buying = confirmed()
    old = replace(buying.data, expected_until=None)
    buying.world.states[buying.address] = old
    buying.tell(RecordHeard(connection="shop", record=buying.record()))
    assert buying.data.expected_until == buying.world.now + timedelta(days=10)


@pytest.mark.parametrize("ended", [Cancel(by="Ada", reason="sold"), CloseNeed(reason="refilled")])
def test_nothing_is_overdue_that_has_ended(ended: Any) -> None:
    buying = confirmed()
    buying.tell(ended)
    buying.tell(DeadlinePassed(name="overdue"))
    assert buying.state in {S.CANCELLING, S.FULFILLED}
