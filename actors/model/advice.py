"""What communities are asked and what they answer."""

from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta
from msgspec.structs import replace

from actors.model.base import Instant, Value
from actors.model.ids import CommunityId, CorrelationId, OwnerId, ThingId
from actors.model.money import Money


class Topic(StrEnum):
    """What a question is about."""

    MATERIAL = "material"
    HEALTH = "health"
    REMEDY = "remedy"
    """What ended a fault, or replaced a component."""
    SPARES = "spares"
    """How many spare parts to keep."""
    FAILURE = "failure"
    """Which part fails next."""


class RemedyKind(StrEnum):
    """A step of the ladder for trouble."""

    FIX = "fix"
    """An action that the thing itself does when it is told to."""
    SERVICE = "service"
    """A kind of work that a technician does."""
    PART = "part"
    """A product that replaced the old one."""


_IN_WORDS: Final = {
    RemedyKind.FIX: "the thing's own {name}",
    RemedyKind.SERVICE: "service ({name})",
    RemedyKind.PART: "a new {name}",
}


class Remedy(Value, frozen=True, kw_only=True):
    """What was done about a fault: the action, the kind of work or the SKU."""

    kind: RemedyKind
    name: str

    @property
    def words(self) -> str:
        """What people call it."""
        return _IN_WORDS[self.kind].format(name=self.name)


class RemedyOutcome(StrEnum):
    """How that went. ``came_back`` takes back an ``ended`` that was told before."""

    ENDED = "ended"
    CAME_BACK = "came_back"
    DID_NOT_HELP = "did_not_help"


class RemedyTried(Value, frozen=True, kw_only=True):
    """One try, and what it cost where that is known."""

    remedy: Remedy
    outcome: RemedyOutcome
    cost: Money | None = None


class Wider(Value, frozen=True, kw_only=True):
    """A wider community that may answer in place of a narrower one, and the asker's features as its model sees them."""

    community_id: CommunityId
    features: tuple[float, ...] = ()


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
    wider: tuple[Wider, ...] = ()
    """Asked in turn while the answer is that too few owners have evidence."""
    widened_from: CommunityId | None = None
    """The community that was asked first, where that was another."""

    def widened(self) -> "Question | None":
        """Return the same question to the next wider community; nothing when this is the widest."""
        if not self.wider:
            return None
        asked, *wider = self.wider
        return replace(
            self,
            community_id=asked.community_id,
            features=asked.features,
            wider=tuple(wider),
            widened_from=self.widened_from or self.community_id,
        )


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
    """The wider community that answers, where the asker's narrowest has too few owners with evidence."""
    hubs: int = 1
    """How many hubs' owners are among them, this one included; never which."""
    noise_epsilon: float | None = None
    """The counts of other owners have noise of this epsilon; nothing: they are exact."""
    quantiles: dict[str, float] = {}


class Paid(Value, frozen=True, kw_only=True):
    """What peers paid for one piece, or for one repair: quantiles in minor units of the currency."""

    currency: str
    p10: int
    p50: int
    p90: int


class PeersUse(Value, frozen=True, kw_only=True):
    """What peers use up in a day, in the level's unit; ``weekdays`` are factors from Monday, their mean is 1."""

    per_day: float
    weekdays: tuple[float, ...] = ()
    owners: int


class Signal(Value, frozen=True, kw_only=True):
    """A signal that moved: mean of the last 20 cycles minus that of the first 20, in deviations of its kind.

    For a failing part: an event, and by how much the log odds of the failure would fall without it.
    """

    name: str
    moved: float


class RankedRemedy(Value, frozen=True, kw_only=True):
    """How often a remedy ended the fault for good: an owner has one vote, shared by its tries."""

    remedy: Remedy
    rate: float
    lower: float
    upper: float
    tries: int
    owners: int
    own_fleet: int = 0
    came_back: int = 0
    paid: Paid | None = None


class Recommendation(Value, frozen=True, kw_only=True, tag="recommendation"):
    """An answer: what peers' experience says, with its evidence and a sentence for people."""

    correlation_id: CorrelationId
    topic: Topic
    subject: str
    action: str
    """``order_supply``, ``order_replacement``, ``order_part``, ``watch`` or ``none``."""
    estimate: float | None = None
    chances: dict[str, float] = {}
    """Part -> chance that it fails within the next 24 h; ``subject`` is the likeliest, ``estimate`` its chance."""
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
    order_by: float | None = None
    """The latest age, in ``unit``, at which an order still comes in time."""
    index: float | None = None
    """The health index that the estimate was read at."""
    signals: tuple[Signal, ...] = ()
    """Those that moved most, first the one that moved furthest."""
    would_change: tuple[str, ...] = ()
    """What would change this advice: each sentence is worked out anew with one thing different."""
    prices: dict[str, Paid] = {}
    """SKU -> what peers paid for one piece."""
    remedies: tuple[RankedRemedy, ...] = ()
    """Best first."""
    use: PeersUse | None = None
    quantity: int | None = None
    """How many pieces to keep."""


class Abstention(Value, frozen=True, kw_only=True, tag="abstention"):
    """No answer, and why not."""

    correlation_id: CorrelationId
    topic: Topic
    subject: str
    reason: str
    """``too_few_owners``, ``no_evidence``, ``no_model``, ``out_of_range``, ``drifted``,
    ``not_a_member``, ``timeout``.

    ``failed`` is a defect of the hub's.
    """
    sentence: str
    answered_at: Instant
    missing: str = ""
    """What would have to be there for an answer."""


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
    weekdays: tuple[float, ...] = ()
    """Of a supply: how much was used by weekday, against the mean, from Monday."""
    looks: tuple[float, ...] = ()
    """Of a spare part: how it looked at some month, what was needed afterwards, and in how many months."""
    tried: RemedyTried | None = None
    """Of the topic ``remedy``: what was done about ``subject``, and how it went."""
    ended_at: Instant | None = None
    hub: str = ""
    """The foreign hub that it was imported from; empty for one of this hub's own."""
