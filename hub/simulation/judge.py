"""The judge of a universe that has come to rest: everything promised, checked on disk, in memory and at the CRMs."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from actors.dialogue import (
    RECONCILING_RELAY,
    AnyDeskJob,
    LookUp,
    ReadChanges,
    connection_address,
    desk_relay,
    thing_address,
)
from actors.model.findings import Finding, Reconciliation
from actors.model.ids import OrderKey, ThingId
from actors.model.orders import TERMINAL, OrderState, RecordKind
from actors.model.outcomes import RecordStatus
from actors.model.readings import AnyDeviceMessage, DeviceMessage, PlainMessage
from actors.owner.judgement import SENTENCES
from actors.purchasing.state import OrderData
from actors.purchasing.view import OrderView, view_of
from actors.runtime.cells import Cell, Kind
from actors.runtime.journal import OutboxRow
from actors.thing.state import ThingState
from hub.simulation.clearances import clearance_faults
from hub.simulation.devices import Printer
from hub.simulation.held import Held
from hub.simulation.life import Life
from hub.simulation.watch import reading_kinds
from hub.simulation.world import World

_S = OrderState
AT_REST: Final = frozenset({*TERMINAL, _S.CONFIRMED, _S.BLOCKED})
"""How orders may stand when people have decided what waited for them."""
_OWNERS_WORD: Final = frozenset(SENTENCES.values())
_LATEST_S: Final = 5400.0
PERSON: Final = "somebody"
"""Who has everything compared at the end."""
_STANDS_BY_RECORD: Final = frozenset({_S.CONFIRMED, _S.FULFILLED})


def is_settled(world: World, printers: Mapping[ThingId, Printer]) -> bool:
    """Say whether nothing is under way any more."""
    return not any(_unsettled(world, printers))


def _unsettled(world: World, printers: Mapping[ThingId, Printer]) -> Iterator[str]:
    for printer in printers.values():
        if printer.unacknowledged:
            yield f"{printer.thing_id}: {len(printer.unacknowledged)} messages are not acknowledged"
    for tell in world.disks.tells():
        yield f"tell {tell.tell_id} to {tell.address} is not consumed"
    for work in world.disks.outbox():
        if _is_looking(work):
            continue
        yield f"work {work.outbox_id} of {work.address} at {work.relay} is not consumed"
    for reminder in world.disks.reminders():
        if reminder.address.startswith(thing_address(ThingId(""))):
            yield f"{reminder.address}: still waits for {reminder.name!r}"
    for view in views(world):
        if not _is_at_rest(view):
            yield f"{view.key}: still {view.state} ({view.code}): {view.sentence}; waiting: {view.waiting}"


def is_reconciled(world: World, connection: str) -> bool:
    """Say whether the last to have this connection's orders and records compared was a person, and it is done."""
    rows = [row for row in world.disks.records_of("reconciliation") if row.key == connection]
    found = [msgspec.json.decode(row.body or b"", type=Reconciliation) for row in rows]
    return any(last.by == PERSON and last.finished_at is not None and not last.failure for last in found)


def _is_looking(work: OutboxRow) -> bool:
    """Say whether this only looks what people in a CRM did: that never ends."""
    if not work.relay.startswith(desk_relay("")):
        return work.relay == RECONCILING_RELAY
    job = msgspec.msgpack.decode(work.body, type=AnyDeskJob)
    return isinstance(job, ReadChanges) or (isinstance(job, LookUp) and job.placed_at is None)


def _is_at_rest(view: OrderView) -> bool:
    """Say whether only people can bring it further: a visit too may wait for its owner's word, until it expires."""
    waits = view.state is _S.PLACED and view.waiting is not None and view.waiting.reason in _OWNERS_WORD
    return waits or view.state in AT_REST


def views(world: World) -> Iterator[OrderView]:
    """Yield the orders as people see them."""
    for row in world.disks.records_of("order"):
        yield msgspec.json.decode(row.body or b"", type=OrderView)


