"""The rows of one environment, their versions, and the indexes of their alternate keys."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final
from uuid import UUID, uuid5

from actors.ports import Clock
from crm_adapters.dynamics.sandbox.errors import absent_key, absent_record, refuse
from crm_adapters.dynamics.sandbox.model import Model
from crm_adapters.dynamics.sandbox.schema import Table
from crm_adapters.dynamics.sandbox.tables import TABLES
from crm_adapters.sandboxing import Tables

_SPACE: Final = UUID("7c8e0f5a-1b1d-4a57-9d0a-5a2d3c6f9b10")
_VERSION: Final = "versionnumber"
MADE: Final = "#made"
"""Hidden: the place of a row among all rows ever made."""
_INDEXED: Final = frozenset(
    (collection.table, f"_{collection.column}_value")
    for table in TABLES.values()
    for collection in table.collections.values()
)
"""Lookups by which children are found without looking at every row."""
_CENT: Final = Decimal("0.01")


class Environment:
    """Rows by table. Changes happen inside ``Tables.transaction`` and are undone with it.

    Values are JSON: amounts and decimals are text, times end in ``Z`` and have whole seconds, lookups are the other
    row's id under ``_column_value``.
    """

    def __init__(self, tables: Tables, clock: Clock, model: Model | None = None) -> None:
        self.tables = tables
        self.model = Model(tables) if model is None else model
        self._clock = clock

    def now(self) -> str:
        """Return the present as the platform writes it."""
        return written_time(self._clock.now())

    def moment(self) -> datetime:
        """Return the present."""
        return self._clock.now()

    def rows(self, table: str) -> tuple[Mapping[str, Any], ...]:
        """Return the rows of a table in the order they were made."""
        return self.tables.all(table)

    def get(self, table: str, guid: str) -> Mapping[str, Any]:
        """Return one row.

        Raises:
            DataverseError: 404 when there is none.
        """
        row = self.tables.get(table, guid)
        if row is None:
            raise absent_record(table, guid)
        return row

    def find(self, table: Table, key: Mapping[str, str]) -> Mapping[str, Any] | None:
        """Return the row with these alternate key values, compared without regard to case.

        Raises:
            DataverseError: 400 when no such key is defined on the table.
        """
        (column, value), *more = key.items()
        if more or not self.model.has_key(table, column):
            raise refuse(
                400, "BadProperty", f"The specified key attributes are not a defined key for the {table.name} entity"
            )
        entry = self.tables.get(_index(table, column), value.casefold())
        return None if entry is None else self.get(table.name, str(entry["id"]))

    def need(self, table: Table, key: Mapping[str, str]) -> Mapping[str, Any]:
        """Return the row with this alternate key.

        Raises:
            DataverseError: 404 when there is none.
        """
        row = self.find(table, key)
        if row is None:
            raise absent_key(table.name, dict(key))
        return row

    def new_id(self, table: str) -> str:
        """Return the next id, the same in every run."""
        return str(uuid5(_SPACE, f"{table} {self.tables.next_number(table)}"))

    def number(self, counter: str) -> int:
        """Return the next number of an automatic numbering."""
        return self.tables.next_number(f"number of {counter}")

    def insert(self, table: Table, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Add a row; an id among the values is kept.

        Raises:
            DataverseError: 412 when an alternate key or the id is taken.
        """
        guid = str(values.get(table.primary_id) or self.new_id(table.name))
        if self.tables.get(table.name, guid) is not None:
            raise refuse(412, "DuplicateRecord", "A record with matching key values already exists.")
        now = self.now()
        row = {
            **values,
            table.primary_id: guid,
            "createdon": now,
            "modifiedon": now,
            _VERSION: self.tables.next_number(_VERSION),
        }
        row[MADE] = row[_VERSION]
        self._reindex(table, {}, row)
        self.tables.put(table.name, guid, row)
        return row

    def change(self, table: str, guid: str, changes: Mapping[str, Any]) -> Mapping[str, Any]:
        """Replace some values of a row; it gets a new version."""
        old = self.get(table, guid)
        row = {**old, **changes, "modifiedon": self.now(), _VERSION: self.tables.next_number(_VERSION)}
        self._reindex(self.model.table(table), old, row)
        self.tables.put(table, guid, row)
        return row

    def delete(self, table: Table, guid: str) -> None:
        """Remove a row and its cascading children."""
        row = self.get(table.name, guid)
        for collection in table.collections.values():
            if collection.cascade:
                self._delete_children(self.model.table(collection.table), f"_{collection.column}_value", guid)
        self._reindex(table, row, {})
        self.tables.delete(table.name, guid)
        self.tables.put(_gone(table.name), guid, {"id": guid, _VERSION: self.tables.next_number(_VERSION)})

    def pointing(self, table: str, value_name: str, guid: str) -> list[Mapping[str, Any]]:
        """Return the rows of ``table`` whose lookup points at ``guid``."""
        if (table, value_name) in _INDEXED:
            return [self.get(table, str(entry["id"])) for entry in self.tables.all(_children(table, value_name, guid))]
        return [row for row in self.rows(table) if row.get(value_name) == guid]

    def version(self) -> int:
        """Return the version of the latest change to any row."""
        return self.tables.last_number(_VERSION)

    def changed(self, table: str, since: int) -> list[Mapping[str, Any]]:
        """Return the rows that were made or changed after a version, in the order of their changes."""
        rows = [row for row in self.rows(table) if int(row[_VERSION]) > since]
        return sorted(rows, key=lambda row: int(row[_VERSION]))

    def gone(self, table: str, since: int) -> list[str]:
        """Return the ids of the rows that were deleted after a version."""
        return [str(row["id"]) for row in self.tables.all(_gone(table)) if int(row[_VERSION]) > since]

    def _delete_children(self, table: Table, value_name: str, guid: str) -> None:
        for child in self.pointing(table.name, value_name, guid):
            self.delete(table, str(child[table.primary_id]))

    def _reindex(self, table: Table, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        self._reindex_keys(table, old, new)
        for value_name in (name for owner, name in _INDEXED if owner == table.name):
            before, after = old.get(value_name), new.get(value_name)
            guid = str((new or old)[table.primary_id])
            if before is not None and before != after:
                self.tables.delete(_children(table.name, value_name, str(before)), guid)
            if after is not None and before != after:
                self.tables.put(_children(table.name, value_name, str(after)), guid, {"id": guid})

    def _reindex_keys(self, table: Table, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        for column in table.keys:
            before, after = _key_value(old, column), _key_value(new, column)
            if before == after:
                continue
            if before is not None:
                self.tables.delete(_index(table, column), before)
            if after is not None:
                self._claim(table, column, after, str(new[table.primary_id]))

    def _claim(self, table: Table, column: str, value: str, guid: str) -> None:
        if self.tables.get(_index(table, column), value) is not None:
            raise refuse(
                412,
                "DuplicateKey",
                f"Entity Key {column} violated. A record with the same value for {column} already exists. "
                "A duplicate record cannot be created. Select one or more unique values and try again.",
            )
        self.tables.put(_index(table, column), value, {"id": guid})


def written_time(moment: datetime) -> str:
    """Return a time as the platform writes it: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def cents(value: object) -> Decimal:
    """Return an amount (None is nothing) rounded to the currency's cents."""
    return Decimal(str(value or 0)).quantize(_CENT, ROUND_HALF_EVEN)


def _gone(table: str) -> str:
    return f"{table} gone"


def _index(table: Table, column: str) -> str:
    return f"key {table.name} {column}"


def _children(table: str, value_name: str, guid: str) -> str:
    return f"rows of {table} by {value_name} {guid}"


def _key_value(row: Mapping[str, Any], column: str) -> str | None:
    value = row.get(column)
    return None if value is None else str(value).casefold()
