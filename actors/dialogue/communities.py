"""What a community is told."""

from actors.dialogue.base import Message
from actors.model.advice import ExperienceCard, Question
from actors.model.ids import OwnerId, ThingId
from actors.model.things import Purpose


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
