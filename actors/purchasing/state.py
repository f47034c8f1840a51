"""What an order's actor knows, and how its events change that."""

from datetime import datetime
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from actors.dialogue import RaiseNeed
from actors.model.advice import Advice, RemedyTried
from actors.model.base import Instant
from actors.model.ids import MandateId
from actors.model.mandates import Verdict
from actors.model.needs import Need
from actors.model.offers import Offer
from actors.model.orders import OrderState, Request, TimeSlot, may_follow
from actors.model.outcomes import CrmRecord
from actors.purchasing.events import (
    AdviceTaken,
    ApprovalGiven,
    BookingKnown,
    BookingStarted,
    ClearanceAsked,
    DeliveryExpected,
    FixBegun,
    FixRecalled,
    LadderSet,
    MandateAnswered,
    MandateAsked,
    Moved,
    NeedOver,
    NeedRaised,
    OrderEvent,
    Paused,
    PermissionAsked,
    PlacingStarted,
    RecordKnown,
    SellerAnswered,
    SellersAsked,
    SlotChosen,
    SlotLost,
    StepTried,
    VisitMoved,
    VisitStep,
    Waiting,
)

_FIRST_PASSAGES: Final = 10
_LAST_PASSAGES: Final = 60
"""All of them stand in the chain of notes; the state keeps the beginning and the end."""


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
    advised: bool = False
    """The community has answered, or was given up."""
    asking: bool = False
    """The owner's rules are asked whether the sellers may hear of the need, or the thing may try to help itself."""
    fixing: bool = False
    """The thing was told to help itself; whether that helped is waited for."""
    fix_tried: bool = False
    """It is told so once; a fix that was held back by the owner's switch is not tried yet."""
    recalls: int = 0
    """How often a fix was taken back: the next one goes under another id."""
    usual: Need | None = None
    """What is done instead where the step that peers speak for is refused, or cannot be had."""
    tried: tuple[RemedyTried, ...] = ()
    asked_sellers: tuple[str, ...] = ()
    offers: tuple[Offer, ...] = ()
    silent_sellers: dict[str, str] = {}
    sourcing_rounds: int = 0
    judging: bool = False
    """The owner's rules are asked and have not answered."""
    connection: str = ""
    offer: Offer | None = None
    mandate_id: MandateId | None = None
    approved_by: str = ""
    """Who approved this offer; a dearer or another one must be approved anew."""
    request: Request | None = None
    attempt: int = 0
    clearing: str = ""
    """``place`` or ``book`` while the owner's clearance is awaited."""
    record: CrmRecord | None = None
    visit: VisitStep = VisitStep.NONE
    slot: TimeSlot | None = None
    booking: CrmRecord | None = None
    lost_slots: int = 0
    expected_until: Instant | None = None
    """Until when a confirmed order is awaited without asking a person."""
    need_over: NeedOver | None = None
    blocked_by: Verdict | None = None
    waiting: Waiting | None = None
    code: str = "need_raised"
    sentence: str = "a need was raised"
    next_step: str = ""
    passages: tuple[Passage, ...] = ()


class IllegalMove(Exception):
    """A defect: the table of states does not allow this step."""


def evolve(data: OrderData, event: OrderEvent, at: datetime) -> OrderData:
    """Return what is known after an event."""
    match event:
        case Moved():
            return _move(data, event, at)
        case PlacingStarted(attempt=attempt):
            return replace(data, attempt=attempt, clearing="", waiting=None)
        case ClearanceAsked(purpose=purpose):
            return replace(data, clearing=purpose)
        case RecordKnown(record=record):
            return replace(data, record=record, waiting=None)
        case Paused(waiting=waiting):
            return replace(data, waiting=waiting)
        case ApprovalGiven(by=by):
            return replace(data, approved_by=by)
        case NeedOver():
            return replace(data, need_over=event)
        case DeliveryExpected(until=until):
            return replace(data, expected_until=until)
        case SlotChosen() | SlotLost() | VisitMoved() | BookingStarted() | BookingKnown():
            return _visit(data, event)
        case _:
            return _source(data, event)


