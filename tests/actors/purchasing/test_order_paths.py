"""The paths of an order, one by one: what is told leads where, with which reason, and what it costs."""

from datetime import timedelta
from typing import Any

import pytest
from buying import OFFER, OWNER_ADDRESS, PRINTER, SHOP, Buying
from fake_crm import offer
from firm import COMMUNITY, NOW, OWNER, eur, granted, need, raised

from actors.dialogue import (
    AdviceGiven,
    Approve,
    AskCommunity,
    FindOffers,
    GiveBackTurn,
    LookUp,
    OffersReported,
    PermissionAnswered,
    PlaceReported,
    PlaceRequest,
    Reject,
    SwitchOff,
    SwitchOn,
    TakeTurn,
)
from actors.model.advice import Abstention, Evidence, Paid, Recommendation, Topic
from actors.model.ids import CorrelationId
from actors.model.mandates import Level, Verdict
from actors.model.needs import NeedKind
from actors.model.orders import OrderState
from actors.model.outcomes import (
    Absent,
    Ambiguous,
    AuthFailed,
    Capabilities,
    Conflict,
    Created,
    Duplicate,
    Found,
    Offers,
    Permanent,
    RecordStatus,
    Throttled,
    Transient,
    Unsupported,
)
from actors.purchasing.choosing import above_peers

S = OrderState


def advice() -> AdviceGiven:
    return AdviceGiven(
        advice=Abstention(
            correlation_id=raised().need.correlation_id,
            topic=Topic.MATERIAL,
            subject="black",
            reason="no_evidence",
            sentence="nobody knows",
            answered_at=NOW,
        )
    )


def test_a_supply_is_ordered_from_the_best_offer_and_its_price_is_reserved() -> None:
    buying = Buying().placing(offer(minor=3000), offer("INK-1", 2500), offer("INK-2", 1500))
    assert (buying.state, buying.used(), buying.data.offer) == (S.PLACING, 2500, offer("INK-1", 2500))
    buying.world.answer(PlaceRequest, buying.created())
    assert (buying.state, buying.used()) == (S.CONFIRMED, 2500)


def test_sellers_are_asked_once_the_community_has_spoken() -> None:
    buying = Buying(raised(community=COMMUNITY))
    buying.world.ask(buying.address, buying.need)
    assert any(isinstance(message, AskCommunity) for _, message in buying.world.told)
    assert not buying.world.jobs
    for _repeat in range(2):
        buying.tell(advice())
    assert len(buying.world.jobs) == 1


def test_for_a_thing_that_is_switched_off_no_seller_hears_anything() -> None:
    buying = Buying()
    buying.world.send(OWNER_ADDRESS, SwitchOff(thing_id=PRINTER, by="ann"))
    buying.raised()
    assert (buying.state, buying.data.code, buying.world.jobs) == (S.BLOCKED, "thing_off", [])
    buying.world.send(OWNER_ADDRESS, SwitchOn(thing_id=PRINTER, by="ann"))
    assert (buying.state, len(buying.world.jobs)) == (S.DRAFTED, 1)


def test_without_a_mandate_no_seller_hears_anything() -> None:
    buying = Buying(mandate=granted(levels={}))
    buying.raised()
    assert (buying.state, buying.data.code, buying.world.jobs) == (S.BLOCKED, "no_mandate", [])


def asked(buying: Buying) -> list[str]:
    return [job.connection for job in buying.world.jobs if isinstance(job.body, FindOffers)]


@pytest.mark.parametrize("level", [Level.ADAPTABLE, Level.FIXED])
def test_a_seller_that_no_mandate_names_never_hears_of_the_need(level: Level) -> None:
    payees = ("shop",) if level is Level.ADAPTABLE else ("shop", "maker")
    terms = granted(levels=dict.fromkeys(NeedKind, level), allowed_payees=payees)
    buying = Buying(connections={"maker": SHOP, "shop": SHOP}, mandate=terms).raised()
    assert asked(buying) == ["shop"]
    assert any(note.facts.get("not_asked") == ["maker"] for note in buying.world.notes)


