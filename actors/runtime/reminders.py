"""Durable reminders in memory: which are set, and which is due next."""

import heapq
from collections.abc import Iterable

from actors.runtime.journal import ReminderRow

_Key = tuple[str, str]


class Reminders:
    """The committed reminders. A fired one stays until the turn that consumes it is committed."""

    def __init__(self) -> None:
        self._rows: dict[_Key, ReminderRow] = {}
        self._due: list[tuple[float, str, str]] = []

    def set(self, row: ReminderRow) -> None:
        """Set or replace a reminder."""
        self._rows[row.address, row.name] = row
        heapq.heappush(self._due, (row.due, row.address, row.name))

    def apply(self, rows: Iterable[ReminderRow], cleared: Iterable[_Key]) -> None:
        """Take over what a batch committed."""
        for row in rows:
            self.set(row)
        for key in cleared:
            self._rows.pop(key, None)

    def is_current(self, row: ReminderRow) -> bool:
        """Say whether this very reminder still stands."""
        return self._rows.get((row.address, row.name)) is row

    def next_due(self) -> float | None:
        """Return when the earliest reminder is due, in seconds since 1970 UTC."""
        while self._due and not self._stands(self._due[0]):
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def take_due(self, now: float) -> Iterable[ReminderRow]:
        """Yield what is due; each reminder fires once a process unless it is set again."""
        while self._due and self._due[0][0] <= now:
            entry = heapq.heappop(self._due)
            if self._stands(entry):
                yield self._rows[entry[1], entry[2]]

    def _stands(self, entry: tuple[float, str, str]) -> bool:
        due, address, name = entry
        row = self._rows.get((address, name))
        return row is not None and row.due == due
