"""A connection's actor reads what changed in its CRM, and each record reaches the order that it belongs to."""

from datetime import timedelta
from typing import Any

import pytest
from buying import Buying, service
from fake_crm import time_slot
from msgspec.structs import replace

from actors.dialogue import (
    Approve,
    BookTime,
    CancelRecord,
    ConnectionWoke,
    LookUp,
    OpenConnection,
    PlaceRequest,
    ReadChanges,
    RecordHeard,
    RecordsHeard,
    SearchTimes,
    connection_address,
)
from actors.model.ids import OrderKey
from actors.model.orders import OrderState, RecordKind
from actors.model.outcomes import Capabilities, Changes, Created, Found, Permanent, RecordStatus
from actors.purchasing.events import VisitStep

TELLS = {"shop": Capabilities(appointments=True, cancel=True, changes=True)}
SHOP = connection_address("shop")


def opened(buying: Buying) -> Buying:
    buying.world.send(SHOP, OpenConnection(connection="shop"))
    buying.world.advance(0)
    return buying


def told(buying: Buying, *records: Any, cursor: str = "c1") -> Buying:
    """Let the CRM tell these changes, and have the next question asked."""
    buying.world.answer(ReadChanges, Changes(records=records, cursor=cursor))
    buying.world.advance(0)
    return buying


def booked() -> Buying:
    buying = opened(service(connections=TELLS).booking())
    slot = time_slot(0)
    booking = buying.world.job(BookTime).body.booking
    record = buying.record(
        booking.key, record_id="AP-1", kind=RecordKind.APPOINTMENT, fingerprint=booking.fingerprint, scheduled=slot
    )
    buying.world.answer(BookTime, Created(record=record))
    return buying


def test_a_person_who_confirms_in_the_crm_confirms_the_order() -> None:
    buying = opened(Buying(connections=TELLS).placed())
    told(buying, buying.record())
    assert (buying.state, buying.thing_heard()) == (OrderState.CONFIRMED, OrderState.CONFIRMED)


@pytest.mark.parametrize(
    ("status", "state", "used"),
    [(RecordStatus.CANCELLED, OrderState.CANCELLED, 0), (RecordStatus.FULFILLED, OrderState.FULFILLED, 2000)],
)
def test_what_people_make_of_a_confirmed_record_ends_the_order(
    status: RecordStatus, state: OrderState, used: int
) -> None:
    buying = opened(Buying(connections=TELLS).confirmed())
    told(buying, buying.record(status=status, status_text="as the seller says"))
    assert (buying.state, buying.thing_heard(), buying.used()) == (state, state, used)
    assert "as the seller says" in buying.data.sentence


def test_a_higher_price_goes_to_a_person_and_is_spent_once_they_agreed() -> None:
    buying = opened(Buying(connections=TELLS).placing())
    total = buying.data.request.total
    buying.world.answer(PlaceRequest, buying.created(total=total))
    dearer = buying.record(total=total + total)
    told(buying, dearer)
    assert (buying.state, buying.data.code) == (OrderState.DEAD_LETTER, "dearer_in_crm")
    assert buying.tell(Approve(by="Ada")) == "approved"
    assert buying.state is OrderState.CONFIRMED
    told(buying, buying.record(total=total + total, status=RecordStatus.FULFILLED), cursor="c2")
    assert (buying.state, buying.used()) == (OrderState.FULFILLED, 4000)


def test_a_lower_price_is_noted_and_changes_nothing_else() -> None:
    buying = opened(Buying(connections=TELLS).placing())
    total = buying.data.request.total
    buying.world.answer(PlaceRequest, buying.created(total=total))
    told(buying, buying.record(total=total - total))
    assert (buying.state, buying.data.record.total.minor) == (OrderState.CONFIRMED, 0)
    assert "the total was changed in the CRM" in buying.world.notes[-1].sentence


def test_a_moved_visit_is_the_orders_new_time_and_its_thing_hears_of_it() -> None:
    buying = booked()
    later = time_slot(3)
    told(buying, replace(buying.data.booking, scheduled=later))
    assert (buying.state, buying.data.slot, buying.data.code) == (OrderState.CONFIRMED, later, "visit_moved")


def test_a_cancelled_visit_is_booked_anew_under_another_key() -> None:
    buying = booked()
    lost = buying.data.booking
    told(buying, replace(lost, status=RecordStatus.CANCELLED))
    assert (buying.state, buying.data.visit, buying.data.booking) == (OrderState.PLACED, VisitStep.SEARCHING, None)
    assert buying.world.job(SearchTimes)
    assert lost.key not in buying.world.state(SHOP).visits


