"""The events that an order records."""

from enum import StrEnum

from msgspec import Struct

from actors.dialogue import RaiseNeed
from actors.model.advice import Advice, RemedyTried
from actors.model.base import Instant
from actors.model.ids import MandateId
from actors.model.mandates import Verdict
from actors.model.needs import Need
from actors.model.offers import Offer
from actors.model.orders import OrderState, Request, TimeSlot
from actors.model.outcomes import CrmRecord


class Waiting(Struct, frozen=True, kw_only=True):
    """Why nothing happens at the moment, and when it will."""

    reason: str
    next_try_at: Instant | None = None


class VisitStep(StrEnum):
    """How far the visit of a service request is. One search, one turn or one booking is under way at a time."""

    NONE = "none"
    SEARCHING = "searching"
    WAITING = "waiting"
    """No time is free, or the owner does not allow it: tried again later."""
    QUEUED = "queued"
    BOOKING = "booking"
    PROVING = "proving"
    BOOKED = "booked"


class Event(Struct, frozen=True, kw_only=True, tag=True):
    """Base of an order's events."""


class NeedRaised(Event, frozen=True, kw_only=True):
    """The order exists; the need is in the message."""

    order: RaiseNeed


class AdviceTaken(Event, frozen=True, kw_only=True):
    """The community's word, or that none came."""

    advice: Advice | None


class LadderSet(Event, frozen=True, kw_only=True):
    """How the fault is met; ``usual`` is what that falls back to."""

    need: Need
    usual: Need | None = None


class StepTried(Event, frozen=True, kw_only=True):
    """A step of the ladder ended the fault, or did not help."""

    tried: RemedyTried


class PermissionAsked(Event, frozen=True, kw_only=True):
    """The owner's rules are asked whether the sellers may hear of the need, or the thing may try to help itself."""


class FixBegun(Event, frozen=True, kw_only=True):
    """The thing is told to help itself; whether that helped is waited for."""


class FixRecalled(Event, frozen=True, kw_only=True):
    """The thing was switched off before its fix reached it: it is tried once more when it is on again."""


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


class MandateAsked(Event, frozen=True, kw_only=True):
    """The owner's rules are asked: what sellers answer from now on comes too late."""


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


class SlotLost(Event, frozen=True, kw_only=True):
    """The chosen time cannot be booked; the next one is booked under another key."""


class VisitMoved(Event, frozen=True, kw_only=True):
    """The visit is a step further, or back."""

    to: VisitStep


class BookingStarted(Event, frozen=True, kw_only=True):
    """The booking leaves as soon as this is durable."""

    attempt: int


class BookingKnown(Event, frozen=True, kw_only=True):
    """The CRM holds our booking."""

    record: CrmRecord


class DeliveryExpected(Event, frozen=True, kw_only=True):
    """It is confirmed; when nothing says until then that it is fulfilled, a person is asked."""

    until: Instant


class NeedOver(Event, frozen=True, kw_only=True):
    """The need is met or dismissed, whatever becomes of the order."""

    reason: str
    dismissed: bool


class Paused(Event, frozen=True, kw_only=True):
    """Nothing can be done at the moment."""

    waiting: Waiting


OrderEvent = (
    NeedRaised
    | AdviceTaken
    | PermissionAsked
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
    | Paused
    | MandateAsked
    | SlotLost
    | VisitMoved
    | NeedOver
    | FixBegun
    | FixRecalled
    | LadderSet
    | StepTried
    | DeliveryExpected
)
