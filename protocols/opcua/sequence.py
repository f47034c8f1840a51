"""The order of notifications: sequence numbers as OPC UA Part 4 section 5.13.1.1 counts them."""

from typing import Final

_LARGEST: Final = 2**32 - 1
_HALF: Final = 2**31
MOST_MISSING: Final = 1000
"""Gaps beyond this are not asked for one by one: no server keeps so many notifications for retransmission."""


def following(number: int) -> int:
    """Return the sequence number after ``number``: 1 follows the largest, 0 is never used."""
    return 1 if number >= _LARGEST else number + 1


class NotificationOrder:
    """Knows which notification comes next. A subscription counts from 1."""

    def __init__(self) -> None:
        self.expected = 1

    def is_repeat(self, number: int) -> bool:
        """Say whether this notification was taken already."""
        return 0 < (self.expected - number) % (_LARGEST + 1) < _HALF

    def missing_before(self, number: int) -> list[int]:
        """Return the sequence numbers that should have come before ``number``, the oldest first."""
        missing: list[int] = []
        current = self.expected
        while current != number and len(missing) < MOST_MISSING and not self.is_repeat(number):
            missing.append(current)
            current = following(current)
        return missing

    def take(self, number: int) -> None:
        """Note that ``number`` was received."""
        self.expected = following(number)

    def skip_to(self, number: int) -> int:
        """Give up what should have come before ``number``, unless that came already; return how many were given up."""
        if self.is_repeat(number):
            return 0
        skipped = (number - self.expected) % (_LARGEST + 1)
        self.expected = number
        return skipped
