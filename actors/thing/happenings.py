"""What happens to a thing: its errors, replacements and failures by running hours, and what is asked and told of them.

Pure, and the same when a journal is folded again.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import numpy as np
from msgspec.structs import replace

from actors.community.component_failure import WINDOWS_H, MachineEvents
from actors.community.failing import FAILING, PublishedFailures
from actors.model.advice import Question, Topic
from actors.model.histories import MOST_TIMES, EventHistory
from actors.model.ids import CommunityId, CorrelationId, fingerprint
from actors.model.needs import Need, NeedKind
from actors.model.profiles import EventsSpec, PartSpec, ThingProfile
from actors.model.things import Purpose, ThingRecord
from actors.thing.latest import Latest, Numbers, number_of
from actors.thing.noticing import chain_of, may_open, need_state
from actors.thing.state import ChancesTaken, Happened, HistoryShared, PeersAsked, ThingState

_HOUR_S: Final = 3600.0
_SHARE_EVERY_H: Final = 720.0

Times = Mapping[str, tuple[float, ...]]


def happened_after(
    known: Happened | None, spec: EventsSpec, told: Sequence[tuple[str, Latest]], numbers: Numbers
) -> Happened | None:
    """Return what is known after these values were told; a counter of hours that went back starts everything anew."""
    now_h = _now_h(spec, told, numbers)
    if now_h is None:
        return known
    if known is None or now_h < known.now_h:
        known = Happened(since_h=now_h, now_h=now_h, rows=known.rows if known else {})
    events, replaced, failed = known.events, known.replaced, known.failed
    for name, latest in told:
        if name == spec.code and latest.value in spec.codes:
            events = _noted(events, str(latest.value), now_h)
        elif name == spec.replaced:
            replaced = _noted(replaced, str(latest.value), now_h)
        elif name == spec.failed:
            failed = _noted(failed, str(latest.value), now_h)
            replaced = _noted(replaced, str(latest.value), now_h)
    return replace(known, now_h=now_h, events=events, replaced=replaced, failed=failed)


def _now_h(spec: EventsSpec, told: Sequence[tuple[str, Latest]], numbers: Numbers) -> float | None:
    if spec.hours is not None:
        return number_of(numbers, spec.hours)
    return max((latest.at for _, latest in told), default=0.0) / _HOUR_S or None


def _noted(times: Times, name: str, now_h: float) -> dict[str, tuple[float, ...]]:
    """Add a time, once; the oldest of too many are forgotten."""
    known = times.get(name, ())
    return dict(times) if known and known[-1] == now_h else {**times, name: (*known[-(MOST_TIMES - 1) :], now_h)}


def replaced_parts(before: ThingState, after: ThingState, profile: ThingProfile) -> list[tuple[str, str]]:
    """Return the parts that were replaced just now, with what shows it."""
    if after.happened is None or before.happened is None or after.happened.replaced is before.happened.replaced:
        return []
    former, now = before.happened.replaced, after.happened
    parts = (name for name in profile.parts if now.replaced.get(name, ()) != former.get(name, ()))
    return [(name, f"replaced: at hour {now.replaced[name][-1]:g}") for name in parts]


def settled_warnings(state: ThingState, profile: ThingProfile) -> list[tuple[str, str]]:
    """Return the parts that did not fail for so long after the warning that it was wrong."""
    happened = state.happened
    if happened is None:
        return []
    return [
        (part, f"not failed within {spec.settled_after_h:g} h of the warning: the part goes back or into stock")
        for part, spec in profile.parts.items()
        if need_state(state, part).is_open
        and (warned := happened.warned_h.get(part)) is not None
        and happened.now_h > warned + spec.settled_after_h
    ]


def evolved(happened: Happened, event: PeersAsked | ChancesTaken | HistoryShared) -> Happened:
    """Return what is known after an event."""
    match event:
        case PeersAsked(at_h=at_h):
            return replace(happened, asked_h=at_h, questions=happened.questions + 1)
        case ChancesTaken(chances=chances, warned=warned, rows=rows):
            warned_h = {**happened.warned_h, **dict.fromkeys(warned, happened.now_h)}
            known = {**happened.rows, **{row.subject: (*happened.rows.get(row.subject, ()), row) for row in rows}}
            return replace(happened, chances=chances, warned_h=warned_h, rows=known, answers=happened.answers + 1)
        case HistoryShared(at_h=at_h):
            return replace(happened, shared_h=at_h)


def is_time_to_ask(before: ThingState, after: ThingState, profile: ThingProfile) -> bool:
    """Say whether peers are asked now: at an event, and from time to time in the days that follow it."""
    spec, now, former = profile.events, after.happened, before.happened
    if spec is None or now is None or not any(may_open(after, part) for part in profile.parts):
        return False
    newest = max((times[-1] for times in now.events.values()), default=None)
    if newest is None or now.now_h - newest > WINDOWS_H[-1]:
        return False
    is_new = former is None or former.events is not now.events
    return is_new or now.asked_h is None or now.now_h >= now.asked_h + spec.ask_every_h


def failure_question(
    state: ThingState,
    record: ThingRecord,
    profile: ThingProfile,
    found: tuple[CommunityId, PublishedFailures],
    asked: tuple[CorrelationId, datetime],
) -> Question | None:
    """Return what a thing asks its peers about its parts; None where nothing has happened to it that is known."""
    happened = state.happened
    if happened is None or profile.events is None:
        return None
    community_id, published = found
    age = number_of(state.numbers, profile.events.age) if profile.events.age else None
    machine = _machine(happened, profile.model, age or 0.0)
    chain, now = asked
    return Question(
        correlation_id=chain,
        community_id=community_id,
        topic=Topic.FAILURE,
        thing_id=record.thing_id,
        owner_id=record.owner_id,
        subject=FAILING,
        features=published.features(machine, happened.now_h),
        age=happened.now_h,
        asked_at=now,
    )


def due_parts(state: ThingState, profile: ThingProfile, chances: Mapping[str, float]) -> list[str]:
    """Return the parts for which ordering now is cheaper than waiting for the failure."""
    return [
        part
        for part, spec in profile.parts.items()
        if chances.get(part, 0.0) > spec.order_above and may_open(state, part)
    ]


def part_need(
    state: ThingState, record: ThingRecord, part: tuple[str, PartSpec], chance: float, why: str, now: datetime
) -> Need:
    """Return the need for a part that is about to fail; ``why`` is the community's sentence."""
    name, spec = part
    episode = need_state(state, name).episode + 1
    title = spec.title or name
    rule = f"fails within 24 h with a chance of {chance:.0%}; ordering pays above {spec.order_above:.0%}"
    return Need(
        thing_id=record.thing_id,
        owner_id=record.owner_id,
        kind=NeedKind.PART,
        subject=name,
        episode=episode,
        reason=f"{title}: {rule}. {why}".rstrip(),
        opened_at=now,
        correlation_id=chain_of(record.thing_id, name, episode),
        skus=spec.skus,
        evidence={"chance": chance, "order_above": spec.order_above, "hours": _hours(state)},
        title=title,
    )


