"""The order actor: one need, at most one order, always an end with a reason."""

from datetime import datetime
from typing import Any, Final

from actors.dialogue import (
    AdviceGiven,
    Approve,
    BookReported,
    Cancel,
    CancelReported,
    ClearanceAnswered,
    CloseNeed,
    CommandEnded,
    DeadlinePassed,
    DeskWaits,
    IntroductionFailed,
    LookUpReported,
    MandateChanged,
    OffersReported,
    PermissionAnswered,
    PlaceReported,
    RaiseNeed,
    RecordHeard,
    Reject,
    ReservationAnswered,
    TimesReported,
    TurnGiven,
)
from actors.model.ids import OrderKey
from actors.model.orders import TERMINAL, OrderState
from actors.purchasing import deciding, ending, fixing, following, placing, sourcing, visiting
from actors.purchasing.choosing import key_of
from actors.purchasing.events import ClearanceAsked, OrderEvent, VisitStep
from actors.purchasing.ledger import ledger_effect
from actors.purchasing.sourcing import PurchasingSettings
from actors.purchasing.state import OrderData, evolve
from actors.purchasing.turn import Turn
from actors.purchasing.view import view_of
from actors.runtime.turns import Put, Step

OrderMessage = (
    RaiseNeed
    | CloseNeed
    | AdviceGiven
    | OffersReported
    | PermissionAnswered
    | ReservationAnswered
    | ClearanceAnswered
    | MandateChanged
    | Approve
    | Reject
    | Cancel
    | TurnGiven
    | DeskWaits
    | PlaceReported
    | LookUpReported
    | TimesReported
    | BookReported
    | CancelReported
    | RecordHeard
    | IntroductionFailed
    | CommandEnded
    | DeadlinePassed
)
_UNSEEN: Final = frozenset({ClearanceAsked})
"""Events that change nothing of what the owner sees."""


class OrderCore:
    """The durable actor of one order; its name is the order key."""

    kind = "order"
    schema = 1
    state_type = OrderData
    message_type = OrderMessage
    event_type = OrderEvent

    def __init__(self, settings: PurchasingSettings) -> None:
        self._settings = settings

    def initial(self, name: str) -> OrderData:
        """Return an order without a need."""
        del name
        return OrderData()

    def records(self, message: Any) -> bool:
        """Keep decisions only."""
        del message
        return False

    def fold(self, state: OrderData, message: Any, events: tuple[OrderEvent, ...], at: datetime) -> OrderData:
        """Return the state after a recorded turn."""
        del message
        for event in events:
            state = evolve(state, event, at)
        return state

    def step(self, state: OrderData, message: OrderMessage, now: datetime) -> Step[OrderData]:
        """Decide on one message."""
        if state.order is None and not isinstance(message, RaiseNeed):
            return Step(state, reply="no such order")
        turn = Turn(OrderKey(_key_of(self._settings, state, message)), state, now)
        reply = self._decide(turn, message)
        ending.settle_need(turn)
        if not turn.events:
            return Step(state, (), tuple(turn.effects), reply)
        if not _UNSEEN.issuperset(map(type, turn.events)):
            shown = view_of(turn.key, turn.order, turn.data)
            turn.effects.append(Put("order", turn.key, turn.order.need.owner_id, shown))
        turn.effects += ledger_effect(turn)
        return Step(turn.data, tuple(turn.events), tuple(turn.effects), reply)

    def _decide(self, turn: Turn, message: OrderMessage) -> Any:
        settings = self._settings
        match message:
            case RaiseNeed():
                sourcing.begin(turn, settings, message, fixing.begin_fix)
            case CommandEnded():
                fixing.take_fix(turn, settings, message)
            case AdviceGiven(advice=advice):
                sourcing.take_advice(turn, settings, advice, fixing.begin_fix)
            case OffersReported():
                sourcing.take_offers(turn, settings, message)
            case PermissionAnswered():
                fixing.take_permission(turn, settings, message)
            case ReservationAnswered():
                sourcing.take_reservation(turn, settings, message)
            case MandateChanged(reason=reason):
                _try_again(turn, settings, reason)
            case DeadlinePassed(name=name):
                _take_deadline(turn, settings, name)
            case Approve(by=by):
                return deciding.approve(turn, settings, by)
            case Reject(by=by, reason=reason):
                return deciding.reject(turn, by, reason)
            case Cancel(by=by, reason=reason):
                return deciding.cancel(turn, settings, by, reason)
            case _:
                _take_report(turn, settings, message)
        return None