class Judge:
    """Says to the world's watch what is wrong."""

    def __init__(self, world: World, printers: Mapping[ThingId, Printer]) -> None:
        self._world = world
        self._printers = printers
        self._kinds = reading_kinds()
        self._folded: dict[str, Any] = {}
        self._turns: Counter[str] = Counter()

    def judge(self) -> None:
        """Judge everything at the end."""
        if self._world.life is None:
            self._world.watch.say("no hub lives at the end")
            return
        self.compare(self._world.life)
        for wrong in self._faults():
            self._world.watch.say(wrong)

    def _faults(self) -> Iterator[str]:
        yield from _unsettled(self._world, self._printers)
        yield from self._reading_faults()
        yield from self._record_faults()
        yield from self._order_faults()
        yield from self._need_faults()
        yield from self._leftovers()
        yield from self._world.letters.faults()
        for shard, disk in enumerate(self._world.disks.all):
            if disk.usurped:
                yield f"shard {shard}: {disk.usurped} batches were written by hubs that had been replaced"
        yield from _finding_faults(self._world, self._orders())
        yield from clearance_faults(self._world, self._orders())

    def _orders(self) -> dict[OrderKey, OrderData]:
        return {
            OrderKey(address.partition("/")[2]): state
            for address, state in self._folded.items()
            if isinstance(state, OrderData)
        }

    # Memory and disk.

    def compare(self, life: Life) -> None:
        """Compare what a life knew with what folding the disk gives, and with its snapshots and their tails."""
        disks = self._world.disks
        for address, rows in disks.turns():
            if self._turns[address] == len(rows):
                continue
            kind = self._kinds[address.partition("/")[0]]
            whole = self._fold(address, kind, life)
            cell = Cell(address, kind)
            cell.fill(disks.load(address))
            if cell.state != whole:
                self._world.watch.say(f"{address}: its snapshot and tail are not what its turns make")
            if life.is_up and life.engine.read(address) != whole:
                self._world.watch.say(f"{address}: its memory is not what its turns make")

    def _fold(self, address: str, kind: Kind, life: Life) -> Any:
        """Fold the turns that are new, and let the cores that made them decide again: they must decide the same."""
        core = life.kinds[kind.core.kind]
        state = self._folded.get(address) or kind.core.initial(address.partition("/")[2])
        rows = self._world.disks.of(address).turns[address]
        for row in rows[self._turns[address] :]:
            message, events = kind.read_message(row.message), kind.read_events(row)
            at = datetime.fromtimestamp(row.at, UTC)
            if core.step(state, message, at).events != events:
                self._world.watch.say(f"{address}: turn {row.turn} does not hold what is decided on its message")
            state = kind.core.fold(state, message, events, at)
        self._turns[address] = len(rows)
        self._folded[address] = state
        return state

    # Readings.

    def _reading_faults(self) -> Iterator[str]:
        held: Counter[tuple[str, str]] = Counter()
        for address, rows in self._world.disks.turns():
            thing_id = ThingId(address.removeprefix("thing/"))
            if thing_id == address:
                continue
            for row in rows:
                message = self._kinds["thing"].read_message(row.message)
                if not isinstance(message, DeviceMessage | PlainMessage):
                    continue
                held[thing_id, message.message_id] += 1
                sent = self._printers[thing_id].sent.get(message.message_id)
                if sent is None or _values(sent) != _values(message):
                    yield f"{address}: {message.message_id} is not what the device sent"
        yield from (f"{name}: acknowledged and lost" for name in self._world.acknowledged if name not in held)
        yield from (f"{name}: taken {count} times" for name, count in held.items() if count > 1)

    # Records at the CRMs.

    def _record_faults(self) -> Iterator[str]:
        orders = self._orders()
        chains: Counter[tuple[str, RecordKind]] = Counter()
        for crm in self._world.crms.values():
            for held in crm.records:
                if held.is_ours and (held.record.kind is not RecordKind.APPOINTMENT or _stands(held)):
                    chains[held.chain, held.record.kind] += 1
                yield from _record_fault(crm.name, held, orders)
        yield from (
            f"{chain}: {count} records of {kind} for one need" for (chain, kind), count in chains.items() if count > 1
        )

    def _order_faults(self) -> Iterator[str]:
        known = {(crm.name, held.record.record_id): held for crm in self._world.crms.values() for held in crm.records}
        shown = {view.key: view for view in views(self._world)}
        for key, order in self._orders().items():
            if order.order is None or shown.get(key) != view_of(key, order.order, order):
                yield f"{key}: shown otherwise than its turns make it"
            if not order.code or not order.sentence:
                yield f"{key}: {order.state} without a reason"
            if order.state in _STANDS_BY_RECORD:
                held = known.get((order.connection, order.record.record_id)) if order.record else None
                if held is None or not held.is_ours or held.order_key != key:
                    yield f"{key}: {order.state}, but {order.connection} holds no record of it"
                elif order.request is None or held.record.fingerprint != order.request.fingerprint:
                    yield f"{key}: its record has another content"

    # Needs.

    def _need_faults(self) -> Iterator[str]:
        orders = self._orders()
        for key, opened in self._world.watch.needs.items():
            if key not in orders:
                yield f"{opened.need.correlation_id}: there is no order {key}"
        for address, state in self._folded.items():
            if not isinstance(state, ThingState):
                continue
            for subject, need in state.needs.items():
                order = orders.get(need.key) if need.key else None
                if order is None:
                    continue
                if need.is_open and order.state in TERMINAL:
                    yield f"{address} {subject}: its need is open, its order ended: {order.state} ({order.code})"
                if not need.is_open and order.state in {_S.BLOCKED, _S.CONFIRMED}:
                    yield f"{address} {subject}: its need is over, its order stands at {order.state}"
                if order.state in TERMINAL and need.order_state is not order.state:
                    yield f"{address} {subject}: takes its order for {need.order_state}, it is {order.state}"

    # What is left.

    def _leftovers(self) -> Iterator[str]:
        orders, disks = self._orders(), self._world.disks
        claims = {
            f"open/{order.order.need.thing_id}/{order.order.need.subject}": key
            for key, order in orders.items()
            if order.order is not None and order.state not in TERMINAL
        }
        if claims != disks.claims():
            yield f"claims are {disks.claims()}, open orders {claims}"
        for reminder in disks.reminders():
            order = orders.get(OrderKey(reminder.address.partition("/")[2]))
            if reminder.address.startswith((connection_address(""), thing_address(ThingId("")))):
                continue
            if order is None or order.state in TERMINAL:
                yield f"reminder {reminder.name!r} of {reminder.address} is left over"
            elif reminder.due < self._world.clock.now().timestamp() - _LATEST_S:
                yield f"reminder {reminder.name!r} of {reminder.address} is overdue and nobody took it"
        for letter in disks.dead_letters():
            yield f"dead letter of {letter.address}: {letter.reason}"
        waiting = {OrderKey(row.address.partition("/")[2]) for row in disks.reminders()}
        for key, order in orders.items():
            if order.state is _S.BLOCKED and key not in waiting:
                yield f"{key}: blocked, and nothing will wake it"
        if (rest := self._world.life) is not None and rest.engine.counters()["waiting"]:
            yield f"mailboxes hold {rest.engine.counters()['waiting']} messages"


