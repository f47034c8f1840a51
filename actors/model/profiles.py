"""Thing profiles: what a kind of thing measures, holds, wears out and may need. Operators write them as TOML."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from actors.model.base import Value

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class PropertyKind(StrEnum):
    """The type of a property's value."""

    NUMBER = "number"
    FLAG = "flag"
    TEXT = "text"
    NUMBERS = "numbers"


class PropertySpec(Value, frozen=True, kw_only=True):
    """One measured property. ``unit`` is the SenML symbol that readings are converted to."""

    kind: PropertyKind = PropertyKind.NUMBER
    unit: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    title: str = ""
    writable: bool = False
    """The hub may set it, by a command."""


class ActionSpec(Value, frozen=True, kw_only=True):
    """Something a thing can be told to do, such as a reset. ``arguments`` are named and typed as properties are."""

    title: str
    arguments: dict[str, PropertySpec] = {}


class SkuChoice(Value, frozen=True, kw_only=True):
    """A product that fits a slot or component; ``fills`` is how much of the slot's unit one piece adds."""

    sku: str
    title: str = ""
    fills: float | None = None


class SlotSpec(Value, frozen=True, kw_only=True):
    """A consumable: the property that tells its level, and when to reorder.

    A need opens when the level falls to ``low_at`` (in the property's unit), or when the forecast run-out comes before
    delivery time plus safety. It closes when the level has risen by ``refill_step`` or more.
    """

    level: str
    usage: str | None = None
    """The counter that tells how much a piece was used, such as pages; days where none is named."""
    capacity: Annotated[float, Meta(gt=0)]
    low_at: Annotated[float, Meta(ge=0)]
    refill_step: Annotated[float, Meta(gt=0)]
    skus: Annotated[tuple[SkuChoice, ...], Meta(min_length=1)]
    delivery_days: Annotated[float, Meta(ge=0)] = 5.0
    safety_days: Annotated[float, Meta(ge=0)] = 2.0
    quantity: Annotated[int, Meta(ge=1)] = 1
    title: str = ""
    stockout_cost: Annotated[float, Meta(gt=0)] | None = None
    """What it costs to stand empty until the delivery. With ``early_cost`` it takes the place of ``safety_days``: a
    need opens when the risk of standing empty is worth more than that of ordering too early (newsvendor ratio)."""
    early_cost: Annotated[float, Meta(gt=0)] | None = None
    """What it costs to have the delivery too early, in the same money."""

    @property
    def accepted_risk(self) -> float:
        """With which probability it may be empty before a delivery comes."""
        if self.stockout_cost is None or self.early_cost is None:
            return 0.1
        return min(0.5, max(0.001, self.early_cost / (self.early_cost + self.stockout_cost)))

    @property
    def lead_days(self) -> float:
        """How many days a delivery is counted with."""
        weighed = self.stockout_cost is not None and self.early_cost is not None
        return self.delivery_days if weighed else self.delivery_days + self.safety_days


class HealthSpec(Value, frozen=True, kw_only=True):
    """A component whose remaining life peers can judge.

    One reading of ``snapshot`` is one cycle: an array of ``settings`` operating conditions followed by the sensors.
    ``cycle`` is the running count of cycles since the component was new. A need opens when the remaining life that the
    community answers is at or under ``act_below`` cycles.
    """

    snapshot: str
    cycle: str
    settings: Annotated[int, Meta(ge=0)] = 3
    sensors: Annotated[int, Meta(ge=1)] = 21
    act_below: Annotated[float, Meta(gt=0)] = 30.0
    ask_every: Annotated[int, Meta(ge=1)] = 1
    delivery_cycles: Annotated[float, Meta(ge=0)] = 0.0
    """How many cycles it runs until a replacement that is ordered now is there: for the latest time to order."""
    skus: Annotated[tuple[SkuChoice, ...], Meta(min_length=1)]
    title: str = ""
    sensor_names: tuple[str, ...] = ()
    failure: str = ""
    """A fault of this profile that is reported when the component has failed; without one, a component that is replaced
    while nothing was advised counts as failed."""


