"""What a thing notices: which needs hold now, and which are over. Pure functions of its state and profile."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from actors.community.depletion import Delivery, run_out
from actors.community.weekdays import FLAT, WeekClock, weekday_at, weekday_shape
from actors.model.ids import CorrelationId, ThingId
from actors.model.needs import Need, NeedKind
from actors.model.orders import TERMINAL
from actors.model.profiles import FaultSpec, HealthSpec, SlotSpec, ThingProfile
from actors.model.things import ThingRecord
from actors.thing.levels import count, ends, newest, unpacked
from actors.thing.state import NeedState, SlotState, ThingState

_DAY_S = 86400.0
_FEWEST_SAMPLES = 3
SHORTEST_HISTORY_S = 6 * 3600.0
"""A rate of use from less would be a guess."""
_CLOSE_LOOK = 4.0
"""The quantiles are worked out only when the plain rate says empty within this many delivery times."""


LONG_HISTORY_S = 14 * _DAY_S
"""From then on a slot's own history speaks for itself."""


class DaysLeft(NamedTuple):
    """Quantiles of the days until a slot is empty; ``early`` at the accepted risk; the level to reorder at."""

    p10: float
    p50: float
    p90: float
    early: float
    reorder_at: float

    def evidence(self) -> dict[str, float]:
        """Return it as a need keeps it."""
        return {
            "empty_in_days_p10": self.p10,
            "empty_in_days": self.p50,
            "empty_in_days_p90": self.p90,
            "reorder_at": self.reorder_at,
        }


def chain_of(thing_id: ThingId, subject: str, episode: int) -> CorrelationId:
    """Return the correlation id of everything that follows from one need."""
    return CorrelationId(f"{thing_id}.{subject}.{episode}")


def need_state(state: ThingState, subject: str) -> NeedState:
    """Return what is known about the needs of a subject."""
    return state.needs.get(subject, NeedState())


def may_open(state: ThingState, subject: str) -> bool:
    """Say whether a new episode of this subject may begin: the last one is over, and so is its order."""
    known = need_state(state, subject)
    if known.is_open or known.muted:
        return False
    return known.key is None or known.order_state in TERMINAL


def is_quiet(before: ThingState, after: ThingState, profile: ThingProfile) -> bool:
    """Say whether a message surely opened, closed and asked for nothing: what most messages do, told at little cost."""
    if after.faults and (True in after.faults.values() or True in before.faults.values()):
        return False
    slots, formers = after.slots, before.slots
    for name, spec in profile.slots.items():
        slot = slots.get(name)
        if slot is None:
            continue
        former = formers.get(name)
        if may_be_low(slot, spec) or (bool(before.needs) if former is None else former.refills != slot.refills):
            return False
    return not profile.components and profile.events is None


def may_be_low(slot: SlotState, spec: SlotSpec) -> bool:
    """Say whether the level is low, or there is history enough to forecast."""
    began, full, at, level = ends(slot.levels)
    if level <= spec.low_at:
        return True
    history_s = at - began
    if slot.peers is not None and history_s < LONG_HISTORY_S:
        return level <= slot.peers.per_day * _CLOSE_LOOK * spec.lead_days
    if history_s < SHORTEST_HISTORY_S or full <= level:
        return False
    near_days = _CLOSE_LOOK * spec.lead_days
    return level * history_s <= (full - level) * near_days * _DAY_S


def low_slots(state: ThingState, profile: ThingProfile, record: ThingRecord, now: datetime) -> list[Need]:
    """Return the supplies that must be ordered now: low, or empty before a delivery could come."""
    needs = (
        _slot_need(state, record, name, spec, now)
        for name, spec in profile.slots.items()
        if name in state.slots and may_open(state, name)
    )
    return [need for need in needs if need is not None]


def active_faults(state: ThingState, profile: ThingProfile, record: ThingRecord, now: datetime) -> list[Need]:
    """Return the faults that call for service."""
    return [
        _fault_need(state, record, name, spec, now)
        for name, spec in profile.faults.items()
        if state.faults.get(name) and may_open(state, name)
    ]


def replacement_need(
    state: ThingState, record: ThingRecord, name: str, spec: HealthSpec, estimate: float, now: datetime
) -> Need:
    """Return the need for a replacement, after the community's warning."""
    episode = need_state(state, name).episode + 1
    title = spec.title or name
    return Need(
        thing_id=record.thing_id,
        owner_id=record.owner_id,
        kind=NeedKind.REPLACEMENT,
        subject=name,
        episode=episode,
        reason=f"{title}: peers like it had about {estimate:.0f} cycles left at this point",
        opened_at=now,
        correlation_id=chain_of(record.thing_id, name, episode),
        skus=spec.skus,
        evidence={"remaining_cycles": estimate, "cycle": state.components[name].cycle},
        title=title,
    )


