"""What a thing asks for by itself, judged by its profile and by what is known of it. Pure functions."""

from collections.abc import Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import Protocol

import numpy as np

from actors.community.failing import PublishedFailures
from actors.community.health_index import HealthModel
from actors.community.spares import SPARES
from actors.dialogue import OrderProgressed, SendCommand, device_address
from actors.model.advice import Question, Topic, Wider
from actors.model.commands import TellOrder
from actors.model.ids import CommandId, CommunityId, CorrelationId
from actors.model.machine import DeclineCode, Declined, ThingOrder, Wanted
from actors.model.needs import Need, NeedKind
from actors.model.orders import TERMINAL
from actors.model.profiles import FaultSpec, HealthSpec, PartSpec, SkuChoice, SlotSpec, ThingProfile
from actors.model.things import ThingRecord
from actors.runtime.turns import Tell
from actors.thing.levels import ends, newest
from actors.thing.noticing import LONG_HISTORY_S, chain_of, may_be_low, need_state, use_per_day
from actors.thing.state import ComponentState, NeedState, ThingState

_NEWS_WITHIN_S = 86_400.0
_SAY_WHICH = "name a slot, component, part or fault of the thing's profile"
Spec = SlotSpec | HealthSpec | PartSpec | FaultSpec


class Models(Protocol):
    """Which models communities have published."""

    def model(self, community_id: CommunityId, subject: str) -> HealthModel | None:
        """Return the present model for a component."""
        ...

    def failures(self, community_id: CommunityId) -> PublishedFailures | None:
        """Return the present model of failing parts."""
        ...


class NoModels:
    """Implements ``Models`` where communities have published nothing, or nothing is decided anew."""

    def model(self, community_id: CommunityId, subject: str) -> HealthModel | None:
        """Return nothing."""
        del community_id, subject
        return None

    def failures(self, community_id: CommunityId) -> PublishedFailures | None:
        """Return nothing."""
        del community_id
        return None


def models_for(models: Models, state: ThingState, subject: str) -> tuple[tuple[CommunityId, HealthModel], ...]:
    """Return those of a thing's communities that have a model of a component, the narrowest first."""
    found = ((community_id, models.model(community_id, subject)) for community_id in state.communities)
    return tuple((community_id, model) for community_id, model in found if model is not None)