def _take_report(turn: Turn, settings: PurchasingSettings, message: OrderMessage) -> None:
    match message:
        case TurnGiven(connection=connection):
            placing.take_turn(turn, settings, connection)
        case ClearanceAnswered(verdict=verdict, sentence=sentence):
            placing.take_clearance(turn, settings, verdict, sentence)
        case PlaceReported(attempt=attempt, outcome=outcome):
            placing.take_place_outcome(turn, settings, attempt, outcome)
        case IntroductionFailed():
            placing.take_failed_introduction(turn, settings, message)
        case LookUpReported(kind=kind, outcome=outcome):
            placing.take_look_up(turn, settings, kind, outcome)
        case CancelReported(outcome=outcome):
            deciding.take_cancelled(turn, settings, outcome)
        case RecordHeard(connection=connection, record=record):
            following.hear(turn, settings, connection, record)
        case CloseNeed(reason=reason, dismissed=dismissed):
            ending.close_need(turn, reason, dismissed=dismissed)
        case DeskWaits(reason=reason, next_try_at=next_try_at):
            if turn.data.state not in TERMINAL:
                turn.pause(reason, next_try_at)
        case _:
            _take_visit_report(turn, settings, message)


def _take_visit_report(turn: Turn, settings: PurchasingSettings, message: OrderMessage) -> None:
    match message:
        case TimesReported(outcome=outcome):
            visiting.take_times(turn, settings, outcome)
        case BookReported(attempt=attempt, outcome=outcome):
            visiting.take_booking_outcome(turn, settings, attempt, outcome)
        case _:
            raise TypeError(f"{type(message).__name__} is not a message to an order")


def _take_deadline(turn: Turn, settings: PurchasingSettings, name: str) -> None:
    state = turn.data.state
    match name:
        case "advice" if state is OrderState.DRAFTED:
            sourcing.take_advice(turn, settings, None, fixing.begin_fix)
        case "offers" if state is OrderState.DRAFTED and turn.data.asked_sellers:
            sourcing.choose(turn, settings)
        case "source_again" if state is OrderState.DRAFTED and not turn.data.judging:
            sourcing.source(turn, settings)
        case "blocked" if state is OrderState.BLOCKED:
            _try_again(turn, settings, "some time has passed")
        case "fix":
            fixing.give_up(turn, settings)
        case "status":
            following.ask_status(turn, settings)
        case "times" if state is OrderState.PLACED and turn.data.visit is VisitStep.WAITING:
            visiting.search_times(turn, settings)
        case "overdue":
            ending.overdue(turn, settings)
        case "expiry":
            ending.expire(turn)
        case _:
            return


def _try_again(turn: Turn, settings: PurchasingSettings, reason: str) -> None:
    if turn.data.state is OrderState.BLOCKED:
        turn.forget("blocked")
        turn.move(OrderState.DRAFTED, "tried_again", f"tried again: {reason}")
        fixing.fix_or_source(turn, settings)
    elif turn.data.state is OrderState.PLACED and turn.data.visit is VisitStep.WAITING:
        turn.forget("times")
        visiting.search_times(turn, settings)


def _key_of(settings: PurchasingSettings, state: OrderData, message: OrderMessage) -> str:
    order = state.order or message
    assert isinstance(order, RaiseNeed)  # noqa: S101 - checked by the caller
    return key_of(settings.installation, order.need)
