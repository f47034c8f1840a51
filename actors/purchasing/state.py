"""What an order's actor knows, the events it records, and how they change what it knows."""

from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from actors.dialogue import RaiseNeed
from actors.model.advice import Advice
from actors.model.base import Instant
from actors.model.ids import MandateId
from actors.model.mandates import Verdict
from actors.model.offers import Offer
from actors.model.orders import OrderState, Request, TimeSlot, may_follow
from actors.model.outcomes import CrmRecord


class Waiting(Struct, frozen=True, kw_only=True):
    """Why nothing happens at the moment, and when it will."""

    reason: str
    next_try_at: Instant | None = None


class Passage(Struct, frozen=True, kw_only=True):
    """One state that the order reached, and why."""

    state: OrderState
    at: Instant
    code: str
    sentence: str


class OrderData(Struct, frozen=True, kw_only=True):
    """One order or service request, from the need to its end."""

    state: OrderState = OrderState.DRAFTED
    order: RaiseNeed | None = None
    advice: Advice | None = None
    asked_sellers: tuple[str, ...] = ()
    offers: tuple[Offer, ...] = ()
    silent_sellers: dict[str, str] = {}
    connection: str = ""
    offer: Offer | None = None
    mandate_id: MandateId | None = None
    approved_by: str = ""
    request: Request | None = None
    attempt: int = 0
    clearing: str = ""
    """``place`` or ``book`` while the owner's clearance is awaited."""
    left_at: Instant | None = None
    """When the last request left, perhaps without an answer."""
    record: CrmRecord | None = None
    slot: TimeSlot | None = None
    booking: CrmRecord | None = None
    booking_rounds: int = 0
    blocked_by: Verdict | None = None
    need_over: str = ""
    """Why the need is over, when that was told while the request was under way: it ends once its fate is known."""
    waiting: Waiting | None = None
    code: str = "need_raised"
    sentence: str = "a need was raised"
    next_step: str = ""
    passages: tuple[Passage, ...] = ()


class Event(Struct, frozen=True, kw_only=True, tag=True):
    """Base of an order's events."""


class NeedRaised(Event, frozen=True, kw_only=True):
    """The order exists; the need is in the message."""

    order: RaiseNeed


class AdviceTaken(Event, frozen=True, kw_only=True):
    """The community's word, or that none came."""

    advice: Advice | None


class SellersAsked(Event, frozen=True, kw_only=True):
    """Offers are looked for."""

    connections: tuple[str, ...]


class SellerAnswered(Event, frozen=True, kw_only=True):
    """One seller's offers, or why there are none."""

    connection: str
    offers: tuple[Offer, ...] = ()
    failure: str = ""


class MandateAnswered(Event, frozen=True, kw_only=True):
    """The owner's rules were asked; an allowed offer is reserved and turned into a request."""

    verdict: Verdict
    mandate_id: MandateId | None = None
    offer: Offer | None = None
    connection: str = ""
    request: Request | None = None


class Moved(Event, frozen=True, kw_only=True):
    """The order reached a state."""

    to: OrderState
    code: str
    sentence: str
    next_step: str = ""


class ApprovalGiven(Event, frozen=True, kw_only=True):
    """A person approved."""

    by: str


class ClearanceAsked(Event, frozen=True, kw_only=True):
    """A request is ready to leave."""

    purpose: str


class PlacingStarted(Event, frozen=True, kw_only=True):
    """The request leaves as soon as this is durable."""

    attempt: int


class RecordKnown(Event, frozen=True, kw_only=True):
    """The CRM holds our record."""

    record: CrmRecord


class SlotChosen(Event, frozen=True, kw_only=True):
    """A time for the visit."""

    slot: TimeSlot


class BookingStarted(Event, frozen=True, kw_only=True):
    """The booking leaves as soon as this is durable."""

    attempt: int


class BookingKnown(Event, frozen=True, kw_only=True):
    """The CRM holds our booking."""

    record: CrmRecord


class NeedEnded(Event, frozen=True, kw_only=True):
    """The need is over, but nobody knows yet what becomes of the request."""

    reason: str


class Paused(Event, frozen=True, kw_only=True):
    """Nothing can be done at the moment."""

    waiting: Waiting


OrderEvent = (
    NeedRaised
    | AdviceTaken
    | SellersAsked
    | SellerAnswered
    | MandateAnswered
    | Moved
    | ApprovalGiven
    | ClearanceAsked
    | PlacingStarted
    | RecordKnown
    | SlotChosen
    | BookingStarted
    | BookingKnown
    | NeedEnded
    | Paused
)


class IllegalMove(Exception):
    """A defect: the table of states does not allow this step."""


def evolve(data: OrderData, event: OrderEvent, at: datetime) -> OrderData:
    """Return what is known after an event."""
    match event:
        case Moved():
            return _move(data, event, at)
        case MandateAnswered():
            return _judged(data, event)
        case PlacingStarted(attempt=attempt) | BookingStarted(attempt=attempt):
            return replace(data, attempt=attempt, left_at=at, clearing="", waiting=None)
        case _:
            return _learn(data, event)


def _learn(data: OrderData, event: OrderEvent) -> OrderData:
    match event:
        case NeedRaised(order=order):
            return replace(data, order=order)
        case AdviceTaken(advice=advice):
            return replace(data, advice=advice)
        case SellersAsked(connections=connections):
            return replace(data, asked_sellers=connections, offers=(), silent_sellers={}, waiting=None)
        case SellerAnswered():
            return _answered(data, event)
        case ApprovalGiven(by=by):
            return replace(data, approved_by=by)
        case ClearanceAsked(purpose=purpose):
            return replace(data, clearing=purpose)
        case RecordKnown(record=record):
            return replace(data, record=record)
        case SlotChosen(slot=slot):
            return replace(data, slot=slot, booking_rounds=data.booking_rounds + 1)
        case BookingKnown(record=record):
            return replace(data, booking=record, slot=record.scheduled or data.slot)
        case NeedEnded(reason=reason):
            return replace(data, need_over=reason)
        case Paused(waiting=waiting):
            return replace(data, waiting=waiting)
        case _:
            raise TypeError(f"{type(event).__name__} is not an event of an order")


def _answered(data: OrderData, event: SellerAnswered) -> OrderData:
    left = tuple(name for name in data.asked_sellers if name != event.connection)
    if event.failure:
        silent = {**data.silent_sellers, event.connection: event.failure}
        return replace(data, asked_sellers=left, silent_sellers=silent)
    return replace(data, asked_sellers=left, offers=(*data.offers, *event.offers))


def _judged(data: OrderData, event: MandateAnswered) -> OrderData:
    if event.request is None:
        return replace(data, blocked_by=event.verdict)
    return replace(
        data,
        blocked_by=None,
        mandate_id=event.mandate_id,
        offer=event.offer,
        connection=event.connection,
        request=event.request,
    )


def _move(data: OrderData, event: Moved, at: datetime) -> OrderData:
    if data.state is not event.to and not may_follow(data.state, event.to):
        raise IllegalMove(f"{data.state} does not lead to {event.to}")
    passage = Passage(state=event.to, at=at, code=event.code, sentence=event.sentence)
    return replace(
        data,
        state=event.to,
        code=event.code,
        sentence=event.sentence,
        next_step=event.next_step,
        waiting=None,
        clearing="",
        passages=(*data.passages, passage),
    )