def history_to_share(
    before: ThingState, after: ThingState, record: ThingRecord, profile: ThingProfile
) -> EventHistory | None:
    """Return what a thing gives for training, by its owner's consent: when a part failed, at most once in 30 days."""
    now, former = after.happened, before.happened
    if now is None or former is None or now.failed is former.failed or Purpose.TRAINING not in record.shares:
        return None
    if not after.communities or (now.shared_h is not None and now.now_h < now.shared_h + _SHARE_EVERY_H):
        return None
    age = number_of(after.numbers, profile.events.age) if profile.events and profile.events.age else None
    return EventHistory(
        history_id=history_id(record),
        owner_id=record.owner_id,
        kind=profile.model,
        age_years=age or 0.0,
        since_h=_known_since(now),
        until_h=now.now_h,
        events=now.events,
        replaced=now.replaced,
        failed=now.failed,
    )


def history_id(record: ThingRecord) -> str:
    """Return the id of a thing's history, which does not tell which thing it is."""
    return fingerprint("event history", record.owner_id, record.thing_id)


def _known_since(happened: Happened) -> float:
    """Return from when on all events are told: the oldest of too many were forgotten."""
    full = [
        times[0] for each in (happened.events, happened.failed) for times in each.values() if len(times) >= MOST_TIMES
    ]
    return max((happened.since_h, *full))


def _hours(state: ThingState) -> float:
    return state.happened.now_h if state.happened else 0.0


def _machine(happened: Happened, kind: str, age_years: float) -> MachineEvents:
    return MachineEvents(
        machine_id="",
        kind=kind,
        age_years=age_years,
        events={name: np.array(times) for name, times in happened.events.items()},
        replaced={name: np.array(times) for name, times in happened.replaced.items()},
    )
