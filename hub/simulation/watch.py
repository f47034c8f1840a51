"""Looks on while a universe runs: what must hold at every commit, and whenever a request leaves."""

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from actors.community.core import CommunityCore
from actors.dialogue import RaiseNeed
from actors.model.ids import OrderKey, OwnerId, ThingId
from actors.model.orders import TERMINAL
from actors.owner.core import OwnerCore
from actors.owner.state import Cleared, OwnerEvent
from actors.purchasing.core import OrderCore
from actors.purchasing.events import BookingStarted, Moved, NeedRaised, PlacingStarted
from actors.purchasing.sourcing import PurchasingSettings
from actors.runtime.cells import Kind
from actors.runtime.journal import Batch, TurnRow
from actors.runtime.shards import is_gate
from actors.thing.state import NeedOpened
from hub.simulation.crm import Leaving
from hub.simulation.parts import INSTALLATION, Parts


class Decided(Struct, frozen=True, kw_only=True):
    """What one turn of one actor decided. ``position`` is its place among all turns that were written anywhere."""

    position: int
    at: float
    events: tuple[Any, ...]


class Watch:
    """Follows the disk and the requests; ``wrong`` holds every promise that was broken, in order."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self.wrong: list[str] = []
        self.owners: defaultdict[str, list[Decided]] = defaultdict(list)
        self.orders: defaultdict[OrderKey, list[Decided]] = defaultdict(list)
        self.needs: dict[OrderKey, NeedOpened] = {}
        self.leavings = 0
        self._now_s = now_s
        self._turns = 0
        self._kinds = reading_kinds()
        self._raised: dict[OrderKey, RaiseNeed] = {}
        self._open: dict[tuple[ThingId, str], OrderKey] = {}
        self._started: Counter[OrderKey] = Counter()
        self._cleared: Counter[OrderKey] = Counter()
        self._left: Counter[OrderKey] = Counter()
        self._off: dict[tuple[OwnerId, ThingId | None], set[OrderKey]] = {}

    def say(self, wrong: str) -> None:
        """Take down a broken promise."""
        self.wrong.append(f"{self._now_s():.3f} s: {wrong}")

    # Commits.

    def written(self, batch: Batch) -> None:
        """Follow one committed batch."""
        for row in batch.turns:
            kind, _, name = row.address.partition("/")
            if is_gate(row.address):
                continue
            self._turns += 1
            decided = Decided(position=self._turns, at=row.at, events=self.events_of(row))
            match kind:
                case "owner":
                    self.owners[name].append(decided)
                    self._follow_owner(decided.events)
                case "order":
                    self.orders[OrderKey(name)].append(decided)
                    self._follow_order(OrderKey(name), decided.events)
                case "thing":
                    self.needs |= {event.key: event for event in decided.events if isinstance(event, NeedOpened)}
                case _:
                    continue

    def events_of(self, row: TurnRow) -> tuple[Any, ...]:
        """Return what a turn decided."""
        return self._kinds[row.address.partition("/")[0]].read_events(row)

    def _follow_owner(self, events: tuple[OwnerEvent, ...]) -> None:
        self._cleared.update(event.key for event in events if isinstance(event, Cleared))

    def _follow_order(self, key: OrderKey, events: tuple[Any, ...]) -> None:
        for event in events:
            match event:
                case NeedRaised(order=order):
                    self._raised[key] = order
                    self._opens(key, order)
                case PlacingStarted() | BookingStarted():
                    self._started[key] += 1
                case Moved(to=to) if to in TERMINAL:
                    need = self._raised[key].need
                    self._open.pop((need.thing_id, need.subject), None)
                case _:
                    continue

    def _opens(self, key: OrderKey, order: RaiseNeed) -> None:
        name = (order.need.thing_id, order.need.subject)
        if name in self._open:
            self.say(f"two open orders for {name}: {self._open[name]} and {key}")
        self._open[name] = key

    # Requests.

    def leaves(self, leaving: Leaving) -> None:
        """Judge a request at the moment it leaves."""
        key = leaving.order_key
        self.leavings += 1
        self._left[key] += 1
        if self._left[key] > self._started[key]:
            self.say(f"{key}: request {self._left[key]} left, {self._started[key]} decided on disk")
        if self._left[key] > self._cleared[key]:
            self.say(f"{key}: request {self._left[key]} left, {self._cleared[key]} cleared")
        if not leaving.is_introduced:
            self.say(f"{key}: left before its CRM knew {leaving.thing_id}")
        order = self._raised.get(key)
        if order is None:
            self.say(f"{key}: a request left for no order")
            return
        for target in ((order.need.owner_id, order.need.thing_id), (order.need.owner_id, None)):
            self._check_off(target, key)

    def _check_off(self, target: tuple[OwnerId, ThingId | None], key: OrderKey) -> None:
        listed = self._off.get(target)
        if listed is None:
            return
        if key not in listed:
            self.say(f"{key}: left after {target} was switched off and this was acknowledged")
        listed.discard(key)

    def switched_off(self, owner_id: OwnerId, thing_id: ThingId | None, under_way: tuple[OrderKey, ...]) -> None:
        """Take down that OFF was acknowledged, and what was told to be under way."""
        self._off.setdefault((owner_id, thing_id), set()).update(under_way)

    def switched_on(self, owner_id: OwnerId, thing_id: ThingId | None) -> None:
        """Take down that somebody is about to switch on."""
        self._off.pop((owner_id, thing_id), None)


def reading_kinds() -> dict[str, Kind]:
    """Return the real kinds, to read and fold what is on disk."""
    settings = PurchasingSettings(installation=INSTALLATION, connections={})
    cores = (Parts().things(), OwnerCore(), CommunityCore(), OrderCore(settings), Parts().connections({}))
    return {core.kind: Kind(core) for core in cores}
