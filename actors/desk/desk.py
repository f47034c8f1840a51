"""The desk of one CRM connection: it alone calls the adapter, and it decides when, never what.

Work comes from the outbox and its outcome goes back as a message; a restart hands out again what was not consumed.
Reads are then simply done again. A write is not: it may have left, so it is reported as in doubt, and the order looks
it up by key.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from random import Random
from typing import Any, Protocol, TypeVar

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

from actors.desk.health import Breaker, DeskStatus
from actors.desk.line import FairLine
from actors.desk.pace import Lane, Pace
from actors.dialogue import (
    AnyDeskJob,
    BookReported,
    BookTime,
    CancelRecord,
    CancelReported,
    ChangesReported,
    DeskWaits,
    FindOffers,
    GiveBackTurn,
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
    TurnGiven,
    order_address,
)
from actors.model.ids import OrderKey
from actors.model.orders import PurchaseOrder, RecordKind
from actors.model.outcomes import (
    Absent,
    Ambiguous,
    AuthFailed,
    Capabilities,
    Conflict,
    FindOutcome,
    HeardOutcome,
    Permanent,
    PlaceOutcome,
    Throttled,
    Transient,
    Unsupported,
)
from actors.ports import Clock, CrmAdapter, Webhook
from actors.runtime.journal import OutboxRow

_OutcomeT = TypeVar("_OutcomeT")

log = structlog.get_logger(__name__)

PROBE_KEY = OrderKey("I2CPROBEPROBEPROBEPROBEPROBEP")
"""A key that no order can have: probing with it only reads."""

_ORDERS = order_address(OrderKey(""))
_LONG_S = 60.0
_RESTARTED = "the hub was restarted while this was under way"


class Office(Protocol):
    """Where outcomes go: the turn engine."""

    def complete(self, outbox_id: int, address: str, message: Any) -> None:
        """Tell an actor the outcome of work from the outbox."""
        ...

    def submit(self, address: str, message: Any, done: Callable[[Any], None], message_id: str = "") -> None:
        """Hand in a message."""
        ...

    def discard(self, outbox_id: int) -> None:
        """Forget work from the outbox that needs no answer."""
        ...


class DeskSettings(Struct, frozen=True, kw_only=True):
    """Limits of one desk. ``parallel`` requests at most are under way at once; never two for one order.

    A request is one call of the adapter, whatever it sends for it.
    """

    parallel: int = 4
    requests_per_s: float | None = None
    requests_per_day: int | None = None
    """In any 24 hours."""
    request_s: float = 60.0
    probe_base_s: float = 1.0
    probe_cap_s: float = 60.0
    turn_grace_s: float = 2.0
    again_s: float = 1.0


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
        self._line: FairLine[OutboxRow] = FairLine()
        self._line_grew = asyncio.Event()
        self._granted: dict[str, asyncio.TimerHandle] = {}
        self._pace = Pace(
            clock.monotonic,
            parallel=self._settings.parallel,
            per_s=self._settings.requests_per_s,
            per_day=self._settings.requests_per_day,
        )
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
            group.create_task(self._give_turns())

    def work(self, row: OutboxRow, *, recovered: bool) -> None:
        """Take a job from the outbox."""
        if self._group is None:
            self._early.append((row, recovered))
            return
        job: AnyDeskJob = self._decode(row.body)
        if isinstance(job, TakeTurn):
            self._begin(self._group, self._stand_in_line(row, job))
        elif isinstance(job, PlaceRequest | BookTime):
            is_admitted = self._takes_up(row.address)
            if recovered and is_admitted:
                self._pace.give_back()
            self._writing += 1
            self._begin(self._group, self._write(row, job, recovered=recovered, is_admitted=is_admitted))
        elif isinstance(job, GiveBackTurn):
            if self._takes_up(row.address):
                self._pace.give_back()
            asyncio.get_running_loop().call_soon(self._office.discard, row.outbox_id)
        elif isinstance(job, ReadChanges):
            self._begin(self._group, self._follow(row, job))
        else:
            self._begin(self._group, self._read(row, job))

    def _begin(self, group: asyncio.TaskGroup, work: Coroutine[Any, Any, None]) -> None:
        """Begin work; while the desk ends it stays in the outbox, for the next start."""
        try:
            group.create_task(work)
        except RuntimeError:
            work.close()

    async def hear(self, message: Webhook) -> HeardOutcome:
        """Have a message of the CRM's own checked, and what it is about read again; nothing is tried twice."""
        return await self.look(lambda adapter: adapter.take_webhook(message))

    async def look(self, call: Callable[[CrmAdapter], Awaitable[_OutcomeT]]) -> _OutcomeT | Transient | Permanent:
        """Make one call that reads, inside the connection's limits; nothing is tried twice."""
        return await self._guarded(lambda: call(self._adapter))

    async def inquire(self, call: Callable[[CrmAdapter], Awaitable[_OutcomeT]]) -> _OutcomeT | Transient | Permanent:
        """Make a call that reads, inside the connection's limits, again and again until the CRM says something."""
        while True:
            await self._breaker.usable()
            outcome = await self.look(call)
            if not _is_retryable(outcome):
                return outcome
            await asyncio.sleep(self._settings.again_s)

    def status(self) -> DeskStatus:
        """Return how this connection is doing."""
        breaker = self._breaker
        return DeskStatus(
            connection=self._connection,
            state="up" if breaker.is_usable else "down",
            since=breaker.since,
            reason=breaker.reason,
            next_try_at=breaker.next_try_at,
            waiting=len(self._line),
            busy=self._writing,
        )

    # Turns: first come, first served, and only while the CRM can be used.

    async def _stand_in_line(self, row: OutboxRow, job: TakeTurn) -> None:
        if job.after_s > 0:
            await asyncio.sleep(job.after_s)
        if not self._breaker.is_usable:
            self._tell_of_waiting(row.address)
        elif (wait_s := self._pace.wait_s()) > _LONG_S:
            self._tell_of_limits(row.address, wait_s)
        self._line.add(row, job.owner_id, job.thing_id, first=job.first)
        self._line_grew.set()

    async def _give_turns(self) -> None:
        while True:
            await self._line_grew.wait()
            self._line_grew.clear()
            while self._line:
                await self._breaker.usable()
                await self._pace.admit(Lane.TURN)
                if not self._breaker.is_usable:
                    self._pace.give_back()
                    continue
                row = self._line.pop()
                self._grant(row.address)
                self._report(row, TurnGiven(connection=self._connection))

    def _grant(self, address: str) -> None:
        """Give a turn with the leave to send one request, as long as the order needs to ask its owner."""
        if self._takes_up(address):
            self._pace.give_back()
        self._granted[address] = asyncio.get_running_loop().call_later(
            self._settings.turn_grace_s, self._lapse, address
        )

    def _lapse(self, address: str) -> None:
        del self._granted[address]
        self._pace.give_back()

    def _takes_up(self, address: str) -> bool:
        """Say whether this order has its turn, and with it the leave to send a request; it has it no longer then."""
        lapse = self._granted.pop(address, None)
        if lapse is not None:
            lapse.cancel()
        return lapse is not None

    def _tell_of_limits(self, address: str, wait_s: float) -> None:
        reason = f"{self._connection}: as many requests as the connection allows were sent"
        next_try_at = self._clock.now() + timedelta(seconds=wait_s)
        self._office.submit(address, DeskWaits(reason=reason, next_try_at=next_try_at), _ignore)

    def _tell_of_waiting(self, address: str) -> None:
        if not address.startswith(_ORDERS):
            return
        next_try_at = self._breaker.next_try_at or self._clock.now()
        waits = DeskWaits(reason=f"{self._connection}: {self._breaker.reason}", next_try_at=next_try_at)
        self._office.submit(address, waits, _ignore)

    # Writes: once each, never repeated here.

    async def _write(self, row: OutboxRow, job: PlaceRequest | BookTime, *, recovered: bool, is_admitted: bool) -> None:
        try:
            if recovered:
                outcome: PlaceOutcome = Ambiguous(reason=_RESTARTED)
            else:
                outcome = await self._guarded_write(job, is_admitted=is_admitted)
        finally:
            self._writing -= 1
        self._breaker.hear(outcome)
        report = PlaceReported if isinstance(job, PlaceRequest) else BookReported
        self._report(row, report(attempt=job.attempt, outcome=outcome))

    async def _guarded_write(self, job: PlaceRequest | BookTime, *, is_admitted: bool) -> PlaceOutcome:
        if not is_admitted:
            await self._pace.admit(Lane.TURN)
        try:
            async with asyncio.timeout(self._settings.request_s):
                return await self._send(job)
        except TimeoutError:
            return Ambiguous(reason=f"no answer within {self._settings.request_s:g} s")
        except Exception as error:
            log.exception("adapter_failed", connection=self._connection)
            return Ambiguous(reason=f"the adapter failed: {type(error).__name__}")
        finally:
            self._pace.release()

    async def _send(self, job: PlaceRequest | BookTime) -> PlaceOutcome:
        can = self._adapter.capabilities
        match job:
            case BookTime(booking=booking):
                return await self._adapter.book_appointment(booking)
            case PlaceRequest(request=request):
                if isinstance(request, PurchaseOrder):
                    return await self._adapter.place_order(request) if can.orders else Unsupported(capability="orders")
                if not can.service:
                    return Unsupported(capability="service")
                return await self._adapter.request_service(request)

    # Reads: repeated until they lead somewhere.

    async def _read(self, row: OutboxRow, job: AnyDeskJob) -> None:
        match job:
            case FindOffers():
                offers = await self._guarded(lambda: self._adapter.find_offers(job.query))
                self._report(row, OffersReported(connection=self._connection, outcome=offers))
            case SearchTimes():
                times = await self._until_answered(row, lambda: self._adapter.search_appointments(job.query))
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
            outcome = await self._until_answered(row, lambda: self._adapter.changes_since(job.cursor))
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
            found = await self._until_answered(row, lambda: self._adapter.find_by_key(job.key, job.kind))
            if left_s <= 0 or not isinstance(found, Absent):
                return found
            await asyncio.sleep(min(left_s, self._settings.again_s))

    async def _cancel(self, row: OutboxRow, job: CancelRecord) -> FindOutcome:
        if not self._adapter.capabilities.cancel:
            return Unsupported(capability="cancel")
        return await self._until_answered(row, lambda: self._adapter.cancel(job.key, job.kind, job.reason))

    async def _until_answered(
        self, row: OutboxRow, call: Callable[[], Awaitable[_OutcomeT]]
    ) -> _OutcomeT | Transient | Permanent:
        """Repeat a call that is safe to repeat until the CRM says something."""
        told = False
        while True:
            await self._breaker.usable()
            outcome = await self._guarded(call)
            if not _is_retryable(outcome):
                return outcome
            if not told and not self._breaker.is_usable:
                self._tell_of_waiting(row.address)
                told = True
            await asyncio.sleep(self._settings.again_s)

    async def _guarded(self, call: Callable[[], Awaitable[_OutcomeT]]) -> _OutcomeT | Transient | Permanent:
        outcome: _OutcomeT | Transient | Permanent
        async with self._pace.passing(Lane.READ):
            try:
                async with asyncio.timeout(self._settings.request_s):
                    outcome = await call()
            except TimeoutError:
                outcome = Transient(reason=f"no answer within {self._settings.request_s:g} s")
            except Exception as error:
                log.exception("adapter_failed", connection=self._connection)
                outcome = Permanent(code="adapter_failed", message=f"{type(error).__name__}: see the hub's log")
        self._breaker.hear(outcome)
        return outcome

    async def _probe(self) -> Any:
        return await self._guarded(lambda: self._adapter.find_by_key(PROBE_KEY, RecordKind.ORDER))

    def _report(self, row: OutboxRow, message: Message) -> None:
        self._office.complete(row.outbox_id, row.address, message)


def _is_retryable(outcome: Any) -> bool:
    return isinstance(outcome, Transient | Throttled | Conflict | Ambiguous | AuthFailed)


def _ignore(outcome: Any) -> None:
    """Waiting is told once; when it cannot be told, the order is busy anyway."""
    del outcome
