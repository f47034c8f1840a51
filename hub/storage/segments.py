# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# APSW's stubs leave the types of bindings partly open.
"""The table of turns, cut into segments so that writing many things stays in one small index.

A segment is the table ``turn_N`` with one unique index (address, message id). Only the newest is written; the one
before it was sealed when it was full. The view ``turn`` shows all of them.

That no message counts twice must hold over all segments, while an index sees its own alone. Message ids that rise
(``boot:number``) are judged by ``top``: the highest number of each boot in sealed segments, written when one is sealed.
What is above is new; only for what is not, and for ids of another form, the sealed indexes are asked.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

import apsw
from msgspec import Struct

from actors.runtime.journal import TurnRow
from hub.storage.rows import read_rows

_MOST_DIGITS: Final = 18
"""Longer numbers do not fit SQLite's integers; their ids are looked up."""
_VIEW_TERMS: Final = 100
"""In one view: SQLite allows 500 terms in a compound SELECT (SQLITE_MAX_COMPOUND_SELECT)."""
_COLUMNS: Final = "position, address, turn, schema, message_id, at, message, events"
_BOOT: Final = "rtrim(message_id, '0123456789')"
_DIGITS: Final = f"substr(message_id, 1 + length({_BOOT}))"
_RISES: Final = f"substr({_BOOT}, -1) = ':' AND length({_DIGITS}) BETWEEN 1 AND {_MOST_DIGITS}"
_ODD: Final = f"length({_DIGITS}) > {_MOST_DIGITS} OR unicode(substr({_BOOT}, -1)) > 127"
"""Numbers that only Python reads: too long, or in digits of another script."""


class Segment(Struct, frozen=True):
    """Table ``turn_N`` with the turns from ``first`` on, up to the next segment's."""

    number: int
    first: int

    @property
    def table(self) -> str:
        """The table's name."""
        return f"turn_{self.number}"


class Segments:
    """All segments, oldest first. Never changed: sealing makes new ones, for use when that is committed."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._all = tuple(segments)

    @classmethod
    def of(cls, connection: apsw.Connection) -> "Segments":
        """Return the segments of this file."""
        rows = connection.execute("SELECT number, first FROM segment ORDER BY number")
        return cls([Segment(number, first) for number, first in rows])

    def __len__(self) -> int:
        return len(self._all)

    @property
    def newest(self) -> Segment:
        """The one that is written."""
        return self._all[-1]

    # Writing.

    def insert(self, cursor: apsw.Cursor, turns: Sequence[TurnRow]) -> None:
        """Write turns into the newest segment.

        Raises:
            apsw.ConstraintError: one of the messages was consumed before, in whatever segment.
        """
        cursor.executemany(
            f"INSERT INTO {self.newest.table} VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
            [(t.position, t.address, t.turn, t.schema, t.message_id, t.at, t.message, t.events) for t in turns],
        )
        for address, message_id in self._doubtful(cursor, turns[0].position):
            if self._is_sealed(cursor.connection, address, message_id):
                raise apsw.ConstraintError(f"{address} consumed message {message_id} before")

    def seal(self, connection: apsw.Connection, first: int) -> "Segments":
        """Begin a new segment with the turn ``first``, inside the caller's transaction; return what is then there."""
        full, new = self.newest, Segment(self.newest.number + 1, first)
        connection.execute(_note_tops(full))
        connection.execute(_TABLE.format(table=new.table, columns=_DEFINITION))
        connection.execute("INSERT INTO segment VALUES(?, ?)", (new.number, new.first))
        _show_all(connection, [*self._all, new])
        return Segments([*self._all, new])

    def _doubtful(self, cursor: apsw.Cursor, first: int) -> Sequence[tuple[str, str]]:
        """Return (address, message id) of new rows whose number is not above all sealed ones of its boot.

        Ids that do not rise are not among them: the engine never takes those for new without asking.
        """
        if len(self._all) == 1:
            return ()
        query = f"""
            SELECT new.address, new.message_id FROM {self.newest.table} new LEFT JOIN top
            ON top.address = new.address AND top.boot = {_BOOT}
            WHERE new.position >= ? AND ({_RISES} AND CAST({_DIGITS} AS INTEGER) <= top.number OR {_ODD})"""  # noqa: S608 - fixed
        return list(cursor.execute(query, (first,)))

    # Reading.

    def next_position(self, connection: apsw.Connection) -> int:
        """Return the position after the last turn."""
        last = connection.execute(f"SELECT max(position) FROM {self.newest.table}").get  # noqa: S608 - our own table's name
        return self.newest.first if last is None else int(last) + 1

    def turns(self, connection: apsw.Connection, address: str, after: int) -> list[TurnRow]:
        """Return one actor's turns behind a position, in their order."""
        return [row for segment in self._reaching(after) for row in _turns(connection, segment, address, after)]

    def has(self, connection: apsw.Connection, address: str, message_id: str) -> bool:
        """Say whether this actor has consumed this message."""
        if _is_in(connection, self.newest, address, message_id):
            return True
        if len(self._all) == 1 or _is_above(connection, address, message_id):
            return False
        return self._is_sealed(connection, address, message_id)

    def _is_sealed(self, connection: apsw.Connection, address: str, message_id: str) -> bool:
        return any(_is_in(connection, segment, address, message_id) for segment in reversed(self._all[:-1]))

    def _reaching(self, after: int) -> Iterator[Segment]:
        """Yield the segments that hold turns behind a position."""
        for segment, following in pairwise(self._all):
            if following.first > after + 1:
                yield segment
        yield self.newest


