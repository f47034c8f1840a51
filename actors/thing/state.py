"""What a thing's actor knows: latest values, slots, components, faults, and which needs are open."""

from sys import intern

from msgspec import Struct
from msgspec.structs import force_setattr

from actors.model.advice import PeersUse, Recommendation, RemedyTried
from actors.model.ids import CommunityId, OrderKey
from actors.model.ledger import LedgerRow
from actors.model.needs import Need
from actors.model.orders import OrderState
from actors.model.things import ThingRecord
from actors.thing.latest import Latest, Numbers, latest_of

Row = tuple[float, ...]


class NeedState(Struct, frozen=True, kw_only=True, gc=False):
    """The episodes of one subject. ``muted``: a person ended the last one; only new evidence opens another."""

    episode: int = 0
    is_open: bool = False
    muted: bool = False
    key: OrderKey | None = None
    order_state: OrderState | None = None
    sku: str = ""
    price_minor: int | None = None
    currency: str | None = None
    pieces: int = 1
    helped: RemedyTried | None = None
    """What ended the last episode of a fault, as far as its order knows."""
    helped_at: float = 0.0
    seen_by: float = 0.0
    """Until when the thing must have shown what the fulfilled order of an open need brought; 0 while none was."""


class SlotState(Struct, frozen=True, kw_only=True, gc=False):
    """A consumable. ``levels`` since the last refill are packed, and thinned to a bounded number."""

    levels: bytes = b""
    refills: int = 0
    filled_at: float = 0.0
    filled_to: float = 0.0
    usage_at_fill: float | None = None
    sku: str = ""
    """What is in use, as far as the hub knows: what was ordered last."""
    last_life: float | None = None
    """Use from one refill to the next, when one just ended."""
    peers: PeersUse | None = None
    """What peers use up, as they told since ``peers_asked_at`` refills."""
    peers_asked_at: int = -1


class ComponentState(Struct, frozen=True, kw_only=True, gc=False):
    """A component's health history: its first and its latest cycles, bounded."""

    cycle: float = -1.0
    cycles: int = 0
    first: tuple[Row, ...] = ()
    last: tuple[Row, ...] = ()
    pending: Row | None = None
    memory: int = 0
    estimate: float | None = None
    asked_at_cycle: float = -1.0
    questions: int = 0
    """How often the community was asked."""
    answers: int = 0
    """How many of its answers were taken, abstentions too; all of them when this is ``questions``."""
    rows: tuple[LedgerRow, ...] = ()
    """What the community advised along this life, until it ends; bounded."""
    trail: bytes = b""
    """The health index by cycle, as the answers told it; packed and thinned as levels are."""
    trail_of: str = ""
    """The version of the model that told it."""
    failed: bool = False
    """Its failure was reported."""


class Happened(Struct, frozen=True, kw_only=True, gc=False):
    """What happened to a thing, each kind with its latest times in running hours, bounded."""

    since_h: float
    """The first hour that is known of."""
    now_h: float
    events: dict[str, tuple[float, ...]] = {}
    replaced: dict[str, tuple[float, ...]] = {}
    failed: dict[str, tuple[float, ...]] = {}
    asked_h: float | None = None
    warned_h: dict[str, float] = {}
    """Part -> when the open need for it was opened."""
    shared_h: float | None = None
    chances: dict[str, float] = {}
    """Part -> chance to fail within 24 h, as the community last said."""
    rows: dict[str, tuple[LedgerRow, ...]] = {}
    """Part -> its rows in the ledger of which nobody knows yet what came of them; two at most."""
    questions: int = 0
    answers: int = 0
    """How many answers were taken, abstentions too; all of them when this is ``questions``."""


class ThingState(Struct, frozen=True, kw_only=True, gc=False):
    """One thing."""

    record: ThingRecord | None = None
    profile: str = ""
    communities: tuple[CommunityId, ...] = ()
    numbers: Numbers = Numbers()
    latest: dict[str, Latest] = {}
    """The newest values that are no numbers."""
    slots: dict[str, SlotState] = {}
    components: dict[str, ComponentState] = {}
    faults: dict[str, bool] = {}
    happened: Happened | None = None
    """Only of things whose profile says where they tell events."""
    needs: dict[str, NeedState] = {}
    messages: int = 0

    def newest(self) -> dict[str, Latest]:
        """Return the newest value of every property, by name."""
        return latest_of(self.numbers) | self.latest