def subject_of(profile: ThingProfile, subject: str) -> Spec | Declined:
    """Return what the profile says about a subject, or that it knows none of this name."""
    wears = profile.slots.get(subject) or profile.components.get(subject)
    spec = wears or profile.parts.get(subject) or profile.faults.get(subject)
    if spec is not None:
        return spec
    known = [*profile.slots, *profile.components, *profile.parts, *profile.faults]
    close = get_close_matches(subject, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    detail = f"subject: {hint}expected one of {', '.join(known) or 'none'}, got {subject!r}"
    return Declined(code=DeclineCode.UNKNOWN_SUBJECT, detail=detail, next_step=_SAY_WHICH)


def kind_of(spec: Spec) -> NeedKind:
    """Return the ability that a mandate must grant for it."""
    match spec:
        case SlotSpec():
            return NeedKind.SUPPLY
        case HealthSpec():
            return NeedKind.REPLACEMENT
        case PartSpec():
            return NeedKind.PART
        case FaultSpec():
            return NeedKind.SERVICE


def chosen_skus(spec: Spec, wanted: Wanted) -> tuple[SkuChoice, ...] | Declined:
    """Return the products that would do: those of the profile, or the one of them that is asked for."""
    skus = () if isinstance(spec, FaultSpec) else spec.skus
    chosen = tuple(choice for choice in skus if wanted.sku in {"", choice.sku})
    if chosen or (isinstance(spec, FaultSpec) and not wanted.sku):
        return chosen
    fitting = ", ".join(choice.sku for choice in skus) or "none"
    detail = f"sku: expected one that the profile lists for {wanted.subject} ({fitting}), got {wanted.sku!r}"
    return Declined(code=DeclineCode.UNKNOWN_ITEM, detail=detail, next_step="leave it out, or name one that fits")


def asked_need(
    state: ThingState, record: ThingRecord, profile: ThingProfile, wanted: Wanted, now: datetime
) -> Need | Declined:
    """Return the need that a thing's request opens, made as those that the hub notices."""
    spec = subject_of(profile, wanted.subject)
    if isinstance(spec, Declined):
        return spec
    skus = chosen_skus(spec, wanted)
    if isinstance(skus, Declined):
        return skus
    episode = need_state(state, wanted.subject).episode + 1
    title = spec.title or wanted.subject
    is_service = isinstance(spec, FaultSpec)
    pieces = spec.quantity if isinstance(spec, SlotSpec) else 1
    return Need(
        thing_id=record.thing_id,
        owner_id=record.owner_id,
        kind=kind_of(spec),
        subject=wanted.subject,
        episode=episode,
        reason=f"{title}: the thing asks for it" + (f": {wanted.reason}" if wanted.reason else ""),
        opened_at=now,
        correlation_id=chain_of(record.thing_id, wanted.subject, episode),
        skus=skus,
        quantity=pieces if is_service else wanted.quantity or pieces,
        evidence=_evidence(state, wanted.subject),
        title=title,
        work=spec.work if isinstance(spec, FaultSpec) else "",
        priority=spec.priority if isinstance(spec, FaultSpec) else 2,
        duration_minutes=spec.duration_minutes if isinstance(spec, FaultSpec) else 60,
        remote_fix=spec.remote_fix if isinstance(spec, FaultSpec) else "",
        fix_within_s=spec.fix_within_s if isinstance(spec, FaultSpec) else 60.0,
        fix_settles_s=spec.fix_settles_s if isinstance(spec, FaultSpec) else 60.0,
        also_works=spec.also_works if isinstance(spec, FaultSpec) else (),
        parts=spec.parts if isinstance(spec, FaultSpec) else (),
    )


def order_news(record: ThingRecord, profile: ThingProfile, news: OrderProgressed, known: NeedState) -> Tell:
    """Return what lets the thing know where its order stands: once for each state."""
    spec = subject_of(profile, news.subject)
    order = ThingOrder(
        key=news.key,
        thing_id=record.thing_id,
        subject=news.subject,
        kind=NeedKind.SUPPLY if isinstance(spec, Declined) else kind_of(spec),
        state=news.state,
        code=news.state,
        sentence=news.sentence,
        is_ended=news.state in TERMINAL,
        sku=news.sku,
        total=news.price,
    )
    command = SendCommand(
        command_id=CommandId(f"{news.key}.{news.state}"),
        thing_id=record.thing_id,
        owner_id=record.owner_id,
        correlation_id=chain_of(record.thing_id, news.subject, known.episode),
        body=TellOrder(order=order),
        reason=news.sentence,
        within_s=_NEWS_WITHIN_S,
    )
    return Tell(device_address(record.thing_id), command)


def supply_question(
    state: ThingState, record: ThingRecord, subject: str, spec: SlotSpec, asked: tuple[CorrelationId, datetime]
) -> Question | Declined:
    """Return what a thing asks its peers about a supply."""
    slot = state.slots.get(subject)
    rate = use_per_day(slot) if slot is not None and slot.levels else 0.0
    skus = tuple(choice.sku for choice in spec.skus)
    return _plain_question(state, record, (Topic.MATERIAL, subject), asked, features=(rate,) if rate else (), skus=skus)


def use_questions(
    before: ThingState, state: ThingState, record: ThingRecord, profile: ThingProfile, now: datetime
) -> list[Question]:
    """Return what a thing asks about its peers' use: once a refill, then or when it runs low with a short history."""
    questions: list[Question] = []
    for name, spec in profile.slots.items():
        slot, former = state.slots.get(name), before.slots.get(name)
        if slot is None or former is None or slot.peers_asked_at == slot.refills:
            continue
        began, _, at, level = ends(slot.levels)
        runs_low = level > spec.low_at and may_be_low(slot, spec)
        if at - began >= LONG_HISTORY_S or not (runs_low or slot.refills > former.refills):
            continue
        chain = CorrelationId(f"{record.thing_id}.{name}.use.{slot.refills}")
        question = supply_question(state, record, name, spec, (chain, now))
        if isinstance(question, Question):
            questions.append(question)
    return questions


def remedy_question(
    state: ThingState, record: ThingRecord, subject: str, asked: tuple[CorrelationId, datetime]
) -> Question | Declined:
    """Return what a thing asks its peers about a fault: what did it take?"""
    return _plain_question(state, record, (Topic.REMEDY, subject), asked)


def spares_question(
    state: ThingState, record: ThingRecord, features: tuple[float, ...], sku: str, asked: tuple[CorrelationId, datetime]
) -> Question | Declined:
    """Return what a thing asks for its owner's fleet: how many of a spare part to keep."""
    return _plain_question(state, record, (Topic.SPARES, SPARES), asked, features=features, skus=(sku,))


def health_question(
    state: ThingState,
    record: ThingRecord,
    name: str,
    found: Sequence[tuple[CommunityId, HealthModel]],
    asked: tuple[CorrelationId, datetime],
) -> Question:
    """Return what a thing asks its peers about a component that has lived some cycles.

    Of the communities that have a model of it, the narrowest first; each sees the features that its own model needs.
    """
    component = state.components[name]
    first, *wider = (
        Wider(community_id=community_id, features=_features(model, component)) for community_id, model in found
    )
    chain, now = asked
    return Question(
        correlation_id=chain,
        community_id=first.community_id,
        topic=Topic.HEALTH,
        thing_id=record.thing_id,
        owner_id=record.owner_id,
        subject=name,
        features=first.features,
        age=component.cycle,
        asked_at=now,
        wider=tuple(wider),
        widened_from=None if first.community_id == state.communities[0] else state.communities[0],
    )


def _plain_question(
    state: ThingState,
    record: ThingRecord,
    about: tuple[Topic, str],
    asked: tuple[CorrelationId, datetime],
    *,
    features: tuple[float, ...] = (),
    skus: tuple[str, ...] = (),
) -> Question | Declined:
    """Return a question that needs no model: the narrowest community is asked first, the wider ones the same."""
    if not state.communities:
        return _no_community(record)
    narrowest, *wider = state.communities
    topic, subject = about
    chain, now = asked
    return Question(
        correlation_id=chain,
        community_id=narrowest,
        topic=topic,
        thing_id=record.thing_id,
        owner_id=record.owner_id,
        subject=subject,
        features=features,
        skus=skus,
        asked_at=now,
        wider=tuple(Wider(community_id=each, features=features) for each in wider),
    )


def _features(model: HealthModel, component: ComponentState) -> tuple[float, ...]:
    vector = model.features(np.array(component.first), np.array(component.last), component.cycles)
    return tuple(float(value) for value in vector)


def _evidence(state: ThingState, subject: str) -> dict[str, float]:
    slot, component = state.slots.get(subject), state.components.get(subject)
    if slot is not None and slot.levels:
        rate = use_per_day(slot)
        return {"level": newest(slot.levels)[1], **({"use_per_day": rate} if rate else {})}
    if component is not None and component.cycle >= 0:
        return {"cycle": component.cycle}
    return {}


def _no_community(record: ThingRecord) -> Declined:
    return Declined(
        code=DeclineCode.NO_COMMUNITY,
        detail=f"{record.thing_id} is in no community",
        next_step="the operator lists its profile as a member of one",
    )
