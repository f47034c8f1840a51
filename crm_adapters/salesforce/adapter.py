"""Salesforce behind the CRM port: each request is one transaction under our unique key."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from actors.model.ids import OrderKey
from actors.model.offers import OfferQuery
from actors.model.orders import AppointmentBooking, AppointmentQuery, PurchaseOrder, RecordKind, Request, ServiceRequest
from actors.model.outcomes import (
    Absent,
    Ambiguous,
    Capabilities,
    Changes,
    ChangesOutcome,
    Conflict,
    Created,
    CrmRecord,
    Duplicate,
    Failure,
    FindOutcome,
    Found,
    OffersOutcome,
    Permanent,
    PlaceOutcome,
    RecordStatus,
    TimeSlots,
    TimeSlotsOutcome,
    Transient,
    Unsupported,
)
from actors.ports import CrmDeps
from crm_adapters.oauth import TokenKeeper
from crm_adapters.salesforce import mapping
from crm_adapters.salesforce.changes import (
    BadCursor,
    Mark,
    changes_query,
    kinds_followed,
    parse_cursor,
    unseen,
    write_cursor,
)
from crm_adapters.salesforce.classification import DUPLICATE, error_in, refusal_of
from crm_adapters.salesforce.config import SalesforceConfig
from crm_adapters.salesforce.customers import Customers, Introduction
from crm_adapters.salesforce.free_times import crew, crew_queries, free_times, taken_query
from crm_adapters.salesforce.identity import grant_of
from crm_adapters.salesforce.mapping import ACCOUNT, ASSET, RECORD, REQUEST, Part, Parties, TotalMismatch
from crm_adapters.salesforce.price_books import PriceBooks, Priced
from crm_adapters.salesforce.records import object_of, record_fields, record_of
from crm_adapters.salesforce.soql import moment, select, text
from crm_adapters.salesforce.wire import MOST_PARTS, Done, Refused, Row, Wire
from crm_adapters.transport import TransportSettings, open_transport

_UNREADABLE = (ArithmeticError, KeyError, TypeError, ValueError)
"""What mapping raises for rows that are not as the API describes them."""


@asynccontextmanager
async def open_salesforce(config: SalesforceConfig, deps: CrmDeps) -> AsyncGenerator["SalesforceAdapter", None]:
    """Open a connection; nothing is sent before the first call."""
    settings = TransportSettings(
        connect_s=config.connect_timeout_s,
        read_s=config.timeout_s,
        total_s=config.timeout_s,
        connections=config.connections,
    )
    async with open_transport(settings) as transport:
        keeper = TokenKeeper(grant_of(config, deps), transport, deps.clock)
        yield SalesforceAdapter(Wire(keeper, config), config, deps.connection)


class SalesforceAdapter:
    """One organisation as a CRM."""

    def __init__(self, wire: Wire, config: SalesforceConfig, connection: str) -> None:
        self._wire = wire
        self._config = config
        self._customers = Customers(wire, config)
        self._price_books = PriceBooks(wire, config, connection)

    @property
    def capabilities(self) -> Capabilities:
        """What this adapter can do with this organisation."""
        return Capabilities(appointments=self._config.books_appointments, changes=True, cancel=True)

    async def find_offers(self, query: OfferQuery) -> OffersOutcome:
        """Return the offers of the price books."""
        try:
            return await self._price_books.offers(query)
        except _UNREADABLE as error:
            return Transient(reason=_unreadable("price book entries", error))

    async def place_order(self, order: PurchaseOrder) -> PlaceOutcome:
        """Create the order as a draft with its products and activate it, in one transaction."""
        priced = await self._priced(order)
        if isinstance(priced, Failure):
            return priced
        try:
            items = mapping.order_items(order, priced.entries, self._config)
        except TotalMismatch as error:
            return Permanent(code="TOTAL_MISMATCH", message=str(error))

        def parts(parties: Parties) -> tuple[Part, ...]:
            return mapping.order_parts(order, parties, items, priced.price_book, self._config)

        async with self._customers.introducing(order, with_asset=bool(self._config.fields.order_asset)) as who:
            return await self._write_for(order, RecordKind.ORDER, who, parts)

    async def request_service(self, request: ServiceRequest) -> PlaceOutcome:
        """Create a work order or a case."""

        def parts(parties: Parties) -> tuple[Part, ...]:
            return mapping.service_parts(request, parties, self._config)

        async with self._customers.introducing(request, with_asset=True) as who:
            return await self._write_for(request, RecordKind.SERVICE, who, parts)

    async def search_appointments(self, query: AppointmentQuery) -> TimeSlotsOutcome:
        """Return free times of the technicians: working hours less appointments and absences."""
        if not self._config.books_appointments:
            return Unsupported(capability="appointments")
        results = await self._wire.queries(*crew_queries(query, self._config))
        if not isinstance(results, tuple):
            return results
        try:
            technicians = crew(results, query)
        except _UNREADABLE as error:
            return Permanent(code="UNREADABLE_CREW", message=_unreadable("technicians or working hours", error))
        step = timedelta(minutes=self._config.slot_step_minutes)
        return TimeSlots(slots=free_times(technicians, query, step))

    async def book_appointment(self, booking: AppointmentBooking) -> PlaceOutcome:
        """Create the appointment and assign the technician, unless somebody else took the time."""
        if not self._config.books_appointments:
            return Unsupported(capability="appointments")
        taken = await self._is_taken(booking)
        if isinstance(taken, Failure):
            return taken
        if taken:
            said = f"{booking.slot.resource} is no longer free at {booking.slot.starts_at.isoformat()}"
            return Permanent(code="TIME_TAKEN", message=said, field="SchedStartTime")
        answer = await self._wire.composite(mapping.booking_parts(booking, self._config), writes=True)
        return await self._placed(booking.key, RecordKind.APPOINTMENT, answer)

    async def find_by_key(self, key: OrderKey, kind: RecordKind) -> FindOutcome:
        """Look up what carries our key. A query, because a look-up by address answers 404 for a missing field too."""
        if kind is RecordKind.APPOINTMENT and not self._config.books_appointments:
            return Unsupported(capability="appointments")
        fields = record_fields(kind, self._config)
        condition = f"{self._config.fields.key} = {text(key)}"
        rows = await self._wire.query(select(fields, object_of(kind, self._config), (condition,)))
        if not isinstance(rows, list):
            return rows
        if len(rows) > 1:
            said = f"{len(rows)} records carry the key {key}: make {self._config.fields.key} unique"
            return Permanent(code="KEY_NOT_UNIQUE", message=said, field=self._config.fields.key)
        if not rows:
            return Absent()
        record = self._record(kind, rows[0])
        return Found(record=record) if isinstance(record, CrmRecord) else record

    async def cancel(self, key: OrderKey, kind: RecordKind, reason: str) -> FindOutcome:
        """Set the status that means cancelled, unless it is so or the work is done."""
        found = await self.find_by_key(key, kind)
        if not isinstance(found, Found) or found.record.status is RecordStatus.CANCELLED:
            return found
        if found.record.status is RecordStatus.FULFILLED:
            said = f"{found.record.number} is {found.record.status_text}: it can be returned, not cancelled"
            return Permanent(code="ALREADY_FULFILLED", message=said, field="Status")
        path = f"/sobjects/{object_of(kind, self._config)}/{quote(found.record.record_id, safe='')}"
        body = mapping.cancellation(kind, reason, self._config)
        answer = await self._wire.send("PATCH", path, writes=True, body=body)
        return answer if isinstance(answer, Failure) else await self.find_by_key(key, kind)

    async def changes_since(self, cursor: str) -> ChangesOutcome:
        """Return our records that changed since the cursor, oldest first."""
        try:
            marks = parse_cursor(cursor)
        except BadCursor as error:
            return Permanent(code="BAD_CURSOR", message=str(error))
        kinds = kinds_followed(self._config)
        before = [marks.get(object_of(kind, self._config), Mark()) for kind in kinds]
        asked = [changes_query(kind, mark, self._config) for kind, mark in zip(kinds, before, strict=True)]
        results = await self._wire.queries(*asked)
        if not isinstance(results, tuple):
            return results
        return self._changes(kinds, before, results)

    async def _priced(self, order: PurchaseOrder) -> Priced | Failure:
        try:
            return await self._price_books.price(order)
        except _UNREADABLE as error:
            return Transient(reason=_unreadable("price book entries", error))

    async def _write_for(
        self, request: Request, kind: RecordKind, who: Introduction | Failure, parts: Any
    ) -> PlaceOutcome:
        """Send the request's parts after those that introduce the owner and the thing."""
        if isinstance(who, Failure):
            return who
        whole: Sequence[Part] = (*who.parts, *parts(who.parties))
        if len(whole) > MOST_PARTS:
            said = f"{len(whole)} parts; Salesforce takes {MOST_PARTS} in one transaction"
            return Permanent(code="TOO_MANY_LINES", message=said)
        answer = await self._wire.composite(whole, writes=True)
        outcome = await self._placed(request.key, kind, answer)
        if isinstance(answer, Done) and isinstance(outcome, Created):
            self._customers.remember(request, answer.bodies)
        if isinstance(outcome, Permanent):  # perhaps what we remember is gone
            self._customers.forget(request)
            self._price_books.forget()
        return outcome

    async def _placed(self, key: OrderKey, kind: RecordKind, answer: Done | Refused | Failure) -> PlaceOutcome:
        if isinstance(answer, Refused):
            return await self._refused(key, kind, answer)
        if not isinstance(answer, Done):
            return answer
        record = self._record(kind, answer.bodies[RECORD])
        return Created(record=record) if isinstance(record, CrmRecord) else Ambiguous(reason=record.reason)

    async def _refused(self, key: OrderKey, kind: RecordKind, refused: Refused) -> PlaceOutcome:
        """Our own key in use is a success of an earlier try; somebody else's new account or asset a lost race."""
        error = error_in(refused.body)
        if error is None or error.code != DUPLICATE:
            return refusal_of(refused.status, refused.body)
        if refused.reference in {ACCOUNT, ASSET}:
            return Conflict(reason=f"{error.code}: {error.message}")
        if refused.reference != REQUEST or self._config.fields.key.lower() not in error.message.lower():
            return Permanent(code=error.code, message=error.message, field=error.field)
        found = await self.find_by_key(key, kind)
        match found:
            case Found(record=record):
                return Duplicate(record=record)
            case Absent():
                said = f"{error.message}; but the integration user cannot read that record"
                return Permanent(code=error.code, message=said, field=self._config.fields.key)
            case _:
                return Ambiguous(reason=f"{key} is in use and could not be read: {found!r}")

    async def _is_taken(self, booking: AppointmentBooking) -> bool | Failure:
        start, end = moment(booking.slot.starts_at), moment(booking.slot.ends_at)
        key = self._config.fields.key
        rows = await self._wire.query(taken_query(start, end, booking.slot.reference, key))
        if not isinstance(rows, list):
            return rows
        return bool(rows) and all(_appointment_key(row, key) != booking.key for row in rows)

    def _record(self, kind: RecordKind, row: Row) -> CrmRecord | Transient:
        try:
            return record_of(kind, row, self._config, self._wire.instance_url)
        except _UNREADABLE as error:
            return Transient(reason=_unreadable(kind, error))

    def _changes(
        self, kinds: tuple[RecordKind, ...], before: list[Mark], results: tuple[list[Row], ...]
    ) -> ChangesOutcome:
        marks: dict[str, Mark] = {}
        records: list[CrmRecord] = []
        for kind, mark, rows in zip(kinds, before, results, strict=True):
            fresh, marks[object_of(kind, self._config)] = unseen(rows, mark, self._config)
            read = [self._record(kind, row) for row in fresh]
            records += [record for record in read if isinstance(record, CrmRecord)]
        records.sort(key=lambda record: (record.changed_at is not None, record.changed_at))
        return Changes(records=tuple(records), cursor=write_cursor(marks))


def _appointment_key(row: Row, field: str) -> str:
    appointment: Mapping[str, Any] = row["ServiceAppointment"] or {}
    return str(appointment.get(field) or "")


def _unreadable(what: str, error: Exception) -> str:
    return f"Salesforce's {what} cannot be read: {type(error).__name__}: {error}"
