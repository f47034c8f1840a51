"""The community actor: who is a member, what they share, and how much evidence there is.

Members are kept in chapters, actors of the same kind, each for its part of the things: joining costs the same however
many there are. The community itself, its head, keeps what is known as a whole: evidence and models. A chapter hands on
to it what it does not know, because journals of before chapters have their members in the head; a member that joins
again moves over.

Cards and lives are records kept by reference, never events nor parts of messages that are recorded, so that they can be
forgotten. Beside each card of a thing stands a link to it, which is forgotten with it. Answering and training are work
for the computing relay; the answer goes straight to the asker.
"""

from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from actors.community.failing import FAILING
from actors.dialogue import (
    COMPUTE_RELAY,
    AdviceGiven,
    AskCommunity,
    ComputeAdvice,
    ContributeLives,
    JoinCommunity,
    LeaveCommunity,
    ShareExperience,
    ShareHistory,
    TakeCard,
    TrainAgain,
    TrainingFailed,
    TrainingFinished,
    TrainModel,
    chapter_address,
    community_address,
)
from actors.model.advice import Abstention, ExperienceCard, Question, Topic
from actors.model.ids import CommunityId, OwnerId, ThingId
from actors.model.things import Purpose
from actors.runtime.turns import Effect, Emit, Put, Remove, Step, Tell

_PURPOSE_OF = {
    Topic.MATERIAL: Purpose.SUPPLIES,
    Topic.HEALTH: Purpose.HEALTH,
    Topic.REMEDY: Purpose.REPAIRS,
    Topic.SPARES: Purpose.SUPPLIES,
    Topic.FAILURE: Purpose.TRAINING,
}
EVENT_HISTORY: Final = "event_history"
"""The kind of the records of what happened to things, by community and the history's own id."""


class Member(Struct, frozen=True, kw_only=True):
    """One thing in the community."""

    owner_id: OwnerId
    purposes: tuple[Purpose, ...]


class CommunityState(Struct, frozen=True, kw_only=True):
    """Membership; and in the head the watermark of evidence, and the present models."""

    community_id: CommunityId
    is_chapter: bool = False
    members: dict[ThingId, Member] = {}
    cards: int = 0
    lives: dict[str, int] = {}
    """Component -> lives contributed for training."""
    models: dict[str, str] = {}
    """Component -> version of the published model."""
    training: dict[str, str] = {}
    """Component -> how the last training stands."""


class Event(Struct, frozen=True, kw_only=True, tag=True):
    """Base of a community's events."""


class Joined(Event, frozen=True, kw_only=True):
    """A thing is a member."""

    thing_id: ThingId
    member: Member


class Left(Event, frozen=True, kw_only=True):
    """A thing is no member any more."""

    thing_id: ThingId


class EvidenceGrew(Event, frozen=True, kw_only=True):
    """Cards or lives were added; they stand in the records."""

    cards: int
    lives: int = 0
    subject: str = ""


class ModelRetired(Event, frozen=True, kw_only=True):
    """The published model of a component is gone: lives behind it were forgotten."""

    subject: str


class TrainingEnded(Event, frozen=True, kw_only=True):
    """A training came to a model, or to a reason."""

    subject: str
    model_version: str = ""
    reason: str = ""


CommunityMessage = (
    JoinCommunity
    | LeaveCommunity
    | AskCommunity
    | ShareExperience
    | ShareHistory
    | ContributeLives
    | TrainingFinished
    | TrainingFailed
    | TrainAgain
)
CommunityEvent = Joined | Left | EvidenceGrew | ModelRetired | TrainingEnded
_Decision = tuple[tuple[CommunityEvent, ...], tuple[Effect, ...], Any]


def member_kind(community_id: CommunityId) -> str:
    """Return the kind of the read models that stand for a community's members, by thing; to count them."""
    return f"member:{community_id}"


class Contribution(Struct, frozen=True, kw_only=True):
    """The record of the kind ``contribution``: links a thing to what it shared, for the day it wants that back.

    Its key is that of ``contribution_key``; it is removed together with what it names.
    """

    kind: str
    """Of the record that was shared: ``card``, ``training_life`` or ``event_history``."""
    key: str


