"""Quality while a link is lost: nobody can vouch for values that can no longer be seen.

A thing is told its last values once more, as bad, at a time just after them, so that values which the server kept
meanwhile are newer. When the link is back, what did not change is told as good again.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from actors.model.ids import ThingId
from actors.model.readings import DeviceMessage, Quality, Reading
from protocols.opcua.addressing import PROTOCOL, ItemKey
from protocols.opcua.mapping import Observed

LOST: Final = "BadNoCommunication"
_TICK: Final = timedelta(microseconds=1)


class Losses:
    """What was told as lost and has not been seen since."""

    def __init__(self) -> None:
        self._lost: dict[ItemKey, Observed] = {}
        self._ticks: dict[ItemKey, tuple[Observed, int]] = {}
        self._told = 0

    def begin(self, known: Mapping[ItemKey, Observed], epoch: str, now: datetime) -> list[DeviceMessage]:
        """Return messages that tell all values as bad which are not told so already."""
        fresh = {key: last for key, last in known.items() if self._is_news(key, last)}
        self._lost |= fresh
        return self._messages({key: self._mark(key, last, is_lost=True) for key, last in fresh.items()}, epoch, now)

    def end(self, known: Mapping[ItemKey, Observed], epoch: str, now: datetime) -> list[DeviceMessage]:
        """Return messages that tell again, as they were, the values which the server stands for and did not change."""
        same = {key: last for key, last in self._lost.items() if known.get(key) is last}
        self._lost.clear()
        return self._messages({key: self._mark(key, last, is_lost=False) for key, last in same.items()}, epoch, now)

    def _is_news(self, key: ItemKey, last: Observed) -> bool:
        return self._lost.get(key) is not last and last.reading.quality is not Quality.BAD

    def _mark(self, key: ItemKey, last: Observed, *, is_lost: bool) -> Reading:
        marked, ticks = self._ticks.get(key, (last, 0))
        ticks = ticks + 1 if marked is last else 1
        self._ticks[key] = last, ticks
        at = None if last.reading.observed_at is None else last.reading.observed_at + ticks * _TICK
        if is_lost:
            return replace(last.reading, observed_at=at, quality=Quality.BAD, status=LOST)
        return replace(last.reading, observed_at=at)

    def _messages(self, told: Mapping[ItemKey, Reading], epoch: str, now: datetime) -> list[DeviceMessage]:
        by_thing: dict[ThingId, list[Reading]] = {}
        for key, reading in told.items():
            by_thing.setdefault(key.thing_id, []).append(reading)
        self._told += 1
        return [
            DeviceMessage(
                thing_id=thing_id,
                message_id=f"{epoch}-quality-{self._told}",
                received_at=now,
                readings=tuple(readings),
                protocol=PROTOCOL,
            )
            for thing_id, readings in by_thing.items()
        ]
