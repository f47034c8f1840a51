"""The ends of an order, and what leads to them without anybody's answer: confirmed, over, given up, a person's case."""

from typing import Final

from actors.dialogue import OrderProgressed, SettleReservation, thing_address
from actors.model.orders import OrderState, PurchaseOrder
from actors.purchasing.events import NeedOver, VisitStep
from actors.purchasing.turn import Turn

_S = OrderState
NOT_SENT: Final = frozenset({_S.DRAFTED, _S.AWAITING_APPROVAL, _S.APPROVED, _S.BLOCKED})
"""States in which surely nothing of this order is at a CRM."""
_AT_CRM: Final = frozenset({_S.PLACED, _S.CONFIRMED})
_BOOKING: Final = frozenset({VisitStep.BOOKING, VisitStep.PROVING})
_ENDED: Final = frozenset({_S.FULFILLED, _S.REJECTED, _S.CANCELLED, _S.EXPIRED})
_DEADLINES: Final = ("expiry", "advice", "offers", "source_again", "blocked", "status", "times")
_PERSON: Final = "look at the CRM record and decide: approve to go on under the same key, or cancel"


def confirm(turn: Turn) -> None:
    """The CRM stands by it."""
    visit = f", visit {turn.data.slot.starts_at:%d %b %H:%M} UTC" if turn.data.booking and turn.data.slot else ""
    name = turn.data.record.number or turn.data.record.record_id if turn.data.record else turn.key
    turn.move(OrderState.CONFIRMED, "confirmed", f"{name} is confirmed by {turn.data.connection}{visit}")
    turn.forget("expiry")
    tell_thing(turn)


def end(turn: Turn, state: OrderState, code: str, sentence: str, next_step: str = "") -> None:
    """Reach an end: drop the deadlines, free what is reserved and tell the thing."""
    turn.move(state, code, sentence, next_step)
    for name in _DEADLINES:
        turn.forget(name)
    spent = None
    if state is OrderState.FULFILLED and isinstance(turn.data.request, PurchaseOrder):
        spent = turn.data.request.total
    turn.tell_owner(SettleReservation(key=turn.key, spent=spent))
    tell_thing(turn)


def hand_to_person(turn: Turn, code: str, sentence: str) -> None:
    """Nothing goes on without a person; what is reserved stays reserved."""
    turn.move(OrderState.DEAD_LETTER, code, sentence, _PERSON)
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
    if turn.data.state in NOT_SENT:
        end(turn, OrderState.CANCELLED, "need_gone", f"no longer needed: {over.reason}")
    elif turn.data.state in _AT_CRM and not over.dismissed and turn.data.visit not in _BOOKING:
        end(turn, OrderState.FULFILLED, "need_met", over.reason)


def expire(turn: Turn) -> None:
    """Nothing came of it in time: what was not sent is given up, what may be at a CRM goes to a person."""
    last = turn.data.waiting.reason if turn.data.waiting else turn.data.sentence
    if turn.data.state in NOT_SENT:
        end(turn, OrderState.EXPIRED, "expired", f"given up after the set time; the last reason was: {last}")
    elif turn.data.state not in {*_ENDED, OrderState.CONFIRMED, OrderState.DEAD_LETTER}:
        told = f"no end after the set time, still {turn.data.state}; the last word was: {last}"
        hand_to_person(turn, "no_word", told)


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
    )
    turn.tell(thing_address(need.thing_id), progress)
