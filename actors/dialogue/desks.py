"""Work for the desk of a CRM connection, kept in the outbox."""

from msgspec import Struct

from actors.model.base import Instant
from actors.model.customers import CustomerThing
from actors.model.ids import OrderKey, OwnerId, ThingId
from actors.model.offers import OfferQuery
from actors.model.orders import (
    AppointmentBooking,
    AppointmentQuery,
    RecordKind,
    Request,
)


class DeskJob(Struct, frozen=True, kw_only=True, tag=True):
    """Base of what a desk does with its CRM."""


class FindOffers(DeskJob, frozen=True, kw_only=True):
    """Ask for offers; answered by ``OffersReported``."""

    query: OfferQuery


class TakeTurn(DeskJob, frozen=True, kw_only=True):
    """Wait for the CRM to be usable; answered by ``TurnGiven``. Sends nothing that writes.

    Owners, and things of one owner, get their turns alternately; ``first`` goes before all of them.
    """

    after_s: float = 0.0
    reason: str = ""
    owner_id: OwnerId = OwnerId("")
    thing_id: ThingId = ThingId("")
    first: bool = False


class GiveBackTurn(DeskJob, frozen=True, kw_only=True):
    """The turn that was given is not used; not answered."""


class PlaceRequest(DeskJob, frozen=True, kw_only=True):
    """Place an order or service request once; answered by ``PlaceReported``. Never repeated after a restart.

    The CRM is told of ``introduces`` before, unless it knows it; where that fails nothing is placed, and the answer is
    ``IntroductionFailed``.
    """

    request: Request
    attempt: int
    introduces: CustomerThing | None = None


class LookUp(DeskJob, frozen=True, kw_only=True):
    """Find a record by key until there is proof either way; answered by ``LookUpReported``."""

    key: OrderKey
    kind: RecordKind
    placed_at: Instant | None = None
    """When the doubtful request left: an absent record proves nothing until the CRM's settle time after it."""


class SearchTimes(DeskJob, frozen=True, kw_only=True):
    """Ask for free times; answered by ``TimesReported``."""

    query: AppointmentQuery


class BookTime(DeskJob, frozen=True, kw_only=True):
    """Book a time once; answered by ``BookReported``. Never repeated after a restart."""

    booking: AppointmentBooking
    attempt: int


class CancelRecord(DeskJob, frozen=True, kw_only=True):
    """Cancel a record; answered by ``CancelReported``."""

    key: OrderKey
    kind: RecordKind
    reason: str


class ReadChanges(DeskJob, frozen=True, kw_only=True):
    """Read what changed since a cursor, at some time within so many seconds; answered by ``ChangesReported``."""

    cursor: str
    within_s: float = 0.0


AnyDeskJob = (
    FindOffers | TakeTurn | PlaceRequest | LookUp | SearchTimes | BookTime | CancelRecord | ReadChanges | GiveBackTurn
)
