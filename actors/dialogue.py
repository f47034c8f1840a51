"""What the kinds of actors tell each other, and the work they give to relays.

Addresses are ``thing/<id>``, ``owner/<id>``, ``community/<id>`` and ``order/<key>``. Commands are imperative; reports
and events are in the past tense. A question is two messages with one correlation id.
"""

from msgspec import Struct

from actors.model.advice import Advice, ExperienceCard, Question
from actors.model.base import Instant
from actors.model.ids import CommunityId, MandateId, OrderKey, OwnerId, ThingId
from actors.model.mandates import Mandate, Verdict
from actors.model.money import Money
from actors.model.needs import Need, NeedKind
from actors.model.offers import OfferQuery
from actors.model.orders import (
    AppointmentBooking,
    AppointmentQuery,
    OrderState,
    RecordKind,
    Request,
)
from actors.model.outcomes import FindOutcome, OffersOutcome, PlaceOutcome, TimeSlotsOutcome
from actors.model.things import Place, Purpose, ThingRecord


class Message(Struct, frozen=True, kw_only=True, tag=True):
    """Base of all messages; the class name tells them apart in the journal."""


def thing_address(thing_id: ThingId) -> str:
    """Return where a thing's actor is reached."""
    return f"thing/{thing_id}"


def owner_address(owner_id: OwnerId) -> str:
    """Return where an owner's actor is reached."""
    return f"owner/{owner_id}"


def community_address(community_id: CommunityId) -> str:
    """Return where a community's actor is reached."""
    return f"community/{community_id}"


def order_address(key: OrderKey) -> str:
    """Return where an order's actor is reached."""
    return f"order/{key}"


def desk_relay(connection: str) -> str:
    """Return the relay name of a CRM connection's desk."""
    return f"desk:{connection}"


COMPUTE_RELAY = "compute"
"""Executes heavy computing off the event loop."""


# To a thing.


class RegisterThing(Message, frozen=True, kw_only=True):
    """Take a thing in, or change what is registered of it. ``profile`` is ``name@version``."""

    record: ThingRecord
    profile: str
    communities: tuple[CommunityId, ...] = ()


class RetireThing(Message, frozen=True, kw_only=True):
    """A thing is gone: its needs close and it leaves its communities."""

    by: str


class AdviceGiven(Message, frozen=True, kw_only=True):
    """A community's answer."""

    advice: Advice


class OrderProgressed(Message, frozen=True, kw_only=True):
    """An order for one of a thing's needs reached a state."""

    key: OrderKey
    subject: str
    state: OrderState
    sentence: str
    sku: str = ""
    price: Money | None = None


# To a community.


class JoinCommunity(Message, frozen=True, kw_only=True):
    """A thing joins, and says for which purposes it shares. Joining again changes the purposes."""

    thing_id: ThingId
    owner_id: OwnerId
    purposes: tuple[Purpose, ...]


class LeaveCommunity(Message, frozen=True, kw_only=True):
    """A thing leaves; nothing of it is collected from now on."""

    thing_id: ThingId


class AskCommunity(Message, frozen=True, kw_only=True):
    """A question of a member; the answer goes to ``reply_to`` as ``AdviceGiven``."""

    question: Question
    reply_to: str


class ShareExperience(Message, frozen=True, kw_only=True):
    """A member's finished life; idempotent by card id."""

    thing_id: ThingId
    card: ExperienceCard


class ContributeLives(Message, frozen=True, kw_only=True):
    """Finished lives brought in by an operator, with the owners' consent to train on them."""

    cards: tuple[ExperienceCard, ...] = ()
    training: tuple[str, ...] = ()
    """Keys of records of the kind ``training_life``: kept by reference, so that they can be forgotten."""
    subject: str = ""


class TrainingFinished(Message, frozen=True, kw_only=True):
    """A new health model is ready; its record's key is ``model_version``."""

    subject: str
    model_version: str
    lives: int
    owners: int


class TrainingFailed(Message, frozen=True, kw_only=True):
    """No health model could be made."""

    subject: str
    reason: str


# To an owner.


class GrantMandate(Message, frozen=True, kw_only=True):
    """The owner permits; a mandate of the same id is replaced."""

    mandate: Mandate


class RevokeMandate(Message, frozen=True, kw_only=True):
    """The owner permits no longer. Reservations under it lapse at their next step."""

    mandate_id: MandateId
    by: str


class SwitchOff(Message, frozen=True, kw_only=True):
    """No new request may leave for this thing (all things when None). The reply lists what is already under way."""

    thing_id: ThingId | None
    by: str


class SwitchOn(Message, frozen=True, kw_only=True):
    """Requests may leave again."""

    thing_id: ThingId | None
    by: str


class Candidate(Struct, frozen=True, kw_only=True):
    """One way to meet a need, as the mandate must judge it. ``amount`` is the worst price, tax and shipping in."""

    offer_id: str
    connection: str
    sku: str
    amount: Money | None


class AskPermission(Message, frozen=True, kw_only=True):
    """May anything be sent for this need at all? Asked before the first seller hears of it."""

    key: OrderKey
    thing_id: ThingId
    subject: str
    kind: NeedKind
    is_test: bool = False


