"""The adapter: sends what the program says and returns what came of it."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from actors.model.ids import OrderKey
from actors.model.offers import OfferQuery
from actors.model.orders import AppointmentBooking, AppointmentQuery, PurchaseOrder, RecordKind, ServiceRequest
from actors.model.outcomes import (
    Absent,
    Capabilities,
    Changes,
    ChangesOutcome,
    CrmRecord,
    Failure,
    FindOutcome,
    Found,
    Heard,
    HeardOutcome,
    Offers,
    OffersOutcome,
    Permanent,
    PlaceOutcome,
    TimeSlots,
    TimeSlotsOutcome,
    Unsupported,
)
from actors.ports import CrmDeps, RefusesExtras, Webhook
from crm_adapters.addresses import AddressPolicy
from crm_adapters.guard import GuardedResolver, GuardedTransport
from crm_adapters.proving import Preview
from crm_adapters.readiness import Finding, Step, Verdict, check_by_port
from crm_adapters.redaction import Redactor
from crm_adapters.rest import answers, mapping, webhooks
from crm_adapters.rest.auth import check_credentials, secrets_of, sender
from crm_adapters.rest.compiling import compile_manifest
from crm_adapters.rest.config import RestConfig
from crm_adapters.rest.expressions import ExpressionError
from crm_adapters.rest.manifest import Idempotency
from crm_adapters.rest.needs import Needs
from crm_adapters.rest.placing import Placed, Placer
from crm_adapters.rest.preview import previews_of
from crm_adapters.rest.program import Program
from crm_adapters.rest.reading import read_manifest
from crm_adapters.rest.running import Listed, Runner
from crm_adapters.rest.tokens import Gate
from crm_adapters.rest.webhooks import Hint
from crm_adapters.transport import TransportSettings, open_transport

_UNPROTECTED = frozenset({Idempotency.SEARCH_FIRST, Idempotency.NONE})


class RestAdapter(RefusesExtras):
    """A CRM behind a manifest."""

    def __init__(self, program: Program, runner: Runner, needs: Needs, config: RestConfig, deps: CrmDeps) -> None:
        self._program = program
        self._runner = runner
        self._needs = needs
        self._placer = Placer(program, runner)
        self._base_url = config.base_url.rstrip("/")
        self._webhook_secret = config.webhook_secret
        self._clock = deps.clock
        self._connection = deps.connection
        self._capabilities = _declared(program, config)

    @property
    def capabilities(self) -> Capabilities:
        """What the manifest declares."""
        return self._capabilities

    async def find_offers(self, query: OfferQuery) -> OffersOutcome:
        """Return the seller's offers in the wanted currency."""
        listed = await self._list("find_offers", query)
        if not isinstance(listed, Listed):
            return listed
        try:
            context = listed.answer.context
            offers = [mapping.offer_of(self._program, self._connection, node, context) for node in listed.nodes]
        except ExpressionError as error:
            return answers.unreadable(listed.call, error)
        return Offers(offers=tuple(offer for offer in offers if offer.landed.currency == query.currency))

    async def place_order(self, order: PurchaseOrder) -> PlaceOutcome:
        """Create the order, once."""
        return await self._place("place_order", "orders", RecordKind.ORDER, order)

    async def request_service(self, request: ServiceRequest) -> PlaceOutcome:
        """Create the service request, once."""
        return await self._place("request_service", "service", RecordKind.SERVICE, request)

    async def search_appointments(self, query: AppointmentQuery) -> TimeSlotsOutcome:
        """Return free times, earliest first."""
        listed = await self._list("search_appointments", query, capability="appointments")
        if not isinstance(listed, Listed):
            return listed
        try:
            slots = [mapping.slot_of(self._program, node, listed.answer.context) for node in listed.nodes]
        except ExpressionError as error:
            return answers.unreadable(listed.call, error)
        return TimeSlots(slots=tuple(sorted(slots, key=lambda slot: slot.starts_at)))

    async def book_appointment(self, booking: AppointmentBooking) -> PlaceOutcome:
        """Book the time, once."""
        return await self._place("book_appointment", "appointments", RecordKind.APPOINTMENT, booking)

    async def find_by_key(self, key: OrderKey, kind: RecordKind) -> FindOutcome:
        """Look up what stands under this key."""
        return await self._placer.find(key, kind)

    async def cancel(self, key: OrderKey, kind: RecordKind, reason: str) -> FindOutcome:
        """Cancel what stands under this key."""
        return await self._placer.cancel(key, kind, reason)

    async def changes_since(self, cursor: str) -> ChangesOutcome:
        """Return the next changes; records that are not ours, or of other kinds, are passed over."""
        listed = await self._list("changes", {"cursor": cursor})
        if not isinstance(listed, Listed):
            return listed
        context, following = listed.answer.context, None
        try:
            records = [mapping.change_of(self._program, node, context) for node in listed.nodes]
            expression = self._program.operations["changes"].cursor
            if expression is not None:
                following = expression.value({**context, "items": listed.nodes})
        except ExpressionError as error:
            return answers.unreadable(listed.call, error)
        kept = tuple(record for record in records if record is not None)
        return Changes(records=kept, cursor=cursor if following is None else str(following))

    def previews(self, order: PurchaseOrder) -> Sequence[Preview]:
        """Return the requests of placing an order, in their sequence; nothing is sent."""
        return previews_of(self._program, self._base_url, order)

    async def check(self) -> Sequence[Finding]:
        """Look whether the CRM has what the manifest needs; nothing is written."""
        findings = await check_by_port(self)
        if any(finding.about == "credentials" and finding.verdict is not Verdict.FINE for finding in findings):
            return findings
        return [*findings, *await self._needs.findings()]

    def preparation(self) -> Sequence[Step]:
        """Return what a CRM without any of it needs."""
        return self._needs.preparation()

    async def prepare(self) -> Sequence[Step]:
        """Make what is missing."""
        return await self._needs.prepare()

    def doubt_webhook(self, message: Webhook) -> Permanent | None:
        """Return why a message is not the CRM's, as the manifest says."""
        if not self.capabilities.webhooks or webhooks.challenge_of(self._program, message):
            return None
        hints = webhooks.hints_of(self._program, self._webhook_secret, message, self._clock.now().timestamp())
        return hints if isinstance(hints, Permanent) else None

    async def take_webhook(self, message: Webhook) -> HeardOutcome:
        """Prove who sent a message, and read again what it is about."""
        if not self.capabilities.webhooks:
            return Unsupported(capability="webhooks")
        challenge = webhooks.challenge_of(self._program, message)
        if challenge:
            return Heard(records=(), challenge=challenge)
        hints = webhooks.hints_of(self._program, self._webhook_secret, message, self._clock.now().timestamp())
        if isinstance(hints, Permanent):
            return hints
        records: list[CrmRecord] = []
        for hint in hints:
            found = await self._read_again(hint)
            if isinstance(found, Found):
                records.append(found.record)
            elif not isinstance(found, Absent):
                return found
        return Heard(records=tuple(records))

    async def _read_again(self, hint: Hint) -> FindOutcome:
        if hint.key is not None:
            return await self._placer.find(OrderKey(hint.key), hint.kind)
        return await self._placer.read_again(hint.kind, hint.record_id or "")

    async def _place(self, name: str, capability: str, kind: RecordKind, value: Placed) -> PlaceOutcome:
        operation = self._program.operations.get(name)
        if operation is None:
            return Unsupported(capability=capability)
        return await self._placer.place(operation, kind, value)

    async def _list(self, name: str, value: Any, *, capability: str = "") -> Listed | Failure:
        operation = self._program.operations.get(name)
        if operation is None:
            return Unsupported(capability=capability or name.removeprefix("find_"))
        return await self._runner.all_pages(operation, self._runner.context(value))


