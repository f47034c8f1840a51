"""The relay that compares: asks a CRM for its records, looks orders up there, and reports what differs."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec
import structlog

from actors.connection.comparing import LOOKED_UP, difference, gone, not_readable
from actors.desk.desk import Desk
from actors.dialogue import CompareRecords, RecordsCompared, connection_address
from actors.model.findings import Finding, FindingCode
from actors.model.ids import OrderKey
from actors.model.orders import OrderState, RecordKind
from actors.model.outcomes import Absent, Changes, CrmRecord, Found
from actors.ports import CrmAdapter
from actors.purchasing.view import OrderView
from actors.runtime.journal import JournalUnavailable, OutboxRow, RecordRow

log = structlog.get_logger(__name__)

_PAGE: Final = 500
_AGAIN_S: Final = 5.0


class Records(Protocol):
    """The part of a journal that is compared with CRMs."""

    def record(self, kind: str, key: str) -> bytes | None:
        """Return one read model."""
        ...

    def records(
        self, kind: str, owner: str | None = None, *, after: str = "", limit: int | None = None
    ) -> Iterable[RecordRow]:
        """Return read models of a kind by key."""
        ...


class Office(Protocol):
    """Where results go: the turn engine."""

    def complete(self, outbox_id: int, address: str, message: Any) -> None:
        """Tell an actor the outcome of work from the outbox."""
        ...


class Reconciler:
    """Implements the relay ``reconciling``. Run ``run`` for as long as the hub lives."""

    def __init__(self, office: Office, records: Records, desks: Mapping[str, Desk]) -> None:
        self._office = office
        self._records = records
        self._desks = desks
        self._decode = msgspec.msgpack.Decoder(CompareRecords).decode
        self._waiting: asyncio.Queue[OutboxRow] = asyncio.Queue()

    def work(self, row: OutboxRow, *, recovered: bool) -> None:
        """Take a job; it may be done again after a restart."""
        del recovered
        self._waiting.put_nowait(row)

    async def run(self) -> None:
        """Work until cancelled: connections beside each other, because one may be down for long."""
        async with asyncio.TaskGroup() as group:
            while True:
                row = await self._waiting.get()
                group.create_task(self._compare(row, self._decode(row.body)))

    async def _result(self, job: CompareRecords) -> RecordsCompared:
        desk = self._desks.get(job.connection)
        if desk is None:
            return _unknown(job)
        while True:
            try:
                return await _Comparison(job, self._records, desk).result()
            except JournalUnavailable as error:
                log.warning("reconciliation_put_off", connection=job.connection, reason=str(error))
                await asyncio.sleep(_AGAIN_S)

    async def _compare(self, row: OutboxRow, job: CompareRecords) -> None:
        result = await self._result(job)
        told = {"connection": job.connection, "orders": result.orders, "records": result.seen}
        if result.failure:
            log.warning("reconciliation_failed", reason=result.failure, **told)
        else:
            log.info("reconciled", findings=len(result.findings), **told)
        self._office.complete(row.outbox_id, connection_address(job.connection), result)


def _unknown(job: CompareRecords) -> RecordsCompared:
    failure = f"there is no [crm.{job.connection}] in the configuration any more"
    return RecordsCompared(
        connection=job.connection, number=job.number, cursor=job.cursor, findings=(), failure=failure
    )


class _Refused(Exception):
    """The CRM does not tell what it holds."""


class _Comparison:
    """One connection's orders and records, looked at once."""

    def __init__(self, job: CompareRecords, records: Records, desk: Desk) -> None:
        self._job = job
        self._records = records
        self._desk = desk
        self._findings: dict[str, Finding] = {}
        self._changed: list[CrmRecord] = []
        self._seen: set[str] = set()
        self._orders = 0
        self._visits: dict[OrderKey, OrderKey] = {}

    async def result(self) -> RecordsCompared:
        """Return what differs."""
        failure, cursor = "", self._job.cursor
        try:
            for view in await self._open_orders():
                await self._look_up(view)
            cursor = await self._read_changes()
            for finding in self._job.open_findings:
                await self._look_again(finding)
        except _Refused as refusal:
            failure = str(refusal)
        return RecordsCompared(
            connection=self._job.connection,
            number=self._job.number,
            cursor=cursor,
            findings=tuple(self._findings.values()),
            records=tuple(self._changed),
            orders=self._orders,
            seen=len(self._seen),
            failure=failure,
        )

    # The hub's side.

    async def _open_orders(self) -> list[OrderView]:
        """Return the orders whose records must be there; the loop is let go between pages."""
        found: list[OrderView] = []
        for page in self._pages():
            for row in page:
                view = _view(row.body or b"")
                if view.booking is not None:
                    self._visits[view.booking.key] = view.key
                if view.connection == self._job.connection and view.state in LOOKED_UP:
                    found.append(view)
            await asyncio.sleep(0)
        return found

    def _pages(self) -> Iterator[Sequence[RecordRow]]:
        after = ""
        while page := list(self._records.records("order", after=after, limit=_PAGE)):
            yield page
            after = page[-1].key

    def _order(self, record: CrmRecord) -> OrderView | None:
        """Return whom a record belongs to, as it stands now: much may have happened since the CRM answered."""
        key = self._visits.get(record.key, record.key) if record.kind is RecordKind.APPOINTMENT else record.key
        body = self._records.record("order", key)
        return None if body is None else _view(body)

    async def _look_up(self, view: OrderView) -> None:
        self._orders += 1
        known = view.record
        if known is None:
            return
        outcome = await self._ask(lambda adapter: adapter.find_by_key(view.key, known.kind))
        now = _view(self._records.record("order", view.key) or b"")
        if isinstance(outcome, Found):
            self._take(outcome.record)
        elif isinstance(outcome, Absent):
            self._note(gone(self._job.connection, now))
        else:
            self._note(not_readable(self._job.connection, now, _why(outcome)))

    # The CRM's side.

    async def _read_changes(self) -> str:
        """Take in every record that changed since the last time, or all of them; return how far that reached."""
        cursor = self._job.cursor
        while True:
            outcome = await self._ask(_changes_since(cursor))
            if outcome is None:
                return cursor
            if not isinstance(outcome, Changes):
                if cursor:  # too old, perhaps: begin anew
                    cursor = ""
                    continue
                raise _Refused(_why(outcome))
            for record in outcome.records:
                self._take(record)
            if not outcome.records or outcome.cursor == cursor:
                return outcome.cursor
            cursor = outcome.cursor

    def _take(self, record: CrmRecord) -> None:
        self._seen.add(record.record_id)
        order = self._order(record)
        self._forget(record)
        self._note(difference(self._job.connection, record, order))
        if order is not None and (record not in (order.record, order.booking) or _is_awaited_for_ever(order)):
            self._changed.append(record)

    async def _look_again(self, finding: Finding) -> None:
        """See whether a difference of before still stands that nothing told of this time."""
        if finding.finding_id in self._findings or finding.record_id in self._seen:
            return
        if finding.code in {FindingCode.RECORD_GONE, FindingCode.NOT_READABLE}:
            return  # its order was looked up, or counts on no record any more
        outcome = await self._ask(lambda adapter: adapter.find_by_key(finding.key, finding.kind))
        if isinstance(outcome, Found) and outcome.record.record_id == finding.record_id:
            self._take(outcome.record)
        elif not isinstance(outcome, Absent) and (self._job.cursor or not isinstance(outcome, Found)):
            self._findings[finding.finding_id] = finding  # the other one of two answered, or nobody did

    async def _ask(self, call: Callable[[CrmAdapter], Awaitable[Any]]) -> Any:
        return await self._desk.inquire(call)

    def _note(self, finding: Finding | None) -> None:
        if finding is not None:
            self._findings[finding.finding_id] = finding

    def _forget(self, record: CrmRecord) -> None:
        """What was found of this record earlier in this comparison is judged anew."""
        stale = [name for name, finding in self._findings.items() if finding.record_id == record.record_id]
        for name in stale:
            del self._findings[name]


def _changes_since(cursor: str) -> Callable[[CrmAdapter], Awaitable[Any]]:
    async def ask(adapter: CrmAdapter) -> Any:
        return await adapter.changes_since(cursor) if adapter.capabilities.changes else None

    return ask


def _view(body: bytes) -> OrderView:
    return msgspec.json.decode(body, type=OrderView)


def _is_awaited_for_ever(order: OrderView) -> bool:
    """Say whether an older hub confirmed it: told of its record, the order learns until when it is awaited."""
    return order.state is OrderState.CONFIRMED and order.expected_until is None


def _why(outcome: Any) -> str:
    return getattr(outcome, "message", "") or getattr(outcome, "reason", "") or type(outcome).__name__