def test_where_no_seller_is_left_nobody_is_asked_and_the_reason_names_them() -> None:
    buying = Buying(connections={"maker": SHOP}, mandate=granted(allowed_payees=("shop",))).raised()
    assert (buying.state, buying.data.code, asked(buying)) == (S.BLOCKED, "payee_not_allowed", [])
    assert "it names shop, connected are maker" in buying.data.sentence
    buying.world.send(OWNER_ADDRESS, granted(allowed_payees=("maker",)))
    assert (buying.state, asked(buying)) == (S.DRAFTED, ["maker"])


def test_every_mandate_that_covers_the_need_adds_its_sellers() -> None:
    buying = Buying(connections={"maker": SHOP, "shop": SHOP, "other": SHOP})
    buying.world.send(OWNER_ADDRESS, granted("m2", allowed_payees=("maker",)))
    assert asked(buying.raised()) == ["maker", "shop"]


def test_a_word_of_an_older_hub_that_names_no_sellers_lets_all_be_asked() -> None:
    buying = Buying(connections={"maker": SHOP, "shop": SHOP})
    buying.world.ask(buying.address, buying.need)
    buying.world.mail.clear()
    buying.tell(PermissionAnswered(verdict=Verdict.ALLOWED, sentence="inside the mandate"))
    assert asked(buying) == ["maker", "shop"]


def test_a_silent_community_is_not_waited_for() -> None:
    buying = Buying(raised(community=COMMUNITY))
    buying.world.ask(buying.address, buying.need)
    buying.world.mail.clear()
    buying.world.advance(5.1)
    assert buying.world.job(FindOffers)
    buying.tell(advice())
    assert len(buying.world.jobs) == 1


def test_without_an_offer_it_waits_longer_each_time_and_says_why() -> None:
    buying, waits = Buying().raised(), []
    for _round in range(3):
        buying.world.answer(FindOffers, Transient(reason="down"))
        waiting = buying.data.waiting
        assert waiting is not None
        assert waiting.next_try_at is not None
        waits.append((waiting.next_try_at - buying.world.now).total_seconds())
        buying.world.advance(waits[-1])
    assert (waits, waiting.reason) == ([30.0, 60.0, 120.0], "no offer: shop: down")


def test_no_seller_at_all_is_told_at_once() -> None:
    buying = Buying(connections={"desk": Capabilities(orders=False)}).raised()
    assert buying.data.waiting is not None
    assert buying.data.waiting.reason == "no offer: no connected seller has the item"


BOTH = granted(allowed_payees=("shop", "maker"))


def test_a_seller_that_stays_silent_is_not_waited_for() -> None:
    buying = Buying(connections={"shop": SHOP, "maker": SHOP}, mandate=BOTH).raised()
    buying.tell(OffersReported(connection="shop", outcome=Offers(offers=(OFFER,))))
    assert buying.state is S.DRAFTED
    buying.world.advance(21)
    assert buying.state is S.APPROVED


def test_what_a_seller_says_too_late_changes_nothing() -> None:
    buying = Buying(connections={"shop": SHOP, "maker": SHOP}, mandate=BOTH).raised()
    buying.tell(OffersReported(connection="shop", outcome=Offers(offers=(OFFER,))))
    buying.world.advance(21)
    before = buying.data
    buying.tell(OffersReported(connection="maker", outcome=Offers(offers=(offer(minor=1, connection="maker"),))))
    assert (buying.data, buying.used()) == (before, 2000)


def test_a_refused_offer_is_not_the_last_word_while_an_allowed_seller_is_down() -> None:
    buying = Buying(connections={"shop": SHOP, "maker": SHOP}, mandate=BOTH).raised()
    buying.tell(OffersReported(connection="shop", outcome=Transient(reason="no connection")))
    buying.tell(OffersReported(connection="maker", outcome=Offers(offers=(offer(minor=20_000, connection="maker"),))))
    waiting = buying.data.waiting
    assert (buying.state, buying.data.code) == (S.BLOCKED, "over_order_limit")
    assert waiting is not None
    assert waiting.reason == "not heard: shop: no connection"
    assert waiting.next_try_at is not None
    assert waiting.next_try_at <= NOW + timedelta(minutes=2)
    buying.world.jobs.clear()
    buying.world.advance(120)
    buying.tell(OffersReported(connection="maker", outcome=Offers(offers=())))
    buying.tell(OffersReported(connection="shop", outcome=Offers(offers=(OFFER,))))
    assert (buying.state, buying.used()) == (S.APPROVED, 2000)


