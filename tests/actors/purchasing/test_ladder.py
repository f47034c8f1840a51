"""The ladder for trouble is decided in the light of what helped peers, inside what profile and mandate allow."""

from typing import Any

import pytest
from fake_crm import offer
from firm import COMMUNITY, OWNER, PRINTER, PROFILE, eur, granted, registration, told
from msgspec.structs import replace
from world import World

from actors.community.answers import AnswerRules
from actors.community.helping import advise_remedy
from actors.community.remedies import rank_remedies
from actors.dialogue import (
    AdviceGiven,
    CarryOut,
    CommandReported,
    ComputeAdvice,
    FindOffers,
    PlaceRequest,
    TakeTurn,
    device_address,
    owner_address,
    thing_address,
)
from actors.model.advice import ExperienceCard, Remedy, RemedyKind, RemedyOutcome, RemedyTried, Topic
from actors.model.commands import Carried
from actors.model.ids import OwnerId
from actors.model.mandates import Level
from actors.model.needs import NeedKind
from actors.model.orders import RecordKind, ServiceRequest
from actors.model.outcomes import Created, CrmRecord, Offers, RecordStatus
from actors.model.profiles import ActionSpec, SkuChoice
from actors.model.things import Purpose
from actors.runtime.cells import Kind
from actors.thing.core import ThingCore

THING = thing_address(PRINTER)
FIX = Remedy(kind=RemedyKind.FIX, name="reset")
USUAL = Remedy(kind=RemedyKind.SERVICE, name="Replace the roller")
CLEAN = Remedy(kind=RemedyKind.SERVICE, name="Clean the path")
PART = Remedy(kind=RemedyKind.PART, name="ROLLER-1")


def jammed(*cards: ExperienceCard, mandate: Any = None, shares: tuple[Purpose, ...] = (Purpose.REPAIRS,)) -> World:
    """Return a firm whose printer jammed, and whose community answered from these cards."""
    jam = replace(
        PROFILE.faults["jam"],
        remote_fix="reset",
        also_works=("Clean the path",),
        parts=(SkuChoice(sku="ROLLER-1"),),
    )
    able = replace(PROFILE, faults={"jam": jam}, actions={"reset": ActionSpec(title="Reset")})
    it = World()
    core: Any = it.kinds["thing"].core
    it.kinds["thing"] = Kind(ThingCore({"printer@1": able}, core._models, core._installation))  # noqa: SLF001 - as made
    it.send(owner_address(OWNER), mandate or granted())
    it.send(THING, registration(shares=shares))
    it.send(THING, told("b:1", fault="E1"))
    answer(it, cards)
    return it


def answer(it: World, cards: tuple[ExperienceCard, ...]) -> None:
    (asked,) = [work for work in it.other_work if isinstance(work, ComputeAdvice)]
    it.other_work.remove(asked)
    advice = advise_remedy(cards, asked.question, rules=AnswerRules(), answered_at=it.now)
    it.send(asked.reply_to, AdviceGiven(advice=advice))


def tries(remedy: Remedy, ended: int, of: int, *, owners: int = 6, price: int | None = None) -> list[ExperienceCard]:
    """Return what that many owners each tell of ``of`` tries."""
    outcomes = [RemedyOutcome.ENDED] * ended + [RemedyOutcome.DID_NOT_HELP] * (of - ended)
    return [
        card(remedy, outcome, f"o{owner}", f"{remedy.name}.{owner}.{place}", price)
        for owner in range(owners)
        for place, outcome in enumerate(outcomes)
    ]


def card(remedy: Remedy, outcome: RemedyOutcome, owner: str, card_id: str, price: int | None = None) -> ExperienceCard:
    return ExperienceCard(
        card_id=card_id,
        community_id=COMMUNITY,
        topic=Topic.REMEDY,
        owner_id=OwnerId(owner),
        subject="jam",
        tried=RemedyTried(remedy=remedy, outcome=outcome),
        price_minor=price,
        currency=None if price is None else "EUR",
    )


def fixes(it: World) -> list[CarryOut]:
    return [work for work in it.other_work if isinstance(work, CarryOut)]


def shared(it: World) -> list[RemedyTried]:
    return [body.tried for (kind, _), body in it.records.items() if kind == "card"]


def ladder_note(it: World) -> str:
    return [note for note in it.notes if note.step == "ladder"][-1].sentence


def requested(it: World) -> ServiceRequest:
    it.answer(TakeTurn)
    request = it.job(PlaceRequest).body.request
    assert isinstance(request, ServiceRequest)
    return request


def fix_fails(it: World) -> None:
    it.advance(121.0)


def test_without_evidence_the_steps_are_those_of_the_profile() -> None:
    it = jammed()
    assert len(fixes(it)) == 1
    assert "the usual steps: reset, then Replace the roller" in ladder_note(it)
    fix_fails(it)
    assert requested(it).work == "Replace the roller"


def test_a_fix_that_helped_nobody_is_not_waited_for() -> None:
    it = jammed(*tries(FIX, 0, 4))
    assert fixes(it) == []
    assert "the thing's own reset is not tried: it helped in 0% of 24 tries" in ladder_note(it)
    assert requested(it).work == "Replace the roller"


