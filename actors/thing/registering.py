"""How a thing begins and ends: its record, its communities, and what becomes of its open needs."""

from datetime import datetime

from msgspec.structs import replace

from actors.dialogue import (
    CloseNeed,
    JoinCommunity,
    LeaveCommunity,
    RegisterThing,
    chapter_address,
    order_address,
)
from actors.dialogue.placement import slot_of
from actors.model.things import ThingRecord
from actors.runtime.turns import Effect, Put, Step, Tell
from actors.thing.ending import UNWANTED, ended
from actors.thing.evolving import evolve, evolve_all
from actors.thing.state import NeedClosed, NeedEnd, Registered, Retired, ThingEvent, ThingState


def register(state: ThingState, message: RegisterThing, now: datetime) -> Step[ThingState]:
    """Take a record, a profile and communities; leave those that it no longer belongs to."""
    record = _kept(message.record, state.record, now)
    event = Registered(record=record, profile=message.profile, communities=message.communities)
    joins = (
        Tell(
            chapter_address(community_id, record.thing_id),
            JoinCommunity(thing_id=record.thing_id, owner_id=record.owner_id, purposes=record.shares),
        )
        for community_id in message.communities
    )
    effects: tuple[Effect, ...] = (Put("thing", record.thing_id, record.owner_id, record), *joins)
    left = (c for c in state.communities if c not in message.communities)
    leaves = (Tell(chapter_address(c, record.thing_id), LeaveCommunity(thing_id=record.thing_id)) for c in left)
    return Step(evolve(state, event), (event,), (*effects, *leaves), reply=record)


def retire(state: ThingState, record: ThingRecord, by: str, now: datetime) -> Step[ThingState]:
    """End a thing: its needs are dismissed, and it leaves its communities."""
    retired = replace(record, retired_at=now)
    closed = [(subject, need) for subject, need in state.needs.items() if need.is_open and need.key]
    events: tuple[ThingEvent, ...] = (
        *(NeedClosed(subject=subject, reason="the thing is retired", muted=True) for subject, _ in closed),
        Retired(record=retired),
    )
    reason = f"the thing was retired by {by}"
    end = NeedEnd(reason=reason, code=UNWANTED)
    effects: tuple[Effect, ...] = (
        Put("thing", record.thing_id, record.owner_id, retired),
        *(effect for subject, need in closed for effect in ended(record, need, subject, end)),
        *(Tell(order_address(need.key), CloseNeed(reason=reason, dismissed=True)) for _, need in closed if need.key),
        *(
            Tell(chapter_address(c, record.thing_id), LeaveCommunity(thing_id=record.thing_id))
            for c in state.communities
        ),
    )
    return Step(evolve_all(state, events), events, effects, reply=retired)


def _kept(record: ThingRecord, known: ThingRecord | None, now: datetime) -> ThingRecord:
    """Return a record with what stays from the first registration on."""
    since = record.registered_at or (known.registered_at if known else None)
    slot = known.slot if known else None
    return replace(record, registered_at=since or now, slot=slot_of(record.thing_id) if slot is None else slot)