def test_a_blocked_order_goes_on_when_the_mandate_changes() -> None:
    buying = Buying(mandate=granted(budget=eur(100))).approved()
    assert (buying.state, buying.data.code, buying.used()) == (S.BLOCKED, "over_budget", 0)
    buying.world.send(OWNER_ADDRESS, granted())
    buying.world.answer(FindOffers, Offers(offers=(OFFER,)))
    assert (buying.state, buying.used()) == (S.APPROVED, 2000)


def test_a_blocked_order_looks_again_by_itself_when_a_new_period_brings_a_new_budget() -> None:
    buying = Buying(mandate=granted(budget=eur(2500))).confirmed()
    other = Buying(raised(need=need(subject="cyan")))
    other.world = buying.world
    other.approved()
    states = [other.state]
    for later in (timedelta(hours=1), timedelta(days=8)):
        other.world.now = NOW + later
        other.world.advance(0)
        other.world.answer(FindOffers, Offers(offers=(OFFER,)))
        states.append(other.state)
    assert states == [S.BLOCKED, S.BLOCKED, S.APPROVED]


@pytest.mark.parametrize(
    ("decision", "state", "said", "reserved"),
    [
        (Approve(by="Ada"), S.APPROVED, "approved", 2000),
        (Reject(by="Ada", reason="too dear"), S.REJECTED, "rejected", 0),
    ],
)
def test_what_needs_approval_waits_for_a_person(decision: Any, state: OrderState, said: str, reserved: int) -> None:
    buying = Buying(mandate=granted(approval_above=eur(1000))).approved()
    assert (buying.state, buying.used()) == (S.AWAITING_APPROVAL, 2000)
    assert (buying.tell(decision), buying.state, buying.used()) == (said, state, reserved)
    assert buying.tell(decision) == f"not awaiting approval: {state}"


def test_an_approval_holds_for_the_offer_that_was_approved_and_for_no_dearer_one() -> None:
    mandate = granted(approval_above=eur(1000))
    buying = Buying(mandate=mandate).approved(offer(expires_at=NOW + timedelta(hours=1)))
    buying.world.advance(7200)
    buying.tell(Approve(by="Ada"))
    buying.world.answer(TakeTurn)
    buying.world.answer(FindOffers, Offers(offers=(offer(minor=9000),)))
    assert (buying.state, buying.data.approved_by, buying.used()) == (S.AWAITING_APPROVAL, "", 9000)


def test_an_approval_covers_the_same_thing_for_less() -> None:
    mandate = granted(approval_above=eur(1000))
    buying = Buying(mandate=mandate).approved(offer(expires_at=NOW + timedelta(hours=1)))
    buying.tell(Approve(by="Ada"))
    buying.world.now += timedelta(hours=2)
    buying.world.answer(TakeTurn)
    buying.world.answer(FindOffers, Offers(offers=(offer(minor=1900),)))
    assert (buying.state, buying.data.approved_by, buying.used()) == (S.APPROVED, "Ada", 1900)


def test_a_crm_that_can_prove_nothing_gets_no_order_without_a_person() -> None:
    blind = Capabilities(unique_key=False, search_by_key=False)
    assert Buying(connections={"shop": blind}).approved().state is S.AWAITING_APPROVAL


def test_nothing_leaves_once_the_thing_is_off_and_it_goes_on_when_it_is_on() -> None:
    buying = Buying().approved()
    ack = buying.world.send(OWNER_ADDRESS, SwitchOff(thing_id=PRINTER, by="Ada"))
    assert ack.already_under_way == ()
    buying.world.answer(TakeTurn)
    assert (buying.state, buying.data.code, buying.writes()) == (S.BLOCKED, "thing_off", 0)
    buying.world.send(OWNER_ADDRESS, SwitchOn(thing_id=PRINTER, by="Ada"))
    buying.world.answer(FindOffers, Offers(offers=(OFFER,)))
    buying.world.answer(TakeTurn)
    assert (buying.state, buying.used()) == (S.PLACING, 2000)


