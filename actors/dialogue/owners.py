"""What an owner is told and asked."""

from msgspec import Struct

from actors.dialogue.base import Message
from actors.model.ids import MandateId, OrderKey, ThingId
from actors.model.mandates import Mandate
from actors.model.money import Money
from actors.model.needs import NeedKind


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
    sellers: tuple[str, ...] | None = None
    """Whom it would be asked of; None where that is nobody, and in what older hubs asked."""
    reply_to: str = ""
    """Who asks, where it is not the order ``key``; then nothing waits for another answer either."""


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