def test_a_fix_that_helps_now_and_then_is_tried_as_before() -> None:
    assert len(fixes(jammed(*tries(FIX, 1, 3)))) == 1


def test_work_that_surely_ended_more_faults_takes_the_place_of_the_usual_one() -> None:
    it = jammed(*tries(USUAL, 1, 4), *tries(CLEAN, 4, 4))
    assert "service (Clean the path) comes before service (Replace the roller)" in ladder_note(it)
    fix_fails(it)
    assert requested(it).work == "Clean the path"


def test_better_work_that_costs_more_a_fault_ended_stays_behind() -> None:
    it = jammed(*tries(USUAL, 2, 4, price=1_000), *tries(CLEAN, 4, 4, price=9_000))
    fix_fails(it)
    assert requested(it).work == "Replace the roller"


def test_what_k_owners_less_one_tell_changes_nothing() -> None:
    it = jammed(*tries(FIX, 0, 9, owners=4), *tries(CLEAN, 9, 9, owners=4))
    assert len(fixes(it)) == 1
    assert "the usual steps" in ladder_note(it)


def test_a_part_that_ended_it_is_bought_inside_the_mandate() -> None:
    it = jammed(*tries(FIX, 0, 4), *tries(USUAL, 0, 3), *tries(PART, 4, 4))
    assert it.job(FindOffers).body.query.skus == ("ROLLER-1",)
    it.answer(FindOffers, Offers(offers=(offer("ROLLER-1"),)))
    it.answer(TakeTurn)
    assert it.job(PlaceRequest).body.request.lines[0].sku == "ROLLER-1"


@pytest.mark.parametrize("refused", ["ability", "nobody sells it"])
def test_a_part_that_cannot_be_had_gives_way_to_the_usual_work(refused: str) -> None:
    abilities = [kind for kind in NeedKind if kind is not NeedKind.PART or refused != "ability"]
    only = granted(levels=dict.fromkeys(abilities, Level.ADAPTABLE))
    it = jammed(*tries(FIX, 0, 4), *tries(PART, 4, 4), mandate=only)
    if refused != "ability":
        it.answer(FindOffers, Offers(offers=()))
    assert "back to the usual work (Replace the roller)" in ladder_note(it)
    assert requested(it).work == "Replace the roller"


def test_a_fix_that_helped_is_told_to_peers_and_taken_back_when_the_fault_comes_back() -> None:
    it = jammed()
    it.send(device_address(PRINTER), CommandReported(command_id=fixes(it)[0].command.command_id, outcome=Carried()))
    it.send(THING, told("b:2", fault=""))
    assert shared(it) == [RemedyTried(remedy=FIX, outcome=RemedyOutcome.ENDED)]
    it.advance(86_400.0)
    it.send(THING, told("b:3", fault="E1", at=it.now))
    assert RemedyTried(remedy=FIX, outcome=RemedyOutcome.CAME_BACK) in shared(it)


def test_nothing_is_told_without_the_owners_consent_to_share_repairs() -> None:
    it = jammed(shares=(Purpose.SUPPLIES,))
    it.send(device_address(PRINTER), CommandReported(command_id=fixes(it)[0].command.command_id, outcome=Carried()))
    it.send(THING, told("b:2", fault=""))
    assert shared(it) == []


def test_a_fix_that_did_not_help_is_told_with_what_helped_in_the_end() -> None:
    it = jammed()
    it.send(device_address(PRINTER), CommandReported(command_id=fixes(it)[0].command.command_id, outcome=Carried()))
    fix_fails(it)
    request = requested(it)
    record = CrmRecord(
        record_id="C-1",
        kind=RecordKind.SERVICE,
        key=request.key,
        fingerprint=request.fingerprint,
        status=RecordStatus.CONFIRMED,
    )
    it.answer(PlaceRequest, Created(record=record))
    it.send(THING, told("b:2", fault=""))
    assert [(each.remedy, each.outcome) for each in shared(it)] == [
        (FIX, RemedyOutcome.DID_NOT_HELP),
        (USUAL, RemedyOutcome.ENDED),
    ]


def test_an_owner_with_a_thousand_tries_has_one_vote_and_an_answer_says_what_it_cost() -> None:
    many = [card(CLEAN, RemedyOutcome.DID_NOT_HELP, "o0", f"m{place}") for place in range(1000)]
    cards = [*tries(CLEAN, 2, 2, price=2_000), *many]
    (ranked,) = _ranked(cards)
    assert ranked.rate == pytest.approx((5 + 2 / 1002) / 6)
    assert ranked.paid is not None
    assert (ranked.paid.currency, ranked.paid.p50) == ("EUR", eur(2_000).minor)


def test_a_remedy_after_which_the_fault_came_back_did_not_help_for_good() -> None:
    back = [card(FIX, RemedyOutcome.CAME_BACK, f"o{owner}", f"b{owner}") for owner in range(6)]
    first, second = _ranked([*tries(FIX, 1, 1), *back, *tries(CLEAN, 1, 2)])
    assert (first.remedy, second.remedy, second.rate, second.came_back) == (CLEAN, FIX, 0.0, 6)


def _ranked(cards: list[ExperienceCard]) -> Any:
    return rank_remedies(cards, asker_owner="me", k_owners=5).remedies
