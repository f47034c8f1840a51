"""The ledger's row of the advice behind an order: about supplies or faults. What components are told, things keep."""

from typing import Final

from msgspec.structs import replace

from actors.model.advice import Recommendation, RemedyOutcome, Topic
from actors.model.ledger import LedgerRow, RowOutcome, row_of
from actors.model.needs import NeedKind
from actors.model.orders import TERMINAL, OrderState
from actors.purchasing.events import AdviceTaken, Moved, StepTried
from actors.purchasing.state import OrderData
from actors.purchasing.turn import Turn
from actors.runtime.turns import Effect, Put

_TOPICS: Final = frozenset({Topic.MATERIAL, Topic.REMEDY})
_ENDS: Final = {
    OrderState.EXPIRED: RowOutcome.EXPIRED,
    OrderState.CANCELLED: RowOutcome.DISMISSED,
    OrderState.REJECTED: RowOutcome.DISMISSED,
}


def ledger_effect(turn: Turn) -> tuple[Effect, ...]:
    """Return what keeps the row of this order's advice, when it was opened or closed in this turn."""
    advice, order = turn.data.advice, turn.data.order
    if not isinstance(advice, Recommendation) or advice.topic not in _TOPICS or order is None:
        return ()
    if order.community_id is None or not any(
        isinstance(event, AdviceTaken | Moved | StepTried) for event in turn.events
    ):
        return ()
    need = order.need
    key = f"{need.thing_id}/{need.subject}/{turn.key}"
    row = row_of(advice, key=key, community_id=order.community_id, thing_id=need.thing_id, owner_id=need.owner_id)
    return (Put("ledger", key, need.owner_id, _closed(row, turn.data, turn)),)


def _closed(row: LedgerRow, data: OrderData, turn: Turn) -> LedgerRow:
    if data.state not in TERMINAL:
        return row
    return replace(row, outcome=_outcome(data), closed_at=turn.now)


def _outcome(data: OrderData) -> RowOutcome:
    """A fault that went away by a step of the ladder ended as advised, though its order was then withdrawn."""
    if any(each.outcome is RemedyOutcome.ENDED for each in data.tried):
        return RowOutcome.ORDERED
    if data.state is OrderState.FULFILLED and data.order is not None and data.order.need.kind is NeedKind.SUPPLY:
        return RowOutcome.REFILLED
    return _ENDS.get(data.state, RowOutcome.ORDERED)
