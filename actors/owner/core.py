"""The owner's rules: who may buy what, how much is left, what is switched off. Grants are request and answer."""

from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from actors.dialogue import (
    AskClearance,
    AskPermission,
    AskReservation,
    AttemptEnded,
    Candidate,
    ClearanceAnswered,
    GrantMandate,
    MandateChanged,
    PermissionAnswered,
    Refusal,
    ReservationAnswered,
    RevokeMandate,
    SettleReservation,
    SwitchOff,
    SwitchOn,
    order_address,
)
from actors.model.ids import MandateId, OrderKey, ThingId
from actors.model.mandates import Mandate, Verdict
from actors.model.needs import NeedKind
from actors.owner.judgement import (
    SENTENCES,
    budget_meter,
    judge_candidate,
    judge_mandate,
    most_telling,
    names_seller,
    no_seller,
)
from actors.owner.state import (
    REMEMBERED,
    Blocked,
    Cleared,
    Landed,
    MandateGranted,
    OwnerEvent,
    OwnerState,
    RecentOrder,
    Reservation,
    Reserved,
    Settled,
    SwitchedOff,
    SwitchedOn,
    evolve,
)
from actors.runtime.turns import Effect, Meter, Put, Step, Tell

OwnerMessage = (
    GrantMandate
    | RevokeMandate
    | SwitchOff
    | SwitchOn
    | AskPermission
    | AskReservation
    | AskClearance
    | AttemptEnded
    | SettleReservation
)
_MAY_BUY = frozenset({Verdict.ALLOWED, Verdict.NEEDS_APPROVAL})


class OwnerLimits(Struct, frozen=True, kw_only=True):
    """What holds whatever a thing thinks it needs (``[limits]`` of the configuration)."""

    max_orders_per_7_days: int = 3
    min_between_orders: timedelta = timedelta(hours=1)


class OffAcknowledged(Struct, frozen=True, kw_only=True):
    """The answer to ``SwitchOff``: from now on nothing leaves; these requests had left before."""

    already_under_way: tuple[OrderKey, ...]


class OwnerCore:
    """The durable actor of one owner."""

    kind = "owner"
    schema = 1
    state_type = OwnerState
    message_type = OwnerMessage
    event_type = OwnerEvent

    def __init__(self, limits: OwnerLimits | None = None) -> None:
        self._limits = limits or OwnerLimits()

    def initial(self, name: str) -> OwnerState:
        """Return an owner without any rule: nothing may be bought."""
        del name
        return OwnerState()

    def records(self, message: Any) -> bool:
        """Keep decisions only."""
        del message
        return False

    def fold(self, state: OwnerState, message: Any, events: tuple[OwnerEvent, ...], at: datetime) -> OwnerState:
        """Return the state after a recorded turn."""
        del message, at
        for event in events:
            state = evolve(state, event)
        return state

    def step(self, state: OwnerState, message: OwnerMessage, now: datetime) -> Step[OwnerState]:
        """Decide on one message."""
        events, effects, reply = self._decide(state, message, now)
        return Step(self.fold(state, message, events, now), events, effects, reply)

    def _decide(
        self, state: OwnerState, message: OwnerMessage, now: datetime
    ) -> tuple[tuple[OwnerEvent, ...], tuple[Effect, ...], Any]:
        match message:
            case GrantMandate(mandate=mandate):
                return _grant(state, mandate)
            case RevokeMandate(mandate_id=mandate_id):
                return _revoke(state, mandate_id, now)
            case SwitchOff(thing_id=thing_id, by=by):
                return (SwitchedOff(thing_id=thing_id, by=by),), (), _under_way(state, thing_id)
            case SwitchOn(thing_id=thing_id):
                return (SwitchedOn(thing_id=thing_id),), _wake(state, "switched on"), "on"
            case AskPermission():
                return (*_permit(state, message, self._limits, now), None)
            case AskReservation():
                return (*_reserve(state, message, self._limits, now), None)
            case AskClearance():
                return (*_clear(state, message, now), None)
            case AttemptEnded(key=key):
                return ((Landed(key=key),) if key in state.reservations else ()), (), None
            case SettleReservation():
                return (*_end(state, message), None)


def _grant(state: OwnerState, mandate: Mandate) -> tuple[tuple[OwnerEvent, ...], tuple[Effect, ...], Any]:
    return (MandateGranted(mandate=mandate),), (_shown(mandate), *_wake(state, "mandate granted")), "granted"


def _revoke(
    state: OwnerState, mandate_id: MandateId, now: datetime
) -> tuple[tuple[OwnerEvent, ...], tuple[Effect, ...], Any]:
    mandate = state.mandates.get(mandate_id)
    if mandate is None:
        return (), (), "no such mandate"
    if mandate.revoked_at is not None:
        return (), (), "revoked"
    revoked = replace(mandate, revoked_at=now)
    return (MandateGranted(mandate=revoked),), (_shown(revoked),), "revoked"