class AskReservation(Message, frozen=True, kw_only=True):
    """May this be bought, and from whom? Candidates come best first; the first one allowed is reserved."""

    key: OrderKey
    thing_id: ThingId
    subject: str
    kind: NeedKind
    candidates: tuple[Candidate, ...]
    is_test: bool = False


class AskClearance(Message, frozen=True, kw_only=True):
    """A request is about to leave: does everything still hold?"""

    key: OrderKey
    thing_id: ThingId
    kind: NeedKind


class AttemptEnded(Message, frozen=True, kw_only=True):
    """The request that was cleared is no longer under way."""

    key: OrderKey


class SettleReservation(Message, frozen=True, kw_only=True):
    """The order ended: ``spent`` of the reserved money stays spent, the rest is free again."""

    key: OrderKey
    spent: Money | None


# To an order.


class RaiseNeed(Message, frozen=True, kw_only=True):
    """A thing noticed a need: meet it."""

    need: Need
    serial: str
    place: Place
    is_test: bool
    community_id: CommunityId | None
    share_prices: bool = False
    advice: Advice | None = None
    """The peers' judgement that made the thing notice, where there was one."""


class CloseNeed(Message, frozen=True, kw_only=True):
    """The need is over: refilled, repaired or dismissed."""

    reason: str
    dismissed: bool = False


class Refusal(Struct, frozen=True, kw_only=True):
    """Why a candidate was not allowed."""

    connection: str
    sku: str
    verdict: Verdict


class PermissionAnswered(Message, frozen=True, kw_only=True):
    """``allowed``: look for a way to meet the need. Anything else: send nothing."""

    verdict: Verdict
    sentence: str


class ReservationAnswered(Message, frozen=True, kw_only=True):
    """The mandate's word: ``allowed`` or ``needs_approval`` with the reserved candidate, or the reason why not."""

    verdict: Verdict
    sentence: str
    mandate_id: MandateId | None = None
    offer_id: str = ""
    refusals: tuple[Refusal, ...] = ()


class ClearanceAnswered(Message, frozen=True, kw_only=True):
    """``allowed``: the request may leave now. Anything else: it must not."""

    verdict: Verdict
    sentence: str


class MandateChanged(Message, frozen=True, kw_only=True):
    """Something that blocked this order may hold no longer: ask again."""

    reason: str


class Approve(Message, frozen=True, kw_only=True):
    """A person agrees."""

    by: str


class Reject(Message, frozen=True, kw_only=True):
    """A person refuses."""

    by: str
    reason: str


class Cancel(Message, frozen=True, kw_only=True):
    """A person wants it no more."""

    by: str
    reason: str


class OffersReported(Message, frozen=True, kw_only=True):
    """What one seller answered."""

    connection: str
    outcome: OffersOutcome


class TurnGiven(Message, frozen=True, kw_only=True):
    """The desk is ready to send this order's next request."""

    connection: str


class DeskWaits(Message, frozen=True, kw_only=True):
    """The desk cannot send at the moment: why, and when it tries next."""

    reason: str
    next_try_at: Instant


class PlaceReported(Message, frozen=True, kw_only=True):
    """How placing ended, as far as anyone knows."""

    attempt: int
    outcome: PlaceOutcome


class LookUpReported(Message, frozen=True, kw_only=True):
    """What the CRM holds under a key. Absent is proof here: the desk has waited out the settle window."""

    kind: RecordKind
    outcome: FindOutcome


class TimesReported(Message, frozen=True, kw_only=True):
    """Free times for a visit."""

    outcome: TimeSlotsOutcome


class BookReported(Message, frozen=True, kw_only=True):
    """How booking ended."""

    attempt: int
    outcome: PlaceOutcome


class CancelReported(Message, frozen=True, kw_only=True):
    """How cancelling in the CRM ended."""

    outcome: FindOutcome


class DeadlinePassed(Message, frozen=True, kw_only=True):
    """A deadline of the order's own passed.

    ``advice``, ``offers``, ``source_again``, ``status``, ``times``, ``blocked`` or ``expiry``.
    """

    name: str


# Work for desks.


class DeskJob(Struct, frozen=True, kw_only=True, tag=True):
    """Base of what a desk does with its CRM."""


class FindOffers(DeskJob, frozen=True, kw_only=True):
    """Ask for offers; answered by ``OffersReported``."""

    query: OfferQuery


class TakeTurn(DeskJob, frozen=True, kw_only=True):
    """Wait for the CRM to be usable; answered by ``TurnGiven``. Sends nothing that writes."""

    after_s: float = 0.0
    reason: str = ""


class PlaceRequest(DeskJob, frozen=True, kw_only=True):
    """Place an order or service request once; answered by ``PlaceReported``. Never repeated after a restart."""

    request: Request
    attempt: int


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


AnyDeskJob = FindOffers | TakeTurn | PlaceRequest | LookUp | SearchTimes | BookTime | CancelRecord


# Work for the computing relay.


class ComputeAdvice(Struct, frozen=True, kw_only=True, tag=True):
    """Answer a question from the community's evidence."""

    question: Question
    reply_to: str


class TakeCard(Struct, frozen=True, kw_only=True, tag=True):
    """A card was added to the records."""

    card: ExperienceCard


class TrainModel(Struct, frozen=True, kw_only=True, tag=True):
    """Make a health model from all lives contributed for a component."""

    community_id: CommunityId
    subject: str


ComputeJob = ComputeAdvice | TakeCard | TrainModel