def contribution_key(thing_id: ThingId, community_id: CommunityId, shared_id: str) -> str:
    """Return the key of the link from a thing to something that it shared."""
    return f"{thing_id}/{community_id}/{shared_id}"


class CommunityCore:
    """The durable actor of one community."""

    kind = "community"
    schema = 1
    state_type = CommunityState
    message_type = CommunityMessage
    event_type = CommunityEvent

    def initial(self, name: str) -> CommunityState:
        """Return a community, or a chapter of one, without members."""
        community_id, _, chapter = name.partition("/")
        return CommunityState(community_id=CommunityId(community_id), is_chapter=bool(chapter))

    def records(self, message: Any) -> bool:
        """Keep decisions only: questions leave no trace here."""
        del message
        return False

    def fold(
        self, state: CommunityState, message: Any, events: tuple[CommunityEvent, ...], at: datetime
    ) -> CommunityState:
        """Return the state after a recorded turn."""
        del message, at
        for event in events:
            state = _evolve(state, event)
        return state

    def step(self, state: CommunityState, message: CommunityMessage, now: datetime) -> Step[CommunityState]:
        """Decide on one message."""
        events, effects, reply = _decide(state, message, now)
        return Step(self.fold(state, message, events, now), events, effects, reply)


def _decide(state: CommunityState, message: CommunityMessage, now: datetime) -> _Decision:
    match message:
        case JoinCommunity():
            return _join(state, message)
        case LeaveCommunity(thing_id=thing_id):
            return _leave(state, thing_id)
        case AskCommunity(question=question, reply_to=reply_to):
            return _ask(state, question, reply_to, now)
        case ShareExperience(thing_id=thing_id, card=card):
            return _share(state, thing_id, card)
        case ShareHistory():
            return _share_history(state, message)
        case ContributeLives():
            return _contribute(state, message)
        case TrainAgain(subject=subject):
            work = Emit(COMPUTE_RELAY, TrainModel(community_id=state.community_id, subject=subject, hides=True))
            return (ModelRetired(subject=subject),), (work,), None
        case TrainingFinished(subject=subject, model_version=version):
            return (TrainingEnded(subject=subject, model_version=version),), (), None
        case TrainingFailed(subject=subject, reason=reason):
            return (TrainingEnded(subject=subject, reason=reason),), (), None


def _join(state: CommunityState, join: JoinCommunity) -> _Decision:
    """Take a member into its chapter; the head is told that it has none of this name any more."""
    if not state.is_chapter:
        return (), (Tell(chapter_address(state.community_id, join.thing_id), join),), None
    member = Member(owner_id=join.owner_id, purposes=join.purposes)
    if state.members.get(join.thing_id) == member:
        return (), (), None
    effects = (
        Put(member_kind(state.community_id), join.thing_id, join.owner_id, member),
        Tell(community_address(state.community_id), LeaveCommunity(thing_id=join.thing_id)),
    )
    return (Joined(thing_id=join.thing_id, member=member),), effects, None


def _leave(state: CommunityState, thing_id: ThingId) -> _Decision:
    was_member = thing_id in state.members
    events = (Left(thing_id=thing_id),) if was_member else ()
    if not state.is_chapter:
        return events, (), was_member
    effects = (
        Remove(member_kind(state.community_id), thing_id),
        Tell(community_address(state.community_id), LeaveCommunity(thing_id=thing_id)),
    )
    return events, effects, was_member


def _ask(state: CommunityState, question: Question, reply_to: str, now: datetime) -> _Decision:
    if question.thing_id in state.members:
        return (), (Emit(COMPUTE_RELAY, ComputeAdvice(question=question, reply_to=reply_to)),), None
    if state.is_chapter:
        ask = AskCommunity(question=question, reply_to=reply_to)
        return (), (Tell(community_address(state.community_id), ask),), None
    wider = question.widened()
    if wider is not None:
        ask = AskCommunity(question=wider, reply_to=reply_to)
        return (), (Tell(chapter_address(wider.community_id, wider.thing_id), ask),), None
    return (), (Tell(reply_to, AdviceGiven(advice=_not_a_member(question, now))),), None


