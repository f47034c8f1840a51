"""Who may share and ask in a community: members, for the purposes their owners agreed to, until they leave."""

from collections.abc import Callable
from typing import Any

import pytest
from firm import COMMUNITY, NOW, OWNER, PRINTER
from msgspec.structs import replace
from world import World

from actors.community.core import Joined, Member, member_kind
from actors.dialogue import (
    AdviceGiven,
    AskCommunity,
    ComputeAdvice,
    ContributeLives,
    JoinCommunity,
    LeaveCommunity,
    ShareExperience,
    TakeCard,
    TrainAgain,
    TrainingFailed,
    TrainingFinished,
    TrainModel,
    chapter_address,
    community_address,
)
from actors.model.advice import Abstention, ExperienceCard, Question, Topic
from actors.model.ids import CorrelationId, ThingId
from actors.model.things import Purpose

HEAD = community_address(COMMUNITY)
ADDRESS = chapter_address(COMMUNITY, PRINTER)
MEMBERS = member_kind(COMMUNITY)


def joined(*purposes: Purpose) -> World:
    world = World()
    for _repeat in range(2):
        world.send(ADDRESS, JoinCommunity(thing_id=PRINTER, owner_id=OWNER, purposes=purposes))
    return world


def old_member(*purposes: Purpose) -> World:
    """Return a world whose community was joined before there were chapters."""
    world = World()
    head = world.state(HEAD)
    event = Joined(thing_id=PRINTER, member=Member(owner_id=OWNER, purposes=purposes))
    world.states[HEAD] = world.kinds["community"].core.fold(head, None, (event,), NOW)
    return world


def card(topic: Topic = Topic.MATERIAL) -> ExperienceCard:
    return ExperienceCard(card_id="c1", community_id=COMMUNITY, topic=topic, owner_id=OWNER, subject="black")


def question() -> AskCommunity:
    asked = Question(
        correlation_id=CorrelationId("c"),
        community_id=COMMUNITY,
        topic=Topic.MATERIAL,
        thing_id=PRINTER,
        owner_id=OWNER,
        subject="black",
        asked_at=NOW,
    )
    return AskCommunity(question=asked, reply_to="order/x")


def cards(world: World) -> list[str]:
    return [key for kind, key in world.records if kind == "card"]


def test_joining_twice_is_joining_once_and_leaving_twice_harms_nobody() -> None:
    world = joined(Purpose.SUPPLIES)
    assert (list(world.state(ADDRESS).members), list(world.records)) == ([PRINTER], [(MEMBERS, PRINTER)])
    for _repeat in range(2):
        world.send(ADDRESS, LeaveCommunity(thing_id=PRINTER))
    assert (world.state(ADDRESS).members, world.records) == ({}, {})


def test_a_members_question_goes_to_be_worked_out_and_leaves_no_trace() -> None:
    world = joined(Purpose.SUPPLIES)
    before = world.state(ADDRESS)
    world.send(ADDRESS, question())
    assert [type(work) for work in world.other_work] == [ComputeAdvice]
    assert (world.state(ADDRESS), world.state(HEAD).members) == (before, {})


def test_a_stranger_is_told_that_only_members_may_ask() -> None:
    world = World()
    world.ask(ADDRESS, question())
    world.turn(HEAD)
    address, told = world.told[-1]
    assert (address, type(told)) == ("order/x", AdviceGiven)
    assert isinstance(told.advice, Abstention)
    assert told.advice.reason == "not_a_member"


@pytest.mark.parametrize("member", [joined, old_member])
@pytest.mark.parametrize(
    ("purposes", "topic", "taken"),
    [
        ((Purpose.SUPPLIES,), Topic.MATERIAL, 1),
        ((Purpose.HEALTH,), Topic.MATERIAL, 0),
        ((Purpose.HEALTH,), Topic.HEALTH, 1),
        ((), Topic.HEALTH, 0),
    ],
)
def test_only_what_the_owner_agreed_to_is_kept(
    member: Callable[..., World], purposes: tuple[Purpose, ...], topic: Topic, taken: int
) -> None:
    world = member(*purposes)
    world.send(ADDRESS, ShareExperience(thing_id=PRINTER, card=card(topic)))
    assert (world.state(HEAD).cards, len(cards(world)), len(world.other_work)) == (taken, taken, taken)


