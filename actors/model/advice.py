"""What communities are asked and what they answer."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from actors.model.base import Instant, Value
from actors.model.ids import CommunityId, CorrelationId, OwnerId, ThingId


class Topic(StrEnum):
    """What a question is about."""

    MATERIAL = "material"
    HEALTH = "health"


class Question(Value, frozen=True, kw_only=True):
    """A thing asks its peers. ``features`` is a bounded vector, never a raw series."""

    correlation_id: CorrelationId
    community_id: CommunityId
    topic: Topic
    thing_id: ThingId
    owner_id: OwnerId
    subject: str
    features: tuple[float, ...] = ()
    age: float = 0.0
    skus: tuple[str, ...] = ()
    asked_at: Instant


class Interval(Value, frozen=True, kw_only=True):
    """Where the true value lies with probability ``level``."""

    level: Annotated[float, Meta(gt=0, lt=1)]
    low: float
    high: float


class Evidence(Value, frozen=True, kw_only=True):
    """On what an answer rests."""

    peers: int
    owners: int
    own_fleet: int = 0
    """How many of the peers belong to the asker's owner: they always count, and are named as such."""
    lives: int = 0
    widened_to: str | None = None
    quantiles: dict[str, float] = {}


class Recommendation(Value, frozen=True, kw_only=True, tag="recommendation"):
    """An answer: what peers' experience says, with its evidence and a sentence for people."""

    correlation_id: CorrelationId
    topic: Topic
    subject: str
    action: str
    """``order_supply``, ``order_replacement``, ``watch`` or ``none``."""
    estimate: float | None = None
    unit: str = ""
    interval: Interval | None = None
    sku: str | None = None
    ranking: dict[str, float] = {}
    """SKU -> lower bound of its life per piece, in the slot's unit of use."""
    evidence: Evidence
    method: str
    model_version: str
    confidence: float
    sentence: str
    answered_at: Instant
    expires_at: Instant


class Abstention(Value, frozen=True, kw_only=True, tag="abstention"):
    """No answer, and why not."""

    correlation_id: CorrelationId
    topic: Topic
    subject: str
    reason: str
    """``too_few_owners``, ``no_evidence``, ``no_model``, ``out_of_range``, ``not_a_member``, ``timeout``.

    ``failed`` is a defect of the hub's.
    """
    sentence: str
    answered_at: Instant


Advice = Recommendation | Abstention


class ExperienceCard(Value, frozen=True, kw_only=True):
    """What one thing shares when a life ended: bounded, idempotent by ``card_id``, without serial number or raw series.

    For supplies ``lived`` is the use one piece lasted; for components the cycles until the failure, and ``curve`` the
    remaining life at each level of the health index (63 levels, 0 to 124; NaN never: -1 stands for empty).
    """

    card_id: str
    community_id: CommunityId
    topic: Topic
    owner_id: OwnerId
    subject: str
    sku: str = ""
    lived: float = 0.0
    censored: bool = False
    price_minor: int | None = None
    currency: str | None = None
    usage: float = 0.0
    curve: tuple[float, ...] = ()
    model_version: str = ""
    ended_at: Instant | None = None
