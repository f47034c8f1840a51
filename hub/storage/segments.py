# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# APSW's stubs leave the types of bindings partly open.
"""The table of turns, cut into segments so that writing many things stays in one small index.

A segment is the table ``turn_N`` with one unique index (address, message id). Only the newest is written; the one
before it was sealed when it was full. Retention takes the oldest away (``hub.storage.pruning``) and moves what must
stay to ``turn_0``, whose rows count from the moment when no segment begins before them. The view ``turn`` shows all.

That no message counts twice must hold over all segments, while an index sees its own alone. Message ids that rise
(``boot:number``) are judged by ``top``: the highest number of each boot in sealed segments. It is noted little by
little after the sealing (``hub.storage.tops``); until then the index of that segment is asked for every message. What
is above is new; only for what is not, and for ids of another form, the sealed indexes are asked, and ``gone``
(``hub.storage.gone``) for numbers whose segments were taken away.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final

import apsw
from msgspec import Struct
from msgspec.structs import astuple

from actors.runtime.journal import TurnRow
from hub.storage.gone import MOST_DIGITS, is_gone
from hub.storage.rows import read_rows

_VIEW_TERMS: Final = 100
"""In one view: SQLite allows 500 terms in a compound SELECT (SQLITE_MAX_COMPOUND_SELECT)."""
COLUMNS: Final = "position, address, turn, schema, message_id, at, message, events"
BOOT: Final = "rtrim(message_id, '0123456789')"
DIGITS: Final = f"substr(message_id, 1 + length({BOOT}))"
RISES: Final = f"substr({BOOT}, -1) = ':' AND length({DIGITS}) BETWEEN 1 AND {MOST_DIGITS}"
_NO_END: Final = 2**63 - 1
_ODD: Final = f"length({DIGITS}) > {MOST_DIGITS} OR unicode(substr({BOOT}, -1)) > 127"
"""Numbers that only Python reads: too long, or in digits of another script."""


class Segment(Struct, frozen=True):
    """Table ``turn_N`` with the turns from ``first`` on, up to the next segment's."""

    number: int
    first: int
    noted: bool = True
    """Whether ``top`` holds its numbers."""

    @property
    def table(self) -> str:
        """The table's name."""
        return f"turn_{self.number}"


_KEPT: Final = Segment(0, 0)


class Segments:
    """All segments, oldest first. Never changed: sealing and pruning make new ones, for use when that is committed."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._all = tuple(segments)
        self._unnoted = tuple(segment for segment in self._all[:-1] if not segment.noted)

    @classmethod
    def of(cls, connection: apsw.Connection) -> "Segments":
        """Return the segments of this file."""
        rows = connection.execute("SELECT number, first, noted FROM segment ORDER BY number")
        return cls([Segment(number, first, bool(noted)) for number, first, noted in rows])

    def __len__(self) -> int:
        return len(self._all)

    @property
    def newest(self) -> Segment:
        """The one that is written."""
        return self._all[-1]

    @property
    def sealed(self) -> Sequence[tuple[Segment, int]]:
        """The others, each with the last position it can hold, oldest first."""
        return [(segment, following.first - 1) for segment, following in pairwise(self._all)]

    def __iter__(self) -> Iterator[Segment]:
        return iter(self._all)

    @property
    def unnoted(self) -> Sequence[Segment]:
        """The sealed ones whose numbers ``top`` does not hold yet."""
        return self._unnoted

    # Changing, inside the caller's transaction.

    def insert(self, cursor: apsw.Cursor, turns: Sequence[TurnRow]) -> None:
        """Write turns into the newest segment.

        Raises:
            apsw.ConstraintError: one of the messages was consumed before, in whatever segment.
        """
        cursor.executemany(
            f"INSERT INTO {self.newest.table} VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
            map(astuple, turns),
        )
        if self.newest.number == 1:
            return
        for address, message_id in self._doubtful(cursor, turns[0].position):
            if self._is_sealed(cursor.connection, address, message_id):
                raise apsw.ConstraintError(f"{address} consumed message {message_id} before")

    def seal(self, connection: apsw.Connection, first: int) -> "Segments":
        """Begin a new segment with the turn ``first``; return what is then there. Takes the same time however full."""
        new = Segment(self.newest.number + 1, first, noted=False)
        connection.execute(_TABLE.format(table=new.table, columns=_DEFINITION))
        connection.execute("INSERT INTO segment(number, first, noted) VALUES(?, ?, 0)", (new.number, new.first))
        _show_all(connection, [*self._all, new])
        return Segments([*self._all, new])

    def note(self, connection: apsw.Connection, noted: Segment) -> "Segments":
        """Take down that ``top`` holds all numbers of a segment."""
        connection.execute("UPDATE segment SET noted = 1 WHERE number = ?", (noted.number,))
        return Segments([Segment(s.number, s.first, noted=s.noted or s == noted) for s in self._all])

    def without_oldest(self, connection: apsw.Connection) -> "Segments":
        """Let the oldest segment count no longer, and the rows of ``turn_0`` that lie before the next one."""
        connection.execute("DELETE FROM segment WHERE number = ?", (self._all[0].number,))
        groups = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE name GLOB 'turns_from_*'")
        ]
        for name in groups:
            connection.execute(f"DROP VIEW {name}")
        _show_all(connection, self._all[1:])
        return Segments(self._all[1:])

    def _doubtful(self, cursor: apsw.Cursor, first: int) -> Iterator[tuple[str, str]]:
        """Yield (address, message id) of new rows that a sealed segment may hold.

        Ids that do not rise are not among them: the engine never takes those for new without asking.
        """
        query = f"""
            SELECT new.address, new.message_id FROM {self.newest.table} new LEFT JOIN top
            ON top.address = new.address AND top.boot = {BOOT}
            WHERE new.position >= ? AND ({RISES} AND CAST({DIGITS} AS INTEGER) <= top.number OR {_ODD})"""  # noqa: S608 - fixed
        yield from list(cursor.execute(query, (first,)))
        for segment in self._unnoted:
            query = f"""
                SELECT new.address, new.message_id FROM {self.newest.table} new CROSS JOIN {segment.table} old
                ON old.address = new.address AND old.message_id = new.message_id WHERE new.position >= ?"""  # noqa: S608 - ours
            yield from list(cursor.execute(query, (first,)))

    # Reading.

    def next_position(self, connection: apsw.Connection) -> int:
        """Return the position after the last turn."""
        last = connection.execute(f"SELECT max(position) FROM {self.newest.table}").get  # noqa: S608 - our own table's name
        return self.newest.first if last is None else int(last) + 1

    def turns(self, connection: apsw.Connection, address: str, after: int) -> list[TurnRow]:
        """Return one actor's turns behind a position, in their order."""
        return [row for segment in self._reaching(after) for row in self._turns(connection, segment, address, after)]

    def _turns(self, connection: apsw.Connection, segment: Segment, address: str, after: int) -> list[TurnRow]:
        query = f"""
            SELECT {COLUMNS} FROM {segment.table}
            WHERE address = ? AND position > ? AND position < ? ORDER BY position"""  # noqa: S608 - our own table's name
        end = self._all[0].first if segment is _KEPT else _NO_END
        return read_rows(connection, TurnRow, query, address, after, end)

    def has(self, connection: apsw.Connection, address: str, message_id: str) -> bool:
        """Say whether this actor has consumed this message."""
        if _is_in(connection, self.newest, address, message_id):
            return True
        if self.newest.number == 1:
            return False
        if any(_is_in(connection, segment, address, message_id) for segment in self._unnoted):
            return True
        return not _is_above(connection, address, message_id) and self._is_sealed(connection, address, message_id)

    def _is_sealed(self, connection: apsw.Connection, address: str, message_id: str) -> bool:
        older = (*reversed(self._all[:-1]), _KEPT)
        return any(_is_in(connection, segment, address, message_id) for segment in older) or is_gone(
            connection, address, message_id
        )

    def _reaching(self, after: int) -> Iterator[Segment]:
        """Yield the segments that hold turns behind a position."""
        for segment, following in pairwise((_KEPT, *self._all)):
            if following.first > after + 1:
                yield segment
        yield self.newest


