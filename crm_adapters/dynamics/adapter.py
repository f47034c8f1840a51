"""Dynamics 365 behind the CRM port."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from actors.model.customers import Customer, CustomerThing
from actors.model.ids import OrderKey
from actors.model.offers import OfferQuery
from actors.model.orders import (
    AppointmentBooking,
    AppointmentMove,
    AppointmentQuery,
    PurchaseOrder,
    RecordKind,
    ReturnRequest,
    ServiceRequest,
)
from actors.model.outcomes import (
    Absent,
    Capabilities,
    ChangesOutcome,
    CrmRecord,
    Duplicate,
    Failure,
    FindOutcome,
    Found,
    HeardOutcome,
    Offers,
    OffersOutcome,
    Permanent,
    PlaceOutcome,
    RecordStatus,
    TimeSlotsOutcome,
    Unsupported,
    UpsertOutcome,
)
from actors.ports import CrmAdapter, CrmDeps, Webhook
from crm_adapters.dynamics import returns
from crm_adapters.dynamics.batch import Operation
from crm_adapters.dynamics.changes import ChangeReader, tables_followed
from crm_adapters.dynamics.checking import Inspector
from crm_adapters.dynamics.client import DataverseClient, understood
from crm_adapters.dynamics.config import DynamicsConfig
from crm_adapters.dynamics.deltas import DeltaReader
from crm_adapters.dynamics.directory import Directory, Introduction
from crm_adapters.dynamics.failures import WireAnswer, failure_of
from crm_adapters.dynamics.identity import grant_of
from crm_adapters.dynamics.mapping import (
    OrderReferences,
    cancel_operation,
    listed_references,
    order_references,
    place_operations,
    submit_operation,
    total_mismatch,
)
from crm_adapters.dynamics.offers import Listing, offer_of, price_query, read_listings
from crm_adapters.dynamics.placing import Register
from crm_adapters.dynamics.preparing import Preparer
from crm_adapters.dynamics.preview import previews_of
from crm_adapters.dynamics.records import BOOKINGS, ORDERS, RMAS, is_unsubmitted, refusal_to_move, table_of
from crm_adapters.dynamics.schedule import Schedule
from crm_adapters.dynamics.upserts import Upserts
from crm_adapters.dynamics.webhooks import WebhookReader
from crm_adapters.dynamics.work import (
    ServiceReferences,
    booking_operation,
    cancel_booking_operation,
    move_operation,
    service_operations,
)
from crm_adapters.oauth import TokenKeeper
from crm_adapters.proving import Preview
from crm_adapters.readiness import Finding, Step
from crm_adapters.transport import TransportSettings, open_transport

_NO_CUSTOMERS = Unsupported(capability="customers")
_CONNECT_S = 5.0
_AT_ONCE = 52
"""Requests of one user that Dataverse takes at once (service protection limits); one more is answered 429."""


@asynccontextmanager
async def open_dynamics(config: DynamicsConfig, deps: CrmDeps) -> AsyncGenerator[CrmAdapter, None]:
    """Open the connection to one environment; nothing is sent before the first call."""
    timeout_s = config.timeout_s
    settings = TransportSettings(connect_s=min(_CONNECT_S, timeout_s), read_s=timeout_s, total_s=timeout_s)
    async with open_transport(settings) as transport:
        secrets = (config.client_secret, config.certificate, config.webhook_key)
        known = [secret for secret in secrets if secret is not None]
        keeper = TokenKeeper(grant_of(config, deps), transport, deps.clock, known)
        yield DynamicsAdapter(config, deps, DataverseClient(config, keeper))


class DynamicsAdapter:
    """One environment. Records are made by keyed create-only requests and read back in the same round trip."""

    def __init__(self, config: DynamicsConfig, deps: CrmDeps, client: DataverseClient) -> None:
        self._config = config
        self._connection = deps.connection
        self._client = client
        self._register = Register(client, config)
        self._directory = Directory(client, config)
        self._schedule = Schedule(client, config)
        by_link = config.changes == "delta"
        self._changes = (
            DeltaReader(client, config, tables_followed(config)) if by_link else ChangeReader(client, config)
        )
        self._upserts = Upserts(client, config)
        self._preparer = Preparer(client, config)
        self._inspector = Inspector(client, config, self._directory)
        key = config.webhook_key
        self._webhooks = None if key is None else WebhookReader(client, config, key.reveal())

    @property
    def capabilities(self) -> Capabilities:
        """Nearly all of them; what Field Service has only where service requests are work orders."""
        field_service = self._config.work_orders
        return Capabilities(
            appointments=field_service,
            moves=field_service,
            changes=True,
            cancel=True,
            returns=self._config.takes_returns,
            customers=field_service,
            webhooks=self._webhooks is not None,
            settle_s=self._config.settle_s,
            parallel=_AT_ONCE,
        )

    async def find_offers(self, query: OfferQuery) -> OffersOutcome:
        """Return one offer for each of the SKUs that is on a price list."""
        listings = await self._listings(query.skus, query.currency)
        if not isinstance(listings, list):
            return listings
        return Offers(offers=tuple(offer_of(listing, query, self._connection, self._config) for listing in listings))

    async def place_order(self, order: PurchaseOrder) -> PlaceOutcome:
        """Create, price and submit the order in one changeset; a draft of ours that is found there is submitted."""
        refusal = total_mismatch(order)
        if refusal is not None:
            return refusal
        references = await self._order_references(order)
        if not isinstance(references, OrderReferences):
            return references
        outcome = await self._register.place(
            table_of(RecordKind.ORDER, self._config),
            order.key,
            self._register.introductions.of_owner(order.owner_id),
            place_operations(order, references, self._config),
        )
        return await self._resume(order, outcome) if isinstance(outcome, Duplicate) else outcome

    async def request_service(self, request: ServiceRequest) -> PlaceOutcome:
        """Create a work order (or a case) for the thing at its owner's."""
        references = await self._service_references()
        if not isinstance(references, ServiceReferences):
            return references
        return await self._register.place(
            table_of(RecordKind.SERVICE, self._config),
            request.key,
            self._register.introductions.of_thing(request),
            service_operations(request, references, self._config),
        )

    async def search_appointments(self, query: AppointmentQuery) -> TimeSlotsOutcome:
        """Return times at which a technician is free."""
        if not self._config.work_orders:
            return Unsupported(capability="appointments")
        return await self._schedule.search(query)

    async def book_appointment(self, booking: AppointmentBooking) -> PlaceOutcome:
        """Book a technician's time for a work order."""
        if not self._config.work_orders:
            return Unsupported(capability="appointments")
        status = await self._directory.booking_status(self._config.booking_status)
        if not isinstance(status, str):
            return status
        refusal = await self._schedule.refusal(booking.slot, booking.key)
        if refusal is not None:
            return refusal
        return await self._register.place(
            table_of(RecordKind.APPOINTMENT, self._config),
            booking.key,
            Introduction(),
            [booking_operation(booking, status, self._config)],
        )

    async def move_appointment(self, move: AppointmentMove) -> FindOutcome:
        """Move a booking to another time, perhaps of another technician."""
        if not self._config.work_orders:
            return Unsupported(capability="moves")
        row = await self._register.row(BOOKINGS, move.key)
        if row is None:
            return Absent()
        if not isinstance(row, dict):
            return row
        refusal = refusal_to_move(row, self._config) or await self._schedule.refusal(move.slot, move.key)
        if refusal is not None:
            return refusal
        operation = move_operation(str(row[BOOKINGS.id_column]), str(row["@odata.etag"]), move, self._config)
        return await self._register.change(BOOKINGS, move.key, [operation])

    async def find_by_key(self, key: OrderKey, kind: RecordKind) -> FindOutcome:
        """Look up what we placed under this key."""
        if kind is RecordKind.APPOINTMENT and not self._config.work_orders:
            return Unsupported(capability="appointments")
        if kind is RecordKind.RETURN and not self._config.takes_returns:
            return Unsupported(capability="returns")
        return await self._register.find(table_of(kind, self._config), key)

    async def cancel(self, key: OrderKey, kind: RecordKind, reason: str) -> FindOutcome:
        """Cancel a record and what was arranged for it, unless it is cancelled, and return it as it stands then."""
        found = await self.find_by_key(key, kind)
        if not isinstance(found, Found) or found.record.status is RecordStatus.CANCELLED:
            return found
        operations = await self._cancellation(found.record, reason)
        if not isinstance(operations, list):
            return operations
        return await self._register.change(table_of(kind, self._config), key, operations)

    async def request_return(self, request: ReturnRequest) -> PlaceOutcome:
        """Announce the goods that go back, by the lines of the order."""
        if not self._config.takes_returns:
            return Unsupported(capability="returns")
        order = await self._client.read(returns.order_path(request, self._config))
        if not isinstance(order, WireAnswer):
            return order
        if order.is_absent:
            return Permanent(code="unknown_order", message=f"no order has the key {request.order_key}")
        rows = await self._client.read_all(returns.lines_path(str(order.body[ORDERS.id_column])))
        lines = understood(lambda: returns.ordered(rows)) if isinstance(rows, list) else rows
        if not isinstance(lines, list):
            return lines
        try:
            operations = returns.return_operations(request, lines, self._config)
        except returns.NotOrdered as error:
            return Permanent(code="not_ordered", message=str(error), field="lines")
        return await self._register.place(RMAS, request.key, Introduction(), operations)

    async def upsert_customer(self, customer: Customer) -> UpsertOutcome:
        """Bring the owner's account up to date, and the person to talk to."""
        return await self._upserts.customer(customer) if self._config.work_orders else _NO_CUSTOMERS

    async def upsert_thing(self, thing: CustomerThing) -> UpsertOutcome:
        """Bring the thing's asset up to date."""
        return await self._upserts.thing(thing) if self._config.work_orders else _NO_CUSTOMERS

    def doubt_webhook(self, message: Webhook) -> Permanent | None:
        """Return why a message is not the environment's."""
        return None if self._webhooks is None else self._webhooks.doubt(message)

    async def take_webhook(self, message: Webhook) -> HeardOutcome:
        """Read again what a message of the environment is about."""
        return Unsupported(capability="webhooks") if self._webhooks is None else await self._webhooks.take(message)

    async def changes_since(self, cursor: str) -> ChangesOutcome:
        """Return our records that changed since, oldest first."""
        return await self._changes.since(cursor)

    def previews(self, order: PurchaseOrder) -> Sequence[Preview]:
        """Return the requests of placing an order; nothing is sent."""
        return previews_of(order, self._config)

    async def check(self) -> Sequence[Finding]:
        """Look whether the environment has what it needs; what is tried is taken back."""
        return await self._inspector.findings()

    def preparation(self) -> Sequence[Step]:
        """Return what an environment without any of it needs."""
        return self._preparer.preparation()

    async def prepare(self) -> Sequence[Step]:
        """Make what is missing."""
        return await self._preparer.prepare()

    async def _resume(self, order: PurchaseOrder, duplicate: Duplicate) -> PlaceOutcome:
        """Submit an order of ours that was made and never submitted, unless a person took it in hand."""
        is_ours = duplicate.record.fingerprint == order.fingerprint
        is_wanted = self._config.submit_orders and not order.is_test
        if not is_wanted or not is_ours or duplicate.record.status is not RecordStatus.OPEN:
            return duplicate
        row = await self._register.row(table_of(RecordKind.ORDER, self._config), order.key)
        if not isinstance(row, dict) or not is_unsubmitted(row):
            return duplicate
        operation = submit_operation(order.key, str(row.get("@odata.etag", "*")), self._config)
        failure = _failure(await self._client.write(operation))
        if failure is not None:
            return failure
        found = await self.find_by_key(order.key, RecordKind.ORDER)
        return Duplicate(record=found.record) if isinstance(found, Found) else duplicate

    async def _cancellation(self, record: CrmRecord, reason: str) -> list[Operation] | Failure:
        """Return the requests that cancel a record; a work order's bookings go first: nobody drives for nothing."""
        bookings: list[str] | Failure = []
        if record.kind is RecordKind.APPOINTMENT:
            bookings = [record.record_id]
        elif record.kind is RecordKind.SERVICE and self._config.work_orders:
            bookings = await self._schedule.bookings_of(record.record_id)
        if not isinstance(bookings, list):
            return bookings
        status = await self._directory.booking_status(self._config.canceled_booking_status) if bookings else ""
        if not isinstance(status, str):
            return status
        operations = [cancel_booking_operation(booking, status, self._config) for booking in bookings]
        own = [] if record.kind is RecordKind.APPOINTMENT else [cancel_operation(record, reason, self._config)]
        return [*operations, *own]

    async def _order_references(self, order: PurchaseOrder) -> OrderReferences | Failure:
        references = order_references(order)
        if references is not None:
            return references
        listings = await self._listings(tuple(line.sku for line in order.lines), order.total.currency)
        if not isinstance(listings, list):
            return listings
        return listed_references(order, {listing.sku: listing.references for listing in listings})

    async def _service_references(self) -> ServiceReferences | Failure:
        if not self._config.work_orders:
            return ServiceReferences()
        price_list = await self._directory.price_list()
        if not isinstance(price_list, str):
            return price_list
        kind = await self._directory.work_order_type()
        if not isinstance(kind, str):
            return kind
        return ServiceReferences(price_list_id=price_list, work_order_type_id=kind)

    async def _listings(self, skus: tuple[str, ...], currency: str) -> list[Listing] | Failure:
        rows = await self._client.read_all(price_query(skus, currency, self._config)) if skus else []
        if not isinstance(rows, list):
            return rows
        return understood(lambda: read_listings(rows, currency, self._config))


def _failure(answer: WireAnswer | Failure) -> Failure | None:
    return failure_of(answer, writes=True) if isinstance(answer, WireAnswer) else answer
