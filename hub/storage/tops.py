# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# APSW's stubs leave the types of bindings partly open.
"""Noting the highest numbers of a sealed segment, some ids at a time, so that sealing holds nobody up.

Noting is repeated from the segment's beginning after a restart: a number noted twice is the same number.
"""

from typing import Final

import apsw

from hub.storage.segments import BOOT, DIGITS, RISES, Segment, Segments

IDS_AT_ONCE: Final = 2000

_Place = tuple[str, str]


class TopNoting:
    """How far the oldest unnoted segment is noted."""

    def __init__(self, ids_at_once: int = IDS_AT_ONCE) -> None:
        self._ids_at_once = ids_at_once
        self._after: _Place = ("", "")

    def step(self, connection: apsw.Connection, segments: Segments) -> Segments:
        """Note the next ids inside the caller's transaction; return the segments to use when that is committed."""
        segment = segments.unnoted[0]
        last = self._last(connection, segment)
        connection.execute(_note(segment), (*self._after, *(last or _BEHIND_ALL)))
        self._after = last or ("", "")
        return segments if last else segments.note(connection, segment)

    def _last(self, connection: apsw.Connection, segment: Segment) -> _Place | None:
        """Return the last id of this step; None where it takes all that is left."""
        query = f"""
            SELECT address, message_id FROM {segment.table} WHERE (address, message_id) > (?, ?)
            ORDER BY address, message_id LIMIT 1 OFFSET ?"""  # noqa: S608 - our own table's name
        for address, message_id in connection.execute(query, (*self._after, self._ids_at_once - 1)):
            return str(address), str(message_id)
        return None


_BEHIND_ALL: Final[_Place] = ("\U0010ffff", "")


def _note(segment: Segment) -> str:
    return f"""
        INSERT INTO top SELECT address, {BOOT}, max(CAST({DIGITS} AS INTEGER)) FROM {segment.table}
        WHERE (address, message_id) > (?, ?) AND (address, message_id) <= (?, ?) AND {RISES}
        GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT(address, boot) DO UPDATE SET number = max(number, excluded.number)"""  # noqa: S608 - fixed text
