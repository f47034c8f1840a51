"""Work for the computing relay, kept in the outbox."""

from msgspec import Struct

from actors.model.advice import ExperienceCard, Question
from actors.model.ids import CommunityId


class ComputeAdvice(Struct, frozen=True, kw_only=True, tag=True):
    """Answer a question from the community's evidence."""

    question: Question
    reply_to: str


class TakeCard(Struct, frozen=True, kw_only=True, tag=True):
    """A card was added to the records, under this key of the kind ``card``."""

    key: str = ""
    card: ExperienceCard | None = None
    """In work of older hubs, in place of the key."""


class TrainModel(Struct, frozen=True, kw_only=True, tag=True):
    """Make a health model from all lives contributed for a component."""

    community_id: CommunityId
    subject: str
    hides: bool = False
    """Lives were just forgotten: some owners' cards sit out, so that nobody can tell whose went."""


ComputeJob = ComputeAdvice | TakeCard | TrainModel