def _slot_need(state: ThingState, record: ThingRecord, name: str, spec: SlotSpec, now: datetime) -> Need | None:
    slot = state.slots[name]
    _, level = newest(slot.levels)
    days = _days_left(slot, spec, now)
    if level > spec.low_at and (days is None or days.early > spec.lead_days):
        return None
    episode = need_state(state, name).episode + 1
    evidence = {"level": level, **(days.evidence() if days else {})}
    rate = use_per_day(slot)
    return Need(
        thing_id=record.thing_id,
        owner_id=record.owner_id,
        kind=NeedKind.SUPPLY,
        subject=name,
        episode=episode,
        reason=_slot_reason(name, spec, level, days),
        opened_at=now,
        due_at=now + timedelta(days=days.p50) if days else None,
        correlation_id=chain_of(record.thing_id, name, episode),
        skus=spec.skus,
        quantity=spec.quantity,
        evidence={**evidence, **({"use_per_day": rate} if rate else {})},
        title=spec.title or name,
    )


def _slot_reason(name: str, spec: SlotSpec, level: float, days: DaysLeft | None) -> str:
    title = spec.title or name
    if days is not None and days.early <= spec.lead_days:
        told = f"{title} at {level:g} lasts about {days.p50:.1f} days"
        if spec.lead_days > spec.delivery_days or not spec.stockout_cost:
            return f"{told}; a delivery with safety takes {spec.lead_days:g}"
        return f"{told}, and with {spec.accepted_risk:.0%} risk {days.early:.1f}; a delivery takes {spec.lead_days:g}"
    return f"{title} is at {level:g}, at or under its limit of {spec.low_at:g}"


def _days_left(slot: SlotState, spec: SlotSpec, now: datetime) -> DaysLeft | None:
    """Return the days until empty, from now; None while that is far off or unknown."""
    rate = use_per_day(slot)
    start, _, end, level = ends(slot.levels)
    peers = slot.peers if end - start < LONG_HISTORY_S else None
    if peers is None and (count(slot.levels) < _FEWEST_SAMPLES or end - start < SHORTEST_HISTORY_S):
        return None
    most = max(rate, peers.per_day if peers else 0.0)
    if most <= 0 or level / most > _CLOSE_LOOK * spec.lead_days:
        return None
    samples = unpacked(slot.levels)
    shape = weekday_shape(samples, slot.peers.weekdays if slot.peers and slot.peers.weekdays else FLAT)
    forecast = run_out(
        level,
        [((at - start) / _DAY_S, left) for at, left in samples],
        peers_rate=peers.per_day if peers else None,
        clock=None if shape == FLAT else WeekClock(shape=shape, starts=weekday_at(start)),
        delivery=Delivery(days=spec.lead_days, accepted=spec.accepted_risk),
    )
    if forecast is None:
        return None
    since = max(0.0, (now - datetime.fromtimestamp(end, UTC)).total_seconds() / _DAY_S)
    return DaysLeft(
        p10=max(0.0, forecast.p10_days - since),
        p50=max(0.0, forecast.p50_days - since),
        p90=max(0.0, forecast.p90_days - since),
        early=max(0.0, forecast.early_days - since),
        reorder_at=forecast.reorder_at,
    )


def use_per_day(slot: SlotState) -> float:
    """Return how much a day is used up since the last refill; nothing while that is unknown."""
    start, full, end, level = ends(slot.levels)
    return (full - level) / ((end - start) / _DAY_S) if end > start and full > level else 0.0


def _fault_need(state: ThingState, record: ThingRecord, name: str, spec: FaultSpec, now: datetime) -> Need:
    episode = need_state(state, name).episode + 1
    return Need(
        thing_id=record.thing_id,
        owner_id=record.owner_id,
        kind=NeedKind.SERVICE,
        subject=name,
        episode=episode,
        reason=f"{spec.title} ({spec.code} reports {spec.equals})",
        opened_at=now,
        correlation_id=chain_of(record.thing_id, name, episode),
        title=spec.title,
        work=spec.work,
        priority=spec.priority,
        duration_minutes=spec.duration_minutes,
        remote_fix=spec.remote_fix,
        fix_within_s=spec.fix_within_s,
        fix_settles_s=spec.fix_settles_s,
        also_works=spec.also_works,
        parts=spec.parts,
    )
