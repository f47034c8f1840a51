"""After an outage that took the subscription with it: what the server recorded comes first, then what is new."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog

from actors.model.readings import DeviceMessage
from protocols.opcua.addressing import ItemKey
from protocols.opcua.connection import Connection
from protocols.opcua.faults import ANSWERS
from protocols.opcua.history import Gap, recorded
from protocols.opcua.items import ItemTable
from protocols.opcua.mapping import Decoder, Origin, Subject
from protocols.opcua.variants import Sample

_log = structlog.get_logger()

Submit = Callable[[Sequence[DeviceMessage], Callable[[], None]], None]


class Backfill:
    """Fills the gaps of one link."""

    def __init__(self, decoder: Decoder, items: ItemTable, counts: Counter[str], submit: Submit) -> None:
        self._decoder = decoder
        self._items = items
        self._counts = counts
        self._submit = submit
        self._filled: set[ItemKey] = set()
        self.is_due = False
        """Whether something may be recorded that was not read yet; it stays so when the link breaks meanwhile."""

    async def run(self, connection: Connection, epoch: str, now: datetime, reach: timedelta) -> None:
        """Read what was recorded since the last known values and see each page stored before the next one is read.

        A server without a history, or one that does not let us read it, has none to give: that is no trouble.
        """
        number = 0
        try:
            async for page in recorded(connection, self._gaps(), reach):
                number += 1
                news = [(subject, sample) for subject, sample in page if self._is_later(subject, sample)]
                self._filled.update(subject.key for subject, _ in news)
                decoded = self._decoder.decode(news, _origin(epoch, number, now))
                self._counts["backfilled"] += sum(len(message.readings) for message in decoded.messages)
                await self._stored(decoded.messages)
        except ANSWERS as refused:
            _log.info("history_refused", reason=type(refused).__name__)
        except TimeoutError:  # of a call: whether the path is dead is for the publishing to find out
            _log.warning("history_unanswered")
        self.is_due = False

    def without_filled(self, values: Sequence[tuple[Subject, Sample]]) -> Sequence[tuple[Subject, Sample]]:
        """Leave out what a subscription begins with and the history ended with, for each item until it has news."""
        if not self._filled:
            return values
        kept: list[tuple[Subject, Sample]] = []
        for subject, sample in values:
            if subject.key in self._filled:
                if not self._is_later(subject, sample):
                    continue
                self._filled.remove(subject.key)
            kept.append((subject, sample))
        return kept

    def _is_later(self, subject: Subject, sample: Sample) -> bool:
        last = self._decoder.known.get(subject.key)
        before = None if last is None else last.reading.observed_at
        at = sample.source_time or sample.server_time
        return before is None or at is None or at > before

    def _gaps(self) -> list[Gap]:
        found: list[Gap] = []
        for subject, node in self._items.subjects:
            last = self._decoder.known.get(subject.key)
            since = None if last is None else last.reading.observed_at
            if since is not None:
                found.append(Gap(subject=subject, node=node, since=since))
        return found

    async def _stored(self, messages: Sequence[DeviceMessage]) -> None:
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def settle() -> None:
            if not stored.done():
                stored.set_result(None)

        self._submit(messages, settle)
        await stored


def _origin(epoch: str, number: int, now: datetime) -> Origin:
    return Origin(epoch=f"{epoch}-history", sequence_number=number, received_at=now)
