"""What a device actor knows: questions and commands that are under way."""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from actors.dialogue import SearchOffers
from actors.model.advice import Question
from actors.model.base import Instant
from actors.model.commands import CommandOutcome, ThingCommand
from actors.model.ids import CommandId
from actors.model.offers import Offer

MOST_REMEMBERED: Final = 64
"""Commands that ended and are still known by their ids."""


class Pending(Struct, frozen=True, kw_only=True):
    """A command under way, and who wants to know how it ends."""

    command: ThingCommand
    reply_to: str = ""


class Ended(Struct, frozen=True, kw_only=True):
    """A command that ended."""

    command_id: CommandId
    outcome: CommandOutcome


class Search(Struct, frozen=True, kw_only=True):
    """A search under way."""

    asked: SearchOffers
    waiting: tuple[str, ...] = ()
    offers: tuple[Offer, ...] = ()
    silent: dict[str, str] = {}


class DeviceState(Struct, frozen=True, kw_only=True):
    """One thing's device actor."""

    questions: dict[str, Question] = {}
    """Subject -> the question to its peers that is under way."""
    search: Search | None = None
    commands: dict[CommandId, Pending] = {}
    ended: tuple[Ended, ...] = ()
    """The last ones, oldest first."""


class Event(Struct, frozen=True, kw_only=True, tag=True):
    """Base of a device actor's events."""


class PeersAsked(Event, frozen=True, kw_only=True):
    """A question is on its way."""

    question: Question


class PeersAnswered(Event, frozen=True, kw_only=True):
    """The answer was written down."""

    subject: str


class SearchBegun(Event, frozen=True, kw_only=True):
    """The owner's rules are asked whether sellers may hear of it."""

    asked: SearchOffers


class SellersAsked(Event, frozen=True, kw_only=True):
    """These connections are asked."""

    connections: tuple[str, ...]


class SellerHeard(Event, frozen=True, kw_only=True):
    """One connection answered."""

    connection: str
    offers: tuple[Offer, ...] = ()
    failure: str = ""


class SearchEnded(Event, frozen=True, kw_only=True):
    """What was found was written down."""


class CommandIssued(Event, frozen=True, kw_only=True):
    """A command is on its way to the thing."""

    command: ThingCommand
    reply_to: str = ""


class CommandClosed(Event, frozen=True, kw_only=True):
    """A command ended."""

    command_id: CommandId
    outcome: CommandOutcome
    at: Instant


DeviceEvent = (
    PeersAsked | PeersAnswered | SearchBegun | SellersAsked | SellerHeard | SearchEnded | CommandIssued | CommandClosed
)


def evolve(state: DeviceState, event: DeviceEvent) -> DeviceState:
    """Return what is known after an event."""
    match event:
        case PeersAsked(question=question):
            return replace(state, questions={**state.questions, question.subject: question})
        case PeersAnswered(subject=subject):
            return replace(state, questions={k: v for k, v in state.questions.items() if k != subject})
        case SearchBegun(asked=asked):
            return replace(state, search=Search(asked=asked))
        case SearchEnded():
            return replace(state, search=None)
        case SellersAsked() | SellerHeard():
            return _searched(state, event)
        case CommandIssued(command=command, reply_to=reply_to):
            pending = Pending(command=command, reply_to=reply_to)
            return replace(state, commands={**state.commands, command.command_id: pending})
        case CommandClosed(command_id=command_id, outcome=outcome):
            left = {k: v for k, v in state.commands.items() if k != command_id}
            ended = (*state.ended, Ended(command_id=command_id, outcome=outcome))
            return replace(state, commands=left, ended=ended[-MOST_REMEMBERED:])


def _searched(state: DeviceState, event: SellersAsked | SellerHeard) -> DeviceState:
    search = state.search
    if search is None:
        return state
    if isinstance(event, SellersAsked):
        return replace(state, search=replace(search, waiting=event.connections))
    waiting = tuple(name for name in search.waiting if name != event.connection)
    if event.failure:
        silent = {**search.silent, event.connection: event.failure}
        return replace(state, search=replace(search, waiting=waiting, silent=silent))
    return replace(state, search=replace(search, waiting=waiting, offers=(*search.offers, *event.offers)))
