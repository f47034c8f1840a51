"""What people decide about an order: approve, reject, cancel. Each returns what it led to, or why it cannot be."""

from actors.dialogue import CancelRecord
from actors.model.orders import OrderState
from actors.model.outcomes import Absent, FindOutcome, Found, RecordStatus
from actors.purchasing.ending import NOT_SENT, end, give_up, watch, write_off
from actors.purchasing.events import ApprovalGiven, RecordKnown, VisitMoved, VisitStep
from actors.purchasing.expecting import is_overdue
from actors.purchasing.following import record_kind
from actors.purchasing.placing import go_on
from actors.purchasing.sourcing import PurchasingSettings, queue
from actors.purchasing.turn import Turn
from actors.purchasing.visiting import is_booking

_IN_DOUBT = frozenset({OrderState.PLACING, OrderState.UNKNOWN, OrderState.RECONCILING, OrderState.CANCELLING})


def approve(turn: Turn, settings: PurchasingSettings, by: str) -> str:
    """Take a person's yes. A dead letter goes on from what the CRM holds, or is placed again under the same key."""
    if turn.data.state not in {OrderState.AWAITING_APPROVAL, OrderState.DEAD_LETTER} or not turn.data.request:
        return f"not awaiting approval: {turn.data.state}"
    turn.happen(ApprovalGiven(by=by))
    turn.note("approval", f"{by} approved", by=by)
    turn.remind("expiry", settings.expiry_days * 86400)
    if turn.data.state is OrderState.DEAD_LETTER and turn.data.record is not None:
        _take_up(turn, f"{by} lets it go on")
        go_on(turn, settings, turn.data.record)
    else:
        queue(turn, "approved", f"approved by {by}; waits for its turn at the CRM")
    return "approved"


def reject(turn: Turn, by: str, reason: str) -> str:
    """Take a person's no; what is overdue is awaited no more then, though the CRM holds it."""
    if is_overdue(turn.data):
        write_off(turn, by, reason)
        return "rejected"
    if turn.data.state is not OrderState.AWAITING_APPROVAL:
        return f"not awaiting approval: {turn.data.state}"
    end(turn, OrderState.REJECTED, "rejected_by_person", f"{by} refused: {reason}")
    return "rejected"


def cancel(turn: Turn, settings: PurchasingSettings, by: str, reason: str) -> str:
    """Take a person's wish to cancel: at once where nothing was sent, through the CRM where it holds the record."""
    state = turn.data.state
    if state in _IN_DOUBT or (state is OrderState.PLACED and is_booking(turn)):
        return f"cannot be cancelled while {state}; try again when the CRM has answered"
    if state in NOT_SENT or (state is OrderState.DEAD_LETTER and turn.data.record is None):
        return _cancel_unsent(turn, f"{by} cancelled: {reason}")
    if state not in {OrderState.PLACED, OrderState.CONFIRMED, OrderState.DEAD_LETTER}:
        return f"ended already: {state}"
    if state is OrderState.DEAD_LETTER:
        _take_up(turn, f"{by} cancels it")
    turn.move(OrderState.CANCELLING, "cancelling", f"{by} cancels: {reason}; asking {turn.data.connection}")
    turn.remind("expiry", settings.expiry_days * 86400)
    turn.work(turn.data.connection, CancelRecord(key=turn.key, kind=record_kind(turn), reason=reason))
    return "cancelling"


def _cancel_unsent(turn: Turn, sentence: str) -> str:
    """End it; a person who has been told that the CRM holds it unfinished has dealt with that."""
    was_told = turn.data.state is OrderState.DEAD_LETTER
    (end if was_told else give_up)(turn, OrderState.CANCELLED, "cancelled_by_person", sentence)
    return "cancelled" if turn.data.state is OrderState.CANCELLED else turn.data.sentence


def take_cancelled(turn: Turn, settings: PurchasingSettings, outcome: FindOutcome) -> None:
    """Take the CRM's word on cancelling."""
    if turn.data.state is not OrderState.CANCELLING:
        return
    match outcome:
        case Found(record=record) if record.status is RecordStatus.CANCELLED:
            turn.happen(RecordKnown(record=record))
            end(turn, OrderState.CANCELLED, "cancelled_in_crm", "cancelled in the CRM")
        case Absent():
            end(turn, OrderState.CANCELLED, "cancelled_in_crm", "the CRM holds no such record")
        case _:
            why = getattr(outcome, "message", "") or getattr(outcome, "reason", "") or "it stays as it was"
            turn.move(OrderState.CONFIRMED, "not_cancelled", f"the CRM did not cancel it: {why}", "ask the seller")
            turn.forget("expiry")
            watch(turn, settings)


def _take_up(turn: Turn, why: str) -> None:
    """Bring a dead letter back to what the CRM holds."""
    turn.move(OrderState.PLACED, "taken_up", f"{why}: {turn.data.connection} holds the record")
    if turn.data.booking is None:
        turn.happen(VisitMoved(to=VisitStep.NONE))
