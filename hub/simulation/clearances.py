"""A small model of mandates and budgets beside the product's: what was cleared, was it allowed as of then?"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from actors.model.ids import MandateId, OrderKey, ThingId
from actors.model.mandates import Level, Mandate
from actors.model.needs import NeedKind
from actors.owner.state import Cleared, MandateGranted, Reservation, Reserved, Settled, SwitchedOff, SwitchedOn
from actors.purchasing.events import ApprovalGiven, MandateAnswered
from actors.purchasing.state import OrderData
from hub.simulation.watch import Decided
from hub.simulation.world import World

_MAY_BUY = frozenset({Level.FIXED, Level.ADAPTABLE, Level.AUTONOMOUS})


def clearance_faults(world: World, orders: Mapping[OrderKey, OrderData]) -> Iterator[str]:
    """Yield what was cleared or reserved against an owner's rules, and meters that are not exact."""
    used: Counter[str] = Counter()
    for owner, decided in world.watch.owners.items():
        model = _Owner(world, orders)
        for turn in decided:
            yield from (f"owner/{owner}: {wrong}" for wrong in model.follow(turn))
        used.update(model.used)
    for meter, (value, _) in world.disks.meters().items():
        if value != used[meter]:
            yield f"{meter}: the counter says {value}, what was reserved and spent is {used[meter]}"
    counted = world.disks.meters()
    yield from (f"{meter}: not counted" for meter, value in used.items() if value and meter not in counted)
    yield from _overspent(world, orders)


def _overspent(world: World, orders: Mapping[OrderKey, OrderData]) -> Iterator[str]:
    """Add up what the CRMs hold, against the highest budget that the owner ever set."""
    meters = {
        event.key: event.reservation
        for decided in world.watch.owners.values()
        for turn in decided
        for event in turn.events
        if isinstance(event, Reserved)
    }
    highest = _highest_budgets(world)
    spent: defaultdict[tuple[str, str, MandateId], int] = defaultdict(int)
    for crm in world.crms.values():
        for held in crm.records:
            reservation, order = meters.get(held.order_key), orders.get(held.order_key)
            if not held.is_ours or reservation is None or order is None or order.order is None:
                continue
            if held.ordered is not None and held.record.status != "cancelled":
                spent[reservation.meter, order.order.need.owner_id, reservation.mandate_id] += held.ordered.minor
    for (meter, owner, mandate_id), minor in spent.items():
        if minor > highest[owner, mandate_id]:
            yield f"{meter}: records for {minor}, the budget was never above {highest[owner, mandate_id]}"


def _highest_budgets(world: World) -> Counter[tuple[str, MandateId]]:
    highest: Counter[tuple[str, MandateId]] = Counter()
    for owner, decided in world.watch.owners.items():
        for turn in decided:
            for event in turn.events:
                if isinstance(event, MandateGranted):
                    name = (owner, event.mandate.mandate_id)
                    highest[name] = max(highest[name], event.mandate.budget.minor)
    return highest


class _Owner:
    """What an owner has set and what is spoken for, followed from the recorded decisions."""

    def __init__(self, world: World, orders: Mapping[OrderKey, OrderData]) -> None:
        self.used: Counter[str] = Counter()
        self._world = world
        self._orders = orders
        self._mandates: dict[MandateId, Mandate] = {}
        self._off: set[ThingId | None] = set()
        self._reserved: dict[OrderKey, Reservation] = {}

    def follow(self, turn: Decided) -> Iterator[str]:
        """Follow one turn and yield what it should not have decided."""
        for event in turn.events:
            match event:
                case MandateGranted(mandate=mandate):
                    self._mandates[mandate.mandate_id] = mandate
                case SwitchedOff(thing_id=thing_id):
                    self._off.add(thing_id)
                case SwitchedOn(thing_id=thing_id):
                    self._off.discard(thing_id)
                case Reserved(key=key, reservation=reservation):
                    yield from self._reserve(key, reservation)
                case Settled(key=key, spent_minor=spent):
                    self._settle(key, spent)
                case Cleared(key=key):
                    yield from (f"{key} cleared at {turn.at}: {why}" for why in self._judge(key, turn))
                case _:
                    continue

    def _reserve(self, key: OrderKey, reservation: Reservation) -> Iterator[str]:
        self._reserved[key] = reservation
        self.used[reservation.meter] += _minor(reservation)
        mandate = self._mandates.get(reservation.mandate_id)
        if mandate is None:
            yield f"{key}: reserved under no mandate"
        elif _minor(reservation) and self.used[reservation.meter] > mandate.budget.minor:
            yield f"{reservation.meter}: {self.used[reservation.meter]} reserved, the budget is {mandate.budget}"

    def _settle(self, key: OrderKey, spent: int) -> None:
        reservation = self._reserved.pop(key, None)
        if reservation is not None:
            self.used[reservation.meter] += spent - _minor(reservation)

    def _judge(self, key: OrderKey, turn: Decided) -> Iterator[str]:
        reservation, order = self._reserved.get(key), self._orders.get(key)
        if reservation is None or order is None or order.order is None:
            yield "nothing is reserved for it"
            return
        need = order.order.need
        if {need.thing_id, None} & self._off:
            yield "switched off"
        mandate = self._mandates[reservation.mandate_id]
        at = datetime.fromtimestamp(turn.at, UTC)
        if mandate.revoked_at is not None or not mandate.valid_from <= at < mandate.valid_until:
            yield "the mandate does not stand"
        if mandate.levels.get(need.kind) not in _MAY_BUY or (mandate.things and need.thing_id not in mandate.things):
            yield "the mandate does not cover it"
        if reservation.connection not in mandate.allowed_payees:
            yield f"{reservation.connection} may not be paid"
        if reservation.amount is not None and reservation.amount.minor > mandate.per_order_limit.minor:
            yield f"{reservation.amount} is above {mandate.per_order_limit} an order"
        if self._wants_person(mandate, reservation, need.kind) and not self._approved(key, turn.position):
            yield "no person has approved it"

    def _wants_person(self, mandate: Mandate, reservation: Reservation, kind: NeedKind) -> bool:
        crm = self._world.crms[reservation.connection]
        proves_nothing = not crm.capabilities.unique_key and not crm.capabilities.search_by_key
        above = mandate.approval_above
        return (
            proves_nothing
            or kind in mandate.approval_kinds
            or (above is not None and _minor(reservation) > above.minor)
        )

    def _approved(self, key: OrderKey, position: int) -> bool:
        """Say whether a person approved what was last chosen, or something of the same seller not cheaper."""
        approved, worst = False, 0
        for turn in self._world.watch.orders[key]:
            for event in turn.events if turn.position < position else ():
                if isinstance(event, MandateAnswered) and event.request is not None:
                    minor = event.offer.landed.minor if event.offer else 0
                    approved = approved and minor <= worst
                    worst = worst if approved else minor
                elif isinstance(event, ApprovalGiven):
                    approved = True
        return approved


def _minor(reservation: Reservation) -> int:
    return reservation.amount.minor if reservation.amount else 0
