"""When a slot runs empty: weekdays, peers while the history is short, and what an empty slot costs decide."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from firm import INSTALLATION, NOW, OWNER, PRINTER, PROFILE, granted, record, registration, told
from msgspec.structs import replace
from small_hub import NoModels
from world import World

from actors.community.advising import advise_material
from actors.community.answers import AnswerRules
from actors.community.depletion import Delivery, run_out
from actors.community.weekdays import FLAT, WeekClock, weekday_at, weekday_shape
from actors.dialogue import AdviceGiven, ComputeAdvice, owner_address, thing_address
from actors.model.advice import ExperienceCard, Recommendation, Topic
from actors.model.ids import CommunityId, OwnerId
from actors.model.profiles import SlotSpec
from actors.runtime.cells import Kind
from actors.thing.core import ThingCore
from actors.thing.levels import packed
from actors.thing.noticing import low_slots
from actors.thing.state import SlotState, ThingState

THING = thing_address(PRINTER)
MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
WORKDAYS = (1.4, 1.4, 1.4, 1.4, 1.4, 0.0, 0.0)


def office(days: int, per_workday: float = 2.0, full: float = 100.0) -> list[tuple[float, float]]:
    """Return (seconds, level) a day from a Monday on, used on workdays only."""
    found, level = [], full
    for day in range(days + 1):
        found.append(((MONDAY + timedelta(days=day)).timestamp(), level))
        level -= per_workday if day % 7 < 5 else 0.0
    return found


def needs(samples: list[tuple[float, float]], spec: SlotSpec) -> list[Any]:
    at = datetime.fromtimestamp(samples[-1][0], UTC)
    slot = SlotState(levels=packed(samples), filled_at=samples[0][0], filled_to=samples[0][1])
    profile = replace(PROFILE, slots={"black": spec})
    return low_slots(ThingState(slots={"black": slot}), profile, record(), at)


def test_weekends_without_use_are_seen_and_the_clock_goes_back_as_it_came() -> None:
    shape = weekday_shape(office(28))
    assert [round(each, 1) for each in shape[:5]] == pytest.approx([1.4] * 5, abs=0.12)
    assert max(shape[5:]) < 0.5
    assert weekday_shape(office(10)) == FLAT
    clock = WeekClock(shape=shape, starts=weekday_at(MONDAY.timestamp()))
    assert weekday_at(MONDAY.timestamp()) == 0.0
    for day in (0.0, 3.3, 6.9, 40.25):
        assert clock.day_of(clock.used(day)) == pytest.approx(day)


def test_a_forecast_on_a_friday_sees_the_weekend_coming() -> None:
    history = [(day, 100.0 - 2 * (day - day // 7 * 2 - max(0, day % 7 - 5))) for day in range(26)]  # until a Friday
    clock = WeekClock(shape=(1.4, 1.4, 1.4, 1.4, 1.4, 0.02, 0.02), starts=0.0)
    plain = run_out(6.0, [(float(day), level) for day, level in history])
    shaped = run_out(6.0, [(float(day), level) for day, level in history], clock=clock)
    assert plain is not None
    assert shaped is not None
    assert shaped.p50_days == pytest.approx(5.0, abs=0.4)  # Friday, the weekend, Monday and Tuesday
    assert plain.p50_days < 4.6


def test_what_an_empty_slot_costs_decides_how_early_to_order() -> None:
    black = PROFILE.slots["black"]
    samples = [(NOW.timestamp() + day * 86400.0, 100.0 - 3.0 * day - (day % 3)) for day in range(24)]
    costly = replace(black, stockout_cost=99.0, early_cost=1.0, delivery_days=7.5, safety_days=0.0)
    cheap = replace(costly, stockout_cost=1.0, early_cost=1.0)
    assert (costly.accepted_risk, cheap.accepted_risk) == (0.01, 0.5)
    (need,) = needs(samples, costly)
    assert "with 1% risk" in need.reason
    assert need.evidence["reorder_at"] > need.evidence["level"] > black.low_at
    assert needs(samples, cheap) == []


def test_without_costs_safety_days_count_as_before() -> None:
    black = PROFILE.slots["black"]
    assert (black.accepted_risk, black.lead_days) == (0.1, 5.0)


def test_the_reorder_level_lasts_the_delivery_but_for_the_accepted_risk() -> None:
    samples = [(float(day), 200.0 - 2 * day) for day in range(40)]
    told = run_out(120.0, samples, delivery=Delivery(days=10.0, accepted=0.5))
    safer = run_out(120.0, samples, delivery=Delivery(days=10.0, accepted=0.05))
    assert told is not None
    assert safer is not None
    assert told.reorder_at == pytest.approx(20.0, rel=0.01)
    assert safer.reorder_at > told.reorder_at


def peer(owner: int, usage: float, weekdays: tuple[float, ...] = WORKDAYS) -> ExperienceCard:
    return ExperienceCard(
        card_id=f"c{owner}",
        community_id=CommunityId("office"),
        topic=Topic.MATERIAL,
        owner_id=OwnerId(f"o{owner}"),
        subject="black",
        sku="INK-1",
        lived=1000.0 + owner,
        usage=usage,
        weekdays=weekdays,
    )


def refilled(peers: list[ExperienceCard]) -> World:
    """Return a firm whose printer was refilled, and whose community told what these peers use up."""
    it = World()
    profile = replace(PROFILE, components={})
    it.kinds["thing"] = Kind(ThingCore({"printer@1": profile}, NoModels(), INSTALLATION))
    it.send(owner_address(OWNER), granted())
    it.send(THING, registration())
    it.send(THING, told("b:1", ink=20.0))
    it.now += timedelta(hours=1)
    it.send(THING, told("b:2", at=it.now, ink=95.0))
    for asked in [work for work in it.other_work if isinstance(work, ComputeAdvice)]:
        advice = advise_material(peers, asked.question, rules=AnswerRules(), answered_at=it.now)
        it.send(asked.reply_to, AdviceGiven(advice=advice))
    return it


def test_a_thing_with_a_short_history_counts_with_its_peers_use() -> None:
    it = refilled([peer(owner, 20.0) for owner in range(6)])
    kept = it.state(THING).slots["black"].peers
    assert (kept.per_day, kept.owners) == (20.0, 6)
    it.now += timedelta(hours=2)
    it.send(THING, told("b:3", at=it.now, ink=94.0))
    need = it.state(THING).needs["black"]
    assert need.is_open  # 94 % at about 20 a day lasts less than a delivery with safety
    (opened,) = [body.need for (kind, _), body in it.records.items() if kind == "need"]
    assert opened.evidence["empty_in_days_p10"] < 5


def test_too_few_owners_tell_no_use_and_nobody_is_asked_twice_a_refill() -> None:
    it = refilled([peer(owner, 20.0) for owner in range(4)])
    assert it.state(THING).slots["black"].peers is None
    it.other_work.clear()
    it.now += timedelta(hours=2)
    it.send(THING, told("b:3", at=it.now, ink=94.0))
    assert it.other_work == []
    assert "black" not in it.state(THING).needs


def test_peers_weekdays_come_with_their_use() -> None:
    asked = refilled([])  # for a question as a thing asks it
    question = next(work.question for work in asked.other_work if isinstance(work, ComputeAdvice))
    said = advise_material([peer(n, 5.0) for n in range(6)], question, rules=AnswerRules(), answered_at=NOW)
    assert isinstance(said, Recommendation)
    assert said.use is not None
    assert said.use.weekdays[0] > 10 * said.use.weekdays[6]
