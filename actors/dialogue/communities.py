"""What a community is told."""

from actors.dialogue.base import Message
from actors.model.advice import ExperienceCard, Question
from actors.model.histories import EventHistory
from actors.model.ids import OwnerId, ThingId
from actors.model.things import Purpose


class JoinCommunity(Message, frozen=True, kw_only=True):
    """A thing joins, and says for which purposes it shares. Joining again changes the purposes."""

    thing_id: ThingId
    owner_id: OwnerId
    purposes: tuple[Purpose, ...]


class LeaveCommunity(Message, frozen=True, kw_only=True):
    """A thing leaves; nothing of it is collected from now on. Says whether it was a member here."""

    thing_id: ThingId


class AskCommunity(Message, frozen=True, kw_only=True):
    """A question of a member; the answer goes to ``reply_to`` as ``AdviceGiven``."""

    question: Question
    reply_to: str


class ShareExperience(Message, frozen=True, kw_only=True):
    """A member's finished life; idempotent by card id."""

    thing_id: ThingId
    card: ExperienceCard


class ShareHistory(Message, frozen=True, kw_only=True):
    """What happened to a member, for training; it takes the place of what the same thing gave before."""

    thing_id: ThingId
    history: EventHistory


class ContributeLives(Message, frozen=True, kw_only=True):
    """How many cards, and lives with their owners' consent to train on them, were added to the records.

    A count and never what or whose: this message stays in the journal, and what is shared must be forgettable.
    """

    kept_cards: int = 0
    kept_lives: int = 0
    subject: str = ""
    cards: tuple[ExperienceCard, ...] = ()
    """Of older hubs' messages."""
    training: tuple[str, ...] = ()
    """Likewise: keys of records of the kind ``training_life``."""


class TrainAgain(Message, frozen=True, kw_only=True):
    """Lives that a published model was trained on were forgotten: it is retired, and another made without them."""

    subject: str


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
