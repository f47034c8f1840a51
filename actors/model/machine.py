"""What a thing may ask of the hub by itself, and what it is answered."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from actors.model.base import Instant, Value
from actors.model.ids import OrderKey, ThingId
from actors.model.money import Money
from actors.model.needs import NeedKind
from actors.model.offers import Offer
from actors.model.orders import OrderState, TimeSlot
from actors.model.profiles import Name

MOST_PIECES = 100
Sentence = Annotated[str, Meta(max_length=300, pattern=r"^[^\x00-\x1f\x7f]*\Z")]
"""One line in a thing's own words, for people."""


class Wanted(Value, frozen=True, kw_only=True):
    """What a thing says it needs: a supply, a part or a repair.

    ``subject`` is a slot, component or fault of its profile. ``sku`` and ``quantity`` choose among what the profile
    allows; neither can add to it, and what the order may cost is the mandate's to say.
    """

    subject: Name
    sku: Annotated[str, Meta(max_length=100)] = ""
    quantity: Annotated[int, Meta(ge=1, le=MOST_PIECES)] | None = None
    reason: Sentence = ""


class RequestEnding(Value, frozen=True, kw_only=True):
    """A thing says that what it asked for is over. ``met``: it has it; otherwise it wants it no more."""

    subject: Name
    met: bool
    reason: Sentence = ""


class ThingOrder(Value, frozen=True, kw_only=True):
    """One order or service request as its thing may see it: where it stands, why, and what comes next."""

    key: OrderKey
    thing_id: ThingId
    subject: str
    kind: NeedKind
    state: OrderState
    code: str
    sentence: str
    next_step: str = ""
    is_ended: bool = False
    """Nothing follows any more; for another one the thing asks anew."""
    waits_for: str = ""
    next_try_at: Instant | None = None
    seller: str = ""
    sku: str = ""
    quantity: int = 0
    total: Money | None = None
    visit: TimeSlot | None = None
    changed_at: Instant | None = None
    """When it reached its state; nothing for one that was only just asked for."""


class RequestTaken(Value, frozen=True, kw_only=True, tag="taken"):
    """The request is durable: its order goes its way under ``key``. ``already`` says that one was open before."""

    key: OrderKey
    subject: str
    already: bool = False


class OffersFound(Value, frozen=True, kw_only=True, tag="offers"):
    """What sellers ask for it now, cheapest landed cost first. Nothing is ordered or reserved by this."""

    subject: str
    offers: tuple[Offer, ...]
    silent: dict[str, str] = {}
    """Connections that made no offer, and why."""
    found_at: Instant


class DeclineCode(StrEnum):
    """Why a thing does not get what it asked for."""

    FOREIGN_THING = "foreign_thing"
    """Not a thing's own credential, or another thing's."""
    UNKNOWN_THING = "unknown_thing"
    UNKNOWN_SUBJECT = "unknown_subject"
    UNKNOWN_ITEM = "unknown_item"
    UNKNOWN_ORDER = "unknown_order"
    NOT_OPEN = "not_open"
    DISMISSED = "dismissed"
    """A person ended the last one: only new evidence opens another."""
    NO_COMMUNITY = "no_community"
    NO_EVIDENCE = "no_evidence"
    """Too little is known of the thing itself to ask its peers."""
    NOT_PERMITTED = "not_permitted"
    """The owner's rules: switched off, no mandate, too often."""
    TOO_OFTEN = "too_often"
    LATE = "late"
    """No answer in time; ask again."""
    BUSY = "busy"
    STORAGE_DOWN = "storage_down"
    STOPPING = "stopping"
    INTERNAL = "internal"


RETRYABLE_DECLINES = frozenset(
    {
        DeclineCode.TOO_OFTEN,
        DeclineCode.LATE,
        DeclineCode.BUSY,
        DeclineCode.STORAGE_DOWN,
        DeclineCode.STOPPING,
    }
)


class Declined(Value, frozen=True, kw_only=True, tag="declined"):
    """No, with the reason and what to do next."""

    code: DeclineCode
    detail: str
    next_step: str = ""
    retry_after_s: float | None = None
