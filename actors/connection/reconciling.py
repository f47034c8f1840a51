"""When a connection's orders and records are compared, and what becomes of what is found."""

from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from actors.connection.state import ConnectionEvent, ConnectionState, ReconciliationEnded, ReconciliationStarted
from actors.dialogue import RECONCILING_RELAY, CompareRecords, ConnectionWoke, Reconcile, RecordsCompared
from actors.model.findings import Finding, Reconciliation
from actors.runtime.turns import Effect, Emit, Put, Remind, Remove

NIGHTLY: Final = "nightly"
_DAY: Final = timedelta(days=1)
Decided = tuple[tuple[ConnectionEvent, ...], tuple[Effect, ...]]


def next_night(state: ConnectionState, at_minute: int, now: datetime) -> datetime:
    """Return when to compare next: at this minute of a day (UTC); what was missed is made up for at once."""
    since = now if state.last is None else state.last.started_at
    due = since.replace(hour=at_minute // 60, minute=at_minute % 60, second=0, microsecond=0)
    return due if due > since else due + _DAY


def remind(connection: str, at: datetime) -> Effect:
    """Return the reminder to compare."""
    return Remind("reconcile", at, ConnectionWoke(connection=connection, name="reconcile"))


def start(state: ConnectionState, wanted: Reconcile, now: datetime) -> Decided:
    """Begin to compare, unless that is under way."""
    last = state.last
    if last is not None and last.finished_at is None:
        return (), ()
    number = 1 if last is None else last.number + 1
    started = Reconciliation(
        connection=wanted.connection, number=number, by=wanted.by, is_full=wanted.is_full, started_at=now
    )
    job = CompareRecords(
        connection=wanted.connection,
        number=number,
        cursor="" if wanted.is_full else state.compared_to,
        open_findings=tuple(state.findings.values()),
    )
    return (ReconciliationStarted(reconciliation=started),), (Emit(RECONCILING_RELAY, job), _shown(started))


def take_result(state: ConnectionState, result: RecordsCompared, now: datetime) -> Decided:
    """Open what is new in a person's list, and close what is gone."""
    last = state.last
    if last is None or last.number != result.number or last.finished_at is not None:
        return (), ()
    found = tuple(_dated(state, finding, now) for finding in result.findings)
    if result.failure:
        found = tuple(state.findings.values())
    ended = replace(
        last,
        finished_at=now,
        failure=result.failure,
        orders=result.orders,
        records=result.seen,
        findings=len(found),
    )
    cursor = state.compared_to if result.failure else result.cursor
    event = ReconciliationEnded(reconciliation=ended, cursor=cursor, findings=found)
    return (event,), (_shown(ended), *_changed(state, found))


def _dated(state: ConnectionState, finding: Finding, now: datetime) -> Finding:
    known = state.findings.get(finding.finding_id)
    return replace(finding, found_at=now if known is None else known.found_at)


def _changed(state: ConnectionState, found: tuple[Finding, ...]) -> tuple[Effect, ...]:
    stay = {finding.finding_id for finding in found}
    opened = [f for f in found if state.findings.get(f.finding_id) != f]
    return (
        *(Put("finding", finding.finding_id, finding.owner_id, finding) for finding in opened),
        *(Remove("finding", finding_id) for finding_id in state.findings if finding_id not in stay),
    )


def _shown(reconciliation: Reconciliation) -> Effect:
    return Put("reconciliation", reconciliation.connection, "", reconciliation)
