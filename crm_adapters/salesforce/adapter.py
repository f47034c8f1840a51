"""Salesforce behind the CRM port: each request is one transaction under our unique key."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

from actors.model.customers import Customer, CustomerThing
from actors.model.ids import OrderKey
from actors.model.offers import OfferQuery
from actors.model.orders import (
    AppointmentBooking,
    AppointmentMove,
    AppointmentQuery,
    PurchaseOrder,
    RecordKind,
    Request,
    ReturnRequest,
    ServiceRequest,
)
from actors.model.outcomes import (
    Capabilities,
    Changes,
    ChangesOutcome,
    Created,
    CrmRecord,
    Failure,
    FindOutcome,
    Found,
    OffersOutcome,
    Permanent,
    PlaceOutcome,
    RecordStatus,
    TimeSlotsOutcome,
    Transient,
    Unsupported,
    UpsertOutcome,
)
from actors.ports import CrmDeps, RefusesExtras
from crm_adapters.oauth import TokenKeeper
from crm_adapters.proving import Preview
from crm_adapters.readiness import Finding, Step
from crm_adapters.salesforce import mapping, returns
from crm_adapters.salesforce.changes import (
    BadCursor,
    Mark,
    changes_query,
    kinds_followed,
    parse_cursor,
    unseen,
    write_cursor,
)
from crm_adapters.salesforce.checking import Inspector
from crm_adapters.salesforce.config import SalesforceConfig
from crm_adapters.salesforce.customers import Customers, Introduction
from crm_adapters.salesforce.identity import grant_of
from crm_adapters.salesforce.mapping import REQUEST, Part, Parties, TotalMismatch
from crm_adapters.salesforce.preparing import Preparer
from crm_adapters.salesforce.preview import previews_of
from crm_adapters.salesforce.price_books import PriceBooks, Priced
from crm_adapters.salesforce.records import object_of
from crm_adapters.salesforce.register import UNREADABLE, Register, unreadable
from crm_adapters.salesforce.upserts import Upserts
from crm_adapters.salesforce.visits import Visits
from crm_adapters.salesforce.wire import MOST_PARTS, Done, Row, Wire
from crm_adapters.transport import TransportSettings, open_transport

_NO_APPOINTMENTS = Unsupported(capability="appointments")


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
        known = [secret for secret in (config.client_secret, config.private_key) if secret is not None]
        keeper = TokenKeeper(grant_of(config, deps), transport, deps.clock, known)
        yield SalesforceAdapter(Wire(keeper, config), config, deps)


class SalesforceAdapter(RefusesExtras):
    """One organisation as a CRM."""

    def __init__(self, wire: Wire, config: SalesforceConfig, deps: CrmDeps) -> None:
        self._wire = wire
        self._config = config
        self._customers = Customers(wire, config)
        self._price_books = PriceBooks(wire, config, deps.connection)
        self._register = Register(wire, config)
        self._visits = Visits(wire, config, self._register)
        self._upserts = Upserts(wire, config, self._customers)
        self._preparer = Preparer(wire, config)
        self._inspector = Inspector(wire, config, deps.clock)

    @property
    def capabilities(self) -> Capabilities:
        """What this adapter can do with this organisation."""
        books = self._config.books_appointments
        return Capabilities(
            appointments=books,
            moves=books,
            changes=True,
            cancel=True,
            returns=self._config.returns,
            customers=True,
            settle_s=self._config.settle_s,
            parallel=self._config.connections,
        )

    async def find_offers(self, query: OfferQuery) -> OffersOutcome:
        """Return the offers of the price books."""
        try:
            return await self._price_books.offers(query)
        except UNREADABLE as error:
            return Transient(reason=unreadable("price book entries", error))

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
        """Return free times of the technicians."""
        return await self._visits.search(query) if self._config.books_appointments else _NO_APPOINTMENTS

    async def book_appointment(self, booking: AppointmentBooking) -> PlaceOutcome:
        """Create the appointment and assign the technician, unless somebody else took the time."""
        return await self._visits.book(booking) if self._config.books_appointments else _NO_APPOINTMENTS

    async def move_appointment(self, move: AppointmentMove) -> FindOutcome:
        """Move an appointment to another time, perhaps of another technician."""
        return await self._visits.move(move) if self._config.books_appointments else Unsupported(capability="moves")

    async def find_by_key(self, key: OrderKey, kind: RecordKind) -> FindOutcome:
        """Look up what carries our key."""
        if kind is RecordKind.APPOINTMENT and not self._config.books_appointments:
            return _NO_APPOINTMENTS
        if kind is RecordKind.RETURN and not self._config.returns:
            return Unsupported(capability="returns")
        return await self._register.find(key, kind)

    async def cancel(self, key: OrderKey, kind: RecordKind, reason: str) -> FindOutcome:
        """Set the status that means cancelled, unless it is so or the work is done."""
        found = await self.find_by_key(key, kind)
        if not isinstance(found, Found) or found.record.status is RecordStatus.CANCELLED:
            return found
        if found.record.status is RecordStatus.FULFILLED:
            said = f"{found.record.number} is {found.record.status_text}: it can be returned, not cancelled"
            return Permanent(code="ALREADY_FULFILLED", message=said, field="Status")
        visits = await self._visits_of(kind, found.record, reason)
        if not isinstance(visits, tuple):
            return visits
        path = f"/sobjects/{object_of(kind, self._config)}/{quote(found.record.record_id, safe='')}"
        body = mapping.cancellation(kind, reason, self._config)
        answer = await self._wire.change((*visits, Part(reference=REQUEST, method="PATCH", path=path, body=body)))
        return answer if isinstance(answer, Failure) else await self.find_by_key(key, kind)

    async def request_return(self, request: ReturnRequest) -> PlaceOutcome:
        """Announce the goods that go back, by the products of the order."""
        if not self._config.returns:
            return Unsupported(capability="returns")
        results = await self._wire.queries(
            returns.order_query(request, self._config), returns.items_query(request, self._config)
        )
        if not isinstance(results, tuple):
            return results
        orders, rows = results
        if not orders:
            return Permanent(code="UNKNOWN_ORDER", message=f"no order carries the key {request.order_key}")
        try:
            items = returns.ordered_items(rows, self._config)
            parts = returns.return_parts(request, orders[0], items, self._config)
        except returns.NotOrdered as error:
            return Permanent(code="NOT_ORDERED", message=str(error), field="lines")
        except UNREADABLE as error:
            return Transient(reason=unreadable("order", error))
        return await self._register.placed(
            request.key, RecordKind.RETURN, await self._wire.composite(parts, writes=True)
        )

    async def upsert_customer(self, customer: Customer) -> UpsertOutcome:
        """Bring the owner's account up to date, and the person to talk to."""
        return await self._upserts.customer(customer)

    async def upsert_thing(self, thing: CustomerThing) -> UpsertOutcome:
        """Bring the thing's asset up to date."""
        return await self._upserts.thing(thing)

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

    def previews(self, order: PurchaseOrder) -> Sequence[Preview]:
        """Return the requests of placing an order; nothing is sent."""
        return previews_of(order, self._config)

    async def check(self) -> Sequence[Finding]:
        """Look whether the organisation has what it needs; what is tried is taken back."""
        return await self._inspector.findings()

    def preparation(self) -> Sequence[Step]:
        """Return what an organisation without any of it needs."""
        return self._preparer.preparation()

    async def prepare(self) -> Sequence[Step]:
        """Make what is missing."""
        return await self._preparer.prepare()

    async def _priced(self, order: PurchaseOrder) -> Priced | Failure:
        try:
            return await self._price_books.price(order)
        except UNREADABLE as error:
            return Transient(reason=unreadable("price book entries", error))

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
        outcome = await self._register.placed(request.key, kind, answer)
        if isinstance(answer, Done) and isinstance(outcome, Created):
            self._customers.remember(request, answer.bodies)
        if isinstance(outcome, Permanent):  # perhaps what we remember is gone
            self._customers.forget(request)
            self._price_books.forget()
        return outcome

    async def _visits_of(self, kind: RecordKind, record: CrmRecord, reason: str) -> tuple[Part, ...] | Failure:
        """Return the requests that cancel what was arranged for a record: nobody drives for nothing."""
        if kind is not RecordKind.SERVICE or not self._config.books_appointments:
            return ()
        return await self._visits.cancellations(record.record_id, reason)

    def _changes(
        self, kinds: tuple[RecordKind, ...], before: list[Mark], results: tuple[list[Row], ...]
    ) -> ChangesOutcome:
        marks: dict[str, Mark] = {}
        records: list[CrmRecord] = []
        for kind, mark, rows in zip(kinds, before, results, strict=True):
            fresh, marks[object_of(kind, self._config)] = unseen(rows, mark, self._config)
            read = [self._register.record(kind, row) for row in fresh]
            records += [record for record in read if isinstance(record, CrmRecord)]
        records.sort(key=lambda record: (record.changed_at is not None, record.changed_at))
        return Changes(records=tuple(records), cursor=write_cursor(marks))
