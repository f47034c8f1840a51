"""The ledger of advice: every recommendation is a row that closes with what became of it."""

from enum import StrEnum

from actors.model.advice import Interval, Recommendation, Topic
from actors.model.base import Instant, Value
from actors.model.ids import CommunityId, OwnerId, ThingId


class RowOutcome(StrEnum):
    """What became of a recommendation."""

    ORDERED = "ordered"
    """It was followed: the part was replaced, or the work done, before anything failed. The life is censored."""
    RETURNED_UNUSED = "returned_unused"
    """It was followed for nothing: what was ordered came back unused and good."""
    FAILED_BEFORE = "failed_before"
    """The part failed while the recommendation held, before it was replaced."""
    FAILED_AFTER = "failed_after"
    """The part failed when the recommendation had expired."""
    REFILLED = "refilled"
    EXPIRED = "expired"
    """Nothing came of it in time."""
    DISMISSED = "dismissed"
    """A person decided otherwise."""


class LedgerRow(Value, frozen=True, kw_only=True):
    """One recommendation and its outcome: the read model of the kind ``ledger``, by ``key``."""

    key: str
    community_id: CommunityId
    thing_id: ThingId
    owner_id: OwnerId
    subject: str
    topic: Topic
    model_version: str
    method: str
    action: str
    age: float = 0.0
    estimate: float | None = None
    interval: Interval | None = None
    unit: str = ""
    given_at: Instant
    expires_at: Instant
    outcome: RowOutcome | None = None
    closed_at: Instant | None = None
    left: float | None = None
    """What was really left when it was given, in ``unit``; of a censored life: at least so much."""
    censored: bool = False
    missed: bool = False
    """The last word on a part that failed without ever being advised to be replaced."""
    by: str = ""
    """The person who said so, where nobody else could."""


def row_of(
    advice: Recommendation,
    *,
    key: str,
    community_id: CommunityId,
    thing_id: ThingId,
    owner_id: OwnerId,
    age: float = 0.0,
) -> LedgerRow:
    """Return the open row of a recommendation."""
    return LedgerRow(
        key=key,
        community_id=community_id,
        thing_id=thing_id,
        owner_id=owner_id,
        subject=advice.subject,
        topic=advice.topic,
        model_version=advice.model_version,
        method=advice.method,
        action=advice.action,
        age=age,
        estimate=advice.estimate,
        interval=advice.interval,
        unit=advice.unit,
        given_at=advice.answered_at,
        expires_at=advice.expires_at,
    )


def is_order(action: str) -> bool:
    """Say whether an advice's action costs money."""
    return action.startswith("order_")
