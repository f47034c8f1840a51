"""The ends of an order, and what leads to them without anybody's answer: confirmed, over, given up, a person's case."""

from typing import Final

from actors.dialogue import (
    CancelRecord,
    DropVisit,
    OrderProgressed,
    SettleReservation,
    connection_address,
    thing_address,
)
from actors.model.advice import Remedy, RemedyKind, RemedyOutcome, RemedyTried
from actors.model.money import Money
from actors.model.orders import TERMINAL, OrderState, PurchaseOrder, RecordKind
from actors.model.outcomes import CrmRecord
from actors.purchasing.events import NeedOver, StepTried, VisitStep
from actors.purchasing.expecting import OVERDUE, expect, is_awaited, is_overdue, promised
from actors.purchasing.ladder import remedy_of
from actors.purchasing.sourcing import PurchasingSettings
from actors.purchasing.turn import Turn

_S = OrderState
NOT_SENT: Final = frozenset({_S.DRAFTED, _S.AWAITING_APPROVAL, _S.APPROVED, _S.BLOCKED})
"""States in which surely nothing of this order is at a CRM."""
_AT_CRM: Final = frozenset({_S.PLACED, _S.CONFIRMED})
_BOOKING: Final = frozenset({VisitStep.BOOKING, VisitStep.PROVING})
_OVERDUE_NEXT: Final = (
    "ask the seller what became of it: approve to wait as long again, cancel it in the CRM, or reject to await it no"
    " more; what the CRM or the thing tells meanwhile still ends it"
)
_ENDED: Final = frozenset({_S.FULFILLED, _S.REJECTED, _S.CANCELLED, _S.EXPIRED})
_DEADLINES: Final = ("expiry", "advice", "offers", "source_again", "blocked", "status", "times", "fix", "overdue")
_LOOK_AGAIN_S: Final = 86400.0
ABSENT: Final = "proven_absent"
UNFINISHED: Final = "unfinished"
_LAST_SEEN: Final = frozenset({ABSENT, UNFINISHED, "placed"})
_OF_ATTEMPTS: Final = frozenset({ABSENT, "not_placed_yet", "throttled"})
_UNFINISHED: Final = "left_unfinished"
_REMOVE: Final = "approve to let it be finished under the same key, or remove it in the CRM and cancel"
_PERSON: Final = "look at the CRM record and decide: approve to go on under the same key, or cancel"


def confirm(turn: Turn, settings: PurchasingSettings) -> None:
    """The CRM stands by it."""
    visit = f", visit {turn.data.slot.starts_at:%d %b %H:%M} UTC" if turn.data.booking and turn.data.slot else ""
    name = turn.data.record.name if turn.data.record else turn.key
    turn.move(OrderState.CONFIRMED, "confirmed", f"{name} is confirmed by {turn.data.connection}{visit}")
    turn.forget("expiry")
    expect(turn, settings)
    watch(turn, settings)
    tell_thing(turn)


def watch(turn: Turn, settings: PurchasingSettings) -> None:
    """Look the record up again later: often only where the CRM does not tell by itself what changed."""
    can = settings.connections.get(turn.data.connection)
    tells = can is not None and can.changes
    if turn.data.state is OrderState.PLACED:
        turn.remind("status", settings.heard_status_s if tells else settings.status_s)
        return
    if turn.data.state is OrderState.CONFIRMED and not is_awaited(turn):
        expect(turn, settings)
    if not tells and (turn.data.state is OrderState.CONFIRMED or is_overdue(turn.data)):
        turn.remind("status", settings.confirmed_status_s)


def overdue(turn: Turn, settings: PurchasingSettings) -> None:
    """Ask a person about what was confirmed and not fulfilled in time; its record is watched on."""
    if turn.data.state is not OrderState.CONFIRMED:
        if turn.data.state not in {*_ENDED, OrderState.DEAD_LETTER}:
            turn.remind("overdue", _LOOK_AGAIN_S)
        return
    slot = turn.data.slot
    if slot is not None and slot.ends_at > turn.now:  # moved meanwhile
        expect(turn, settings)
        return
    name = turn.data.record.name if turn.data.record else turn.key
    told = f"{name} is confirmed by {turn.data.connection} ({promised(turn, settings)}), and nothing says that it came"
    turn.move(OrderState.DEAD_LETTER, OVERDUE, told, _OVERDUE_NEXT)
    _stop(turn)
    watch(turn, settings)


def write_off(turn: Turn, by: str, reason: str) -> None:
    """End what is overdue by a person's word: its money counts as spent, because the CRM still holds the record."""
    told = f"{by} awaits it no more: {reason}; {turn.data.connection} still holds the record"
    end(turn, OrderState.CANCELLED, "written_off", told, is_spent=True)


def end(
    turn: Turn, state: OrderState, code: str, sentence: str, next_step: str = "", *, is_spent: bool = False
) -> None:
    """Reach an end: drop the deadlines, free what is reserved and not spent, and tell the thing."""
    turn.move(state, code, sentence, next_step)
    for name in _DEADLINES:
        turn.forget(name)
    spent = _due(turn) if is_spent or state is OrderState.FULFILLED else None
    turn.tell_owner(SettleReservation(key=turn.key, spent=spent))
    if turn.data.booking is not None:
        _end_visit(turn, turn.data.booking, sentence)
    tell_thing(turn)