def test_two_turns_lead_to_one_request() -> None:
    buying = Buying().approved()
    buying.world.answer(TakeTurn, again=True)
    buying.world.answer(TakeTurn)
    assert (buying.state, buying.writes()) == (S.PLACING, 1)


@pytest.mark.parametrize(
    ("answer", "attempts"),
    [(Found, 1), (Absent, 2)],
)
def test_a_lost_answer_is_looked_up_before_anything_is_sent_again(answer: Any, attempts: int) -> None:
    buying = Buying().placing()
    buying.world.answer(PlaceRequest, Ambiguous(reason="reset"))
    assert (buying.state, buying.writes(), buying.used()) == (S.RECONCILING, 0, 2000)
    assert buying.world.send(OWNER_ADDRESS, SwitchOff(thing_id=None, by="Ada")).already_under_way == (buying.key,)
    buying.world.send(OWNER_ADDRESS, SwitchOn(thing_id=None, by="Ada"))
    buying.world.answer(LookUp, Absent() if answer is Absent else Found(record=buying.record()), again=True)
    settled = buying.data
    buying.world.answer(LookUp, Absent())
    assert buying.data == settled
    if answer is Absent:
        buying.world.answer(TakeTurn)
        buying.world.answer(PlaceRequest, buying.created())
    assert (buying.state, buying.data.attempt) == (S.CONFIRMED, attempts)


@pytest.mark.parametrize("outcome", [Created, Duplicate])
def test_a_record_with_another_fingerprint_is_never_ours(outcome: Any) -> None:
    buying = Buying().placing()
    buying.world.answer(PlaceRequest, outcome(record=buying.record(fingerprint="stranger")))
    assert (buying.state, buying.data.code, buying.used()) == (S.DEAD_LETTER, "foreign_record", 2000)
    assert buying.tell(Approve(by="Ada")) == "approved"
    buying.world.answer(TakeTurn)
    assert (buying.state, buying.data.attempt) == (S.PLACING, 2)


@pytest.mark.parametrize(
    "outcome", [Permanent(code="NO_ENTRY", message="inactive price book"), Unsupported(capability="orders")]
)
def test_a_refusal_for_good_ends_the_order_and_frees_its_money(outcome: Any) -> None:
    buying = Buying().placing()
    buying.world.answer(PlaceRequest, outcome)
    assert (buying.state, buying.used(), buying.thing_heard()) == (S.REJECTED, 0, S.REJECTED)
    assert buying.data.next_step


@pytest.mark.parametrize(
    ("outcome", "first_s", "third_s"),
    [
        (Transient(reason="refused"), 0.5, 2.0),
        (Conflict(reason="row lock"), 0.5, 2.0),
        (AuthFailed(reason="expired"), 0.5, 2.0),
        (Throttled(retry_after_s=60, reason="limit"), 60.0, 60.0),
        (Throttled(retry_after_s=1e300, reason="nonsense"), 3600.0, 3600.0),
    ],
)
def test_what_surely_was_not_placed_waits_longer_for_every_next_turn(
    outcome: Any, first_s: float, third_s: float
) -> None:
    buying, waits = Buying().approved(), []
    for _attempt in range(3):
        buying.world.answer(TakeTurn)
        buying.world.answer(PlaceRequest, outcome)
        waits.append(buying.world.job(TakeTurn).body.after_s)
    assert (waits[0], waits[2], buying.state, buying.used()) == (first_s, third_s, S.APPROVED, 2000)


def test_the_report_of_a_former_attempt_changes_nothing() -> None:
    buying = Buying().placing()
    buying.world.answer(PlaceRequest, Transient(reason="refused"))
    buying.world.answer(TakeTurn)
    before = buying.data
    buying.tell(PlaceReported(attempt=1, outcome=Permanent(code="X", message="late")))
    assert (buying.data, buying.state, buying.data.attempt) == (before, S.PLACING, 2)