Change = Callable[[apsw.Connection, Segments], Segments]
"""Changes the file inside a transaction and returns the segments to use when that is committed."""

_DEFINITION: Final = """
    position INTEGER PRIMARY KEY, address TEXT NOT NULL, turn INTEGER NOT NULL, schema INTEGER NOT NULL,
    message_id TEXT NOT NULL, at REAL NOT NULL, message BLOB NOT NULL, events BLOB NOT NULL"""
_TABLE: Final = "CREATE TABLE {table}({columns}); CREATE UNIQUE INDEX {table}_once ON {table}(address, message_id)"


def _show_all(connection: apsw.Connection, segments: Sequence[Segment]) -> None:
    """Make the view ``turn`` over all segments, in groups where there are many."""
    for start in range(0, len(segments), _VIEW_TERMS):
        group = segments[start : start + _VIEW_TERMS]
        if len(group) == _VIEW_TERMS:
            connection.execute(f"CREATE VIEW IF NOT EXISTS turns_from_{group[0].number} AS {_union(group)}")
    groups = len(segments) // _VIEW_TERMS
    kept = f"SELECT {COLUMNS} FROM turn_0 WHERE position < {segments[0].first}"  # noqa: S608 - a number
    shown = [f"turns_from_{segments[number * _VIEW_TERMS].number}" for number in range(groups)]
    rest = [segment.table for segment in segments[groups * _VIEW_TERMS :]]
    terms = " UNION ALL ".join([kept, *(f"SELECT {COLUMNS} FROM {name}" for name in [*shown, *rest])])  # noqa: S608 - ours
    connection.execute(f"DROP VIEW turn; CREATE VIEW turn AS {terms}")


def _union(segments: Sequence[Segment]) -> str:
    return " UNION ALL ".join(f"SELECT {COLUMNS} FROM {segment.table}" for segment in segments)  # noqa: S608 - ours


def _is_in(connection: apsw.Connection, segment: Segment, address: str, message_id: str) -> bool:
    query = f"SELECT 1 FROM {segment.table} WHERE address = ? AND message_id = ?"  # noqa: S608 - our own table's name
    return connection.execute(query, (address, message_id)).get is not None


def _is_above(connection: apsw.Connection, address: str, message_id: str) -> bool:
    """Say whether this id's number is above all of its boot in sealed segments."""
    boot, _, digits = message_id.rpartition(":")
    if not boot or not digits.isascii() or not digits.isdecimal() or len(digits) > MOST_DIGITS:
        return False
    top = connection.execute("SELECT number FROM top WHERE address = ? AND boot = ?", (address, f"{boot}:")).get
    return top is None or int(digits) > top
