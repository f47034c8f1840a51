"""What a CRM adapter returns. It never raises for what a CRM does: "unknown" is an answer here, not an accident."""

from enum import StrEnum

from actors.model.base import Instant, Value
from actors.model.ids import OrderKey
from actors.model.money import Money
from actors.model.offers import Offer
from actors.model.orders import RecordKind, TimeSlot


class RecordStatus(StrEnum):
    """A CRM's own status, mapped to what it means for us."""

    OPEN = "open"
    """Known to the CRM, not yet accepted (a draft)."""
    CONFIRMED = "confirmed"
    FULFILLED = "fulfilled"
    CANCELLED = "cancelled"


class CrmRecord(Value, frozen=True, kw_only=True):
    """A record as the CRM holds it now."""

    record_id: str
    number: str = ""
    kind: RecordKind
    key: OrderKey
    fingerprint: str | None = None
    """What the record carries as fingerprint; None where it carries none."""
    status: RecordStatus
    status_text: str = ""
    total: Money | None = None
    url: str = ""
    changed_at: Instant | None = None
    scheduled: TimeSlot | None = None

    @property
    def name(self) -> str:
        """What people call it: its number, or the CRM's id where it has none."""
        return self.number or self.record_id


class Created(Value, frozen=True, kw_only=True, tag="created"):
    """This call made the record."""

    record: CrmRecord


class Duplicate(Value, frozen=True, kw_only=True, tag="duplicate"):
    """A record under our key was there before. The core compares its fingerprint with ours."""

    record: CrmRecord


class Transient(Value, frozen=True, kw_only=True, tag="transient"):
    """Surely not written; the same call may succeed later (connection refused, 503 before processing)."""

    reason: str


class Throttled(Value, frozen=True, kw_only=True, tag="throttled"):
    """Refused before processing because of a limit; come again after ``retry_after_s``."""

    retry_after_s: float
    reason: str


class Conflict(Value, frozen=True, kw_only=True, tag="conflict"):
    """Lost a race inside the CRM (row lock, version); surely not written, try again soon."""

    reason: str


class Ambiguous(Value, frozen=True, kw_only=True, tag="ambiguous"):
    """The request left and no well-formed final answer came back: it may have been written. Look up by key."""

    reason: str


class Permanent(Value, frozen=True, kw_only=True, tag="permanent"):
    """Refused for good: the same input fails again. ``message`` is the CRM's own text."""

    code: str
    message: str
    field: str | None = None
    leaves_record: bool = False
    """Something unfinished stands in the CRM under our key: a person must look at it."""


class AuthFailed(Value, frozen=True, kw_only=True, tag="auth_failed"):
    """Credentials are refused even after one refresh; a person must mend the configuration."""

    reason: str


class Unsupported(Value, frozen=True, kw_only=True, tag="unsupported"):
    """The adapter does not offer this; nothing was sent."""

    capability: str


Failure = Transient | Throttled | Conflict | Ambiguous | Permanent | AuthFailed | Unsupported
PlaceOutcome = Created | Duplicate | Failure


class Found(Value, frozen=True, kw_only=True, tag="found"):
    """A look-up by key that found the record."""

    record: CrmRecord


class Absent(Value, frozen=True, kw_only=True, tag="absent"):
    """A look-up that surely found nothing at this moment, or nothing that counts as ordered."""

    unfinished: bool = False
    """A record of ours is begun there: placing again under the same key finishes it."""


FindOutcome = Found | Absent | Failure


class Offers(Value, frozen=True, kw_only=True, tag="offers"):
    """The seller's offers; empty when it does not sell the item."""

    offers: tuple[Offer, ...]


OffersOutcome = Offers | Failure


class TimeSlots(Value, frozen=True, kw_only=True, tag="time_slots"):
    """Free times, earliest first."""

    slots: tuple[TimeSlot, ...]


TimeSlotsOutcome = TimeSlots | Failure


class Changes(Value, frozen=True, kw_only=True, tag="changes"):
    """Records of ours that changed since a cursor, oldest first, and the cursor for the next call."""

    records: tuple[CrmRecord, ...]
    cursor: str


ChangesOutcome = Changes | Failure


class Upserted(Value, frozen=True, kw_only=True, tag="upserted"):
    """The CRM knows this customer or thing now as it was told; ``created`` where it did not before."""

    record_id: str
    created: bool


UpsertOutcome = Upserted | Failure


class Heard(Value, frozen=True, kw_only=True, tag="heard"):
    """Records of ours that a CRM's own message was about, read again: the message itself proves nothing."""

    records: tuple[CrmRecord, ...]
    challenge: str = ""
    """What a CRM that only asks whether somebody listens wants to read in the answer."""


HeardOutcome = Heard | Failure


class Capabilities(Value, frozen=True, kw_only=True):
    """What an adapter can do with this CRM. The core refuses what is missing before anything is sent."""

    orders: bool = True
    offers: bool = True
    service: bool = True
    appointments: bool = False
    changes: bool = False
    cancel: bool = False
    moves: bool = False
    """Appointments can be moved."""
    returns: bool = False
    customers: bool = False
    """Customers and their things can be brought up to date."""
    webhooks: bool = False
    unique_key: bool = True
    """The CRM itself refuses a second record with our key."""
    search_by_key: bool = True
    settle_s: float = 0.0
    """How long after an ambiguous answer an absent record proves nothing (late commits, index lag)."""
    parallel: int | None = None
    """Calls that the CRM takes at once; None where it says nothing."""
    requests_per_s: float | None = None
    """Calls that it takes a second."""
    requests_per_day: int | None = None
    """Calls that it takes in any 24 hours."""