@pytest.mark.parametrize("member", [joined, old_member])
def test_nothing_is_collected_and_nothing_answered_after_leaving(member: Callable[..., World]) -> None:
    world = member(Purpose.SUPPLIES)
    world.send(ADDRESS, LeaveCommunity(thing_id=PRINTER))
    world.send(ADDRESS, ShareExperience(thing_id=PRINTER, card=card()))
    assert (world.state(HEAD).cards, world.state(HEAD).members, cards(world)) == (0, {}, [])
    world.ask(ADDRESS, question())
    world.turn(HEAD)
    assert world.other_work == []


def test_a_member_of_before_chapters_may_ask_and_moves_over_when_it_joins_again() -> None:
    world = old_member(Purpose.SUPPLIES)
    world.send(ADDRESS, question())
    assert [type(work) for work in world.other_work] == [ComputeAdvice]
    world.send(ADDRESS, JoinCommunity(thing_id=PRINTER, owner_id=OWNER, purposes=()))
    assert (list(world.state(ADDRESS).members), world.state(HEAD).members) == ([PRINTER], {})


def test_a_join_that_was_on_its_way_to_the_head_reaches_the_chapter() -> None:
    world = World()
    world.send(HEAD, JoinCommunity(thing_id=PRINTER, owner_id=OWNER, purposes=()))
    assert (list(world.state(ADDRESS).members), world.state(HEAD).members) == ([PRINTER], {})


def test_no_state_of_a_community_grows_with_all_of_its_members() -> None:
    world = World()
    for number in range(2000):
        thing = ThingId(f"t{number}")
        world.send(chapter_address(COMMUNITY, thing), JoinCommunity(thing_id=thing, owner_id=OWNER, purposes=()))
    sizes = [len(state.members) for state in world.states.values()]
    assert (sum(sizes), world.state(HEAD).members) == (2000, {})
    assert max(sizes) < 30


@pytest.mark.parametrize(
    ("end", "models", "training"),
    [
        (TrainingFinished(subject="drum", model_version="v1", lives=3, owners=2), {"drum": "v1"}, {"drum": "ready"}),
        (TrainingFailed(subject="drum", reason="too few lives"), {}, {"drum": "too few lives"}),
    ],
)
def test_lives_are_trained_on_and_the_end_is_published(end: Any, models: Any, training: Any) -> None:
    world = World()
    world.ask(HEAD, ContributeLives(kept_lives=2, kept_cards=1, subject="drum"))
    assert world.other_work == [TrainModel(community_id=COMMUNITY, subject="drum")]
    world.ask(HEAD, end)
    state = world.state(HEAD)
    assert (state.lives, state.cards, state.models, state.training) == ({"drum": 2}, 1, models, training)


def test_what_an_older_hub_had_on_its_way_to_the_head_is_taken_in_without_a_trace() -> None:
    world = World()
    world.send(HEAD, ContributeLives(training=("k1", "k2"), subject="drum", cards=(card(),)))
    assert [type(work) for work in world.other_work] == [TakeCard, TrainModel]
    state = world.state(HEAD)
    assert (state.lives, state.cards, cards(world)) == ({"drum": 2}, 1, [f"{COMMUNITY}/c1"])


def test_a_price_is_kept_only_where_the_owner_shares_prices() -> None:
    priced = replace(card(), price_minor=2000, currency="EUR")
    kept = [joined(Purpose.SUPPLIES), joined(Purpose.SUPPLIES, Purpose.PRICES)]
    for world in kept:
        world.send(ADDRESS, ShareExperience(thing_id=PRINTER, card=priced))
    assert [world.records["card", f"{COMMUNITY}/c1"].price_minor for world in kept] == [None, 2000]


def test_a_retired_model_is_gone_and_another_is_trained() -> None:
    world = World()
    world.send(HEAD, TrainingFinished(subject="drum", model_version="v1", lives=3, owners=2))
    world.send(HEAD, TrainAgain(subject="drum"))
    assert (world.state(HEAD).models, world.other_work) == (
        {},
        [TrainModel(community_id=COMMUNITY, subject="drum", hides=True)],
    )
