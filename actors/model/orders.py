"""Orders and service requests: what goes to a CRM, and the states they pass through."""

from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta

from actors.model.base import Instant, Value
from actors.model.ids import CorrelationId, MandateId, OrderKey, OwnerId, ThingId
from actors.model.money import Money
from actors.model.things import Place


class OrderState(StrEnum):
    """Where an order stands. Every terminal state carries a reason code."""

    DRAFTED = "drafted"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    PLACING = "placing"
    PLACED = "placed"
    CONFIRMED = "confirmed"
    FULFILLED = "fulfilled"
    BLOCKED = "blocked"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    RECONCILING = "reconciling"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    DEAD_LETTER = "dead_letter"


_S = OrderState
TRANSITIONS: Final[dict[OrderState, frozenset[OrderState]]] = {
    _S.DRAFTED: frozenset({_S.AWAITING_APPROVAL, _S.APPROVED, _S.BLOCKED, _S.CANCELLED, _S.EXPIRED, _S.DEAD_LETTER}),
    _S.AWAITING_APPROVAL: frozenset({_S.APPROVED, _S.REJECTED, _S.BLOCKED, _S.CANCELLED, _S.EXPIRED, _S.DEAD_LETTER}),
    _S.APPROVED: frozenset({_S.PLACING, _S.BLOCKED, _S.CANCELLED, _S.EXPIRED, _S.DRAFTED, _S.DEAD_LETTER}),
    # After a restart ``placing`` is ``unknown``; only evidence from the CRM leads out of there.
    _S.PLACING: frozenset({_S.PLACED, _S.CONFIRMED, _S.APPROVED, _S.REJECTED, _S.UNKNOWN, _S.DEAD_LETTER}),
    _S.UNKNOWN: frozenset({_S.RECONCILING, _S.DEAD_LETTER}),
    _S.RECONCILING: frozenset({_S.PLACED, _S.CONFIRMED, _S.APPROVED, _S.UNKNOWN, _S.DEAD_LETTER}),
    _S.PLACED: frozenset({_S.CONFIRMED, _S.FULFILLED, _S.CANCELLING, _S.CANCELLED, _S.REJECTED, _S.DEAD_LETTER}),
    # A visit that people cancelled in the CRM leads back: the request stands, another time is looked for.
    _S.CONFIRMED: frozenset({_S.PLACED, _S.FULFILLED, _S.CANCELLING, _S.CANCELLED, _S.DEAD_LETTER}),
    _S.CANCELLING: frozenset({_S.CANCELLED, _S.CONFIRMED, _S.DEAD_LETTER}),
    _S.BLOCKED: frozenset({_S.DRAFTED, _S.APPROVED, _S.CANCELLED, _S.EXPIRED, _S.DEAD_LETTER}),
    # A person's decision leads out of a person's list, or the word that what was overdue is there after all.
    _S.DEAD_LETTER: frozenset({_S.APPROVED, _S.PLACED, _S.CANCELLED, _S.FULFILLED}),
    _S.FULFILLED: frozenset(),
    _S.REJECTED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.EXPIRED: frozenset(),
}
TERMINAL: Final = frozenset(state for state, nexts in TRANSITIONS.items() if not nexts)
"""States that nothing leads out of: the need may be ordered for anew only under another key."""


def may_follow(current: OrderState, following: OrderState) -> bool:
    """Say whether the table allows this step."""
    return following in TRANSITIONS[current]


class OrderLine(Value, frozen=True, kw_only=True):
    """One SKU of an order; ``references`` are the seller's ids taken from the offer."""

    line: int
    sku: str
    title: str
    quantity: Annotated[int, Meta(ge=1)]
    unit_price: Money
    references: dict[str, str] = {}


class PurchaseOrder(Value, frozen=True, kw_only=True, tag="purchase_order"):
    """Everything a CRM needs to know to sell to a thing's owner."""

    key: OrderKey
    fingerprint: str
    correlation_id: CorrelationId
    mandate_id: MandateId
    owner_id: OwnerId
    thing_id: ThingId
    thing_serial: str
    lines: tuple[OrderLine, ...]
    total: Money
    shipping: Money
    discount: Money
    tax: Money
    reason: str
    deliver_to: Place = Place()
    ordered_at: Instant
    is_test: bool = False


class ServiceRequest(Value, frozen=True, kw_only=True, tag="service_request"):
    """A call for help; the names follow IDTA's ServiceRequestNotification 1.0 where it has one."""

    key: OrderKey
    fingerprint: str
    correlation_id: CorrelationId
    mandate_id: MandateId
    owner_id: OwnerId
    thing_id: ThingId
    thing_serial: str
    title: str
    description: str
    fault_code: str
    work: str
    priority: Annotated[int, Meta(ge=1, le=3)]
    duration_minutes: int
    site: Place = Place()
    requested_at: Instant
    is_test: bool = False


Request = PurchaseOrder | ServiceRequest


class RecordKind(StrEnum):
    """Which kind of CRM record a key belongs to."""

    ORDER = "order"
    SERVICE = "service"
    APPOINTMENT = "appointment"
    RETURN = "return"


class TimeSlot(Value, frozen=True, kw_only=True):
    """A span in which a technician could come; ``reference`` is the CRM's own id for the resource or slot."""

    starts_at: Instant
    ends_at: Instant
    resource: str
    reference: str


class AppointmentQuery(Value, frozen=True, kw_only=True):
    """Ask for free time for the work of a service request that the CRM already holds."""

    service_key: OrderKey
    record_id: str
    duration_minutes: int
    not_before: Instant
    not_after: Instant


class AppointmentBooking(Value, frozen=True, kw_only=True):
    """Book one slot, once: ``key`` is the booking's own external key."""

    key: OrderKey
    fingerprint: str
    service_key: OrderKey
    record_id: str
    slot: TimeSlot
    site: Place = Place()
    thing_id: ThingId = ThingId("")
    """Whom the visit is for; bookings of earlier versions do not say."""


class AppointmentMove(Value, frozen=True, kw_only=True):
    """Move the appointment under ``key`` to another free time; doing so twice is doing so once."""

    key: OrderKey
    slot: TimeSlot


class ReturnLine(Value, frozen=True, kw_only=True):
    """What goes back of one SKU of an order."""

    sku: str
    title: str
    quantity: Annotated[int, Meta(ge=1)]


class ReturnRequest(Value, frozen=True, kw_only=True, tag="return_request"):
    """Goods of an order that go back to the seller. ``order_key`` is the order's, ``key`` the return's own."""

    key: OrderKey
    fingerprint: str
    correlation_id: CorrelationId
    mandate_id: MandateId
    owner_id: OwnerId
    thing_id: ThingId
    thing_serial: str
    order_key: OrderKey
    lines: tuple[ReturnLine, ...]
    reason: str
    requested_at: Instant
    is_test: bool = False
