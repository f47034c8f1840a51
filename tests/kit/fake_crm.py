"""A CRM in memory: keyed, create-only, with programmable outcomes. It outlives the hubs that crash beside it."""

import asyncio
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Any

from actors.model.ids import OfferId, OrderKey
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
    Capabilities,
    Changes,
    Created,
    CrmRecord,
    Duplicate,
    Found,
    Offers,
    Permanent,
    RecordStatus,
    TimeSlots,
)
from actors.ports import RefusesExtras

FIRST_SLOT_AT = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def offer(sku: str = "INK-1", minor: int = 2000, connection: str = "shop", **changes: Any) -> Offer:
    """Return an offer without discount, shipping or tax."""
    price = Money(minor=minor, currency="EUR")
    nothing = Money.zero("EUR")
    told = {
        "offer_id": OfferId(f"{connection}/{sku}/{minor}"),
        "connection": connection,
        "seller": connection.title(),
        "sku": sku,
        "title": sku,
        "quantity": 1,
        "unit_price": price,
        "goods": price,
        "shipping": nothing,
        "tax": nothing,
        "landed": price,
    }
    return Offer(**(told | changes))


def time_slot(number: int = 0) -> TimeSlot:
    """Return one of a technician's free hours."""
    starts_at = FIRST_SLOT_AT + timedelta(hours=number)
    return TimeSlot(
        starts_at=starts_at, ends_at=starts_at + timedelta(hours=1), resource="Ada", reference=f"slot-{number}"
    )


class FakeCrm(RefusesExtras):
    """Implements ``CrmAdapter``. ``plan`` programs what the next calls of a method come to.

    An entry of a plan is an outcome (nothing is written), an exception (raised), ``"lost"`` (written, and the answer is
    lost), ``"hangs"`` (written, and no answer ever) or None (as usual).
    """

    def __init__(self, **capabilities: Any) -> None:
        self.capabilities = Capabilities(**({"appointments": True, "cancel": True} | capabilities))
        self.offers: tuple[Offer, ...] = (offer(),)
        self.slots: list[TimeSlot] = [time_slot(number) for number in range(4)]
        self.records: dict[tuple[RecordKind, OrderKey], CrmRecord] = {}
        self.placed_status = RecordStatus.CONFIRMED
        self.calls: list[tuple[str, Any]] = []
        self._plans: dict[str, deque[Any]] = {}

    def plan(self, method: str, *outcomes: Any) -> None:
        """Program the next calls of a method."""
        self._plans.setdefault(method, deque()).extend(outcomes)

    def called(self, method: str) -> list[Any]:
        """Return the arguments of every call of a method."""
        return [argument for name, argument in self.calls if name == method]

    def writes(self, kind: RecordKind = RecordKind.ORDER) -> int:
        """Return how many records of a kind there are."""
        return sum(1 for held, _ in self.records if held is kind)

    def set_status(self, key: OrderKey, status: RecordStatus, kind: RecordKind = RecordKind.ORDER) -> None:
        """Let a person in the CRM change a record."""
        record = self.records[kind, key]
        self.records[kind, key] = CrmRecord(
            record_id=record.record_id, kind=kind, key=key, fingerprint=record.fingerprint, status=status
        )

    async def find_offers(self, query: OfferQuery) -> Any:
        return await self._read("find_offers", query, Offers(offers=self.offers))

    async def place_order(self, order: PurchaseOrder) -> Any:
        return await self._create("place_order", order, RecordKind.ORDER)

    async def request_service(self, request: ServiceRequest) -> Any:
        return await self._create("request_service", request, RecordKind.SERVICE)

    async def search_appointments(self, query: AppointmentQuery) -> Any:
        return await self._read("search_appointments", query, TimeSlots(slots=tuple(self.slots)))

    async def book_appointment(self, booking: AppointmentBooking) -> Any:
        known = (RecordKind.APPOINTMENT, booking.key) in self.records
        if not known and booking.slot not in self.slots:
            return Permanent(code="taken", message="somebody else took that time")
        outcome = await self._create("book_appointment", booking, RecordKind.APPOINTMENT)
        if (RecordKind.APPOINTMENT, booking.key) in self.records and booking.slot in self.slots:
            self.slots.remove(booking.slot)
        return outcome

    async def find_by_key(self, key: OrderKey, kind: RecordKind) -> Any:
        record = self.records.get((kind, key))
        return await self._read("find_by_key", key, Absent() if record is None else Found(record=record))

    async def cancel(self, key: OrderKey, kind: RecordKind, reason: str) -> Any:
        planned = self._next("cancel", (key, kind, reason))
        if planned is not None:
            return planned
        if (kind, key) not in self.records:
            return Absent()
        self.set_status(key, RecordStatus.CANCELLED, kind)
        return Found(record=self.records[kind, key])

    async def changes_since(self, cursor: str) -> Any:
        return await self._read("changes_since", cursor, Changes(records=(), cursor=cursor))

    async def _read(self, method: str, argument: Any, usual: Any) -> Any:
        planned = self._next(method, argument)
        await asyncio.sleep(0)
        return usual if planned is None else planned

    async def _create(self, method: str, request: Any, kind: RecordKind) -> Any:
        planned = self._next(method, request)
        await asyncio.sleep(0)
        if planned is not None and not isinstance(planned, str):
            return planned
        usual = self._write(request, kind)
        await asyncio.sleep(0)
        if planned == "hangs":
            await asyncio.Event().wait()
        return Ambiguous(reason="connection reset") if planned == "lost" else usual

    def _write(self, request: Any, kind: RecordKind) -> Any:
        known = self.records.get((kind, request.key))
        if known is not None:
            return Duplicate(record=known)
        number = f"{kind.value[:2].upper()}-{len(self.records) + 1}"
        record = CrmRecord(
            record_id=number, kind=kind, key=request.key, fingerprint=request.fingerprint, status=self.placed_status
        )
        self.records[kind, request.key] = record
        return Created(record=record)

    def _next(self, method: str, argument: Any) -> Any:
        self.calls.append((method, argument))
        plan = self._plans.get(method)
        planned = plan.popleft() if plan else None
        if isinstance(planned, Exception):
            raise planned
        return planned
