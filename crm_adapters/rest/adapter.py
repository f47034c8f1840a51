"""The adapter: sends what the program says and returns what came of it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from actors.model.ids import OrderKey
from actors.model.offers import OfferQuery
from actors.model.orders import AppointmentBooking, AppointmentQuery, PurchaseOrder, RecordKind, ServiceRequest
from actors.model.outcomes import (
    Absent,
    Ambiguous,
    Capabilities,
    Changes,
    ChangesOutcome,
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
    TimeSlots,
    TimeSlotsOutcome,
    Unsupported,
)
from actors.ports import CrmDeps
from crm_adapters.rest import answers, mapping
from crm_adapters.rest.addresses import AddressPolicy
from crm_adapters.rest.auth import check_credentials, sender
from crm_adapters.rest.config import RestConfig
from crm_adapters.rest.expressions import ExpressionError, plain
from crm_adapters.rest.guard import GuardedResolver, GuardedTransport
from crm_adapters.rest.manifest import Idempotency, Meaning, read_manifest
from crm_adapters.rest.program import CompiledOperation, Program, compile_manifest
from crm_adapters.transport import Call, Exchange, Reply, TransportSettings, open_transport


class RestAdapter:
    """A CRM behind a manifest."""

    def __init__(self, program: Program, config: RestConfig, send: Exchange, connection: str) -> None:
        self._program = program
        self._base_url = config.base_url.rstrip("/")
        self._variables = config.variables
        self._send = send
        self._connection = connection
        self._search_then_create = asyncio.Lock()

    @property
    def capabilities(self) -> Capabilities:
        """What the manifest declares."""
        operations = self._program.operations
        modes = {operation.idempotency for operation in operations.values()}
        return Capabilities(
            orders="place_order" in operations,
            offers="find_offers" in operations,
            service="request_service" in operations,
            appointments="book_appointment" in operations and "search_appointments" in operations,
            changes="changes" in operations,
            cancel=bool(self._program.cancels),
            unique_key=Idempotency.SEARCH_FIRST not in modes,
            search_by_key=bool(self._program.finds),
            settle_s=self._program.manifest.settle_s,
        )

    async def find_offers(self, query: OfferQuery) -> OffersOutcome:
        """Return the seller's offers in the wanted currency."""
        operation = self._program.operations.get("find_offers")
        if operation is None:
            return Unsupported(capability="offers")
        call, answer = await self._ask(operation, query)
        if not isinstance(answer, answers.Answer):
            return answer
        try:
            nodes = [] if answer.meaning is Meaning.ABSENT else answers.nodes_of(operation, answer)
            offers = [mapping.offer_of(self._program, self._connection, node, answer.context) for node in nodes]
        except ExpressionError as error:
            return answers.unreadable(call, error)
        return Offers(offers=tuple(offer for offer in offers if offer.landed.currency == query.currency))

    async def place_order(self, order: PurchaseOrder) -> PlaceOutcome:
        """Create the order, once."""
        return await self._place("place_order", "orders", RecordKind.ORDER, order)

    async def request_service(self, request: ServiceRequest) -> PlaceOutcome:
        """Create the service request, once."""
        return await self._place("request_service", "service", RecordKind.SERVICE, request)

    async def search_appointments(self, query: AppointmentQuery) -> TimeSlotsOutcome:
        """Return free times, earliest first."""
        operation = self._program.operations.get("search_appointments")
        if operation is None:
            return Unsupported(capability="appointments")
        call, answer = await self._ask(operation, query)
        if not isinstance(answer, answers.Answer):
            return answer
        try:
            nodes = [] if answer.meaning is Meaning.ABSENT else answers.nodes_of(operation, answer)
            slots = [mapping.slot_of(self._program, node, answer.context) for node in nodes]
        except ExpressionError as error:
            return answers.unreadable(call, error)
        return TimeSlots(slots=tuple(sorted(slots, key=lambda slot: slot.starts_at)))

    async def book_appointment(self, booking: AppointmentBooking) -> PlaceOutcome:
        """Book the time, once."""
        return await self._place("book_appointment", "appointments", RecordKind.APPOINTMENT, booking)

    async def find_by_key(self, key: OrderKey, kind: RecordKind) -> FindOutcome:
        """Look up what stands under this key."""
        operation = self._program.finds.get(kind)
        if operation is None:
            return Unsupported(capability="search_by_key")
        call, answer = await self._ask(operation, {"key": key, "kind": kind})
        return self._found(operation, call, answer, key, kind)

    async def cancel(self, key: OrderKey, kind: RecordKind, reason: str) -> FindOutcome:
        """Cancel what stands under this key."""
        operation = self._program.cancels.get(kind)
        if operation is None:
            return Unsupported(capability="cancel")
        looked_up: CrmRecord | None = None
        if operation.needs_record:
            found = await self.find_by_key(key, kind)
            if not isinstance(found, Found):
                return found
            looked_up = found.record
        given = {"key": key, "kind": kind, "reason": reason}
        call, answer = await self._ask(operation, given, writes=True, record=looked_up)
        return self._found(operation, call, answer, key, kind)

    async def changes_since(self, cursor: str) -> ChangesOutcome:
        """Return the next changes; those of kinds that do not concern us are passed over."""
        operation = self._program.operations.get("changes")
        if operation is None or operation.cursor is None:
            return Unsupported(capability="changes")
        call, answer = await self._ask(operation, {"cursor": cursor})
        if not isinstance(answer, answers.Answer):
            return answer
        try:
            nodes = answers.nodes_of(operation, answer)
            records = [mapping.change_of(self._program, node, answer.context) for node in nodes]
            following = operation.cursor.value(answer.context)
        except ExpressionError as error:
            return answers.unreadable(call, error)
        kept = tuple(record for record in records if record is not None)
        return Changes(records=kept, cursor=cursor if following is None else str(following))

    async def _place(self, name: str, capability: str, kind: RecordKind, value: Any) -> PlaceOutcome:
        operation = self._program.operations.get(name)
        if operation is None:
            return Unsupported(capability=capability)
        if operation.idempotency is not Idempotency.SEARCH_FIRST:
            return await self._create(operation, kind, value)
        async with self._search_then_create:
            found = await self.find_by_key(value.key, kind)
            if isinstance(found, Found):
                return Duplicate(record=found.record)
            return found if not isinstance(found, Absent) else await self._create(operation, kind, value)

    async def _create(self, operation: CompiledOperation, kind: RecordKind, value: Any) -> PlaceOutcome:
        call, answer = await self._ask(operation, value, writes=True)
        if not isinstance(answer, answers.Answer):
            return answer
        outcome = self._found(operation, call, answer, value.key, kind)
        if answer.meaning is Meaning.SUCCESS:
            return Created(record=outcome.record) if isinstance(outcome, Found) else _not_shown(call, outcome)
        if answer.meaning is Meaning.DUPLICATE and not isinstance(outcome, Found):
            outcome = await self.find_by_key(value.key, kind)  # the refusal did not show what is there
        return Duplicate(record=outcome.record) if isinstance(outcome, Found) else _not_shown(call, outcome)

    async def _ask(
        self, operation: CompiledOperation, value: Any, *, writes: bool = False, record: CrmRecord | None = None
    ) -> tuple[Call, answers.Answer | Failure]:
        context = {"in": plain(value), "config": self._variables, "record": plain(record)}
        try:
            call = answers.request(operation, self._base_url, context, writes=writes)
        except ExpressionError as error:
            unsent = Call(method=operation.method, url=self._base_url, writes=writes)
            return unsent, Permanent(code="mapping", message=f"nothing was sent: {error}")
        reply = await self._send.exchange(call)
        return call, answers.read(operation, call, reply, context) if isinstance(reply, Reply) else reply

    def _found(
        self,
        operation: CompiledOperation,
        call: Call,
        answer: answers.Answer | Failure,
        key: OrderKey,
        kind: RecordKind,
    ) -> FindOutcome:
        if not isinstance(answer, answers.Answer):
            return answer
        try:
            node = None if answer.meaning is Meaning.ABSENT else operation.record.value(answer.context)
            if node is None:
                return Absent()
            record = mapping.record_under(key, self._program, kind, node, answer.context)
        except ExpressionError as error:
            return answers.unreadable(call, error)
        return Found(record=record)