def _declared(program: Program, config: RestConfig) -> Capabilities:
    """Return what a manifest declares."""
    operations = program.operations
    modes = {operation.idempotency for operation in operations.values()}
    return Capabilities(
        orders="place_order" in operations,
        offers="find_offers" in operations,
        service="request_service" in operations,
        appointments="book_appointment" in operations and "search_appointments" in operations,
        changes="changes" in operations,
        cancel=bool(program.cancels),
        webhooks=program.hook is not None and bool(config.webhook_secret),
        unique_key=not modes & _UNPROTECTED,
        search_by_key=bool(program.finds),
        settle_s=program.manifest.settle_s if config.settle_s is None else config.settle_s,
    )


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
    policy, redactor = AddressPolicy(config.internal_hosts), Redactor(secrets_of(config))
    gate = Gate(
        manifest=program.manifest,
        door=program.door,
        config=config,
        variables=program.variables,
        clock=deps.clock,
        chance=deps.chance,
        redactor=redactor,
    )
    async with open_transport(settings, resolver=GuardedResolver(policy)) as transport:
        send = sender(gate, GuardedTransport(transport, policy))
        runner = Runner(program, gate.base_url, send, clock=deps.clock, redactor=redactor)
        needs = Needs(program, runner, config.base_url.rstrip("/"), redactor)
        yield RestAdapter(program, runner, needs, config, deps)


def load_program(config: RestConfig) -> Program:
    """Return the compiled manifest of a connection.

    Raises:
        ConfigError: the manifest or the credentials cannot be used.
    """
    file, manifest = read_manifest(config.manifest if config.manifest_file is None else str(config.manifest_file))
    check_credentials(manifest, config)
    return compile_manifest(file, manifest, config.variables)