def _shown(mandate: Mandate) -> Effect:
    return Put("mandate", f"{mandate.owner_id}/{mandate.mandate_id}", mandate.owner_id, mandate)


def _wake(state: OwnerState, reason: str) -> tuple[Effect, ...]:
    return tuple(Tell(order_address(key), MandateChanged(reason=reason)) for key in state.blocked)


def _under_way(state: OwnerState, thing_id: ThingId | None) -> OffAcknowledged:
    keys = (
        key
        for key, reservation in state.reservations.items()
        if reservation.under_way and thing_id in {None, reservation.thing_id}
    )
    return OffAcknowledged(already_under_way=tuple(keys))


def _switched_off(state: OwnerState, thing_id: ThingId) -> Verdict | None:
    if state.all_off_by:
        return Verdict.ALL_OFF
    return Verdict.THING_OFF if thing_id in state.things_off else None


def _reserve(
    state: OwnerState, ask: AskReservation, limits: OwnerLimits, now: datetime
) -> tuple[tuple[OwnerEvent, ...], tuple[Effect, ...]]:
    """Judge afresh: an earlier reservation of the same order is given back first."""
    events: tuple[OwnerEvent, ...] = ()
    effects: tuple[Effect, ...] = ()
    if ask.key in state.reservations:
        events, effects = _settle(state, SettleReservation(key=ask.key, spent=None))
        state = evolve(state, events[0])
    best, refusals = _judge(state, ask, limits, now)
    if best is None:
        verdict = most_telling([refusal.verdict for refusal in refusals])
        answer = ReservationAnswered(verdict=verdict, sentence=SENTENCES[verdict], refusals=refusals)
        return (*events, Blocked(key=ask.key)), (*effects, Tell(order_address(ask.key), answer))
    verdict, mandate, candidate = best
    reservation = Reservation(
        thing_id=ask.thing_id,
        mandate_id=mandate.mandate_id,
        connection=candidate.connection,
        sku=candidate.sku,
        needs_approval=verdict is Verdict.NEEDS_APPROVAL,
        amount=None if ask.is_test else candidate.amount,
        meter=budget_meter(mandate, now),
    )
    answer = ReservationAnswered(
        verdict=verdict,
        sentence=SENTENCES[verdict],
        mandate_id=mandate.mandate_id,
        offer_id=candidate.offer_id,
        refusals=refusals,
    )
    order = RecentOrder(key=ask.key, subject=ask.subject, at=now)
    metered = _metered(reservation, mandate.budget.minor)
    return (
        (*events, Reserved(key=ask.key, reservation=reservation, order=order)),
        (*effects, *metered, Tell(order_address(ask.key), answer)),
    )


def _metered(reservation: Reservation, cap: int) -> tuple[Effect, ...]:
    if reservation.amount is None or reservation.amount.minor == 0:
        return ()
    return (Meter(reservation.meter, reservation.amount.minor, cap),)


_Best = tuple[Verdict, Mandate, Candidate]


def _judge(
    state: OwnerState, ask: AskReservation, limits: OwnerLimits, now: datetime
) -> tuple[_Best | None, tuple[Refusal, ...]]:
    """Return the first candidate that a mandate allows, and why the ones before it are not allowed."""
    covering, verdict = _allowing(state, ask, limits, now)
    if verdict is not Verdict.ALLOWED:
        return None, (Refusal(connection="", sku="", verdict=verdict),)
    refusals: list[Refusal] = []
    for candidate in ask.candidates:
        for mandate in covering:
            used = state.used.get(budget_meter(mandate, now), 0)
            verdict = judge_candidate(mandate, candidate, ask.kind, used)
            if verdict in _MAY_BUY:
                return (verdict, mandate, candidate), tuple(refusals)
            refusals.append(Refusal(connection=candidate.connection, sku=candidate.sku, verdict=verdict))
    return None, tuple(refusals)


def _permit(
    state: OwnerState, ask: AskPermission, limits: OwnerLimits, now: datetime
) -> tuple[tuple[OwnerEvent, ...], tuple[Effect, ...]]:
    """Judge what depends on no price, before anything is sent for the need."""
    covering, verdict = _allowing(state, ask, limits, now)
    sentence, sellers = SENTENCES[verdict], ask.sellers
    if verdict is Verdict.ALLOWED and ask.sellers:
        sellers = tuple(name for name in ask.sellers if any(names_seller(m, name, ask.kind) for m in covering))
        if not sellers:
            verdict, sentence = Verdict.PAYEE_NOT_ALLOWED, no_seller(covering, ask.sellers)
    if ask.reply_to:
        told = PermissionAnswered(verdict=verdict, sentence=sentence, inquiry=ask.key, sellers=sellers)
        return (), (Tell(ask.reply_to, told),)
    answer = PermissionAnswered(verdict=verdict, sentence=sentence, sellers=sellers)
    events = () if verdict is Verdict.ALLOWED else (Blocked(key=ask.key),)
    return events, (Tell(order_address(ask.key), answer),)


