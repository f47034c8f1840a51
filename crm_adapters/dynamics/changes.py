"""What changed since: rows of ours by ``modifiedon``, with an overlap for late commits, each version told once."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from msgspec import Struct

from actors.model.orders import RecordKind
from actors.model.outcomes import Changes, ChangesOutcome, CrmRecord, Failure, Permanent
from crm_adapters.dynamics.addresses import with_options
from crm_adapters.dynamics.client import DataverseClient, Row, understood
from crm_adapters.dynamics.config import DynamicsConfig
from crm_adapters.dynamics.mapping import written_time
from crm_adapters.dynamics.records import RecordTable, read_record, record_options, table_of

_ETAG: Final = "@odata.etag"
_DAWN: Final = datetime.min.replace(tzinfo=UTC)


class Watermark(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far one table was read: all that was modified before ``since``, and later the versions in ``told`` by id."""

    since: datetime | None = None
    told: dict[str, str] = {}


Cursor = dict[str, Watermark]


class TableChanges(Struct, frozen=True, kw_only=True):
    """The new versions of one table's rows, and how far they reach."""

    records: list[CrmRecord]
    mark: Watermark


class ChangeReader:
    """Reads changes table by table; the cursor is JSON."""

    def __init__(self, client: DataverseClient, config: DynamicsConfig) -> None:
        self._client = client
        self._config = config
        self._tables = tables_followed(config)

    async def since(self, cursor: str) -> ChangesOutcome:
        """Return our records that changed after ``cursor``, oldest first."""
        marks = read_cursor(cursor)
        if isinstance(marks, Permanent):
            return marks
        read: dict[str, TableChanges] = {}
        for table in self._tables:
            changes = await self._table_changes(table, marks.get(table.logical_name, Watermark()))
            if not isinstance(changes, TableChanges):
                return changes
            read[table.logical_name] = changes
        records = [record for changes in read.values() for record in changes.records]
        records.sort(key=lambda record: record.changed_at or _DAWN)
        return Changes(records=tuple(records), cursor=write_cursor({name: read[name].mark for name in read}))

    async def _table_changes(self, table: RecordTable, mark: Watermark) -> TableChanges | Failure:
        rows = await self._rows(table, mark)
        if not isinstance(rows, list):
            return rows
        return understood(lambda: table_changes(table, rows, mark, self._config))

    async def _rows(self, table: RecordTable, mark: Watermark) -> list[Row] | Failure:
        wanted = f"{self._config.columns.key} ne null"
        if mark.since is not None:
            wanted += f" and modifiedon ge {written_time(mark.since)}"
        options = record_options(table, self._config)
        order = f"modifiedon asc,{table.id_column} asc"
        return await self._client.read_all(with_options(table.entity_set, **options, filter=wanted, orderby=order))


def tables_followed(config: DynamicsConfig) -> list[RecordTable]:
    """Return the tables whose changes are asked for."""
    appointments = [RecordKind.APPOINTMENT] if config.work_orders else []
    returns = [RecordKind.RETURN] if config.takes_returns else []
    return [table_of(kind, config) for kind in (RecordKind.ORDER, RecordKind.SERVICE, *appointments, *returns)]


def table_changes(table: RecordTable, rows: Iterable[Row], mark: Watermark, config: DynamicsConfig) -> TableChanges:
    """Return the versions among ``rows`` that were not told yet, and the mark that follows.

    Raises:
        KeyError: a column is missing; the answer is not what was asked for.
    """
    read = [(row, read_record(table, row, config)) for row in rows]
    fresh = [record for row, record in read if mark.told.get(record.record_id) != row[_ETAG]]
    latest = max((record.changed_at or _DAWN for _, record in read), default=None)
    if latest is None:
        return TableChanges(records=fresh, mark=mark)
    since = latest - timedelta(seconds=config.changes_overlap_s)
    told = {record.record_id: str(row[_ETAG]) for row, record in read if (record.changed_at or _DAWN) >= since}
    return TableChanges(records=fresh, mark=Watermark(since=since, told=told))


def read_cursor(cursor: str) -> Cursor | Permanent:
    """Return the marks of a cursor, none for the empty one."""
    if not cursor:
        return {}
    try:
        return msgspec.json.decode(cursor, type=Cursor)
    except msgspec.DecodeError as error:
        return Permanent(code="bad_cursor", message=f"not a cursor of this adapter: {error}", field="cursor")


def write_cursor(marks: Cursor) -> str:
    """Return the marks as text."""
    return msgspec.json.encode(marks).decode()
