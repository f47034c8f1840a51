"""Acknowledgements in the order of arrival, whatever the order of the commits (MQTT 5 section 4.6)."""

from collections import deque
from collections.abc import Callable


class AckOrder:
    """Holds an acknowledgement back until all that came before are due. One for each connection."""

    def __init__(self, acknowledge: Callable[[int], None]) -> None:
        self._acknowledge = acknowledge
        self._waiting: deque[int] = deque()
        self._due: set[int] = set()

    def arrived(self, packet: int) -> None:
        """Take down that a message came."""
        self._waiting.append(packet)

    def due(self, packet: int) -> None:
        """A message need not come again: acknowledge it as soon as its turn has come."""
        self._due.add(packet)
        while self._waiting and self._waiting[0] in self._due:
            first = self._waiting.popleft()
            self._due.discard(first)
            self._acknowledge(first)

    def __len__(self) -> int:
        return len(self._waiting)
