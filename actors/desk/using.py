"""What a connection used of its day, told to its actor so that a restart does not begin the day anew."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Protocol

from actors.desk.office import Office, ignore
from actors.desk.pace import DayQuota
from actors.dialogue import Use, UseCounted, connection_address
from actors.ports import Clock

_TOGETHER_S: Final = 600.0
"""Minutes that lie nearer to each other are told as one: a day is at most 144 of them."""
_PARTS: Final = 100


class Uses(Protocol):
    """What was told of connections, durably."""

    def of(self, connection: str) -> Sequence[Use]:
        """Return what this connection used lately, oldest first."""
        ...


class DailyUse:
    """Counts a connection's requests of 24 hours; after each hundredth of the limit it tells how many there were.

    What was used since it last told is lost with the process; a start counts so much as used, so no limit is passed.
    """

    def __init__(self, connection: str, office: Office, clock: Clock, most: int) -> None:
        self.quota = DayQuota(most, self._count)
        self._connection = connection
        self._office = office
        self._clock = clock
        self._part = max(1, most // _PARTS)
        self._untold = self._part - 1  # the first is told at once: from then on a start knows that there was one

    def recall(self, uses: Uses) -> None:
        """Count what was used before this process."""
        now, now_s = self._clock.now(), self._clock.monotonic()
        known = uses.of(self._connection)
        for use in known:
            self.quota.add(use.count, now_s - max(0.0, (now - use.until).total_seconds()))
        if known:
            self.quota.add(self._part, now_s)

    def _count(self) -> None:
        self._untold += 1
        if self._untold < self._part:
            return
        self._untold = 0
        now, now_s = self._clock.now(), self._clock.monotonic()
        used = tuple(
            Use(until=now + timedelta(seconds=until_s - now_s), count=count)
            for until_s, count in _gathered(self.quota.minutes(now_s))
        )
        told = UseCounted(connection=self._connection, used=used)
        self._office.submit(connection_address(self._connection), told, ignore)


def _gathered(minutes: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    """Return minutes in groups, each counted as used at its end: never forgotten too early."""
    groups: list[tuple[float, int]] = []
    count, ends = 0, [*(until_s for until_s, _ in minutes[1:]), float("inf")]
    for (until_s, used), next_s in zip(minutes, ends, strict=True):
        count += used
        if next_s // _TOGETHER_S != until_s // _TOGETHER_S:
            groups.append((until_s, count))
            count = 0
    return groups
