"""What an order is told, by people, other actors and its desk."""

from msgspec import Struct

from actors.dialogue.base import Message
from actors.model.advice import Advice
from actors.model.base import Instant
from actors.model.ids import CommunityId, MandateId
from actors.model.mandates import Verdict
from actors.model.needs import Need
from actors.model.orders import (
    RecordKind,
)
from actors.model.outcomes import CrmRecord, FindOutcome, OffersOutcome, PlaceOutcome, TimeSlotsOutcome
from actors.model.things import Place


class RaiseNeed(Message, frozen=True, kw_only=True):
    """A thing noticed a need: meet it."""

    need: Need
    serial: str
    place: Place
    is_test: bool
    community_id: CommunityId | None
    wider: tuple[CommunityId, ...] = ()
    """The wider communities of the thing."""
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
    inquiry: str = ""
    """The key that was asked for, where no order asked."""
    sellers: tuple[str, ...] | None = None
    """Those of the sellers asked about that a mandate names: nobody else may hear of the need. None: no word of it."""


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


class IntroductionFailed(Message, frozen=True, kw_only=True):
    """The CRM could not be told of the thing that the order is for: surely nothing was placed."""

    attempt: int
    reason: str
    retry_after_s: float = 0.0


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


class RecordHeard(Message, frozen=True, kw_only=True):
    """What the CRM's record says now, by its own word: somebody there changed it, or it is ours from before."""

    connection: str
    record: CrmRecord


class DeadlinePassed(Message, frozen=True, kw_only=True):
    """A deadline of the order's own passed.

    ``advice``, ``offers``, ``fix``, ``source_again``, ``status``, ``times``, ``blocked`` or ``expiry``.
    """

    name: str
