"""How a need ends by evidence: what shows it, and who is told."""

from typing import Final

from actors.dialogue import CloseNeed, order_address
from actors.model.ids import CorrelationId
from actors.model.profiles import ThingProfile
from actors.model.things import ThingRecord
from actors.runtime.turns import Effect, Forget, Note, Put, Tell
from actors.thing.happenings import replaced_parts
from actors.thing.levels import newest
from actors.thing.noticing import chain_of
from actors.thing.state import NeedEnd, NeedState, ThingState

MET: Final = "met"
"""The thing showed it, or says so."""
UNWANTED: Final = "unwanted"
"""A person or the thing wants it no more."""
NOT_SEEN: Final = "fulfilled_not_seen"
"""Its order was fulfilled, and the thing never showed what that brought."""


def evidence_of_end(before: ThingState, after: ThingState, profile: ThingProfile) -> list[tuple[str, str]]:
    """Return the subjects whose lack is over, with what shows it."""
    ended: list[tuple[str, str]] = []
    for name in profile.slots:
        slot, former = after.slots.get(name), before.slots.get(name)
        if slot and former and slot.refills > former.refills:
            ended.append((name, f"refilled: from {newest(former.levels)[1]:g} to {slot.filled_to:g}"))
    for name in profile.components:
        component, old = after.components.get(name), before.components.get(name)
        if component and old and 0 <= component.cycle < old.cycle:
            ended.append((name, f"replaced: its cycle count restarted at {component.cycle:g}"))
    ended += replaced_parts(before, after, profile)
    ended += [
        (name, "the fault is no longer reported")
        for name in profile.faults
        if before.faults.get(name) and not after.faults.get(name)
    ]
    return ended


def closing(record: ThingRecord, known: NeedState, subject: str, reason: str) -> list[Effect]:
    """Return what tells of an open need that it is over."""
    if not known.is_open or known.key is None:
        return []
    end = ended(record, known, subject, NeedEnd(reason=reason, code=MET))
    return [*end, Tell(order_address(known.key), CloseNeed(reason=reason))]


def ended(record: ThingRecord, known: NeedState, subject: str, end: NeedEnd) -> list[Effect]:
    """Return what people read of the end of an open need: in its chain, and beside it."""
    chain = chain_of_episode(record, known, subject)
    facts = {"subject": subject, "code": end.code, **({"next_step": end.next_step} if end.next_step else {})}
    waits = [Forget(waits_name(subject))] if known.seen_by else []
    return [Note(chain, "need_closed", end.reason, facts), Put("need_end", chain, record.owner_id, end), *waits]


def waits_name(subject: str) -> str:
    """Return the name of the reminder that ends the wait for a subject to be seen."""
    return f"seen/{subject}"


def chain_of_episode(record: ThingRecord, known: NeedState, subject: str) -> CorrelationId:
    """Return the correlation id of a subject's present episode."""
    return chain_of(record.thing_id, subject, known.episode)
