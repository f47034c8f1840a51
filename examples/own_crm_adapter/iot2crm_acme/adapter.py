"""The adapter: sends, and returns what came of it. It never raises for what Acme does."""

import hashlib
import hmac
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import msgspec

from actors.model.ids import OrderKey
from actors.model.offers import OfferQuery
from actors.model.orders import AppointmentBooking, AppointmentQuery, PurchaseOrder, RecordKind, ServiceRequest
from actors.model.outcomes import (
    Absent,
    Ambiguous,
    AuthFailed,
    Capabilities,
    ChangesOutcome,
    Created,
    Duplicate,
    Failure,
    FindOutcome,
    Found,
    Offers,
    OffersOutcome,
    Permanent,
    PlaceOutcome,
    TimeSlotsOutcome,
    Unsupported,
)
from actors.ports import CrmDeps, RefusesExtras
from crm_adapters.transport import Call, Reply, Transport, TransportSettings, open_transport
from iot2crm_acme import mapping
from iot2crm_acme.config import AcmeConfig

_SHELVES = {RecordKind.ORDER: "orders", RecordKind.SERVICE: "calls"}


class AcmeAdapter(RefusesExtras):
    """One connection to a parts desk."""

    def __init__(self, config: AcmeConfig, transport: Transport, connection: str) -> None:
        self._config = config
        self._transport = transport
        self._connection = connection

    @property
    def capabilities(self) -> Capabilities:
        """Orders and service, and what changed; Acme refuses a second sheet with the same ref."""
        return Capabilities(cancel=True, changes=True)

    async def find_offers(self, query: OfferQuery) -> OffersOutcome:
        """Return what Acme sells."""
        path = "/v1/articles?" + urlencode([("sku", sku) for sku in query.skus])
        reply = await self._send("GET", path)
        if not isinstance(reply, Reply):
            return reply
        try:
            return Offers(offers=mapping.offers_of(reply.body, query, self._connection))
        except mapping.Unreadable as error:
            return Permanent(code="unreadable_answer", message=str(error))

    async def place_order(self, order: PurchaseOrder) -> PlaceOutcome:
        """Create the order, once."""
        return await self._place(RecordKind.ORDER, order.key, mapping.order_body(order))

    async def request_service(self, request: ServiceRequest) -> PlaceOutcome:
        """Create the call, once."""
        return await self._place(RecordKind.SERVICE, request.key, mapping.call_body(request))

    async def find_by_key(self, key: OrderKey, kind: RecordKind) -> FindOutcome:
        """Look up what stands under our key."""
        if kind not in _SHELVES:
            return Unsupported(capability="appointments")
        return self._shown(await self._send("GET", f"/v1/{_SHELVES[kind]}/{key}"), key, kind, writes=False)

    async def cancel(self, key: OrderKey, kind: RecordKind, reason: str) -> FindOutcome:
        """Cancel what stands under our key."""
        if kind not in _SHELVES:
            return Unsupported(capability="appointments")
        reply = await self._send("POST", f"/v1/{_SHELVES[kind]}/{key}/cancel", {"reason": reason})
        return self._shown(reply, key, kind, writes=True)

    async def search_appointments(self, query: AppointmentQuery) -> TimeSlotsOutcome:
        """Refuse: Acme has no technicians."""
        del query
        return Unsupported(capability="appointments")

    async def book_appointment(self, booking: AppointmentBooking) -> PlaceOutcome:
        """Refuse."""
        del booking
        return Unsupported(capability="appointments")

    async def changes_since(self, cursor: str) -> ChangesOutcome:
        """Return the sheets that changed; the cursor is the number of Acme's last change."""
        reply = await self._send("GET", "/v1/changes?" + urlencode({"after": cursor or "0"}))
        if not isinstance(reply, Reply):
            return reply
        try:
            return mapping.changes_of(reply.body)
        except mapping.Unreadable as error:
            return Permanent(code="unreadable_answer", message=str(error))

    async def _place(self, kind: RecordKind, key: OrderKey, body: dict[str, Any]) -> PlaceOutcome:
        """Create under our key. 409 is no failure: Acme has it already, and shows it."""
        reply = await self._send("POST", f"/v1/{_SHELVES[kind]}", body)
        shown = self._shown(reply, key, kind, writes=True)
        match shown:
            case Found(record=record):
                was_there = isinstance(reply, Reply) and reply.status == 409
                return Duplicate(record=record) if was_there else Created(record=record)
            case Absent():
                return Permanent(code="404", message="Acme does not know this address")
            case _:
                return shown

    def _shown(self, reply: Reply | Failure, key: OrderKey, kind: RecordKind, *, writes: bool) -> FindOutcome:
        """Return the sheet that an answer shows. After a write an answer that cannot be read proves nothing."""
        if not isinstance(reply, Reply):
            return reply
        if reply.status == 404:
            return Absent()
        try:
            return Found(record=mapping.record_of(reply.body, key, kind))
        except mapping.Unreadable as error:
            return Ambiguous(reason=str(error)) if writes else Permanent(code="unreadable_answer", message=str(error))

    async def _send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Reply | Failure:
        """Send one signed request. What comes back is an answer to read, or already a failure."""
        content = b"" if body is None else msgspec.json.encode(body)
        headers = {"X-Acme-Client": self._config.client, "X-Acme-Signature": self._signature(method, path, content)}
        call = Call(
            method=method,
            url=self._config.url + path,
            writes=method != "GET",
            headers={**headers, "Content-Type": "application/json"},
            content=content if body is not None else None,
            is_encoded=True,  # sent as it was signed
        )
        reply = await self._transport.send(call)  # judges 408, 429, 5xx, redirects and what is no JSON
        if not isinstance(reply, Reply) or reply.ok or reply.status in {404, 409}:
            return reply
        if reply.status in {401, 403}:
            return AuthFailed(reason=f"Acme answers {reply.status}: are client and secret right?")
        return _refused(reply)

    def _signature(self, method: str, path: str, content: bytes) -> str:
        signed = f"{method}\n{path}\n".encode() + content
        return hmac.new(self._config.secret.reveal().encode(), signed, hashlib.sha256).hexdigest()


def _refused(reply: Reply) -> Permanent:
    """Return Acme's own words."""
    match reply.body:
        case {"problem": {"code": str(code), "text": str(text), "field": str(field)}}:
            return Permanent(code=code, message=text, field=field)
        case _:
            return Permanent(code=str(reply.status), message="Acme refuses it without a reason")


@asynccontextmanager
async def open_acme(config: AcmeConfig, deps: CrmDeps) -> AsyncGenerator[AcmeAdapter, None]:
    """Open a connection."""
    settings = TransportSettings(read_s=config.read_timeout_s, total_s=config.total_timeout_s)
    async with open_transport(settings) as transport:
        yield AcmeAdapter(config, transport, deps.connection)
