"""What a thing's own requests come to: a need, or the reason why there is none."""

from datetime import datetime

from actors.dialogue import CloseNeed, order_address
from actors.model.machine import DeclineCode, Declined, RequestEnding, RequestTaken, Wanted
from actors.model.needs import Need
from actors.model.profiles import ThingProfile
from actors.model.things import ThingRecord
from actors.runtime.turns import Step, Tell
from actors.thing.asking import asked_need, subject_of
from actors.thing.ending import MET, UNWANTED, ended
from actors.thing.evolving import evolve
from actors.thing.noticing import may_open, need_state
from actors.thing.state import NeedClosed, NeedEnd, ThingState


def requested_need(
    state: ThingState, record: ThingRecord, profile: ThingProfile, wanted: Wanted, now: datetime
) -> Need | RequestTaken | Declined:
    """Return the need that is to be opened as if it had been noticed; one that is open already stays the only one."""
    if record.retired_at is not None:
        return _is_retired(record)
    need = asked_need(state, record, profile, wanted, now)
    if isinstance(need, Declined):
        return need
    known = need_state(state, wanted.subject)
    if known.muted:
        return _dismissed(wanted.subject)
    if known.key is not None and not may_open(state, wanted.subject):
        return RequestTaken(key=known.key, subject=wanted.subject, already=True)
    return need


def end_request(
    state: ThingState, record: ThingRecord, profile: ThingProfile, ending: RequestEnding
) -> Step[ThingState]:
    """Close a need on the thing's own word; what the CRM holds of it stays there unless the need is met."""
    known, spec = need_state(state, ending.subject), subject_of(profile, ending.subject)
    if isinstance(spec, Declined):
        return Step(state, reply=spec)
    if not known.is_open or known.key is None:
        return Step(state, reply=_not_open(ending.subject))
    told = "the thing has it" if ending.met else "the thing wants it no more"
    reason = f"{told}: {ending.reason}" if ending.reason else told
    event = NeedClosed(subject=ending.subject, reason=reason)
    effects = (
        *ended(record, known, ending.subject, NeedEnd(reason=reason, code=MET if ending.met else UNWANTED)),
        Tell(order_address(known.key), CloseNeed(reason=reason, dismissed=not ending.met)),
    )
    reply = RequestTaken(key=known.key, subject=ending.subject, already=True)
    return Step(evolve(state, event), (event,), effects, reply)


def _is_retired(record: ThingRecord) -> Declined:
    return Declined(code=DeclineCode.UNKNOWN_THING, detail=f"{record.thing_id} is retired", next_step="stop asking")


def _dismissed(subject: str) -> Declined:
    return Declined(
        code=DeclineCode.DISMISSED,
        detail=f"a person ended the last request for {subject}",
        next_step="report what shows that it is needed anew, such as a refill or a fault that ended",
    )


def _not_open(subject: str) -> Declined:
    return Declined(code=DeclineCode.NOT_OPEN, detail=f"nothing is open for {subject}", next_step="nothing to do")
