"""Needs: what a thing noticed that it lacks."""

from enum import StrEnum

from actors.model.base import Instant, Value
from actors.model.ids import CorrelationId, OwnerId, ThingId
from actors.model.profiles import SkuChoice


class NeedKind(StrEnum):
    """What would end the need. The values are the abilities a mandate grants one by one."""

    SUPPLY = "supply"
    PART = "part"
    REPLACEMENT = "replacement"
    SERVICE = "service"


class Need(Value, frozen=True, kw_only=True):
    """One episode of lacking something.

    ``subject`` is the slot, component or fault of the thing's profile. An episode opens when a rule or forecast first
    holds and closes on evidence of refill or repair, dismissal or cancellation; ``episode`` counts them.
    """

    thing_id: ThingId
    owner_id: OwnerId
    kind: NeedKind
    subject: str
    episode: int
    revision: int = 0
    reason: str
    opened_at: Instant
    due_at: Instant | None = None
    correlation_id: CorrelationId
    skus: tuple[SkuChoice, ...] = ()
    quantity: int = 1
    evidence: dict[str, float] = {}
    title: str = ""
    work: str = ""
    priority: int = 2
    duration_minutes: int = 60
    remote_fix: str = ""
    """An action of the thing that may end the fault; tried before anybody is called."""
    fix_within_s: float = 60.0
    fix_settles_s: float = 60.0
    also_works: tuple[str, ...] = ()
    parts: tuple[SkuChoice, ...] = ()
    """What else may end a fault, than ``work``: see the profile's ``FaultSpec``."""
