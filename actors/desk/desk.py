"""The desk of one CRM connection: it alone calls the adapter, and it decides when, never what.

Work comes from the outbox and its outcome goes back as a message; a restart hands out again what was not consumed.
Reads are then simply done again. A write is not: it may have left, so it is reported as in doubt, and the order looks
it up by key.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from random import Random
from typing import Any, TypeVar

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

from actors.desk.calls import Calls
from actors.desk.gathering import Gathering
from actors.desk.health import Breaker, DeskStatus
from actors.desk.introducing import Introduced, Introductions, failure_of
from actors.desk.office import Office, ignore
from actors.desk.pace import Lane, Pace
from actors.desk.turns import Turns
from actors.desk.using import DailyUse, Uses
from actors.dialogue import (
    AnyDeskJob,
    BookReported,
    BookTime,
    CancelRecord,
    CancelReported,
    ChangesReported,
    FindOffers,
    GiveBackTurn,
    IntroductionFailed,
    LookUp,
    LookUpReported,
    Message,
    OffersReported,
    PlaceReported,
    PlaceRequest,
    ReadChanges,
    SearchTimes,
    TakeTurn,
    TimesReported,
    connection_address,
)
from actors.model.customers import Customer, CustomerThing
from actors.model.ids import OrderKey, OwnerId
from actors.model.orders import RecordKind
from actors.model.outcomes import (
    Absent,
    Ambiguous,
    Capabilities,
    FindOutcome,
    HeardOutcome,
    Permanent,
    PlaceOutcome,
    Transient,
    Unsupported,
    Upserted,
)
from actors.ports import Clock, CrmAdapter, Webhook
from actors.runtime.journal import OutboxRow

_OutcomeT = TypeVar("_OutcomeT")

log = structlog.get_logger(__name__)

PROBE_KEY = OrderKey("I2CPROBEPROBEPROBEPROBEPROBEP")
"""A key that no order can have: probing with it only reads."""

_RESTARTED = "the hub was restarted while this was under way"


class DeskSettings(Struct, frozen=True, kw_only=True):
    """Limits of one desk. ``parallel`` requests at most are under way at once; never two for one order.

    A request is one call of the adapter, whatever it sends for it. Large CRMs take 25 to 52 at once; the answers to
    sixteen share the hub's commits, and what an outage left is soon sent.
    """

    parallel: int = 16
    requests_per_s: float | None = None
    requests_per_day: int | None = None
    """In any 24 hours, also over restarts."""
    request_s: float = 60.0
    probe_base_s: float = 1.0
    probe_cap_s: float = 60.0
    turn_grace_s: float = 2.0
    again_s: float = 1.0
    gather_s: float = 0.01
    """Longest time that an outcome waits for those of other requests, to share a commit with them."""


def limited(settings: DeskSettings, can: Capabilities) -> DeskSettings:
    """Return settings that pass no limit that a connection declares."""
    return replace(
        settings,
        parallel=max(1, min(settings.parallel, can.parallel or settings.parallel)),
        requests_per_s=min((at for at in (settings.requests_per_s, can.requests_per_s) if at), default=None),
        requests_per_day=min((at for at in (settings.requests_per_day, can.requests_per_day) if at), default=None),
    )


class Desk:
    """A relay for one connection. Run ``run`` in a task group for as long as the hub lives."""

    def __init__(
        self,
        connection: str,
        adapter: CrmAdapter,
        office: Office,
        clock: Clock,
        chance: Random,
        settings: DeskSettings | None = None,
    ) -> None:
        self._connection = connection
        self._adapter = adapter
        self._office = office
        self._clock = clock
        self._chance = chance
        self._settings = limited(settings or DeskSettings(), adapter.capabilities)
        self._breaker = Breaker(
            connection, clock, chance, base_s=self._settings.probe_base_s, cap_s=self._settings.probe_cap_s
        )
        self._decode = msgspec.msgpack.Decoder(AnyDeskJob).decode
        limits = self._settings
        per_day = limits.requests_per_day
        self._use = None if per_day is None else DailyUse(connection, office, clock, per_day)
        self._pace = Pace(
            clock.monotonic,
            parallel=limits.parallel,
            per_s=limits.requests_per_s,
            per_day=None if self._use is None else self._use.quota,
        )
        self._calls = Calls(connection, adapter, self._pace, self._breaker, request_s=limits.request_s)
        self._turns = Turns(connection, office, clock, self._breaker, self._pace, grace_s=limits.turn_grace_s)
        self._breaker.on_restored(self._turns.go_on)
        self._gathering = Gathering(office, self._pace, within_s=limits.gather_s)
        self._introduced = Introduced(connection)
        self._writing = 0
        self._follows = False
        self._early: list[tuple[OutboxRow, bool]] = []
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for row, recovered in self._early:
                self.work(row, recovered=recovered)
            self._early.clear()
            group.create_task(self._breaker.keep_probing(self._probe))
            group.create_task(self._pace.keep())
            try:
                await asyncio.get_running_loop().create_future()  # until cancelled
            finally:
                self._turns.end()  # before those end that hold a place: nobody is to take it over
                self._gathering.tell()

    def remember(self, introductions: Introductions) -> None:
        """Know what the CRM was told of things before this desk lived."""
        self._introduced.durable = introductions

    def present(self, customers: Mapping[OwnerId, Customer]) -> None:
        """Tell the CRM of these owners, where it keeps customers, before their first order and when they changed."""
        self._introduced.customers = customers

    def recall(self, uses: Uses) -> None:
        """Count towards the limit of the day what was sent before this desk lived."""
        if self._use is not None:
            self._use.recall(uses)

    def work(self, row: OutboxRow, *, recovered: bool) -> None:
        """Take a job from the outbox."""
        if self._group is None:
            self._early.append((row, recovered))
        else:
            self._take(self._group, row, self._decode(row.body), recovered=recovered)

    def begin(self, row: OutboxRow, job: AnyDeskJob) -> None:
        """Take a job that was just put into the outbox."""
        if self._group is None:
            self._early.append((row, False))
        else:
            self._take(self._group, row, job, recovered=False)

    def _take(self, group: asyncio.TaskGroup, row: OutboxRow, job: AnyDeskJob, *, recovered: bool) -> None:
        if isinstance(job, TakeTurn):
            if job.after_s > 0:
                self._start(group, self._turns.stand_in_line(row, job))
            else:
                self._turns.join(row, job)
        elif isinstance(job, PlaceRequest | BookTime):
            self._take_write(group, row, job, recovered=recovered)
        elif isinstance(job, GiveBackTurn):
            self._turns.give_back(row.address)
            asyncio.get_running_loop().call_soon(self._office.discard, row.outbox_id)
        elif isinstance(job, ReadChanges):
            self._start(group, self._follow(row, job))
        else:
            self._start(group, self._read(row, job))

    def _take_write(
        self, group: asyncio.TaskGroup, row: OutboxRow, job: PlaceRequest | BookTime, *, recovered: bool
    ) -> None:
        if recovered:
            self._turns.give_back(row.address)
            asyncio.get_running_loop().call_soon(self._report, row, _written(job, Ambiguous(reason=_RESTARTED)))
            return
        self._writing += 1
        self._start(group, self._write(row, job, is_admitted=self._turns.take_up(row.address)))

    def _start(self, group: asyncio.TaskGroup, work: Coroutine[Any, Any, None]) -> None:
        """Begin work; while the desk ends it stays in the outbox, for the next start."""
        try:
            group.create_task(work)
        except RuntimeError:
            work.close()

    def doubt(self, message: Webhook) -> Permanent | None:
        """Return why a message is not the CRM's own; it costs the connection nothing to say so."""
        return self._adapter.doubt_webhook(message)

    async def hear(self, message: Webhook) -> HeardOutcome:
        """Have a message of the CRM's own checked, and what it is about read again; nothing is tried twice."""
        return await self.look(lambda adapter: adapter.take_webhook(message))

    async def look(self, call: Callable[[CrmAdapter], Awaitable[_OutcomeT]]) -> _OutcomeT | Transient | Permanent:
        """Make one call that reads, inside the connection's limits; nothing is tried twice."""
        return await self._calls.read(call)

    async def inquire(self, call: Callable[[CrmAdapter], Awaitable[_OutcomeT]]) -> _OutcomeT | Transient | Permanent:
        """Make a call that reads, inside the connection's limits, again and again until the CRM says something."""
        return await self._calls.inquire(call, lambda: None, again_s=self._settings.again_s)

    def status(self) -> DeskStatus:
        """Return how this connection is doing."""
        breaker = self._breaker
        return DeskStatus(
            connection=self._connection,
            state="up" if breaker.is_usable else "down",
            since=breaker.since,
            reason=breaker.reason,
            next_try_at=breaker.next_try_at,
            waiting=len(self._turns),
            busy=self._writing,
        )

    # Writes: once each, never repeated here.

    async def _write(self, row: OutboxRow, job: PlaceRequest | BookTime, *, is_admitted: bool) -> None:
        try:
            if not is_admitted:
                await self._pace.admit(Lane.TURN)
            message = await self._introduced_write(job)
        finally:
            self._writing -= 1
        self._gathering.add(row, message, more=self._writing > 0)

    async def _introduced_write(self, job: PlaceRequest | BookTime) -> Message:
        if isinstance(job, PlaceRequest):
            customer, thing = self._introduced.stranger(job.request.owner_id), job.introduces
            if (customer is not None or thing is not None) and self._adapter.capabilities.customers:
                failed = await self._introduce(job.attempt, customer, thing)
                if failed is not None:
                    return failed
        return _written(job, await self._calls.write(job))

    async def _introduce(
        self, attempt: int, customer: Customer | None, thing: CustomerThing | None
    ) -> IntroductionFailed | None:
        """Tell the CRM of the owner and the thing that an order is for, unless it knows them; say why that failed."""
        if customer is not None:
            outcome = await self._calls.heard(lambda adapter: adapter.upsert_customer(customer))
            if not isinstance(outcome, Upserted):
                return failure_of(attempt, outcome)
            await self._keep(self._introduced.add_customer(customer, outcome.record_id))
        if thing is not None and not self._introduced.knows(thing):
            outcome = await self._calls.heard(lambda adapter: adapter.upsert_thing(thing))
            if not isinstance(outcome, Upserted):
                return failure_of(attempt, outcome)
            await self._keep(self._introduced.add(thing, outcome.record_id))
        return None

    async def _keep(self, told: Message) -> None:
        """Make durable what the CRM was told, and wait until it may be asked for more."""
        self._office.submit(connection_address(self._connection), told, ignore)
        await self._pace.another()

    # Reads: repeated until they lead somewhere.

    async def _read(self, row: OutboxRow, job: AnyDeskJob) -> None:
        match job:
            case FindOffers():
                offers = await self._calls.read(lambda adapter: adapter.find_offers(job.query))
                self._report(row, OffersReported(connection=self._connection, outcome=offers))
            case SearchTimes():
                times = await self._until_answered(row, lambda adapter: adapter.search_appointments(job.query))
                self._report(row, TimesReported(outcome=times))
            case LookUp():
                self._report(row, LookUpReported(kind=job.kind, outcome=await self._prove(row, job)))
            case CancelRecord():
                self._report(row, CancelReported(outcome=await self._cancel(row, job)))
            case _:
                raise TypeError(f"{type(job).__name__} is not a read")

    async def _follow(self, row: OutboxRow, job: ReadChanges) -> None:
        """Read changes, one question at a time: a second one would be answered by the first."""
        if self._follows:
            self._office.discard(row.outbox_id)
            return
        self._follows = True
        try:
            await asyncio.sleep(self._chance.uniform(0.0, job.within_s))
            outcome = await self._until_answered(row, lambda adapter: adapter.changes_since(job.cursor))
        finally:
            self._follows = False
        self._report(row, ChangesReported(connection=self._connection, outcome=outcome))

    async def _prove(self, row: OutboxRow, job: LookUp) -> FindOutcome:
        """Look until there is proof: absence counts only when no late commit can come any more.

        The settle time is measured here, from the first look on and anew after a restart: the system's clock may jump.
        A look that began before its end proves nothing, however late its answer comes.
        """
        settle_s = 0.0 if job.placed_at is None else self._adapter.capabilities.settle_s
        settled_at = self._clock.monotonic() + settle_s
        while True:
            left_s = settled_at - self._clock.monotonic()
            found = await self._until_answered(row, lambda adapter: adapter.find_by_key(job.key, job.kind))
            if left_s <= 0 or not isinstance(found, Absent):
                return found
            await asyncio.sleep(min(left_s, self._settings.again_s))

    async def _cancel(self, row: OutboxRow, job: CancelRecord) -> FindOutcome:
        if not self._adapter.capabilities.cancel:
            return Unsupported(capability="cancel")
        return await self._until_answered(row, lambda adapter: adapter.cancel(job.key, job.kind, job.reason))

    async def _until_answered(
        self, row: OutboxRow, call: Callable[[CrmAdapter], Awaitable[_OutcomeT]]
    ) -> _OutcomeT | Transient | Permanent:
        """Repeat a call that is safe to repeat until the CRM says something; an order is told why it waits."""
        waits = functools.partial(self._turns.tell_of_waiting, row.address)
        return await self._calls.inquire(call, waits, again_s=self._settings.again_s)

    async def _probe(self) -> Any:
        return await self._calls.read(lambda adapter: adapter.find_by_key(PROBE_KEY, RecordKind.ORDER))

    def _report(self, row: OutboxRow, message: Message) -> None:
        self._office.complete(row.outbox_id, row.address, message)


def _written(job: PlaceRequest | BookTime, outcome: PlaceOutcome) -> Message:
    report = PlaceReported if isinstance(job, PlaceRequest) else BookReported
    return report(attempt=job.attempt, outcome=outcome)
