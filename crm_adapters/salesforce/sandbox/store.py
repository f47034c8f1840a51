"""The organisation's tables: records by id, unique fields, and transactions that can be taken back."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from crm_adapters.salesforce.sandbox.ids import numbered_id
from crm_adapters.salesforce.sandbox.model import Model
from crm_adapters.salesforce.sandbox.schema import OBJECTS, SObject
from crm_adapters.sandboxing import Tables

Record = dict[str, Any]
_COUNTS: Final = "_counts"


class Change(Struct, frozen=True, kw_only=True):
    """One record as a transaction leaves it; ``record`` None is deleted."""

    object: str
    id: str
    record: Record | None


def timestamp(moment: datetime) -> str:
    """Return a moment as the API writes it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"


class Store:
    """All records. Every write belongs to a transaction; ``tables`` keep what each one left."""

    def __init__(self, now: Callable[[], datetime], tables: Tables, model: Model | None = None) -> None:
        self.model = Model(tables) if model is None else model
        self._now = now
        self.tables = tables
        self._records: dict[str, dict[str, Record]] = {entry.name: {} for entry in OBJECTS.values()}
        self._keys: dict[tuple[str, str, str], list[str]] = {}
        self._counts = dict.fromkeys(self._records, 0)
        self._deleted: dict[str, tuple[str, str]] = {}
        """Object and time of what was deleted, by id."""
        self._undo: list[Change] = []
        self._depth = 0
        self._load()

    @contextmanager
    def transaction(self) -> Generator[None, None, None]:
        """Write all or nothing: an exception takes back every write inside; transactions nest."""
        mark = len(self._undo)
        self._depth += 1
        try:
            yield
        except BaseException:
            self._roll_back(mark)
            raise
        finally:
            self._depth -= 1
            if self._depth == 0:
                self._end()

    def insert(self, kind: SObject, values: Record) -> Record:
        """Add a record and return it with its id, number and times."""
        self._counts[kind.name] += 1
        number = self._counts[kind.name]
        stamp = timestamp(self._now())
        named = {kind.number_field: f"{number:08d}"} if kind.number_field else {}
        times = {"CreatedDate": stamp, "LastModifiedDate": stamp, "SystemModstamp": stamp, "IsDeleted": False}
        identifier = numbered_id(kind.prefix, number)
        record: Record = {**values, "Id": identifier, **named, **times}
        self._write(Change(object=kind.name, id=identifier, record=record))
        return record

    def update(self, kind: SObject, identifier: str, values: Record) -> Record:
        """Change fields of a record and return it as it stands then."""
        stamp = timestamp(self._now())
        record = {**self._records[kind.name][identifier], **values, "LastModifiedDate": stamp, "SystemModstamp": stamp}
        self._write(Change(object=kind.name, id=identifier, record=record))
        return record

    def delete(self, kind: SObject, identifier: str) -> None:
        """Remove a record."""
        self._write(Change(object=kind.name, id=identifier, record=None))

    def get(self, kind: SObject, identifier: str) -> Record | None:
        """Return a record; callers do not change it."""
        return self._records[kind.name].get(identifier)

    def rows(self, kind: SObject) -> list[Record]:
        """Return an object's records in the order of their creation."""
        return list(self._records[kind.name].values())

    def was_deleted(self, identifier: str) -> bool:
        """Say whether a record of this id existed once."""
        return identifier in self._deleted

    def deleted(self, kind: SObject) -> list[tuple[str, str]]:
        """Return ids and times of an object's deleted records."""
        return [(identifier, when) for identifier, (name, when) in self._deleted.items() if name == kind.name]

    def with_key(self, kind: SObject, field: str, value: str) -> list[Record]:
        """Return the records whose key field or reference has this value, without regard to case."""
        found = self._keys.get((kind.name, field, value.casefold()), [])
        return [self._records[kind.name][identifier] for identifier in found]

    def _write(self, change: Change) -> None:
        if self._depth == 0:
            raise RuntimeError("a write outside a transaction")
        before = self._records[change.object].get(change.id)
        self._undo.append(Change(object=change.object, id=change.id, record=before))
        self._set(change)

    def _set(self, change: Change) -> None:
        table = self._records[change.object]
        self._forget_keys(change.object, table.get(change.id))
        if change.record is None:
            table.pop(change.id, None)
            self._deleted[change.id] = (change.object, timestamp(self._now()))
            return
        table[change.id] = change.record
        self._deleted.pop(change.id, None)
        for key in self._keys_of(change.object, change.record):
            self._keys.setdefault(key, []).append(change.id)

    def _forget_keys(self, name: str, record: Record | None) -> None:
        for key in self._keys_of(name, record or {}):
            kept = [identifier for identifier in self._keys[key] if identifier != (record or {})["Id"]]
            self._keys[key] = kept
            if not kept:
                del self._keys[key]

    def _roll_back(self, mark: int) -> None:
        while len(self._undo) > mark:
            change = self._undo.pop()
            self._set(change)
            if change.record is None:
                self._deleted.pop(change.id, None)

    def _end(self) -> None:
        touched = {(change.object, change.id): None for change in self._undo}
        self._undo.clear()
        if not touched:
            return
        with self.tables.transaction():
            for name, identifier in touched:
                self._keep(name, identifier)

    def _keep(self, name: str, identifier: str) -> None:
        record = self._records[name].get(identifier)
        self.tables.put(_COUNTS, name, {"value": self._counts[name]})
        if record is None:
            self.tables.delete(name, identifier)
        else:
            self.tables.put(name, identifier, record)

    def _load(self) -> None:
        for name in self._records:
            self._counts[name] = int((self.tables.get(_COUNTS, name) or {"value": 0})["value"])
            for row in self.tables.all(name):
                self._set(Change(object=name, id=row["Id"], record=dict(row)))

    def _keys_of(self, name: str, record: Record) -> list[tuple[str, str, str]]:
        indexed = self.model.indexed(name)
        return [(name, field, str(record[field]).casefold()) for field in indexed if record.get(field)]