class Event(Struct, frozen=True, kw_only=True, tag=True):
    """Base of a thing's events."""


class Registered(Event, frozen=True, kw_only=True):
    """The thing is known under this record and profile."""

    record: ThingRecord
    profile: str
    communities: tuple[CommunityId, ...]

    def __post_init__(self) -> None:
        force_setattr(self, "profile", intern(self.profile))
        force_setattr(self, "communities", tuple(CommunityId(intern(name)) for name in self.communities))


class ProfileChanged(Event, frozen=True, kw_only=True):
    """From its next message on the thing lives by this version of its profile."""

    profile: str


class Retired(Event, frozen=True, kw_only=True):
    """The thing is gone."""

    record: ThingRecord


class NeedOpened(Event, frozen=True, kw_only=True):
    """An episode began."""

    need: Need
    key: OrderKey


class NeedClosed(Event, frozen=True, kw_only=True):
    """An episode ended: by evidence, or by a person (then the subject stays muted until there is evidence)."""

    subject: str
    reason: str
    muted: bool = False


class OrderFollowed(Event, frozen=True, kw_only=True):
    """What became of the order."""

    subject: str
    state: OrderState
    sku: str = ""
    price_minor: int | None = None
    currency: str | None = None
    pieces: int = 1
    helped: RemedyTried | None = None
    at: float = 0.0


class SightAwaited(Event, frozen=True, kw_only=True):
    """The order was fulfilled, the need is open: the thing must show what it brought until then."""

    subject: str
    seen_by: float


class CommunityAsked(Event, frozen=True, kw_only=True):
    """A question about a component's health is on its way."""

    subject: str
    cycle: float


class EstimateTaken(Event, frozen=True, kw_only=True):
    """The community's answer: remaining life in cycles, None when it abstained; ``memory`` is the policy's."""

    subject: str
    cycle: float
    estimate: float | None
    memory: int
    index: float | None = None
    model_version: str = ""
    row: LedgerRow | None = None
    """What this answer opens in the ledger."""


class ComponentFailed(Event, frozen=True, kw_only=True):
    """The fault that stands for a component's failure was reported."""

    subject: str


class UseAsked(Event, frozen=True, kw_only=True):
    """Peers are asked how much they use up, while this slot's own history is short."""

    subject: str
    refills: int


class PeersUseTaken(Event, frozen=True, kw_only=True):
    """Peers told how much they use up."""

    subject: str
    use: PeersUse


class RowsClosed(Event, frozen=True, kw_only=True):
    """What became of a component's recommendations was told by a person."""

    subject: str
    keys: tuple[str, ...]


class PeersAsked(Event, frozen=True, kw_only=True):
    """A question about the parts that may fail next is on its way."""

    at_h: float


class ChancesTaken(Event, frozen=True, kw_only=True):
    """The community's answer: part -> chance to fail within 24 h, nothing when it abstained.

    Needs were opened for the parts in ``warned``.
    """

    chances: dict[str, float]
    warned: tuple[str, ...] = ()
    rows: tuple[LedgerRow, ...] = ()
    """What this answer opens in the ledger."""


class HistoryShared(Event, frozen=True, kw_only=True):
    """What happened to the thing was given to its community."""

    at_h: float


ThingEvent = (
    Registered
    | ProfileChanged
    | Retired
    | NeedOpened
    | NeedClosed
    | OrderFollowed
    | SightAwaited
    | CommunityAsked
    | EstimateTaken
    | RowsClosed
    | ComponentFailed
    | PeersAsked
    | ChancesTaken
    | HistoryShared
    | UseAsked
    | PeersUseTaken
)


class NeedView(Struct, frozen=True, kw_only=True):
    """The read model of the kind ``need``."""

    need: Need
    key: OrderKey
    is_open: bool
    closed_because: str = ""
    advice: Recommendation | None = None


class NeedEnd(Struct, frozen=True, kw_only=True):
    """The read model of the kind ``need_end``, under the need's correlation id. Needs of older hubs have none."""

    reason: str
    code: str
    next_step: str = ""
