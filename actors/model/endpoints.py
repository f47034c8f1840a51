"""Endpoints of owners: where they want to be told what happens to their things, and how that is going."""

from enum import StrEnum
from typing import NewType

from actors.model.base import Instant, Value
from actors.model.ids import OwnerId, ThingId

EndpointId = NewType("EndpointId", str)


class Topic(StrEnum):
    """What an owner may be told of."""

    NEED = "need.opened"
    NEED_ENDED = "need.ended"
    ORDER = "order.changed"
    ADVICE = "recommendation.given"
    COMMAND = "command.ended"


class Endpoint(Value, frozen=True, kw_only=True):
    """One address of an owner's. The secret is made of the id and ``generation``, and stands nowhere."""

    endpoint_id: EndpointId
    owner_id: OwnerId
    url: str
    topics: tuple[Topic, ...] = tuple(Topic)
    registered_at: Instant
    generation: int = 1
    former_until: Instant | None = None
    """Until then the secret of the generation before signs, too."""


class Notice(Value, frozen=True, kw_only=True):
    """One thing to tell: a place in the notes of a shard. The same notice has the same id for good."""

    notice_id: str
    topic: Topic
    thing_id: ThingId
    at: Instant
    shard: int
    note: int


class Delivered(Value, frozen=True, kw_only=True, tag=True):
    """The endpoint took it."""

    status: int


class Undelivered(Value, frozen=True, kw_only=True, tag=True):
    """It did not take it; it may be tried again after ``again_s``."""

    reason: str
    again_s: float


class Gone(Value, frozen=True, kw_only=True, tag=True):
    """It says that it wants nothing any more (410)."""

    reason: str


class Unreadable(Value, frozen=True, kw_only=True, tag=True):
    """There is nothing left to tell: the note cannot be found any more."""

    reason: str


DeliveryOutcome = Delivered | Undelivered | Gone | Unreadable


class EndpointView(Value, frozen=True, kw_only=True):
    """The record of the kind ``endpoint``: how it is going. ``disabled`` is the reason, empty while it is told."""

    endpoint: Endpoint
    waiting: int = 0
    delivered: int = 0
    dropped: int = 0
    delivered_at: Instant | None = None
    failing_since: Instant | None = None
    last_failure: str = ""
    next_try_at: Instant | None = None
    disabled: str = ""
