"""When a thing asks which of its parts fails next, and when it gives what happened to it for training. Pure."""

from datetime import datetime

from actors.community.failing import PublishedFailures
from actors.dialogue import AskCommunity, ShareHistory, chapter_address, thing_address
from actors.model.ids import CommunityId
from actors.model.profiles import ThingProfile
from actors.model.things import ThingRecord
from actors.runtime.turns import Tell
from actors.thing.asking import Models
from actors.thing.happenings import failure_question, history_to_share, is_time_to_ask
from actors.thing.noticing import chain_of
from actors.thing.raising import Decided
from actors.thing.state import HistoryShared, PeersAsked, ThingState


def foretold(
    before: ThingState,
    after: ThingState,
    thing: tuple[ThingRecord, ThingProfile],
    models: Models,
    now: datetime,
    decided: Decided,
) -> None:
    """Add to a turn the question which part fails next, when it is time, and what is shared of a failure."""
    if after.happened is None:
        return
    record, profile = thing
    events, effects = decided
    found = failures_for(models, after) if is_time_to_ask(before, after, profile) else None
    chain = chain_of(record.thing_id, "parts", after.happened.questions + 1)
    question = failure_question(after, record, profile, found, (chain, now)) if found else None
    if question is not None:
        events.append(PeersAsked(at_h=after.happened.now_h))
        ask = AskCommunity(question=question, reply_to=thing_address(record.thing_id))
        effects.append(Tell(chapter_address(question.community_id, record.thing_id), ask))
    history = history_to_share(before, after, record, profile)
    if history is not None:
        events.append(HistoryShared(at_h=history.until_h))
        for community_id in after.communities[:1]:
            share = ShareHistory(thing_id=record.thing_id, history=history)
            effects.append(Tell(chapter_address(community_id, record.thing_id), share))


def failures_for(models: Models, state: ThingState) -> tuple[CommunityId, PublishedFailures] | None:
    """Return the narrowest of a thing's communities that knows which parts fail."""
    found = ((community_id, models.failures(community_id)) for community_id in state.communities)
    return next(((name, published) for name, published in found if published is not None), None)
