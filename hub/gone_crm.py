"""What stands where a CRM connection was: orders that name it wait, with the reason, until it is back."""

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import Struct

from actors.model.customers import Customer, CustomerThing
from actors.model.ids import OrderKey
from actors.model.offers import OfferQuery
from actors.model.orders import (
    TERMINAL,
    AppointmentBooking,
    AppointmentMove,
    AppointmentQuery,
    OrderState,
    PurchaseOrder,
    RecordKind,
    ReturnRequest,
    ServiceRequest,
)
from actors.model.outcomes import Capabilities, Transient
from actors.ports import Webhook
from actors.runtime.journal import Batch, Journal, RecordRow
from hub.storing import store

_KIND: Final = "crm_connection"
_KEPT: Final = "*"
"""Stands for: from here on every connection is kept; no connection is called so."""


class GoneCrm:
    """Implements ``CrmAdapter`` for a connection that is not configured any more: nothing is sent, all of it waits."""

    def __init__(self, connection: str) -> None:
        self._answer = Transient(reason=f"there is no [crm.{connection}] in the configuration any more; put it back")

    @property
    def capabilities(self) -> Capabilities:
        """Everything, so that nothing is judged by what a missing connection could do."""
        return Capabilities(
            appointments=True, changes=True, cancel=True, moves=True, returns=True, customers=True, webhooks=True
        )

    async def find_offers(self, query: OfferQuery) -> Transient:
        """Wait."""
        del query
        return self._answer

    async def place_order(self, order: PurchaseOrder) -> Transient:
        """Wait."""
        del order
        return self._answer

    async def request_service(self, request: ServiceRequest) -> Transient:
        """Wait."""
        del request
        return self._answer

    async def search_appointments(self, query: AppointmentQuery) -> Transient:
        """Wait."""
        del query
        return self._answer

    async def book_appointment(self, booking: AppointmentBooking) -> Transient:
        """Wait."""
        del booking
        return self._answer

    async def find_by_key(self, key: OrderKey, kind: RecordKind) -> Transient:
        """Wait."""
        del key, kind
        return self._answer

    async def cancel(self, key: OrderKey, kind: RecordKind, reason: str) -> Transient:
        """Wait."""
        del key, kind, reason
        return self._answer

    async def changes_since(self, cursor: str) -> Transient:
        """Wait."""
        del cursor
        return self._answer

    async def move_appointment(self, move: AppointmentMove) -> Transient:
        """Wait."""
        del move
        return self._answer

    async def request_return(self, request: ReturnRequest) -> Transient:
        """Wait."""
        del request
        return self._answer

    async def upsert_customer(self, customer: Customer) -> Transient:
        """Wait."""
        del customer
        return self._answer

    async def upsert_thing(self, thing: CustomerThing) -> Transient:
        """Wait."""
        del thing
        return self._answer

    def doubt_webhook(self, message: Webhook) -> None:
        """Leave it to ``take_webhook``."""
        del message

    async def take_webhook(self, message: Webhook) -> Transient:
        """Wait."""
        del message
        return self._answer


class _Named(Struct):
    connection: str
    state: OrderState


async def gone_connections(journal: Journal, configured: Iterable[str]) -> set[str]:
    """Return the connections that open orders or waiting work name and the configuration does not.

    Which connections there ever were is kept, so that orders are walked only after one was taken away.
    """
    present = set(configured)
    kept = {row.key for row in journal.records(_KIND)}
    suspects = kept - present - {_KEPT}
    gone = _still_named(journal) - present if suspects or _KEPT not in kept else set[str]()
    wanted = present | gone | {_KEPT}
    if wanted != kept:
        rows = [RecordRow(kind=_KIND, key=name, owner="", body=b"{}") for name in sorted(wanted - kept)]
        rows += [RecordRow(kind=_KIND, key=name, owner="", body=None) for name in sorted(kept - wanted)]
        await store(journal, Batch(records=rows))
    return gone


def _still_named(journal: Journal) -> set[str]:
    orders = (msgspec.json.decode(row.body, type=_Named) for row in journal.records("order") if row.body is not None)
    named = {order.connection for order in orders if order.connection and order.state not in TERMINAL}
    work = {row.relay.removeprefix("desk:") for row in journal.recover().outbox if row.relay.startswith("desk:")}
    return named | work
