"""What an owner allows: every verdict, what is reserved, what is switched off, and who is told."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from firm import NOW, OWNER, PRINTER, eur, granted, mandate
from world import World

from actors.dialogue import (
    AskClearance,
    AskReservation,
    AttemptEnded,
    Candidate,
    ClearanceAnswered,
    MandateChanged,
    ReservationAnswered,
    RevokeMandate,
    SettleReservation,
    SwitchOff,
    SwitchOn,
    owner_address,
)
from actors.model.ids import MandateId, OrderKey, ThingId
from actors.model.mandates import Level, Mandate, Period, Verdict
from actors.model.money import Money
from actors.model.needs import NeedKind
from actors.owner.core import OwnerLimits
from actors.owner.judgement import SENTENCES, budget_meter, judge_candidate, judge_mandate

V = Verdict
ADDRESS = owner_address(OWNER)
KEY, OTHER = OrderKey("I2CKEY1"), OrderKey("I2CKEY2")
CANDIDATE = Candidate(offer_id="o1", connection="shop", sku="INK-1", amount=eur(2000))


def wants(key: OrderKey = KEY, *candidates: Candidate, **changes: Any) -> AskReservation:
    told = {"key": key, "thing_id": PRINTER, "subject": f"black of {key}", "kind": NeedKind.SUPPLY}
    return AskReservation(**(told | {"candidates": candidates or (CANDIDATE,)} | changes))


def clears(key: OrderKey = KEY) -> AskClearance:
    return AskClearance(key=key, thing_id=PRINTER, kind=NeedKind.SUPPLY)


def heard(world: World, message: Any) -> Any:
    """Return what the order hears in answer."""
    world.mail.clear()
    world.ask(ADDRESS, message)
    return [told for _, told in world.told if isinstance(told, ReservationAnswered | ClearanceAnswered)][-1]


def world(*mandates: Any, **kept: Any) -> World:
    made = World(**kept)
    for each in mandates or (granted(),):
        made.ask(ADDRESS, each)
    return made


def test_a_threshold_in_another_currency_refuses_and_does_not_fail() -> None:
    terms = mandate(approval_above=Money(minor=1, currency="USD"))
    assert judge_candidate(terms, CANDIDATE, NeedKind.SUPPLY, 0) is V.WRONG_CURRENCY


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, V.ALLOWED),
        ({"things": (ThingId("other"),)}, V.NO_MANDATE),
        ({"levels": {NeedKind.SERVICE: Level.FIXED}}, V.NO_MANDATE),
        ({"revoked_at": NOW}, V.MANDATE_REVOKED),
        ({"valid_until": NOW}, V.MANDATE_EXPIRED),
        ({"valid_from": NOW + timedelta(seconds=1)}, V.MANDATE_EXPIRED),
        ({"levels": {NeedKind.SUPPLY: Level.OFF}}, V.LEVEL_TOO_LOW),
        ({"levels": {NeedKind.SUPPLY: Level.ANNOUNCER}}, V.LEVEL_TOO_LOW),
        ({"things": (ThingId("other"),), "revoked_at": NOW}, V.NO_MANDATE),
    ],
)
def test_a_mandate_covers_a_need_or_says_why_not(changes: dict[str, Any], verdict: Verdict) -> None:
    assert judge_mandate(mandate(**changes), PRINTER, NeedKind.SUPPLY, NOW) is verdict


@pytest.mark.parametrize(
    ("changes", "used", "verdict"),
    [
        ({}, 8000, V.ALLOWED),
        ({}, 8001, V.OVER_BUDGET),
        ({"allowed_payees": ("other",)}, 0, V.PAYEE_NOT_ALLOWED),
        ({"allowed_items": ("INK-2",)}, 0, V.ITEM_NOT_ALLOWED),
        ({"per_order_limit": eur(1999)}, 0, V.OVER_ORDER_LIMIT),
        ({"budget": Money(minor=10**6, currency="USD")}, 0, V.WRONG_CURRENCY),
        ({"approval_above": eur(2000)}, 0, V.ALLOWED),
        ({"approval_above": eur(1999)}, 0, V.NEEDS_APPROVAL),
        ({"approval_kinds": (NeedKind.SUPPLY,)}, 0, V.NEEDS_APPROVAL),
        ({"levels": {NeedKind.SUPPLY: Level.FIXED}}, 0, V.ITEM_NOT_ALLOWED),
        ({"levels": {NeedKind.SUPPLY: Level.FIXED}, "allowed_items": ("INK-1", "INK-2")}, 0, V.ALLOWED),
    ],
)
def test_a_candidate_is_judged_by_every_limit(changes: dict[str, Any], used: int, verdict: Verdict) -> None:
    assert judge_candidate(mandate(**changes), CANDIDATE, NeedKind.SUPPLY, used) is verdict


def test_every_verdict_has_a_sentence_for_people() -> None:
    assert set(SENTENCES) == set(Verdict)


@pytest.mark.parametrize(
    ("period", "name"), [(Period.DAY, "2026-12-31"), (Period.MONTH, "2026-12"), (Period.YEAR, "2026")]
)
def test_a_budget_is_metered_by_its_period_in_utc(period: Period, name: str) -> None:
    late = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
    assert budget_meter(mandate(budget_period=period), late) == f"budget/firm/m1/{name}/EUR"


def test_the_first_candidate_that_is_allowed_is_reserved_and_the_refused_ones_are_told() -> None:
    made = world()
    dear = Candidate(offer_id="o0", connection="shop", sku="INK-1", amount=eur(20_000))
    answer = heard(made, wants(KEY, dear, CANDIDATE))
    assert (answer.verdict, answer.offer_id, answer.mandate_id) == (V.ALLOWED, "o1", "m1")
    assert [refusal.verdict for refusal in answer.refusals] == [V.OVER_ORDER_LIMIT]
    assert made.state(ADDRESS).used == made.meters == {"budget/firm/m1/2026-11/EUR": 2000}


def test_asking_again_gives_the_former_reservation_back_first() -> None:
    made = world(granted(budget=eur(3000)))
    heard(made, wants())
    cheaper = Candidate(offer_id="o2", connection="shop", sku="INK-1", amount=eur(2900))
    assert heard(made, wants(KEY, cheaper)).verdict is V.ALLOWED
    assert sum(made.meters.values()) == 2900


@pytest.mark.parametrize(
    ("spent", "left"), [(eur(2000), 2000), (eur(1500), 1500), (None, 0), (eur(9999), 9999), (eur(20_000), 10_000)]
)
def test_settling_keeps_what_was_spent_and_frees_the_rest(spent: Money | None, left: int) -> None:
    made = world()
    heard(made, wants())
    for _repeat in range(2):
        made.ask(ADDRESS, SettleReservation(key=KEY, spent=spent))
    state = made.state(ADDRESS)
    assert (sum(state.used.values()), sum(made.meters.values()), state.reservations) == (left, left, {})


def test_money_that_comes_back_wakes_those_that_wait_for_it() -> None:
    made = world(granted(budget=eur(3000)))
    heard(made, wants())
    assert heard(made, wants(OTHER)).verdict is V.OVER_BUDGET
    made.told.clear()
    made.ask(ADDRESS, SettleReservation(key=KEY, spent=None))
    assert made.told == [(f"order/{OTHER}", MandateChanged(reason="budget was given back"))]


def test_an_order_that_ended_while_blocked_is_forgotten() -> None:
    made = world(granted(budget=eur(1)))
    heard(made, wants())
    made.ask(ADDRESS, SettleReservation(key=KEY, spent=None))
    assert made.state(ADDRESS).blocked == ()


def test_of_several_refusals_the_one_nearest_to_a_yes_is_told() -> None:
    made = world(granted("m0", allowed_payees=("other",)), granted("m1", budget=eur(1)))
    assert heard(made, wants()).verdict is V.OVER_BUDGET


@pytest.mark.parametrize("thing_id", [PRINTER, None])
def test_off_lists_exactly_what_is_under_way_and_clears_nothing_more(thing_id: ThingId | None) -> None:
    made = world()
    heard(made, wants())
    heard(made, wants(OTHER))
    assert heard(made, clears()).verdict is V.ALLOWED
    assert made.ask(ADDRESS, SwitchOff(thing_id=thing_id, by="Ada")).already_under_way == (KEY,)
    assert heard(made, clears(OTHER)).verdict in {V.THING_OFF, V.ALL_OFF}
    assert heard(made, wants(OrderKey("new"))).verdict in {V.THING_OFF, V.ALL_OFF}
    made.ask(ADDRESS, AttemptEnded(key=KEY))
    assert made.ask(ADDRESS, SwitchOff(thing_id=thing_id, by="Ada")).already_under_way == ()


def test_off_holds_even_when_nobody_gives_a_name() -> None:
    made = world()
    made.ask(ADDRESS, SwitchOff(thing_id=None, by=""))
    assert heard(made, wants()).verdict is V.ALL_OFF
    made.ask(ADDRESS, SwitchOn(thing_id=None, by=""))
    assert heard(made, wants()).verdict is V.ALLOWED


def test_another_things_switch_changes_nothing() -> None:
    made = world()
    made.ask(ADDRESS, SwitchOff(thing_id=ThingId("other"), by="Ada"))
    assert heard(made, wants()).verdict is V.ALLOWED


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (RevokeMandate(mandate_id=MandateId("m1"), by="Ada"), V.MANDATE_REVOKED),
        (granted(budget=eur(1999)), V.OVER_BUDGET),
        (granted(per_order_limit=eur(1)), V.OVER_ORDER_LIMIT),
        (granted(allowed_items=("INK-2",)), V.ITEM_NOT_ALLOWED),
        (granted(approval_above=eur(1)), V.NEEDS_APPROVAL),
    ],
)
def test_clearance_judges_by_the_mandate_as_it_stands_now(change: Any, verdict: Verdict) -> None:
    made = world()
    heard(made, wants())
    made.ask(ADDRESS, change)
    assert heard(made, clears()).verdict is verdict


def test_no_clearance_without_a_reservation_or_after_the_mandate_has_run_out() -> None:
    made = world()
    assert heard(made, clears()).verdict is V.NO_MANDATE
    heard(made, wants())
    made.now += timedelta(days=400)
    assert heard(made, clears()).verdict is V.MANDATE_EXPIRED


def test_revoking_what_is_not_there_says_so_and_revoking_twice_keeps_the_first_time() -> None:
    made = world()
    assert made.ask(ADDRESS, RevokeMandate(mandate_id=MandateId("none"), by="Ada")) == "no such mandate"
    revoke = RevokeMandate(mandate_id=MandateId("m1"), by="Ada")
    assert made.ask(ADDRESS, revoke) == "revoked"
    made.now += timedelta(days=1)
    assert made.ask(ADDRESS, revoke) == "revoked"
    kept: Mandate = made.state(ADDRESS).mandates["m1"]
    assert kept.revoked_at == NOW


def test_a_thing_that_orders_too_often_stops_buying() -> None:
    made = world(limits=OwnerLimits(max_orders_per_7_days=2, min_between_orders=timedelta(hours=1)))
    assert heard(made, wants(KEY, subject="black")).verdict is V.ALLOWED
    assert heard(made, wants(OTHER, subject="black")).verdict is V.TOO_SOON
    assert heard(made, wants(OTHER, subject="cyan")).verdict is V.ALLOWED
    assert heard(made, wants(OrderKey("third"), subject="red")).verdict is V.TOO_MANY_ORDERS
    made.now += timedelta(days=8)
    assert heard(made, wants(OrderKey("third"), subject="red")).verdict is V.ALLOWED
