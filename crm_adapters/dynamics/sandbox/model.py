"""The tables as one environment has them: without what it lacks, with the columns and keys that were added to it.

Source: Dataverse Web API guide, "Create and update column definitions" and "Define alternate keys".
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from actors.model.errors import ConfigError
from crm_adapters.dynamics.sandbox.errors import refuse
from crm_adapters.dynamics.sandbox.schema import Column, Kind, Table
from crm_adapters.dynamics.sandbox.tables import TABLES
from crm_adapters.sandboxing import Tables as Kept

PRIVILEGES: Final = ("Create", "Read", "Write", "Delete")
CUSTOMIZE: Final = "prvCreateAttribute"
"""Without it no column and no key can be added."""
_COLUMNS: Final = "_columns"
_KEYS: Final = "_keys"
_KINDS: Final = {
    "StringAttributeMetadata": Kind.TEXT,
    "DecimalAttributeMetadata": Kind.DECIMAL,
    "IntegerAttributeMetadata": Kind.WHOLE,
}


class Model:
    """What one environment is made of. ``lacks`` are words as in ``docs/sandboxes.md``."""

    def __init__(self, kept: Kept, lacks: Iterable[str] = ()) -> None:
        self._kept = kept
        self._tables = dict(TABLES)
        self._denied: set[str] = set()
        self._pending: set[tuple[str, str]] = set()
        for word in lacks:
            self._take_away(word)
        for row in kept.all(_COLUMNS):
            self._with_column(str(row["table"]), _column_of(row["metadata"]))
        for row in kept.all(_KEYS):
            self._with_key(str(row["table"]), str(row["column"]))

    def find(self, name: str) -> Table | None:
        """Return the table of this logical name."""
        return self._tables.get(name)

    def of_set(self, entity_set: str) -> Table | None:
        """Return the table whose rows are at this address."""
        return next((table for table in self._tables.values() if table.entity_set == entity_set), None)

    def all(self) -> list[Table]:
        """Return every table."""
        return list(self._tables.values())

    def table(self, name: str) -> Table:
        """Return a table that must exist, from the full list where the environment lacks it."""
        return self._tables.get(name) or TABLES[name]

    def has_key(self, table: Table, column: str) -> bool:
        """Say whether rows can be addressed by this alternate key: it is defined and its index is built."""
        known = self._tables.get(table.name)
        return known is not None and column in known.keys and (table.name, column) not in self._pending

    def key_status(self, table: Table, column: str) -> str:
        """Return how far the index of a key is."""
        return "Active" if self.has_key(table, column) else "Pending"

    def require(self, privilege: str, table: str = "") -> None:
        """Refuse what the application user's roles do not grant.

        Raises:
            DataverseError: 403.
        """
        name = f"prv{privilege}{table}"
        if name.lower() in self._denied:
            said = f"Principal user (type=8) is missing {name} privilege for entity '{table}'"
            raise refuse(403, "MissingPrivilege", said)

    def granted(self) -> list[str]:
        """Return the names of all privileges that the application user has."""
        named = [f"prv{privilege}{table.name}" for table in self._tables.values() for privilege in PRIVILEGES]
        return [name for name in (*named, CUSTOMIZE) if name.lower() not in self._denied]

    def add_column(self, table: Table, metadata: Mapping[str, Any]) -> None:
        """Add a column.

        Raises:
            DataverseError: the table has it, or the definition is none.
        """
        self.require("CreateAttribute")
        column = _column_of(metadata)
        if column.name in table.columns:
            raise refuse(
                400, "DuplicateAttribute", f"An attribute with the specified name {column.name} already exists"
            )
        self._kept.put(_COLUMNS, f"{table.name}.{column.name}", {"table": table.name, "metadata": dict(metadata)})
        self._with_column(table.name, column)

    def add_key(self, table: Table, metadata: Mapping[str, Any]) -> None:
        """Define an alternate key; its index is being built.

        Raises:
            DataverseError: the table has it, or a column is missing.
        """
        self.require("CreateAttribute")
        columns = [str(name) for name in metadata.get("KeyAttributes", [])]
        if len(columns) != 1 or columns[0] not in table.columns:
            raise refuse(400, "InvalidArgument", f"KeyAttributes: expected one column of {table.name}, got {columns}")
        if columns[0] in table.keys:
            raise refuse(400, "DuplicateKeyDefinition", f"A key with these attributes exists on {table.name} already")
        self._kept.put(_KEYS, f"{table.name}.{columns[0]}", {"table": table.name, "column": columns[0]})
        self._pending.add((table.name, columns[0]))
        self._with_key(table.name, columns[0])

    def build_indexes(self) -> None:
        """Let the indexes that are being built be ready."""
        self._pending.clear()

    def _with_column(self, name: str, column: Column) -> None:
        table = self._tables[name]
        self._tables[name] = replace(table, columns={**table.columns, column.name: column})

    def _with_key(self, name: str, column: str) -> None:
        table = self._tables[name]
        self._tables[name] = replace(table, keys=tuple(dict.fromkeys((*table.keys, column))))

    def _take_away(self, word: str) -> None:
        if word.startswith("prv"):
            self._deny(word)
            return
        name, _, rest = word.partition(".")
        column, _, what = rest.partition(":")
        table = self._tables.get(name)
        if table is None or (column and column not in table.columns) or what not in {"", "key", "active"}:
            raise _unknown(word)
        keys = tuple(key for key in table.keys if key != column)
        if not column:
            del self._tables[name]
        elif what == "active":
            self._pending.add((name, column))
        elif what == "key":
            self._tables[name] = replace(table, keys=keys)
        else:
            columns = {key: each for key, each in table.columns.items() if key != column}
            self._tables[name] = replace(table, columns=columns, keys=keys)

    def _deny(self, word: str) -> None:
        if word.lower() not in {name.lower() for name in self.granted()}:
            raise _unknown(word)
        self._denied.add(word.lower())


def _unknown(word: str) -> ConfigError:
    return ConfigError(
        f"lacks {word!r}: expected table, table.column, table.column:key, table.column:active (the key's index is not"
        f" built) or a privilege such as prvCreatesalesorder or {CUSTOMIZE}"
    )


def _column_of(metadata: Mapping[str, Any]) -> Column:
    kind = _KINDS.get(str(metadata.get("@odata.type")).rpartition(".")[2])
    name = str(metadata.get("SchemaName") or "")
    if kind is None or "_" not in name:
        raise refuse(
            400, "InvalidArgument", f"{name or 'a column'}: {metadata.get('@odata.type')} cannot be added here"
        )
    return Column(name=name.lower(), kind=kind, max_length=int(metadata.get("MaxLength") or 100))