def _allowing(
    state: OwnerState, ask: AskPermission | AskReservation, limits: OwnerLimits, now: datetime
) -> tuple[list[Mandate], Verdict]:
    """Return the mandates that cover the need and ``allowed``, or why nothing may be bought whatever it costs."""
    stop = _switched_off(state, ask.thing_id) or _over_limits(state, ask, limits, now)
    return ([], stop) if stop is not None else _covering(state, ask.thing_id, ask.kind, now)


def _over_limits(
    state: OwnerState, ask: AskPermission | AskReservation, limits: OwnerLimits, now: datetime
) -> Verdict | None:
    """Stop a thing that orders too often, before anyone is asked; test things spend nothing and may try."""
    if ask.is_test:
        return None
    others = [order for order in state.recent.get(ask.thing_id, ()) if order.key != ask.key]
    if sum(order.at > now - REMEMBERED for order in others) >= limits.max_orders_per_7_days:
        return Verdict.TOO_MANY_ORDERS
    if any(order.subject == ask.subject and order.at > now - limits.min_between_orders for order in others):
        return Verdict.TOO_SOON
    return None


def _covering(state: OwnerState, thing_id: ThingId, kind: NeedKind, now: datetime) -> tuple[list[Mandate], Verdict]:
    """Return the mandates that cover the need and ``allowed``; with none, the most telling reason."""
    verdicts = {m.mandate_id: judge_mandate(m, thing_id, kind, now) for m in state.mandates.values()}
    covering = [m for m in state.mandates.values() if verdicts[m.mandate_id] is Verdict.ALLOWED]
    return covering, Verdict.ALLOWED if covering else most_telling(list(verdicts.values()))


def _clear(state: OwnerState, ask: AskClearance, now: datetime) -> tuple[tuple[OwnerEvent, ...], tuple[Effect, ...]]:
    """Check everything again at the last moment; only an ``allowed`` here lets a request leave."""
    verdict = _clearance(state, ask, now)
    answer = ClearanceAnswered(verdict=verdict, sentence=SENTENCES[verdict])
    event: OwnerEvent = Cleared(key=ask.key) if verdict is Verdict.ALLOWED else Blocked(key=ask.key)
    return (event,), (Tell(order_address(ask.key), answer),)


def _clearance(state: OwnerState, ask: AskClearance, now: datetime) -> Verdict:
    off = _switched_off(state, ask.thing_id)
    if off is not None:
        return off
    reservation = state.reservations.get(ask.key)
    if reservation is None:
        return Verdict.NO_MANDATE
    mandate = state.mandates[reservation.mandate_id]
    verdict = judge_mandate(mandate, ask.thing_id, ask.kind, now)
    return _still_allowed(state, reservation, ask.kind) if verdict is Verdict.ALLOWED else verdict


def _still_allowed(state: OwnerState, reservation: Reservation, kind: NeedKind) -> Verdict:
    """Judge what was reserved by the mandate as it stands now; what a person had to approve has been approved."""
    mandate, amount = state.mandates[reservation.mandate_id], reservation.amount
    candidate = Candidate(offer_id="", connection=reservation.connection, sku=reservation.sku, amount=amount)
    used_by_others = state.used.get(reservation.meter, 0) - (amount.minor if amount else 0)
    verdict = judge_candidate(mandate, candidate, kind, used_by_others)
    return Verdict.ALLOWED if verdict is Verdict.NEEDS_APPROVAL and reservation.needs_approval else verdict


def _end(state: OwnerState, settle: SettleReservation) -> tuple[tuple[OwnerEvent, ...], tuple[Effect, ...]]:
    """Forget an order that ended; money that it gives back may be what others wait for."""
    events, effects = _settle(state, settle)
    if not effects:
        return events, effects
    return events, (*effects, *_wake(evolve(state, events[0]), "budget was given back"))


def _settle(state: OwnerState, settle: SettleReservation) -> tuple[tuple[OwnerEvent, ...], tuple[Effect, ...]]:
    reservation = state.reservations.get(settle.key)
    if reservation is None:
        return ((Settled(key=settle.key, spent_minor=0),) if settle.key in state.blocked else ()), ()
    reserved = reservation.amount.minor if reservation.amount else 0
    budget = state.mandates[reservation.mandate_id].budget.minor
    left = max(0, budget - state.used.get(reservation.meter, 0))
    spent = min(settle.spent.minor, reserved + left) if settle.spent and reservation.amount else 0
    effects = (Meter(reservation.meter, spent - reserved, budget),) if spent != reserved else ()
    return (Settled(key=settle.key, spent_minor=spent),), effects
