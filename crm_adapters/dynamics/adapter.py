"""Dynamics 365 behind the CRM port."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from actors.model.ids import OrderKey
from actors.model.offers import OfferQuery
from actors.model.orders import AppointmentBooking, AppointmentQuery, PurchaseOrder, RecordKind, ServiceRequest
from actors.model.outcomes import (
    Capabilities,
    ChangesOutcome,
    CrmRecord,
    Duplicate,
    Failure,
    FindOutcome,
    Found,
    Offers,
    OffersOutcome,
    PlaceOutcome,
    RecordStatus,
    TimeSlotsOutcome,
    Unsupported,
)
from actors.ports import CrmAdapter, CrmDeps
from crm_adapters.dynamics.changes import ChangeReader
from crm_adapters.dynamics.client import DataverseClient, understood
from crm_adapters.dynamics.config import DynamicsConfig
from crm_adapters.dynamics.directory import Directory, Introduction
from crm_adapters.dynamics.failures import WireAnswer, failure_of
from crm_adapters.dynamics.identity import grant_of
from crm_adapters.dynamics.mapping import (
    OrderReferences,
    ServiceReferences,
    booking_operation,
    cancel_operation,
    listed_references,
    order_references,
    place_operations,
    service_operation,
    submit_operation,
    total_mismatch,
)
from crm_adapters.dynamics.offers import Listing, offer_of, price_query, read_listings
from crm_adapters.dynamics.placing import Register
from crm_adapters.dynamics.records import is_unsubmitted, table_of
from crm_adapters.dynamics.schedule import Schedule
from crm_adapters.oauth import TokenKeeper
from crm_adapters.transport import TransportSettings, open_transport

_CONNECT_S = 5.0


@asynccontextmanager
async def open_dynamics(config: DynamicsConfig, deps: CrmDeps) -> AsyncGenerator[CrmAdapter, None]:
    """Open the connection to one environment; nothing is sent before the first call."""
    timeout_s = config.timeout_s
    settings = TransportSettings(connect_s=min(_CONNECT_S, timeout_s), read_s=timeout_s, total_s=timeout_s)
    async with open_transport(settings) as transport:
        keeper = TokenKeeper(grant_of(config, deps), transport, deps.clock)
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
        self._changes = ChangeReader(client, config)

    @property
    def capabilities(self) -> Capabilities:
        """All of them; appointments only where service requests are work orders."""
        return Capabilities(
            appointments=self._config.work_orders, changes=True, cancel=True, settle_s=self._config.settle_s
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
            [service_operation(request, references, self._config)],
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
        refusal = await self._schedule.refusal(booking)
        if refusal is not None:
            return refusal
        return await self._register.place(
            table_of(RecordKind.APPOINTMENT, self._config),
            booking.key,
            Introduction(),
            [booking_operation(booking, status, self._config)],
        )

    async def find_by_key(self, key: OrderKey, kind: RecordKind) -> FindOutcome:
        """Look up what we placed under this key."""
        return await self._register.find(table_of(kind, self._config), key)

    async def cancel(self, key: OrderKey, kind: RecordKind, reason: str) -> FindOutcome:
        """Cancel a record, unless it is cancelled already, and return it as it stands then."""
        found = await self.find_by_key(key, kind)
        if not isinstance(found, Found) or found.record.status is RecordStatus.CANCELLED:
            return found
        return await self._cancel(found.record, reason) or await self.find_by_key(key, kind)

    async def changes_since(self, cursor: str) -> ChangesOutcome:
        """Return our records that were modified since, oldest first."""
        return await self._changes.since(cursor)

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

    async def _cancel(self, record: CrmRecord, reason: str) -> Failure | None:
        status = ""
        if record.kind is RecordKind.APPOINTMENT:
            found = await self._directory.booking_status(self._config.canceled_booking_status)
            if not isinstance(found, str):
                return found
            status = found
        return _failure(await self._client.write(cancel_operation(record, reason, status, self._config)))

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
