# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# APSW's stubs leave the types of bindings partly open.
"""Whether a journal's segments, and what is known of those that were taken away, hold together."""

from collections.abc import Iterator

import apsw

from hub.storage.schema import PRUNABLE
from hub.storage.segments import BOOT, DIGITS, RISES, Segment, Segments


def wrong_layout(file: apsw.Connection) -> Iterator[str]:
    """Yield what is wrong, one line each; a file from before segments could go has nothing to judge."""
    if int(file.pragma("user_version") or 0) < PRUNABLE:
        return
    yield from _wrong_tables(file)
    yield from _wrong_ranges(file)
    segments = Segments.of(file)
    for segment, end in [*segments.sealed, (segments.newest, None)]:
        yield from _wrong_positions(file, segment, end)
    for segment, _ in [*segments.sealed, (segments.newest, None)][1:]:
        yield from _taken_twice(file, segment)


def _wrong_tables(file: apsw.Connection) -> Iterator[str]:
    expected = {"turn_0"} | {f"turn_{number}" for (number,) in file.execute("SELECT number FROM segment")}
    leaving = {f"turn_{number}" for (number,) in file.execute("SELECT number FROM pruned WHERE erased = 0")}
    tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'turn_[0-9]*'"
    found = {name for (name,) in file.execute(tables)}
    yield from (f"segment {name}: its table is missing" for name in sorted(expected - found))
    yield from (f"table {name}: belongs to no segment" for name in sorted(found - expected - leaving))


def _wrong_positions(file: apsw.Connection, segment: Segment, end: int | None) -> Iterator[str]:
    query = f"SELECT count(*) FROM {segment.table} WHERE position < ? OR position > ?"  # noqa: S608 - our own table's name
    count = file.execute(query, (segment.first, 2**63 - 1 if end is None else end)).get
    if count:
        yield f"segment {segment.table}: {count} of its turns belong to another one"


def _wrong_ranges(file: apsw.Connection) -> Iterator[str]:
    query = """
        SELECT gone.address, gone.boot FROM gone
        LEFT JOIN top ON top.address = gone.address AND top.boot = gone.boot
        WHERE gone.first > gone.last OR top.number IS NULL OR gone.last > top.number OR EXISTS(
            SELECT 1 FROM gone other WHERE other.address = gone.address AND other.boot = gone.boot
            AND other.first > gone.first AND other.first <= gone.last)
        GROUP BY 1, 2"""
    for address, boot in file.execute(query):
        yield f"{address}: what is known of pruned messages {boot}... does not hold together"


def _taken_twice(file: apsw.Connection, segment: Segment) -> Iterator[str]:
    """Tell messages that are known as pruned and stand in a segment that is not about to go."""
    query = f"""
        SELECT turn.address, turn.message_id FROM {segment.table} turn
        JOIN gone ON gone.address = turn.address AND gone.boot = {BOOT} AND gone.first <= CAST({DIGITS} AS INTEGER)
        AND gone.last >= CAST({DIGITS} AS INTEGER)
        WHERE {RISES} AND {DIGITS} = CAST(CAST({DIGITS} AS INTEGER) AS TEXT)"""  # noqa: S608 - fixed text
    for address, message_id in file.execute(query):
        yield f"{address}: consumed message {message_id} twice, before it was pruned and after"