@pytest.mark.parametrize(
    ("status", "state", "reserved"),
    [
        (RecordStatus.CONFIRMED, S.CONFIRMED, 2000),
        (RecordStatus.FULFILLED, S.FULFILLED, 2000),
        (RecordStatus.CANCELLED, S.CANCELLED, 0),
        (RecordStatus.OPEN, S.PLACED, 2000),
    ],
)
def test_what_people_do_in_the_crm_is_followed(status: RecordStatus, state: OrderState, reserved: int) -> None:
    buying = Buying().placed()
    buying.world.advance(61)
    buying.world.answer(LookUp, Found(record=buying.record(status=status)))
    assert (buying.state, buying.used()) == (state, reserved)


def test_a_mandate_that_was_narrowed_meanwhile_stops_what_it_no_longer_allows() -> None:
    buying = Buying().approved()
    buying.world.send(OWNER_ADDRESS, granted(allowed_payees=("other",)))
    buying.world.answer(TakeTurn)
    assert (buying.state, buying.data.code, buying.writes()) == (S.BLOCKED, "payee_not_allowed", 0)


def test_a_mandate_that_now_wants_approval_gets_it_asked() -> None:
    buying = Buying().approved()
    buying.world.send(OWNER_ADDRESS, granted(approval_kinds=(NeedKind.SUPPLY,)))
    buying.world.answer(TakeTurn)
    buying.world.answer(FindOffers, Offers(offers=(OFFER,)))
    assert (buying.state, buying.used()) == (S.AWAITING_APPROVAL, 2000)


def test_a_test_thing_runs_everything_and_spends_nothing() -> None:
    buying = Buying(raised(is_test=True)).confirmed()
    assert (buying.state, buying.used()) == (S.CONFIRMED, 0)


def test_a_price_that_waited_long_is_asked_for_again_and_the_order_is_the_first_in_line_then() -> None:
    buying = Buying().approved()
    buying.world.advance(7 * 3600)
    buying.world.answer(TakeTurn)
    assert (buying.state, buying.data.code) == (S.DRAFTED, "price_old")
    assert any(isinstance(work, GiveBackTurn) for work in buying.world.other_work)
    buying.world.answer(FindOffers, Offers(offers=(offer(minor=2500),)))
    assert (buying.used(), buying.world.job(TakeTurn).body.first) == (2500, True)


def test_a_turn_that_nobody_uses_is_given_back() -> None:
    buying = Buying().approved()
    buying.world.send(OWNER_ADDRESS, SwitchOff(thing_id=PRINTER, by="Ada"))
    buying.world.answer(TakeTurn)
    assert buying.state is S.BLOCKED
    assert [type(work) for work in buying.world.other_work] == [GiveBackTurn]


def test_an_order_stands_in_line_for_its_owner_and_thing() -> None:
    job = Buying().approved().world.job(TakeTurn).body
    assert (job.owner_id, job.thing_id, job.first) == (OWNER, PRINTER, False)


def test_an_offer_dearer_than_what_nine_in_ten_peers_paid_is_named() -> None:
    paid = {"INK-1": Paid(currency="EUR", p10=900, p50=1_000, p90=1_200)}
    dear = above_peers(offer("INK-1", 2_000), told_prices(paid))
    assert dear == ", dearer than what 90 % of peers paid (12.00 EUR a piece)"
    assert above_peers(offer("INK-1", 1_200), told_prices(paid)) == ""
    assert above_peers(offer("INK-2", 9_000), told_prices(paid)) == ""
    assert above_peers(offer("INK-1", 2_000), None) == ""


def told_prices(paid: dict[str, Paid]) -> Recommendation:
    return Recommendation(
        correlation_id=CorrelationId("c"),
        topic=Topic.MATERIAL,
        subject="black",
        action="order_supply",
        evidence=Evidence(peers=9, owners=9),
        method="test",
        model_version="",
        confidence=0.5,
        sentence="so it is",
        answered_at=NOW,
        expires_at=NOW,
        prices=paid,
    )
