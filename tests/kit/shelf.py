"""Read models in memory, and how often they were read."""

from collections.abc import Iterable

import msgspec

from actors.model.things import ThingRecord
from actors.runtime.journal import RecordRow
from hub.simulation.disk import Disk


class Shelf:
    """The part of a journal that the registry reads. ``reads`` counts the rows that were read, found or not."""

    def __init__(self) -> None:
        self._disk = Disk()
        self.reads = 0

    def put(self, kind: str, key: str, value: object) -> RecordRow:
        """Write one read model, as a commit would, and return its row."""
        row = RecordRow(kind=kind, key=key, owner="firm", body=msgspec.json.encode(value))
        self._disk.records[kind, key] = row
        return row

    def put_thing(self, record: ThingRecord) -> RecordRow:
        """Write a thing's record and return its row."""
        return self.put("thing", record.thing_id, record)

    def record(self, kind: str, key: str) -> bytes | None:
        """Return one read model."""
        self.reads += 1
        return self._disk.record(kind, key)

    def records(
        self, kind: str, owner: str | None = None, *, after: str = "", limit: int | None = None
    ) -> Iterable[RecordRow]:
        """Return read models of a kind by key."""
        return self._counted(self._disk.records_of(kind, owner, after=after)[:limit])

    def records_by(self, kind: str, field: str, value: str) -> Iterable[RecordRow]:
        """Return the read models with this value in a field."""
        return self._counted(self._disk.records_by(kind, field, value))

    def _counted(self, rows: list[RecordRow]) -> list[RecordRow]:
        self.reads += max(1, len(rows))
        return rows