def _not_a_member(question: Question, now: datetime) -> Abstention:
    return Abstention(
        correlation_id=question.correlation_id,
        topic=question.topic,
        subject=question.subject,
        reason="not_a_member",
        sentence="only members may ask: this thing is not in the community",
        answered_at=now,
    )


def _share(state: CommunityState, thing_id: ThingId, card: ExperienceCard) -> _Decision:
    """Hand a member's card to the head if its owner shares for this purpose; a repeated card is the same record."""
    member = state.members.get(thing_id)
    if member is None and state.is_chapter:
        return (), (Tell(community_address(state.community_id), ShareExperience(thing_id=thing_id, card=card)),), None
    if member is None or member.owner_id != card.owner_id or _PURPOSE_OF[card.topic] not in member.purposes:
        return (), (), None
    if Purpose.PRICES not in member.purposes:
        card = replace(card, price_minor=None, currency=None)
    kept = (
        *_kept(card),
        Put(
            "contribution",
            contribution_key(thing_id, card.community_id, card.card_id),
            card.owner_id,
            Contribution(kind="card", key=card_key(card)),
        ),
        Tell(community_address(state.community_id), ContributeLives(kept_cards=1)),
    )
    return (), kept, None


def _share_history(state: CommunityState, shared: ShareHistory) -> _Decision:
    """Keep a member's history if its owner lets it be trained on, and let the head train."""
    member = state.members.get(shared.thing_id)
    if member is None and state.is_chapter:
        return (), (Tell(community_address(state.community_id), shared),), None
    if member is None or Purpose.TRAINING not in member.purposes:
        return (), (), None
    history = replace(shared.history, owner_id=member.owner_id)
    key = f"{state.community_id}/{history.history_id}"
    link = contribution_key(shared.thing_id, state.community_id, history.history_id)
    effects = (
        Put(EVENT_HISTORY, key, member.owner_id, history),
        Put("contribution", link, member.owner_id, Contribution(kind=EVENT_HISTORY, key=key)),
        Tell(community_address(state.community_id), ContributeLives(kept_lives=1, subject=FAILING)),
    )
    return (), effects, None


def _contribute(state: CommunityState, message: ContributeLives) -> _Decision:
    """Count what was added to the records. What messages of older hubs carry is put there first."""
    if message.cards:
        kept = tuple(effect for card in message.cards for effect in _kept(card))
        counted = ContributeLives(
            kept_cards=len(message.cards), kept_lives=len(message.training), subject=message.subject
        )
        return (), (*kept, Tell(community_address(state.community_id), counted)), None
    grew = EvidenceGrew(
        cards=message.kept_cards, lives=message.kept_lives + len(message.training), subject=message.subject
    )
    train = TrainModel(community_id=state.community_id, subject=message.subject)
    work = (Emit(COMPUTE_RELAY, train),) if grew.lives else ()
    return (grew,), work, {"cards": grew.cards, "lives": grew.lives}


def card_key(card: ExperienceCard) -> str:
    """Return the key of a card's record."""
    return f"{card.community_id}/{card.card_id}"


def _kept(card: ExperienceCard) -> tuple[Effect, ...]:
    return Put("card", card_key(card), card.owner_id, card), Emit(COMPUTE_RELAY, TakeCard(key=card_key(card)))


def _evolve(state: CommunityState, event: CommunityEvent) -> CommunityState:
    match event:
        case Joined(thing_id=thing_id, member=member):
            return replace(state, members={**state.members, thing_id: member})
        case Left(thing_id=thing_id):
            return replace(state, members={k: v for k, v in state.members.items() if k != thing_id})
        case EvidenceGrew(cards=cards, lives=lives, subject=subject):
            grown = {**state.lives, subject: state.lives.get(subject, 0) + lives} if lives else state.lives
            return replace(state, cards=state.cards + cards, lives=grown)
        case ModelRetired(subject=subject):
            models = {name: version for name, version in state.models.items() if name != subject}
            return replace(state, models=models, training={**state.training, subject: "retired; training again"})
        case TrainingEnded(subject=subject, model_version=version, reason=reason):
            models = {**state.models, subject: version} if version else state.models
            return replace(state, models=models, training={**state.training, subject: reason or "ready"})
