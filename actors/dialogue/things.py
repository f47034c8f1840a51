"""What a thing is told."""

from actors.dialogue.base import Message
from actors.model.advice import Advice, RemedyTried
from actors.model.ids import CommunityId, OrderKey
from actors.model.ledger import LedgerRow
from actors.model.machine import RequestEnding, Wanted
from actors.model.money import Money
from actors.model.orders import (
    OrderState,
)
from actors.model.things import ThingRecord


class RegisterThing(Message, frozen=True, kw_only=True):
    """Take a thing in, or change what is registered of it. ``profile`` is ``name@version``."""

    record: ThingRecord
    profile: str
    communities: tuple[CommunityId, ...] = ()


class RetireThing(Message, frozen=True, kw_only=True):
    """A thing is gone: its needs close and it leaves its communities."""

    by: str


class RequestNeed(Message, frozen=True, kw_only=True):
    """The thing itself says that it needs something; the reply is ``RequestTaken`` or ``Declined``."""

    wanted: Wanted


class EndRequest(Message, frozen=True, kw_only=True):
    """The thing itself says that a need is over; the reply is ``RequestTaken`` or ``Declined``."""

    ending: RequestEnding


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
    pieces: int = 1
    tried: tuple[RemedyTried, ...] = ()
    """Of one that ended: the steps that ended the fault, or did not help."""


class NotSeenInTime(Message, frozen=True, kw_only=True):
    """The time has passed in which the thing should have shown what its fulfilled order brought."""

    subject: str
    key: OrderKey


class AdviceOutcome(Message, frozen=True, kw_only=True):
    """A person says what became of advice: ``rows`` are those of the ledger that this closes or corrects."""

    subject: str
    rows: tuple[LedgerRow, ...]
