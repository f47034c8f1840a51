"""What the device actor of a thing is told: its own questions, and commands back to it."""

from typing import Annotated

from msgspec import Meta, Struct

from actors.dialogue.base import Message
from actors.model.advice import Question
from actors.model.base import Instant
from actors.model.commands import CommandBody, CommandOutcome, ThingCommand
from actors.model.ids import CommandId, CorrelationId, OwnerId, ThingId
from actors.model.needs import NeedKind


class AskPeers(Message, frozen=True, kw_only=True):
    """A thing itself asks its community; the answer becomes the record ``advice`` of thing and subject."""

    question: Question


class SearchOffers(Message, frozen=True, kw_only=True):
    """A thing itself asks what something costs; what comes of it becomes the record ``search`` of the thing.

    The owner's rules are asked first, as for every need: for a thing that is switched off no seller hears anything.
    """

    search_id: str
    thing_id: ThingId
    owner_id: OwnerId
    subject: str
    kind: NeedKind
    skus: tuple[str, ...]
    quantity: Annotated[int, Meta(ge=1)] = 1
    country: str = ""
    is_test: bool = False


class CommandThing(Message, frozen=True, kw_only=True):
    """Let a thing do something; how it ended goes to ``reply_to`` as ``CommandEnded``, where one is named."""

    command: ThingCommand
    reply_to: str = ""


class SendCommand(Message, frozen=True, kw_only=True):
    """As ``CommandThing``, from an actor that knows no more of the thing than its id."""

    command_id: CommandId
    thing_id: ThingId
    owner_id: OwnerId
    correlation_id: CorrelationId
    body: CommandBody
    reason: str
    within_s: Annotated[float, Meta(gt=0)]
    reply_to: str = ""


class CommandReported(Message, frozen=True, kw_only=True):
    """The relay says how a command ended."""

    command_id: CommandId
    outcome: CommandOutcome


class CommandEnded(Message, frozen=True, kw_only=True):
    """How a command ended, told to who asked for it."""

    command: ThingCommand
    outcome: CommandOutcome


class DeviceDeadline(Message, frozen=True, kw_only=True):
    """A deadline of the device actor's own passed: that of a command, or of the search."""

    command_id: CommandId | None = None
    search_id: str = ""


class CarryOut(Struct, frozen=True, kw_only=True, tag=True):
    """Work for the relay ``things``: bring a command to its thing; answered by ``CommandReported``."""

    command: ThingCommand
    by_itself: bool = False
    """The hub wants it on the thing's behalf, and no person asked for it: the thing's off switch holds it back."""


class CommandKnown(Struct, frozen=True, kw_only=True):
    """The reply to a command: whether it is the first of its id, and how it ended if it did."""

    command_id: CommandId
    already: bool = False
    outcome: CommandOutcome | None = None
    deadline: Instant | None = None