def _source(data: OrderData, event: OrderEvent) -> OrderData:
    match event:
        case NeedRaised(order=order):
            return replace(data, order=order)
        case AdviceTaken(advice=advice):
            return replace(data, advice=advice, advised=True)
        case PermissionAsked():
            return replace(data, asking=True)
        case LadderSet(need=need, usual=usual):
            return replace(data, order=None if data.order is None else replace(data.order, need=need), usual=usual)
        case StepTried(tried=tried):
            return replace(data, tried=(*data.tried, tried))
        case FixBegun():
            return replace(data, asking=False, fixing=True, fix_tried=True)
        case FixRecalled():
            return replace(data, fixing=False, fix_tried=False, recalls=data.recalls + 1)
        case SellersAsked():
            return _ask_sellers(data, event)
        case SellerAnswered():
            return _answered(data, event)
        case MandateAsked():
            late = dict.fromkeys(data.asked_sellers, "no answer in time")
            silent = {**data.silent_sellers, **late}
            return replace(data, fixing=False, asked_sellers=(), silent_sellers=silent, judging=True)
        case MandateAnswered():
            return _judged(data, event)
        case _:
            raise TypeError(f"{type(event).__name__} is not an event of an order")


def _ask_sellers(data: OrderData, event: SellersAsked) -> OrderData:
    rounds = data.sourcing_rounds + 1
    begun = replace(data, asking=False, fixing=False, offers=(), silent_sellers={})
    return replace(begun, asked_sellers=event.connections, sourcing_rounds=rounds)


def _answered(data: OrderData, event: SellerAnswered) -> OrderData:
    left = tuple(name for name in data.asked_sellers if name != event.connection)
    if event.failure:
        silent = {**data.silent_sellers, event.connection: event.failure}
        return replace(data, asked_sellers=left, silent_sellers=silent)
    return replace(data, asked_sellers=left, offers=(*data.offers, *event.offers))


def _judged(data: OrderData, event: MandateAnswered) -> OrderData:
    if event.request is None:
        return replace(data, judging=False, blocked_by=event.verdict)
    return replace(
        data,
        judging=False,
        blocked_by=None,
        approved_by=data.approved_by if _is_no_worse(event, data) else "",
        mandate_id=event.mandate_id,
        offer=event.offer,
        connection=event.connection,
        request=event.request,
    )


def _is_no_worse(event: MandateAnswered, data: OrderData) -> bool:
    """Say whether what a person approved covers this offer too: the same thing from the same seller, not dearer."""
    new, old = event.offer, data.offer
    if event.connection != data.connection:
        return False
    if new is None or old is None:
        return new is old
    same = (new.sku, new.quantity, new.landed.currency) == (old.sku, old.quantity, old.landed.currency)
    return same and new.landed.minor <= old.landed.minor


def _visit(data: OrderData, event: OrderEvent) -> OrderData:
    match event:
        case SlotChosen(slot=slot):
            return replace(data, slot=slot, visit=VisitStep.QUEUED, waiting=None)
        case SlotLost():
            return replace(data, slot=None, booking=None, lost_slots=data.lost_slots + 1)
        case VisitMoved(to=to):
            return replace(data, visit=to, clearing="")
        case BookingStarted(attempt=attempt):
            return replace(data, attempt=attempt, clearing="", waiting=None, visit=VisitStep.BOOKING)
        case BookingKnown(record=record):
            return replace(data, booking=record, slot=_agreed(data.slot, record.scheduled), visit=VisitStep.BOOKED)
        case _:
            raise TypeError(f"{type(event).__name__} is not an event of a visit")


def _move(data: OrderData, event: Moved, at: datetime) -> OrderData:
    if data.state is not event.to and not may_follow(data.state, event.to):
        raise IllegalMove(f"{data.state} does not lead to {event.to}")
    passage = Passage(state=event.to, at=at, code=event.code, sentence=event.sentence)
    passages = (*data.passages, passage)
    return replace(
        data,
        state=event.to,
        code=event.code,
        sentence=event.sentence,
        next_step=event.next_step,
        waiting=None,
        clearing="",
        judging=False,
        asking=False,
        fixing=False,
        passages=(*passages[:_FIRST_PASSAGES], *passages[_FIRST_PASSAGES:][-_LAST_PASSAGES:]),
    )


def _agreed(chosen: TimeSlot | None, booked: TimeSlot | None) -> TimeSlot | None:
    """Return the time as the CRM booked it, with the name we asked for where it tells none."""
    if booked is None or chosen is None or booked.resource:
        return booked or chosen
    return replace(booked, resource=chosen.resource)