def _values(message: AnyDeviceMessage) -> list[tuple[Any, ...]]:
    return [(reading.name, reading.value, reading.observed_at) for reading in message.readings]


def _stands(held: Held) -> bool:
    return held.record.status is not RecordStatus.CANCELLED


def _record_fault(crm: str, held: Held, orders: Mapping[OrderKey, OrderData]) -> Iterator[str]:
    """Say why a record of ours belongs to no order that stands by it."""
    if not held.is_ours:
        return
    order, name = orders.get(held.order_key), f"{crm} {held.record.record_id}"
    if order is None:
        yield f"{name}: no order has its key {held.order_key}"
    elif held.record.kind is RecordKind.APPOINTMENT:
        yield from _visit_fault(name, held, order)
    elif order.record is None or (order.connection, order.record.record_id) != (crm, held.record.record_id):
        yield f"{name}: its order {held.order_key} does not know it ({order.state}, {order.code})"
    elif _stands(held) and order.state not in {*_STANDS_BY_RECORD, _S.DEAD_LETTER}:
        yield f"{name}: stands, but its order {held.order_key} is {order.state} ({order.code})"
    elif not _stands(held) and order.state in {_S.PLACED, _S.CONFIRMED}:
        yield f"{name}: was cancelled, but its order {held.order_key} is {order.state} ({order.code})"
    elif order.state is _S.CONFIRMED and order.record.total != held.record.total:
        yield f"{name}: costs {held.record.total}, its order {held.order_key} knows {order.record.total}"


def _visit_fault(name: str, held: Held, order: OrderData) -> Iterator[str]:
    """Say why a visit is not as its order has it."""
    if not _stands(held):
        if order.booking is not None and order.booking.key == held.record.key and order.state is _S.CONFIRMED:
            yield f"{name}: a visit that was cancelled, but its order {held.order_key} counts on it"
    elif order.booking is None or order.booking.record_id != held.record.record_id:
        yield f"{name}: a visit that its order {held.order_key} does not know ({order.state}, {order.code})"
    elif order.state is _S.CONFIRMED and order.booking.scheduled != held.record.scheduled:
        yield f"{name}: a visit that was moved, but its order {held.order_key} knows the former time"


def _finding_faults(world: World, orders: Mapping[OrderKey, OrderData]) -> Iterator[str]:
    """Say where the person's list is not what differs: records of others under keys of ours, raised prices."""
    rows = world.disks.records_of("finding")
    shown = {(f.connection, f.record_id) for f in (msgspec.json.decode(row.body or b"", type=Finding) for row in rows)}
    strange = {
        (crm.name, held.record.record_id)
        for crm in world.crms.values()
        if crm.capabilities.changes
        for held in crm.records
        if _stands(held) and (not held.is_ours or _is_dearer(held, orders))
    }
    yield from (f"{record}: is nobody's record, and no person is told" for record in strange - shown)
    yield from (f"{record}: is told to a person for no reason" for record in shown - strange)
    yield from (f"{name}: was not reconciled" for name in world.crms if name not in world.reconciled)


def _is_dearer(held: Held, orders: Mapping[OrderKey, OrderData]) -> bool:
    """Say whether a price was raised when its order had ended already: nobody else would tell."""
    order, total = orders.get(held.order_key), held.record.total
    if order is None or order.record is None or total is None or held.ordered is None:
        return False
    return total.minor > held.ordered.minor and order.record.total != total
