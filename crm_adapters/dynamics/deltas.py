"""Changes by the environment's own change tracking: a delta link tells which rows changed, and ours are read again.

Source: Microsoft Learn, "Use change tracking to synchronize data with external systems": a tracked query takes neither
filter nor order, tells of other people's rows too, and its link lives for some days.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from actors.model.outcomes import Changes, ChangesOutcome, CrmRecord, Failure, Permanent
from crm_adapters.dynamics.addresses import with_options
from crm_adapters.dynamics.client import DataverseClient, Tracked, understood
from crm_adapters.dynamics.config import DynamicsConfig
from crm_adapters.dynamics.records import RecordTable, read_record, record_options

_READ_AT_ONCE: Final = 20


class _Read(Struct, frozen=True, kw_only=True):
    records: list[CrmRecord]
    link: str


class DeltaReader:
    """Follows the delta links of some tables; the cursor is JSON: the link of each."""

    def __init__(self, client: DataverseClient, config: DynamicsConfig, tables: Sequence[RecordTable]) -> None:
        self._client = client
        self._config = config
        self._tables = tables

    async def since(self, cursor: str) -> ChangesOutcome:
        """Return our records that changed after ``cursor`` as they are now, oldest change first."""
        links = _links_of(cursor)
        if isinstance(links, Permanent):
            return links
        read: dict[str, _Read] = {}
        for table in self._tables:
            changes = await self._table_changes(table, links.get(table.logical_name, ""))
            if not isinstance(changes, _Read):
                return changes
            read[table.logical_name] = changes
        records = [record for changes in read.values() for record in changes.records]
        records.sort(key=lambda record: (record.changed_at is not None, record.changed_at))
        following = {name: changes.link for name, changes in read.items()}
        return Changes(records=tuple(records), cursor=msgspec.json.encode(following).decode())

    async def _table_changes(self, table: RecordTable, link: str) -> _Read | Failure:
        tracked = await self._tracked(table, link)
        if not isinstance(tracked, Tracked):
            return tracked
        key = self._config.columns.key
        ours = understood(lambda: [str(row[table.id_column]) for row in tracked.rows if row.get(key) is not None])
        if not isinstance(ours, list):
            return ours
        records: list[CrmRecord] = []
        for start in range(0, len(ours), _READ_AT_ONCE):
            some = await self._read_again(table, ours[start : start + _READ_AT_ONCE])
            if not isinstance(some, list):
                return some
            records += some
        return _Read(records=records, link=tracked.link)

    async def _tracked(self, table: RecordTable, link: str) -> Tracked | Failure:
        begin = with_options(table.entity_set, select=self._config.columns.key)
        tracked = await self._client.read_tracked(link or begin)
        if tracked is None:  # the link has expired: everything is told anew
            tracked = await self._client.read_tracked(begin)
        if tracked is None:
            return Permanent(code="change_tracking", message=f"{table.logical_name}: a fresh tracked query has expired")
        return tracked

    async def _read_again(self, table: RecordTable, ids: list[str]) -> list[CrmRecord] | Failure:
        wanted = " or ".join(f"{table.id_column} eq {guid}" for guid in ids)
        path = with_options(table.entity_set, **record_options(table, self._config), filter=wanted)
        rows = await self._client.read_all(path)
        if not isinstance(rows, list):
            return rows
        return understood(lambda: [read_record(table, row, self._config) for row in rows])


def _links_of(cursor: str) -> dict[str, str] | Permanent:
    try:
        links: Any = msgspec.json.decode(cursor, type=dict[str, str]) if cursor else {}
    except msgspec.DecodeError as error:
        return Permanent(code="bad_cursor", message=f"not a cursor of this adapter: {error}", field="cursor")
    return {str(name): str(link) for name, link in links.items()}
