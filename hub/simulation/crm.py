"""CRMs that a seed torments: late commits, lost answers, limits, down times, records of others under our keys."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from random import Random
from typing import Any, Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from actors.model.customers import CustomerThing
from actors.model.ids import OfferId, OrderKey, ThingId
from actors.model.money import Money
from actors.model.offers import Offer, OfferQuery
from actors.model.orders import (
    AppointmentBooking,
    AppointmentQuery,
    PurchaseOrder,
    RecordKind,
    ServiceRequest,
    TimeSlot,
)
from actors.model.outcomes import (
    Absent,
    Ambiguous,
    AuthFailed,
    Capabilities,
    ChangesOutcome,
    Conflict,
    Created,
    CrmRecord,
    Duplicate,
    Failure,
    FindOutcome,
    Found,
    Offers,
    OffersOutcome,
    Permanent,
    PlaceOutcome,
    RecordStatus,
    Throttled,
    TimeSlots,
    TimeSlotsOutcome,
    Transient,
    Upserted,
    UpsertOutcome,
)
from actors.ports import RefusesExtras
from hub.simulation.held import ChangeLog, Held
from hub.simulation.scenery import HOUR_S, Chronicle, JumpingClock

T = TypeVar("T")

SETTLE_S: Final = 120.0
_LATEST_S: Final = 90.0
_INDEX_LAG_S: Final = 20.0
_FREE_TIMES: Final = 6


class Fate(StrEnum):
    """What becomes of one request."""

    USUAL = "usual"
    LOST_REPLY = "lost_reply"
    LOST_REQUEST = "lost_request"
    LATE = "late"
    """Given up by whoever sent it, and written after all."""
    ECHOED = "echoed"
    """Delivered twice by something on the way; a CRM without unique keys is spared that."""
    HANGS = "hangs"
    BREAKS = "breaks"
    """Written, and the adapter has a defect."""
    REFUSED = "refused"
    THROTTLED = "throttled"
    CONFLICT = "conflict"
    AUTH = "auth"
    PERMANENT = "permanent"


_F = Fate
_ODDS: Final = {
    _F.USUAL: 50, _F.ECHOED: 4, _F.LOST_REPLY: 9, _F.LOST_REQUEST: 6, _F.LATE: 9, _F.HANGS: 4, _F.BREAKS: 2,
    _F.REFUSED: 5, _F.THROTTLED: 4, _F.CONFLICT: 3, _F.AUTH: 2, _F.PERMANENT: 2,
}  # fmt: skip
_READS: Final = {_F.USUAL: 80, _F.LOST_REPLY: 6, _F.HANGS: 3, _F.REFUSED: 6, _F.THROTTLED: 3, _F.CONFLICT: 2}


class Leaving(Struct, frozen=True, kw_only=True):
    """A writing request at the moment it leaves the hub."""

    kind: RecordKind
    key: OrderKey
    order_key: OrderKey
    """That of the order it belongs to; a visit's is its service request's."""
    thing_id: ThingId | None
    total: Money | None
    is_introduced: bool
    """The CRM knows the thing, or keeps none."""


class _Write(Struct, frozen=True, kw_only=True):
    kind: RecordKind
    key: OrderKey
    order_key: OrderKey
    chain: str
    fingerprint: str
    total: Money | None = None
    slot: TimeSlot | None = None


class SimCrm(RefusesExtras):
    """Implements ``CrmAdapter``, and is the CRM behind it: it goes on when the hub that called it is gone."""

    def __init__(
        self,
        name: str,
        capabilities: Capabilities,
        world: tuple[Chronicle, JumpingClock],
        chance: Random,
        on_leaving: Callable[[Leaving], None],
    ) -> None:
        self.name = name
        self.capabilities = capabilities
        self.records: list[Held] = []
        self.things: set[ThingId] = set()
        """What it keeps of its customers."""
        self.trouble: Fate | None = None
        """What befalls every request while it lasts."""
        self.is_calm = False
        self.checks_keys = capabilities.unique_key
        self._chronicle, self._clock = world
        self._chance = chance
        self._on_leaving = on_leaving
        self._loop = asyncio.get_running_loop()
        self._offers = 0
        self._log = ChangeLog()
        self._taken: set[str] = set()

    # The port.

    async def find_offers(self, query: OfferQuery) -> OffersOutcome:
        """Return offers whose prices change."""
        return await self._read("find_offers", lambda: self._offer(query))

    async def place_order(self, order: PurchaseOrder) -> PlaceOutcome:
        """Create an order."""
        write = _Write(
            kind=RecordKind.ORDER,
            key=order.key,
            order_key=order.key,
            chain=order.correlation_id,
            fingerprint=order.fingerprint,
            total=order.total,
        )
        return await self._create(write, order.thing_id)

    async def request_service(self, request: ServiceRequest) -> PlaceOutcome:
        """Create a service request."""
        write = _Write(
            kind=RecordKind.SERVICE,
            key=request.key,
            order_key=request.key,
            chain=request.correlation_id,
            fingerprint=request.fingerprint,
        )
        return await self._create(write, request.thing_id)

    async def search_appointments(self, query: AppointmentQuery) -> TimeSlotsOutcome:
        """Return free times; somebody else may take them meanwhile."""
        return await self._read("search_appointments", lambda: self._free_times(query))

    async def book_appointment(self, booking: AppointmentBooking) -> PlaceOutcome:
        """Book a time."""
        write = _Write(
            kind=RecordKind.APPOINTMENT,
            key=booking.key,
            order_key=booking.service_key,
            chain=f"visit/{booking.service_key}",
            fingerprint=booking.fingerprint,
            slot=booking.slot,
        )
        return await self._create(write, None)

    async def find_by_key(self, key: OrderKey, kind: RecordKind) -> FindOutcome:
        """Look a record up; the index may lag behind."""
        return await self._read("find_by_key", lambda: self._found(key, kind))

    async def cancel(self, key: OrderKey, kind: RecordKind, reason: str) -> FindOutcome:
        """Cancel a record unless it is fulfilled."""
        del reason
        return await self._read("cancel", lambda: self._cancelled(key, kind))

    async def changes_since(self, cursor: str) -> ChangesOutcome:
        """Return what was made or changed."""
        return await self._read("changes_since", lambda: self._log.since(cursor))

    async def upsert_thing(self, thing: CustomerThing) -> UpsertOutcome:
        """Keep a customer's thing."""
        return await self._read("upsert_thing", lambda: self._kept(thing))

    def _kept(self, thing: CustomerThing) -> Upserted:
        created = thing.thing_id not in self.things
        self.things.add(thing.thing_id)
        return Upserted(record_id=f"asset-{thing.thing_id}", created=created)

    # People and others at the CRM.

    def set_status(self, held: Held, status: RecordStatus) -> None:
        """Let a person in the CRM bring a record further, or cancel it."""
        self.change(held, status=status)

    def change(self, held: Held, **changes: Any) -> None:
        """Let a person in the CRM change a record."""
        held.record = replace(held.record, **changes)
        self._log.add(held)
        self._chronicle.tell("changed", self.name, held.record.record_id, changes)

    def squat(self, key: OrderKey, kind: RecordKind) -> None:
        """Let somebody else hold a record under a key of ours."""
        self._hold(_Write(kind=kind, key=key, order_key=key, chain="", fingerprint="somebody-else"), is_ours=False)

    # Reading.

    async def _read(self, what: str, look: Callable[[], T]) -> T | Failure:
        fate = self._fate(_READS)
        self._chronicle.tell(what, self.name, fate)
        await asyncio.sleep(self._delay_s())
        if fate is Fate.HANGS:
            await asyncio.sleep(HOUR_S)
        outcome: T | Failure = look() if fate in {Fate.USUAL, Fate.LOST_REPLY} else self._refusal(fate)
        await asyncio.sleep(self._delay_s())
        return Ambiguous(reason="connection reset") if fate is Fate.LOST_REPLY else outcome

    def _offer(self, query: OfferQuery) -> Offers:
        return Offers(offers=tuple(self._priced(sku, query.quantity) for sku in query.skus if self._sells()))

    def _sells(self) -> bool:
        return self.is_calm or self._chance.random() < 0.9

    def _priced(self, sku: str, quantity: int) -> Offer:
        self._offers += 1
        unit = Money(minor=self._chance.randrange(1200, 3600, 50), currency="EUR")
        goods = Money(minor=unit.minor * quantity, currency="EUR")
        nothing = Money.zero("EUR")
        lasts_s = self._chance.choice((30.0, 600.0, 6 * HOUR_S))
        return Offer(
            offer_id=OfferId(f"o{self._offers}"),
            connection=self.name,
            seller=self.name,
            sku=sku,
            title=sku,
            quantity=quantity,
            unit_price=unit,
            goods=goods,
            shipping=nothing,
            tax=nothing,
            landed=goods,
            expires_at=self._clock.now() + timedelta(seconds=lasts_s) if self._chance.random() < 0.3 else None,
        )

    def _free_times(self, query: AppointmentQuery) -> TimeSlots:
        start = query.not_before.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        slots = [
            TimeSlot(starts_at=at, ends_at=at + timedelta(hours=1), resource="Ada", reference=f"ada/{at:%d%H}")
            for at in (start + timedelta(hours=hour) for hour in range(_FREE_TIMES))
        ]
        free = tuple(slot for slot in slots if slot.reference not in self._taken)
        if free and not self.is_calm and self._chance.random() < 0.3:
            self._taken.add(free[0].reference)
        return TimeSlots(slots=free)

    def _of(self, key: OrderKey, kind: RecordKind) -> list[Held]:
        return [held for held in self.records if held.record.key == key and held.record.kind is kind]

    def _found(self, key: OrderKey, kind: RecordKind) -> FindOutcome:
        seen = [held for held in self._of(key, kind) if held.visible_s <= self._loop.time()]
        return Found(record=seen[0].record) if seen else Absent()

    def _cancelled(self, key: OrderKey, kind: RecordKind) -> FindOutcome:
        seen = self._of(key, kind)
        if not seen:
            return Absent()
        if seen[0].record.status is not RecordStatus.FULFILLED:
            self.set_status(seen[0], RecordStatus.CANCELLED)
        return Found(record=seen[0].record)

    # Writing.

    async def _create(self, write: _Write, thing_id: ThingId | None) -> PlaceOutcome:
        fate = self._fate(_ODDS)
        self._chronicle.tell("leaves", self.name, write.kind, write.key, fate)
        self._on_leaving(
            Leaving(
                kind=write.kind,
                key=write.key,
                order_key=write.order_key,
                thing_id=thing_id,
                total=write.total,
                is_introduced=thing_id is None or not self.capabilities.customers or thing_id in self.things,
            )
        )
        match fate:
            case Fate.USUAL | Fate.LOST_REPLY | Fate.BREAKS | Fate.ECHOED:
                if fate is Fate.ECHOED and self.capabilities.unique_key:
                    self._loop.call_later(self._chance.uniform(0.0, _LATEST_S), self._take, write)
                return await self._arrived(write, fate)
            case Fate.LATE:
                self._loop.call_later(self._chance.uniform(0.0, _LATEST_S), self._take, write)
                await asyncio.sleep(self._delay_s())
                return Ambiguous(reason="no answer")
            case Fate.HANGS:
                if self._chance.random() < 0.5:
                    self._loop.call_later(self._chance.uniform(0.0, _LATEST_S / 2), self._take, write)
                await asyncio.sleep(HOUR_S)
                return Ambiguous(reason="no answer")
            case _:
                await asyncio.sleep(self._delay_s())
                return self._refusal(fate)

    async def _arrived(self, write: _Write, fate: Fate) -> PlaceOutcome:
        answer: asyncio.Future[PlaceOutcome] = self._loop.create_future()
        self._loop.call_later(self._delay_s(), lambda: _tell(answer, self._take(write)))
        outcome = await answer
        await asyncio.sleep(self._delay_s())
        if fate is Fate.BREAKS:
            raise ValueError("the adapter has a defect")
        return Ambiguous(reason="connection reset") if fate is Fate.LOST_REPLY else outcome

    def _take(self, write: _Write) -> PlaceOutcome:
        known = self._of(write.key, write.kind)
        if known and self.checks_keys:
            return Duplicate(record=known[0].record)
        slot = write.slot
        if slot is not None and slot.reference in self._taken:
            return Permanent(code="taken", message="somebody else took that time")
        return Created(record=self._hold(write).record)

    def _hold(self, write: _Write, *, is_ours: bool = True) -> Held:
        number = f"{self.name}-{len(self.records) + 1}"
        opened = not self.is_calm and self._chance.random() < 0.3
        record = CrmRecord(
            record_id=number,
            number=number,
            kind=write.kind,
            key=write.key,
            fingerprint=write.fingerprint,
            status=RecordStatus.OPEN if opened else RecordStatus.CONFIRMED,
            total=write.total,
            scheduled=write.slot,
        )
        lag_s = 0.0 if self.capabilities.unique_key else self._chance.uniform(0.0, _INDEX_LAG_S)
        held = Held(
            record=record,
            chain=write.chain,
            order_key=write.order_key,
            visible_s=self._loop.time() + lag_s,
            is_ours=is_ours,
            ordered=write.total,
        )
        if write.slot is not None:
            self._taken.add(write.slot.reference)
        self.records.append(held)
        self._log.add(held)
        self._chronicle.tell("holds", self.name, number, write.key, record.status)
        return held

    # Fate.

    def _fate(self, odds: dict[Fate, int]) -> Fate:
        if self.is_calm:
            return Fate.USUAL
        return self.trouble or self._chance.choices(list(odds), list(odds.values()))[0]

    def _delay_s(self) -> float:
        return self._chance.choice((0.01, 0.1, 0.1, 2.0)) * self._chance.random()

    def _refusal(self, fate: Fate) -> Failure:
        match fate:
            case Fate.THROTTLED:
                return Throttled(retry_after_s=self._chance.choice((1.0, 60.0, 1200.0)), reason="too many requests")
            case Fate.CONFLICT:
                return Conflict(reason="row locked")
            case Fate.AUTH:
                return AuthFailed(reason="the password has changed")
            case Fate.PERMANENT:
                return Permanent(code="invalid_field", message="no such price book", field="price_book")
            case Fate.LOST_REQUEST:
                return Ambiguous(reason="connection reset")
            case _:
                return Transient(reason="connection refused")


def _tell(answer: asyncio.Future[PlaceOutcome], outcome: PlaceOutcome) -> None:
    if not answer.done():
        answer.set_result(outcome)
