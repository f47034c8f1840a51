"""How orders end: by people, by the need, by deadlines; in every state, with the money and the name set free."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from buying import SHOP, Buying
from firm import eur, granted
from msgspec.structs import replace

from actors.dialogue import (
    Approve,
    Cancel,
    CancelRecord,
    ClearanceAnswered,
    CloseNeed,
    DeskWaits,
    FindOffers,
    LookUp,
    PlaceRequest,
    TakeTurn,
)
from actors.model.mandates import Verdict
from actors.model.orders import TERMINAL, OrderState
from actors.model.outcomes import Absent, Ambiguous, Duplicate, Found, Offers, Permanent, RecordStatus, Unsupported
from actors.purchasing.view import OrderView

S = OrderState
CANCEL = Cancel(by="Ada", reason="sold")
MET = CloseNeed(reason="refilled: from 9 to 100")
_HALF_YEAR_S = 180 * 86400.0


def blocked() -> Buying:
    return Buying(mandate=granted(budget=eur(1))).approved()


def awaiting() -> Buying:
    return Buying(mandate=granted(approval_above=eur(1))).approved()


def in_doubt() -> Buying:
    buying = Buying().placing()
    buying.world.answer(PlaceRequest, Ambiguous(reason="reset"))
    return buying


def dead() -> Buying:
    buying = in_doubt()
    buying.world.answer(LookUp, Permanent(code="403", message="not yours"))
    return buying


def test_what_the_crm_refuses_to_finish_goes_to_a_person_and_on_under_the_same_key() -> None:
    buying = Buying().placing()
    buying.world.answer(PlaceRequest, Permanent(code="417", message="no cost centre", leaves_record=True))
    assert (buying.state, buying.data.code, buying.used()) == (S.DEAD_LETTER, "crm_417", 2000)
    assert buying.data.next_step
    buying.tell(Approve(by="Ada"))
    buying.world.answer(TakeTurn)
    assert buying.world.job(PlaceRequest).body.request.key == buying.key


def test_a_reason_code_is_one_word_whatever_the_crm_says() -> None:
    buying = Buying().placing()
    buying.world.answer(PlaceRequest, Permanent(code="Operation Failed", message="no cost centre"))
    assert buying.data.code == "crm_Operation_Failed"


def begun_in_the_crm() -> Buying:
    buying = Buying().placing()
    buying.world.answer(PlaceRequest, Ambiguous(reason="reset"))
    buying.world.answer(LookUp, Absent(unfinished=True))
    return buying


@pytest.mark.parametrize(
    "over", [lambda buying: buying.tell(MET), lambda buying: buying.world.advance(_HALF_YEAR_S)], ids=["met", "expired"]
)
def test_what_the_crm_holds_unfinished_is_never_given_up_without_a_person(over: Callable[[Buying], Any]) -> None:
    buying = begun_in_the_crm()
    over(buying)
    assert (buying.state, buying.data.code) == (S.DEAD_LETTER, "left_unfinished")
    assert "unfinished" in buying.data.sentence


def test_who_cancels_what_the_crm_holds_unfinished_is_told_first_and_obeyed_then() -> None:
    buying = begun_in_the_crm()
    assert "unfinished" in buying.tell(CANCEL)
    assert buying.state is S.DEAD_LETTER
    assert (buying.tell(CANCEL), buying.state, buying.used()) == ("cancelled", S.CANCELLED, 0)


def test_an_order_whose_last_answer_was_lost_expires_to_a_person() -> None:
    buying = Buying().placing()
    buying.world.answer(PlaceRequest, Ambiguous(reason="reset"))
    buying.world.answer(LookUp, Absent())
    buying.world.advance(_HALF_YEAR_S)
    assert (buying.state, buying.data.code) == (S.DEAD_LETTER, "no_word")


def test_an_order_that_is_absent_time_and_again_is_placed_again_later_each_time() -> None:
    buying, waits = Buying().placing(), []
    for _ in range(3):
        buying.world.answer(PlaceRequest, Ambiguous(reason="500"))
        buying.world.answer(LookUp, Absent())
        waits.append(buying.world.job(TakeTurn).body.after_s)
        buying.world.answer(TakeTurn)
    assert waits[0] < waits[1] < waits[2]


def cancelling() -> Buying:
    buying = Buying().confirmed()
    buying.tell(CANCEL)
    return buying


BEFORE: dict[str, Callable[[], Buying]] = {
    "drafted": lambda: Buying().raised(),
    "approved": lambda: Buying().approved(),
    "awaiting_approval": awaiting,
    "blocked": blocked,
}
AFTER: dict[str, Callable[[], Buying]] = {
    "placing": lambda: Buying().placing(),
    "reconciling": in_doubt,
    "placed": lambda: Buying().placed(),
    "cancelling": cancelling,
}


def shown(buying: Buying) -> OrderView:
    view: OrderView = buying.world.records["order", buying.key]
    return view


@pytest.mark.parametrize("name", [*BEFORE, *AFTER, "dead_letter", "confirmed"])
def test_every_order_that_has_not_ended_says_what_comes_next(name: str) -> None:
    buying = (BEFORE | AFTER | {"dead_letter": dead, "confirmed": lambda: Buying().confirmed()})[name]()
    assert shown(buying).state == name
    assert shown(buying).next_step


def test_an_order_in_doubt_says_until_when_absence_is_no_proof() -> None:
    buying = Buying(connections={"shop": replace(SHOP, settle_s=120.0)}).placing()
    buying.world.answer(PlaceRequest, Ambiguous(reason="reset"))
    waiting = shown(buying).waiting
    assert waiting is not None
    assert waiting.next_try_at == buying.world.now + timedelta(seconds=120)
    assert "120 s" in waiting.reason


def is_free(buying: Buying) -> bool:
    return buying.used() == 0 and buying.thing_heard() is buying.state and not buying.world.reminders


@pytest.mark.parametrize("name", [*BEFORE, "dead_letter"])
def test_what_was_not_sent_is_cancelled_at_once(name: str) -> None:
    buying = (BEFORE | {"dead_letter": dead})[name]()
    assert buying.state == name
    assert (buying.tell(CANCEL), buying.state, is_free(buying)) == ("cancelled", S.CANCELLED, True)
    assert buying.tell(CANCEL) == "ended already: cancelled"


@pytest.mark.parametrize("name", ["placing", "reconciling", "cancelling"])
def test_what_is_under_way_cannot_be_cancelled_before_the_crm_has_answered(name: str) -> None:
    buying = AFTER[name]()
    said = buying.tell(CANCEL)
    assert (said, buying.state) == (f"cannot be cancelled while {name}; try again when the CRM has answered", name)


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (lambda b: Found(record=b.record(status=RecordStatus.CANCELLED)), S.CANCELLED),
        (lambda _: Absent(), S.CANCELLED),
        (lambda b: Found(record=b.record()), S.CONFIRMED),
        (lambda _: Unsupported(capability="cancel"), S.CONFIRMED),
        (lambda _: Permanent(code="x", message="shipped"), S.CONFIRMED),
    ],
)
def test_what_the_crm_holds_is_cancelled_when_the_crm_says_so(
    answer: Callable[[Buying], Any], state: OrderState
) -> None:
    buying = cancelling()
    buying.world.answer(CancelRecord, answer(buying))
    assert (buying.state, buying.used(), is_free(buying)) == (
        state,
        0 if state is S.CANCELLED else 2000,
        state in TERMINAL,
    )


@pytest.mark.parametrize("name", BEFORE)
def test_what_was_not_sent_ends_with_its_need(name: str) -> None:
    buying = BEFORE[name]()
    buying.tell(MET)
    assert (buying.state, buying.data.code, is_free(buying)) == (S.CANCELLED, "need_gone", True)


@pytest.mark.parametrize("make", [lambda: Buying().placed(), lambda: Buying().confirmed()], ids=["placed", "confirmed"])
def test_what_was_placed_is_fulfilled_with_its_need_and_its_money_is_spent(make: Callable[[], Buying]) -> None:
    buying = make()
    buying.tell(MET)
    assert (buying.state, buying.used(), buying.thing_heard()) == (S.FULFILLED, 2000, S.FULFILLED)


@pytest.mark.parametrize(
    ("found", "state", "used"), [(True, S.FULFILLED, 2000), (False, S.CANCELLED, 0)], ids=["found", "absent"]
)
def test_a_need_that_ends_while_in_doubt_ends_the_order_once_there_is_proof(
    found: bool, state: OrderState, used: int
) -> None:
    buying = in_doubt()
    buying.tell(MET)
    buying.tell(MET)
    assert buying.state is S.RECONCILING
    buying.world.answer(LookUp, Found(record=buying.record()) if found else Absent())
    assert (buying.state, buying.used(), buying.writes()) == (state, used, 0)


def test_a_dismissed_need_leaves_what_was_ordered_to_people() -> None:
    buying = Buying().confirmed()
    buying.tell(CloseNeed(reason="retired", dismissed=True))
    assert (buying.state, buying.used()) == (S.CONFIRMED, 2000)
    assert buying.tell(CANCEL) == "cancelling"


@pytest.mark.parametrize("name", BEFORE)
def test_what_nothing_came_of_expires(name: str) -> None:
    buying = BEFORE[name]()
    buying.world.jobs.clear()
    buying.world.advance(_HALF_YEAR_S)
    assert (buying.state, buying.data.code, is_free(buying)) == (S.EXPIRED, "expired", True)


@pytest.mark.parametrize("name", AFTER)
def test_what_may_be_at_the_crm_goes_to_a_person_when_no_word_comes(name: str) -> None:
    buying = AFTER[name]()
    buying.world.jobs.clear()
    buying.world.advance(_HALF_YEAR_S)
    assert (buying.state, buying.data.code, buying.used()) == (S.DEAD_LETTER, "no_word", 2000)
    assert buying.data.next_step


def test_a_dead_letter_that_a_person_approves_is_placed_again_under_its_key_and_can_expire_again() -> None:
    buying = dead()
    assert buying.tell(Approve(by="Ada")) == "approved"
    buying.world.answer(TakeTurn)
    buying.world.answer(PlaceRequest, Duplicate(record=buying.record()))
    assert (buying.state, buying.data.attempt) == (S.CONFIRMED, 2)
    again = dead()
    again.tell(Approve(by="Ada"))
    again.world.advance(_HALF_YEAR_S)
    assert again.state is S.EXPIRED


def test_a_dead_letter_whose_record_is_known_goes_on_from_the_record() -> None:
    buying = Buying().placed()
    buying.world.jobs.clear()
    buying.world.advance(_HALF_YEAR_S)
    buying.tell(Approve(by="Ada"))
    assert (buying.state, buying.writes()) == (S.PLACED, 0)
    other = Buying().placed()
    other.world.advance(_HALF_YEAR_S)
    assert (other.tell(CANCEL), other.state) == ("cancelling", S.CANCELLING)


@pytest.mark.parametrize(
    "late",
    [
        ClearanceAnswered(verdict=Verdict.ALLOWED, sentence=""),
        DeskWaits(reason="down", next_try_at=Buying().world.now),
        Approve(by="Ada"),
        MET,
    ],
)
def test_nothing_moves_an_order_that_ended(late: Any) -> None:
    buying = Buying().approved()
    buying.tell(CANCEL)
    before, effects = buying.data, len(buying.world.told)
    buying.tell(late)
    assert (buying.data, len(buying.world.told)) == (before, effects)


def test_offers_that_come_after_the_end_reserve_nothing() -> None:
    buying = Buying().raised()
    buying.tell(CANCEL)
    buying.world.answer(FindOffers, Offers(offers=()))
    assert (buying.state, buying.used(), buying.world.jobs) == (S.CANCELLED, 0, [])
