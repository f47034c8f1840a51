"""A need that ends while its request is under way: the order still ends, and what is late changes nothing."""

from collections.abc import Iterable
from typing import Any

import pytest
from fake_crm import offer
from firm import INSTALLATION, NOW, raised, settings

from actors.dialogue import (
    AskReservation,
    ClearanceAnswered,
    CloseNeed,
    LookUpReported,
    OffersReported,
    OrderProgressed,
    PermissionAnswered,
    PlaceReported,
    ReservationAnswered,
    SettleReservation,
    TurnGiven,
)
from actors.model.ids import MandateId, OrderKey
from actors.model.mandates import Verdict
from actors.model.offers import Offer
from actors.model.orders import OrderState, PurchaseOrder, RecordKind
from actors.model.outcomes import Absent, Ambiguous, Created, CrmRecord, Found, Offers, RecordStatus, Transient
from actors.purchasing.choosing import key_of, qualified
from actors.purchasing.core import OrderCore
from actors.purchasing.state import OrderData
from actors.runtime.turns import Step, Tell

KEY = key_of(INSTALLATION, raised().need)
ALLOWED = "inside the mandate"
PERMITTED = PermissionAnswered(verdict=Verdict.ALLOWED, sentence=ALLOWED)
CLOSE = CloseNeed(reason="refilled: from 9 to 100")


def play(*messages: Any, core: OrderCore | None = None) -> Step[OrderData]:
    core = core or OrderCore(settings())
    step = Step(core.initial(KEY))
    for message in messages:
        step = core.step(step.state, message, NOW)
    return step


def until_placing(best: Offer) -> Iterable[Any]:
    yield raised()
    yield PERMITTED
    yield OffersReported(connection="shop", outcome=Offers(offers=(best,)))
    yield ReservationAnswered(
        verdict=Verdict.ALLOWED, sentence=ALLOWED, mandate_id=MandateId("m1"), offer_id=qualified(best)
    )
    yield TurnGiven(connection="shop")
    yield ClearanceAnswered(verdict=Verdict.ALLOWED, sentence=ALLOWED)


PLACING = tuple(until_placing(offer()))
REQUEST = play(*PLACING).state.request
assert isinstance(REQUEST, PurchaseOrder)
RECORD = CrmRecord(
    record_id="SO-1",
    kind=RecordKind.ORDER,
    key=OrderKey(KEY),
    fingerprint=REQUEST.fingerprint,
    status=RecordStatus.CONFIRMED,
)
LOST = PlaceReported(attempt=1, outcome=Ambiguous(reason="reset"))


def told(step: Step[OrderData], kind: type) -> list[Any]:
    return [each.message for each in step.effects if isinstance(each, Tell) and isinstance(each.message, kind)]


@pytest.mark.parametrize(
    "answers",
    [
        (PlaceReported(attempt=1, outcome=Created(record=RECORD)),),
        (LOST, LookUpReported(kind=RecordKind.ORDER, outcome=Found(record=RECORD))),
    ],
    ids=["created", "found"],
)
def test_an_order_that_is_placed_after_its_need_is_over_ends_as_fulfilled(answers: tuple[Any, ...]) -> None:
    step = play(*PLACING, CLOSE, *answers)
    assert (step.state.state, step.state.code) == (OrderState.FULFILLED, "need_met")
    assert told(step, SettleReservation) == [SettleReservation(key=KEY, spent=REQUEST.total)]
    assert told(step, OrderProgressed)[-1].state is step.state.state


@pytest.mark.parametrize(
    "answers",
    [
        (PlaceReported(attempt=1, outcome=Transient(reason="refused")),),
        (LOST, LookUpReported(kind=RecordKind.ORDER, outcome=Absent())),
    ],
    ids=["not_written", "proven_absent"],
)
def test_an_order_that_was_not_placed_is_cancelled_when_its_need_is_over(answers: tuple[Any, ...]) -> None:
    step = play(*PLACING, CLOSE, *answers)
    assert (step.state.state, step.state.code) == (OrderState.CANCELLED, "need_gone")
    assert told(step, SettleReservation) == [SettleReservation(key=KEY, spent=None)]
    assert told(step, OrderProgressed)[-1].state is step.state.state


def test_offers_that_come_after_the_end_reserve_nothing() -> None:
    step = play(raised(), CLOSE, OffersReported(connection="shop", outcome=Offers(offers=(offer(),))))
    assert step.state.state is OrderState.CANCELLED
    assert (step.events, step.effects) == ((), ())


def test_the_reserved_offer_is_ordered_where_two_sellers_use_the_same_ids() -> None:
    capabilities = settings().connections["shop"]
    core = OrderCore(settings(connections={"shop": capabilities, "outlet": capabilities}))
    dear = offer(minor=3000, connection="shop", offer_id="INK-1/1")
    cheap = offer(minor=2000, connection="outlet", offer_id="INK-1/1")
    sought = [
        raised(),
        PERMITTED,
        *(OffersReported(connection=o.connection, outcome=Offers(offers=(o,))) for o in (dear, cheap)),
    ]
    (ask,) = told(play(*sought, core=core), AskReservation)
    best = ask.candidates[0]
    answer = ReservationAnswered(
        verdict=Verdict.ALLOWED, sentence=ALLOWED, mandate_id=MandateId("m1"), offer_id=best.offer_id
    )
    reserved = play(*sought, answer, core=core).state
    assert isinstance(reserved.request, PurchaseOrder)
    assert (reserved.connection, reserved.request.total) == ("outlet", best.amount)


def test_the_settle_time_counts_from_the_lost_answer() -> None:
    core = OrderCore(settings())
    state = play(*PLACING).state
    later = NOW.replace(hour=20)
    step = core.step(state, LOST, later)
    (job,) = [effect.body for effect in step.effects if type(effect).__name__ == "Emit"]  # type: ignore[union-attr]
    assert job.placed_at == later