def _not_shown(call: Call, outcome: Absent | Failure) -> Failure:
    """Return what it means that the CRM took or has the record and does not show it."""
    if isinstance(outcome, Absent):
        return Ambiguous(reason=f"{call.method}: the CRM says that the record is there, but does not show it")
    return outcome


@asynccontextmanager
async def open_rest(config: RestConfig, deps: CrmDeps) -> AsyncGenerator[RestAdapter, None]:
    """Open a connection.

    Raises:
        ConfigError: the manifest or the credentials cannot be used.
    """
    program = load_program(config)
    settings = TransportSettings(
        connect_s=config.connect_timeout_s, read_s=config.read_timeout_s, total_s=config.total_timeout_s
    )
    policy = AddressPolicy(config.internal_hosts)
    async with open_transport(settings, resolver=GuardedResolver(policy)) as transport:
        guarded = GuardedTransport(transport, policy)
        yield RestAdapter(program, config, sender(program.manifest, config, guarded, deps.clock), deps.connection)


def load_program(config: RestConfig) -> Program:
    """Return the compiled manifest of a connection.

    Raises:
        ConfigError: the manifest or the credentials cannot be used.
    """
    file, manifest = read_manifest(config.manifest if config.manifest_file is None else str(config.manifest_file))
    check_credentials(manifest, config)
    return compile_manifest(file, manifest, config.variables)
