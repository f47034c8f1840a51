"""Commands: what the hub wants a thing to do, or to know, and how that ended."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from actors.model.base import Instant, Value
from actors.model.ids import CommandId, CorrelationId, OwnerId, ThingId
from actors.model.machine import ThingOrder
from actors.model.profiles import Name
from actors.model.readings import Reported

COMMAND_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z"


class WriteProperty(Value, frozen=True, kw_only=True, tag="write"):
    """Set a writable property of the profile. ``unit`` is the property's own."""

    name: Name
    value: Reported
    unit: str | None = None


class InvokeAction(Value, frozen=True, kw_only=True, tag="invoke"):
    """Do one of the profile's actions, such as a reset."""

    name: Name
    arguments: dict[str, Reported] = {}


class TellOrder(Value, frozen=True, kw_only=True, tag="order"):
    """Know what became of an order."""

    order: ThingOrder


CommandBody = WriteProperty | InvokeAction | TellOrder


class ThingCommand(Value, frozen=True, kw_only=True):
    """One thing to do for one thing, once: it knows by ``command_id`` what it has done already.

    After ``deadline`` it must not be begun any more.
    """

    command_id: Annotated[CommandId, Meta(pattern=COMMAND_ID_PATTERN)]
    thing_id: ThingId
    owner_id: OwnerId
    correlation_id: CorrelationId
    body: CommandBody
    reason: str
    issued_at: Instant
    deadline: Instant


class CommandFailure(StrEnum):
    """Why a command was not, or not surely, carried out."""

    UNSUPPORTED = "unsupported"
    """Its protocol, its connection or its profile has no way to do this."""
    REJECTED = "rejected"
    """The thing said no, before it did anything."""
    FAILED = "failed"
    """The thing tried, and says that it did not succeed."""
    UNREACHABLE = "unreachable"
    """It surely never reached the thing."""
    LATE = "late"
    """No acknowledgement until the deadline: it may have been carried out."""
    DOUBTFUL = "doubtful"
    """It left, and nobody knows what came of it: the link broke, or the hub was restarted."""
    RECALLED = "recalled"
    """Its thing was switched off while it waited, and it surely never left."""
    TOO_MANY = "too_many"
    """Too many wait for this thing already."""


class Carried(Value, frozen=True, kw_only=True, tag="carried"):
    """The thing acknowledged that it did it. ``results`` are what an action gave back."""

    detail: str = ""
    results: dict[str, Reported] = {}


class NotCarried(Value, frozen=True, kw_only=True, tag="not_carried"):
    """It was not done, or nobody knows. ``detail`` is a plain sentence with the protocol's own word."""

    code: CommandFailure
    detail: str


CommandOutcome = Carried | NotCarried


class CommandView(Value, frozen=True, kw_only=True):
    """The read model of the kind ``command``. Without an outcome it is under way."""

    command: ThingCommand
    outcome: CommandOutcome | None = None
    ended_at: Instant | None = None
