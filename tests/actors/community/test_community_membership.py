"""Who may share and ask in a community: members, for the purposes their owners agreed to, until they leave."""

from typing import Any

import pytest
from firm import COMMUNITY, NOW, OWNER, PRINTER
from world import World

from actors.dialogue import (
    AdviceGiven,
    AskCommunity,
    ComputeAdvice,
    ContributeLives,
    JoinCommunity,
    LeaveCommunity,
    ShareExperience,
    TakeCard,
    TrainingFailed,
    TrainingFinished,
    TrainModel,
    community_address,
)
from actors.model.advice import Abstention, ExperienceCard, Question, Topic
from actors.model.ids import CorrelationId
from actors.model.things import Purpose

ADDRESS = community_address(COMMUNITY)


def joined(*purposes: Purpose) -> World:
    world = World()
    for _repeat in range(2):
        world.ask(ADDRESS, JoinCommunity(thing_id=PRINTER, owner_id=OWNER, purposes=purposes))
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


def test_joining_twice_is_joining_once_and_leaving_twice_harms_nobody() -> None:
    world = joined(Purpose.SUPPLIES)
    assert list(world.state(ADDRESS).members) == [PRINTER]
    for _repeat in range(2):
        world.ask(ADDRESS, LeaveCommunity(thing_id=PRINTER))
    assert world.state(ADDRESS).members == {}


def test_a_members_question_goes_to_be_worked_out_and_leaves_no_trace() -> None:
    world = joined(Purpose.SUPPLIES)
    before = world.state(ADDRESS)
    world.ask(ADDRESS, question())
    assert [type(work) for work in world.other_work] == [ComputeAdvice]
    assert world.state(ADDRESS) == before


def test_a_stranger_is_told_at_once_that_only_members_may_ask() -> None:
    world = World()
    world.ask(ADDRESS, question())
    ((address, told),) = world.told
    assert (address, type(told)) == ("order/x", AdviceGiven)
    assert isinstance(told.advice, Abstention)
    assert told.advice.reason == "not_a_member"


@pytest.mark.parametrize(
    ("purposes", "topic", "taken"),
    [
        ((Purpose.SUPPLIES,), Topic.MATERIAL, 1),
        ((Purpose.HEALTH,), Topic.MATERIAL, 0),
        ((Purpose.HEALTH,), Topic.HEALTH, 1),
        ((), Topic.HEALTH, 0),
    ],
)
def test_only_what_the_owner_agreed_to_is_kept(purposes: tuple[Purpose, ...], topic: Topic, taken: int) -> None:
    world = joined(*purposes)
    world.ask(ADDRESS, ShareExperience(thing_id=PRINTER, card=card(topic)))
    assert (world.state(ADDRESS).cards, len(world.records), len(world.other_work)) == (taken, taken, taken)


def test_nothing_is_collected_after_leaving() -> None:
    world = joined(Purpose.SUPPLIES)
    world.ask(ADDRESS, LeaveCommunity(thing_id=PRINTER))
    world.ask(ADDRESS, ShareExperience(thing_id=PRINTER, card=card()))
    assert (world.state(ADDRESS).cards, world.records) == (0, {})


@pytest.mark.parametrize(
    ("end", "models", "training"),
    [
        (TrainingFinished(subject="drum", model_version="v1", lives=3, owners=2), {"drum": "v1"}, {"drum": "ready"}),
        (TrainingFailed(subject="drum", reason="too few lives"), {}, {"drum": "too few lives"}),
    ],
)
def test_lives_are_trained_on_and_the_end_is_published(end: Any, models: Any, training: Any) -> None:
    world = World()
    world.ask(ADDRESS, ContributeLives(training=("k1", "k2"), subject="drum", cards=(card(),)))
    assert [type(work) for work in world.other_work] == [TakeCard, TrainModel]
    world.ask(ADDRESS, end)
    state = world.state(ADDRESS)
    assert (state.lives, state.cards, state.models, state.training) == ({"drum": 2}, 1, models, training)