class EventsSpec(Value, frozen=True, kw_only=True):
    """Where a thing tells what happens to it: its error codes, and which of its parts were replaced or failed.

    ``code``, ``replaced`` and ``failed`` name properties whose every value is one event: a code, or the name of a part.
    Times are running hours: ``hours`` names the property that counts them; the hub's own clock where none is named.
    """

    code: str
    codes: Annotated[tuple[str, ...], Meta(min_length=1, max_length=64)]
    """The codes that are looked at; things of one community must look at the same."""
    replaced: str
    failed: str
    hours: str | None = None
    age: str | None = None
    """The property that tells the thing's age in years."""
    ask_every_h: Annotated[float, Meta(gt=0)] = 3.0
    """For five days after an event the community is asked so often, and at each new event."""


class PartSpec(Value, frozen=True, kw_only=True):
    """A part whose failure peers can foretell from events.

    A need opens when the chance that it fails within 24 h is over ``false_order_cost`` / (``false_order_cost`` +
    ``breakdown_cost``): what an order that was not needed costs, against what a part at hand saves at a breakdown. It
    closes when the part was replaced, or when it has not failed ``settled_after_h`` after the warning.
    """

    skus: Annotated[tuple[SkuChoice, ...], Meta(min_length=1)]
    false_order_cost: Annotated[float, Meta(gt=0)]
    breakdown_cost: Annotated[float, Meta(gt=0)]
    settled_after_h: Annotated[float, Meta(gt=0)] = 72.0
    title: str = ""

    @property
    def order_above(self) -> float:
        """The chance over which ordering is cheaper than waiting."""
        return self.false_order_cost / (self.false_order_cost + self.breakdown_cost)


class FaultSpec(Value, frozen=True, kw_only=True):
    """A fault code of the property ``code`` that calls for service."""

    code: str
    equals: str
    title: str
    work: str
    priority: Annotated[int, Meta(ge=1, le=3)] = 2
    duration_minutes: Annotated[int, Meta(ge=15)] = 60
    remote_fix: str = ""
    """An action that may end the fault, such as a reset: tried first; service is called when it did not help."""
    fix_within_s: Annotated[float, Meta(gt=0, le=86_400)] = 60.0
    """So long the thing has to acknowledge it."""
    fix_settles_s: Annotated[float, Meta(gt=0, le=86_400)] = 60.0
    """So long after that the fault must be gone."""
    also_works: tuple[str, ...] = ()
    """Other kinds of work that may be asked for instead of ``work``, where peers' experience speaks for one."""
    parts: tuple[SkuChoice, ...] = ()
    """Parts that may be bought instead of calling for service, where peers' experience and the mandate allow it."""
    back_within_days: Annotated[float, Meta(gt=0)] = 30.0
    """A fault that is reported again so soon came back: what was done about it did not help for good."""


class PeerPath(Value, frozen=True, kw_only=True):
    """The communities of a kind of thing, from the narrowest to the widest: those of its model, family and capability.

    A question is answered by the narrowest one in which enough owners have evidence.
    """

    model: Name | None = None
    family: Name | None = None
    capability: Name | None = None

    def narrowest_first(self) -> tuple[tuple[str, str], ...]:
        """Return (level, community) of those that are named."""
        levels = (("model", self.model), ("family", self.family), ("capability", self.capability))
        return tuple((level, name) for level, name in levels if name is not None)


class ThingProfile(Value, frozen=True, kw_only=True):
    """A kind of thing. ``sources`` maps protocol name to {property or action: address there}."""

    name: Name
    title: str
    model: str
    family: str = ""
    version: Annotated[int, Meta(ge=1)] = 1
    properties: dict[str, PropertySpec]
    slots: dict[str, SlotSpec] = {}
    components: dict[str, HealthSpec] = {}
    events: EventsSpec | None = None
    parts: dict[str, PartSpec] = {}
    faults: dict[str, FaultSpec] = {}
    actions: dict[str, ActionSpec] = {}
    peers: PeerPath = PeerPath()
    order_news: bool = False
    """The thing is told by a command what became of its orders."""
    seen_within_days: Annotated[float, Meta(gt=0)] | None = None
    """So long after an order was fulfilled the thing must have shown it; the hub's own where nothing is said."""
    sources: dict[str, dict[str, str]] = {}