@pytest.mark.parametrize(
    "changes", [{"fingerprint": "another"}, {"fingerprint": None, "record_id": "OR-9"}, {"kind": RecordKind.RETURN}]
)
def test_a_record_that_is_not_the_orders_changes_nothing(changes: dict[str, Any]) -> None:
    buying = opened(Buying(connections=TELLS).confirmed())
    told(buying, buying.record(**({"status": RecordStatus.CANCELLED} | changes)))
    assert buying.state is OrderState.CONFIRMED


def test_the_word_of_another_connection_changes_nothing() -> None:
    buying = Buying(connections=TELLS).confirmed()
    buying.tell(RecordHeard(connection="outlet", record=buying.record(status=RecordStatus.CANCELLED)))
    assert buying.state is OrderState.CONFIRMED


def test_what_is_heard_while_an_answer_is_awaited_is_looked_at_afterwards() -> None:
    buying = opened(Buying(connections=TELLS).placing())
    told(buying, buying.record(status=RecordStatus.CANCELLED))
    assert buying.state is OrderState.PLACING
    buying.world.answer(PlaceRequest, buying.created(status=RecordStatus.OPEN))
    buying.world.advance(900)
    buying.world.answer(LookUp, Found(record=buying.record(status=RecordStatus.CANCELLED)))
    assert buying.state is OrderState.CANCELLED


def test_a_webhook_is_told_as_a_change_is() -> None:
    buying = Buying(connections=TELLS).placed()
    buying.world.send(SHOP, RecordsHeard(connection="shop", records=(buying.record(),)))
    assert buying.state is OrderState.CONFIRMED


def test_a_confirmed_order_is_looked_up_where_the_crm_does_not_tell_changes() -> None:
    buying = Buying().confirmed()
    buying.world.advance(3600)
    buying.world.answer(LookUp, Found(record=buying.record(status=RecordStatus.FULFILLED)))
    assert buying.state is OrderState.FULFILLED


def test_it_is_not_looked_up_where_the_crm_tells_them() -> None:
    buying = Buying(connections=TELLS).confirmed()
    assert (buying.address, "status") not in buying.world.reminders


def test_changes_are_asked_for_again_after_the_set_time_and_from_where_they_were_left() -> None:
    buying = opened(Buying(connections=TELLS))
    buying.world.answer(ReadChanges, Changes(records=(), cursor="c1"))
    buying.world.advance(59)
    assert not buying.world.jobs
    buying.world.advance(1)
    assert buying.world.job(ReadChanges).body.cursor == "c1"


def test_a_cursor_that_brought_nothing_is_kept_once_an_hour() -> None:
    buying = opened(Buying(connections=TELLS))
    for number in range(70):
        buying.world.answer(ReadChanges, Changes(records=(), cursor=f"c{number}"))
        buying.world.advance(60)
    state = buying.world.state(SHOP)
    assert state.cursor == "c60"
    assert buying.world.now - state.followed_at < timedelta(hours=1)


def test_more_pages_are_asked_for_at_once() -> None:
    buying = opened(Buying(connections=TELLS).placed())
    told(buying, buying.record(status=RecordStatus.OPEN))
    assert buying.world.job(ReadChanges).body.cursor == "c1"


def test_a_cursor_that_the_crm_refuses_is_dropped_and_everything_is_read_anew() -> None:
    buying = told(opened(Buying(connections=TELLS).placed()), cursor="c1")
    told(opened(buying), buying.record(status=RecordStatus.OPEN), cursor="c2")
    buying.world.answer(ReadChanges, Permanent(code="bad_cursor", message="too old"))
    assert (buying.world.state(SHOP).cursor, buying.world.state(SHOP).trouble) == ("", "too old")


def test_a_connection_that_tells_no_changes_is_not_asked() -> None:
    buying = Buying()
    buying.world.send(SHOP, OpenConnection(connection="shop"))
    buying.world.send(SHOP, ConnectionWoke(connection="shop", name="changes"))
    buying.world.advance(100_000)
    assert not buying.world.jobs


def test_a_record_under_a_key_that_nobody_knows_is_told_to_nobody_that_acts() -> None:
    buying = opened(Buying(connections=TELLS).confirmed())
    told(buying, buying.record(OrderKey("I2CNOBODY"), status=RecordStatus.CANCELLED))
    assert buying.state is OrderState.CONFIRMED
    assert not [job for job in buying.world.jobs if isinstance(job.body, CancelRecord)]
