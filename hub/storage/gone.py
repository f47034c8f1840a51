# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# APSW's stubs leave the types of bindings partly open.
"""Which numbers of a boot lay in segments that were taken away: so their messages are known when they come again.

Kept exactly, as ranges: a number in a gap was never consumed and is new, however late it comes. A boot with more gaps
than ``MOST_RANGES`` forgets its lowest ranges; a message from there would be taken twice rather than lost. Ids of
another form are known for as long as their segment is there.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

import apsw

MOST_DIGITS: Final = 18
"""Longer numbers do not fit SQLite's integers; their ids are looked up."""
MOST_RANGES: Final = 1000

Range = tuple[int, int]
"""First and last number."""
Grown = tuple[str, str, Sequence[Range]]
"""Address, boot, and all of its ranges."""


def rising(message_id: str) -> tuple[str, int] | None:
    """Return boot (with its colon) and number of an id that is written as counting writes it."""
    boot, colon, digits = message_id.rpartition(":")
    if not (boot and digits.isascii() and digits.isdecimal() and len(digits) <= MOST_DIGITS):
        return None
    return (boot + colon, int(digits)) if digits == str(int(digits)) else None


def joined(ranges: Iterable[Range], numbers: Iterable[int]) -> list[Range]:
    """Return ranges that hold these and the numbers: disjoint, not adjoining, rising; at most ``MOST_RANGES``."""
    whole: list[Range] = []
    for first, last in sorted([*ranges, *((number, number) for number in numbers)]):
        if whole and first <= whole[-1][1] + 1:
            whole[-1] = whole[-1][0], max(whole[-1][1], last)
        else:
            whole.append((first, last))
    return whole[-MOST_RANGES:]


def is_gone(connection: apsw.Connection, address: str, message_id: str) -> bool:
    """Say whether this actor consumed this message in a segment that was taken away."""
    name = rising(message_id)
    if name is None:
        return False
    boot, number = name
    query = "SELECT last FROM gone WHERE address = ? AND boot = ? AND first <= ? ORDER BY first DESC LIMIT 1"
    last = connection.execute(query, (address, boot, number)).get
    return last is not None and int(last) >= number


def grown(connection: apsw.Connection, names: Iterable[tuple[str, str]]) -> Sequence[tuple[str, str, Sequence[Range]]]:
    """Return (address, boot, ranges) as they are with these (address, message id) added."""
    numbers = sorted((address, *name) for address, message_id in names if (name := rising(message_id)) is not None)
    return [
        (address, boot, joined(_ranges(connection, address, boot), [number for _, _, number in rows]))
        for (address, boot), rows in groupby(numbers, key=lambda row: row[:2])
    ]


def write(connection: apsw.Connection, grown_ones: Iterable[Grown]) -> None:
    """Put ranges in place of those of their boots."""
    for address, boot, ranges in grown_ones:
        connection.execute("DELETE FROM gone WHERE address = ? AND boot = ?", (address, boot))
        connection.executemany("INSERT INTO gone VALUES(?, ?, ?, ?)", [(address, boot, *each) for each in ranges])


def _ranges(connection: apsw.Connection, address: str, boot: str) -> list[Range]:
    query = "SELECT first, last FROM gone WHERE address = ? AND boot = ?"
    return [(int(first), int(last)) for first, last in connection.execute(query, (address, boot))]
