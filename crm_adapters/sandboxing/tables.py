"""Tables of a sandbox: rows of JSON in memory and, where a file is given, on disk after every commit."""

import sqlite3
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

Row = Mapping[str, Any]
"""One row: JSON values by column. Never changed in place; a change puts a new row."""

_COUNTERS = "_counters"
_SCHEMA = "CREATE TABLE IF NOT EXISTS row (place INTEGER PRIMARY KEY, tab TEXT, id TEXT, body BLOB, UNIQUE (tab, id))"
_UPSERT = "INSERT INTO row (tab, id, body) VALUES (?, ?, ?) ON CONFLICT (tab, id) DO UPDATE SET body = excluded.body"


class Tables:
    """Named tables, changed only inside ``transaction``: all of it is kept (and synced to disk), or nothing.

    Rows keep the order in which they were first put. Not for threads; a transaction must not await.
    """

    def __init__(self, data_file: Path | None = None) -> None:
        self._rows: dict[str, dict[str, Row]] = {}
        self._before: dict[tuple[str, str], Row | None] = {}
        self._disk = None if data_file is None else _open_file(data_file)
        if self._disk is not None:
            self._load(self._disk)

    def all(self, table: str) -> tuple[Row, ...]:
        """Return the rows of a table, oldest first."""
        return tuple(self._rows.get(table, {}).values())

    def get(self, table: str, row_id: str) -> Row | None:
        """Return one row."""
        return self._rows.get(table, {}).get(row_id)

    def put(self, table: str, row_id: str, row: Row) -> None:
        """Insert or replace one row; call it inside ``transaction``."""
        rows = self._rows.setdefault(table, {})
        self._before.setdefault((table, row_id), rows.get(row_id))
        rows[row_id] = row

    def delete(self, table: str, row_id: str) -> None:
        """Remove one row where it exists; call it inside ``transaction``."""
        rows = self._rows.setdefault(table, {})
        if row_id in rows:
            self._before.setdefault((table, row_id), rows.pop(row_id))

    def next_number(self, counter: str) -> int:
        """Return the next number of a counter, from 1; call it inside ``transaction``."""
        row = self.get(_COUNTERS, counter)
        number = 1 if row is None else int(row["value"]) + 1
        self.put(_COUNTERS, counter, {"value": number})
        return number

    def last_number(self, counter: str) -> int:
        """Return the number that a counter gave last, 0 where it gave none."""
        row = self.get(_COUNTERS, counter)
        return 0 if row is None else int(row["value"])

    @contextmanager
    def transaction(self) -> Generator[None, None, None]:
        """Keep what the block changes when it ends well; undo all of it when it raises."""
        try:
            yield
            self._write()
        except BaseException:
            self._undo()
            raise
        finally:
            self._before.clear()

    def close(self) -> None:
        """Close the file."""
        if self._disk is not None:
            self._disk.close()

    def _undo(self) -> None:
        for (table, row_id), row in reversed(self._before.items()):
            if row is None:
                self._rows[table].pop(row_id, None)
            else:
                self._rows[table][row_id] = row

    def _write(self) -> None:
        if self._disk is None:
            return
        with self._disk:
            for table, row_id in self._before:
                row = self.get(table, row_id)
                if row is None:
                    self._disk.execute("DELETE FROM row WHERE tab = ? AND id = ?", (table, row_id))
                else:
                    self._disk.execute(_UPSERT, (table, row_id, msgspec.json.encode(row)))

    def _load(self, disk: sqlite3.Connection) -> None:
        for table, row_id, body in disk.execute("SELECT tab, id, body FROM row ORDER BY place"):
            self._rows.setdefault(table, {})[row_id] = msgspec.json.decode(body)


def _open_file(path: Path) -> sqlite3.Connection:
    disk = sqlite3.connect(path)
    disk.execute("PRAGMA journal_mode = WAL")
    disk.execute("PRAGMA synchronous = FULL")
    disk.execute(_SCHEMA)
    return disk