_DEFINITION: Final = """
    position INTEGER PRIMARY KEY, address TEXT NOT NULL, turn INTEGER NOT NULL, schema INTEGER NOT NULL,
    message_id TEXT NOT NULL, at REAL NOT NULL, message BLOB NOT NULL, events BLOB NOT NULL"""
_TABLE: Final = "CREATE TABLE {table}({columns}); CREATE UNIQUE INDEX {table}_once ON {table}(address, message_id)"


def _note_tops(segment: Segment) -> str:
    return f"""
        INSERT INTO top SELECT address, {_BOOT}, max(CAST({_DIGITS} AS INTEGER)) FROM {segment.table}
        WHERE {_RISES} GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT(address, boot) DO UPDATE SET number = max(number, excluded.number)"""  # noqa: S608 - fixed text


def _show_all(connection: apsw.Connection, segments: Sequence[Segment]) -> None:
    """Make the view ``turn`` over all segments, in groups where there are many."""
    for start in range(0, len(segments), _VIEW_TERMS):
        group = segments[start : start + _VIEW_TERMS]
        if len(group) == _VIEW_TERMS:
            connection.execute(f"CREATE VIEW IF NOT EXISTS turns_from_{group[0].number} AS {_union(group)}")
    groups = len(segments) // _VIEW_TERMS
    shown = [f"turns_from_{segments[number * _VIEW_TERMS].number}" for number in range(groups)]
    rest = [segment.table for segment in segments[groups * _VIEW_TERMS :]]
    terms = " UNION ALL ".join(f"SELECT {_COLUMNS} FROM {name}" for name in [*shown, *rest])  # noqa: S608 - our own names
    connection.execute(f"DROP VIEW turn; CREATE VIEW turn AS {terms}")


def _union(segments: Sequence[Segment]) -> str:
    return " UNION ALL ".join(f"SELECT {_COLUMNS} FROM {segment.table}" for segment in segments)  # noqa: S608 - ours


def _turns(connection: apsw.Connection, segment: Segment, address: str, after: int) -> list[TurnRow]:
    query = f"SELECT {_COLUMNS} FROM {segment.table} WHERE address = ? AND position > ? ORDER BY position"  # noqa: S608 - ours
    return read_rows(connection, TurnRow, query, address, after)


def _is_in(connection: apsw.Connection, segment: Segment, address: str, message_id: str) -> bool:
    query = f"SELECT 1 FROM {segment.table} WHERE address = ? AND message_id = ?"  # noqa: S608 - our own table's name
    return connection.execute(query, (address, message_id)).get is not None


def _is_above(connection: apsw.Connection, address: str, message_id: str) -> bool:
    """Say whether this id's number is above all of its boot in sealed segments."""
    boot, _, digits = message_id.rpartition(":")
    if not boot or not digits.isascii() or not digits.isdecimal() or len(digits) > _MOST_DIGITS:
        return False
    top = connection.execute("SELECT number FROM top WHERE address = ? AND boot = ?", (address, f"{boot}:")).get
    return top is None or int(digits) > top