def _end_visit(turn: Turn, booking: CrmRecord, reason: str) -> None:
    """Nobody comes for work that is not wanted; where the CRM cannot cancel, reconciliation tells a person."""
    turn.tell(connection_address(turn.data.connection), DropVisit(key=booking.key))
    if turn.data.state is OrderState.CANCELLED:
        job = CancelRecord(key=booking.key, kind=RecordKind.APPOINTMENT, reason=reason)
        turn.work(turn.data.connection, job)


def _due(turn: Turn) -> Money | None:
    """Return what an order costs in the end: what its record says where people raised it there."""
    request, record = turn.data.request, turn.data.record
    if not isinstance(request, PurchaseOrder):
        return None
    total = None if record is None else record.total
    if total is None or total.currency != request.total.currency:
        return request.total
    return max(total, request.total, key=lambda money: money.minor)


def give_up(turn: Turn, state: OrderState, code: str, sentence: str, next_step: str = "") -> None:
    """Reach an end at which nothing of the order is at the CRM; what it holds unfinished goes to a person instead."""
    if holds_unfinished(turn):
        told = f"{sentence}; but {turn.data.connection} holds the record unfinished"
        turn.move(OrderState.DEAD_LETTER, _UNFINISHED, told, _REMOVE)
        _stop(turn)
    else:
        end(turn, state, code, sentence, next_step)


def holds_unfinished(turn: Turn) -> bool:
    """Say whether the CRM was last seen to hold a record of this order that it does not count as ordered."""
    codes = (passage.code for passage in reversed(turn.data.passages))
    return next((code for code in codes if code in _LAST_SEEN), "") == UNFINISHED


def hand_to_person(turn: Turn, code: str, sentence: str) -> None:
    """Nothing goes on without a person; what is reserved stays reserved."""
    turn.move(OrderState.DEAD_LETTER, code, sentence, _PERSON)
    _stop(turn)


def _stop(turn: Turn) -> None:
    for name in _DEADLINES:
        turn.forget(name)
    tell_thing(turn)


def close_need(turn: Turn, reason: str, *, dismissed: bool) -> None:
    """Remember that the need is over; ``settle_need`` draws the consequence as soon as the order's state allows."""
    if turn.data.state in _ENDED or turn.data.need_over is not None:
        return
    turn.happen(NeedOver(reason=reason, dismissed=dismissed))
    turn.note("need_closed", reason)


def settle_need(turn: Turn) -> None:
    """Once the need is over: what was not sent is cancelled, what the CRM holds is fulfilled unless dismissed.

    A booking on its way is waited for, so that no visit stands in the CRM that nobody here knows of.
    """
    over = turn.data.need_over
    if over is None:
        return
    if not over.dismissed:
        _note_what_helped(turn)
    if turn.data.state in NOT_SENT:
        give_up(turn, OrderState.CANCELLED, "need_gone", f"no longer needed: {over.reason}")
    elif _stands(turn) and not over.dismissed and turn.data.visit not in _BOOKING:
        end(turn, OrderState.FULFILLED, "need_met", over.reason)


def _stands(turn: Turn) -> bool:
    return turn.data.state in _AT_CRM or is_overdue(turn.data)


def _note_what_helped(turn: Turn) -> None:
    """Say which step ended the need: the thing's own fix while that is waited for, else what the CRM holds."""
    if any(each.outcome is RemedyOutcome.ENDED for each in turn.data.tried):
        return
    need, offer = turn.order.need, turn.data.offer
    if turn.data.fixing:
        fix = Remedy(kind=RemedyKind.FIX, name=need.remote_fix)
        turn.happen(StepTried(tried=RemedyTried(remedy=fix, outcome=RemedyOutcome.ENDED)))
    elif _stands(turn) and (remedy := remedy_of(need, offer.sku if offer else "")) is not None:
        cost = _due(turn) or (turn.data.record.total if turn.data.record else None)
        turn.happen(StepTried(tried=RemedyTried(remedy=remedy, outcome=RemedyOutcome.ENDED, cost=cost)))


def expire(turn: Turn) -> None:
    """Nothing came of it in time: what was not sent is given up, what may be at a CRM goes to a person."""
    last = turn.data.waiting.reason if turn.data.waiting else turn.data.sentence
    if turn.data.state in NOT_SENT and not _was_doubtful(turn):
        give_up(turn, OrderState.EXPIRED, "expired", f"given up after the set time; the last reason was: {last}")
    elif turn.data.state not in {*_ENDED, OrderState.CONFIRMED, OrderState.DEAD_LETTER}:
        told = f"no end after the set time, still {turn.data.state}; the last word was: {last}"
        hand_to_person(turn, "no_word", told)


def _was_doubtful(turn: Turn) -> bool:
    """Say whether the answer to the last attempt was lost: a CRM that told of absence again and again may be wrong."""
    codes = (passage.code for passage in reversed(turn.data.passages))
    return next((code for code in codes if code in _OF_ATTEMPTS), "") == ABSENT


def tell_thing(turn: Turn) -> None:
    """Let the thing know where its order stands."""
    need = turn.order.need
    progress = OrderProgressed(
        key=turn.key,
        subject=need.subject,
        state=turn.data.state,
        sentence=turn.data.sentence,
        sku=turn.data.offer.sku if turn.data.offer else "",
        price=turn.data.offer.landed if turn.data.offer else None,
        pieces=turn.data.offer.quantity if turn.data.offer else 1,
        tried=turn.data.tried if turn.data.state in TERMINAL else (),
    )
    turn.tell(thing_address(need.thing_id), progress)
