"""The tables of one system as they are: without what it lacks, with the columns that an administrator added."""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from actors.model.errors import ConfigError
from crm_adapters.rest.sandbox.vendors.definitions import Column, TableDefinition, Vendor, column_of, columns_of
from crm_adapters.sandboxing import Tables

_ADDED: Final = "_added"
_NAMED: Final = "_named"
_UNIQUE: Final = "unique"
_NAMING: Final = "naming"


class Structure:
    """Columns and definitions by table. ``lacks`` are words as in ``docs/sandboxes.md``."""

    def __init__(self, vendor: Vendor, kept: Tables, lacks: Sequence[str]) -> None:
        self._vendor = vendor
        self._kept = kept
        self.tables: dict[str, TableDefinition] = dict(vendor.tables)
        self.columns: dict[str, dict[str, Column]] = {name: columns_of(table) for name, table in vendor.tables.items()}
        for word in lacks:
            self._take_away(word)
        for row in kept.all(_ADDED):
            self._put(str(row["table"]), str(row["name"]), str(row["words"]))
        for row in kept.all(_NAMED):
            self.tables[str(row["table"])] = vendor.tables[str(row["table"])]

    def add(self, table: str, name: str, words: str) -> None:
        """Add a column; call it inside a transaction."""
        self._kept.put(_ADDED, f"{table}.{name}", {"table": table, "name": name, "words": words})
        self._put(table, name, words)

    def let_be_named(self, table: str) -> None:
        """Let callers choose the names of rows again; call it inside a transaction."""
        self._kept.put(_NAMED, table, {"table": table})
        self.tables[table] = self._vendor.tables[table]

    def _put(self, table: str, name: str, words: str) -> None:
        self.columns[table] = {**self.columns[table], name: column_of(name, words)}

    def _take_away(self, word: str) -> None:
        path, _, what = word.partition(":")
        if what == _NAMING and path in self.tables:
            self.tables[path] = replace(self.tables[path], ids="series AUTO-")
            return
        table, _, name = path.rpartition(".")
        column = self.columns.get(table, {}).get(name)
        if column is None or what not in {"", _UNIQUE}:
            raise ConfigError(f"lacks {word!r}: expected TABLE.COLUMN, TABLE.COLUMN:unique or TABLE:naming")
        kept = {key: each for key, each in self.columns[table].items() if key != name}
        self.columns[table] = {**kept, name: replace(column, unique=False)} if what else kept
