"""An order as its owner sees it."""

from typing import Final

from actors.dialogue import RaiseNeed
from actors.model.base import Instant, Value
from actors.model.ids import OrderKey, OwnerId, ThingId
from actors.model.money import Money
from actors.model.orders import OrderState, PurchaseOrder, TimeSlot
from actors.model.outcomes import CrmRecord
from actors.purchasing.events import Waiting
from actors.purchasing.state import OrderData, Passage

_NEXT: Final = {
    OrderState.DRAFTED: "nothing to do: offers are looked for",
    OrderState.APPROVED: "nothing to do: it leaves when the CRM's turn comes",
    OrderState.PLACING: "nothing to do: the CRM's answer is awaited",
    OrderState.UNKNOWN: "nothing to do: the CRM is asked whether it holds the order",
    OrderState.RECONCILING: "nothing to do: the CRM is asked until its answer is proof; nothing is ordered twice",
    OrderState.PLACED: "nothing to do: the CRM's confirmation is awaited",
    OrderState.CONFIRMED: "nothing to do: what was ordered is awaited; cancel it where it is not wanted any more",
    OrderState.CANCELLING: "nothing to do: the CRM's word that it is cancelled is awaited",
}
"""What is said of an order that the hub goes on with by itself, where its turn said nothing."""


class OrderView(Value, frozen=True, kw_only=True):
    """The read model of the kind ``order``. ``reference`` is what the owner quotes when asking about it."""

    key: OrderKey
    reference: OrderKey
    owner_id: OwnerId
    thing_id: ThingId
    kind: str
    subject: str
    correlation_id: str
    state: OrderState
    code: str
    sentence: str
    next_step: str
    reason: str
    waiting: Waiting | None
    connection: str
    seller: str
    sku: str
    quantity: int
    total: Money | None
    discount: Money | None
    approved_by: str
    attempts: int
    record: CrmRecord | None
    booking: CrmRecord | None
    visit: TimeSlot | None
    passages: tuple[Passage, ...]
    fingerprint: str = ""
    """What its record must carry; records of older hubs do not say."""
    expected_until: Instant | None = None
    """When a confirmed order is overdue: a person is asked then."""


def view_of(key: OrderKey, order: RaiseNeed, data: OrderData) -> OrderView:
    """Return the owner's view."""
    request = data.request if isinstance(data.request, PurchaseOrder) else None
    return OrderView(
        key=key,
        reference=key,
        owner_id=order.need.owner_id,
        thing_id=order.need.thing_id,
        kind=order.need.kind,
        subject=order.need.subject,
        correlation_id=order.need.correlation_id,
        state=data.state,
        code=data.code,
        sentence=data.sentence,
        next_step=data.next_step or _NEXT.get(data.state, ""),
        reason=order.need.reason,
        waiting=data.waiting,
        connection=data.connection,
        seller=data.offer.seller if data.offer else "",
        sku=data.offer.sku if data.offer else "",
        quantity=data.offer.quantity if data.offer else 0,
        total=request.total if request else None,
        discount=request.discount if request else None,
        approved_by=data.approved_by,
        attempts=data.attempt,
        record=data.record,
        booking=data.booking,
        visit=data.slot if data.booking else None,
        passages=data.passages,
        expected_until=data.expected_until,
        fingerprint=data.request.fingerprint if data.request else "",
    )
