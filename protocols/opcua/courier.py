"""Hands device messages to the sink: each thing's in order, again and again until each one is settled."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

import structlog

from actors.model.ids import ThingId
from actors.model.readings import (
    RETRYABLE_REFUSALS,
    DeviceMessage,
    Principal,
    ReadingRefusal,
    Receipt,
    Refused,
    Stored,
)
from actors.ports import ReadingSink
from protocols.backoff import next_delay_s

_RETRY_CAP_S: Final = 5.0
_log = structlog.get_logger()


class _Parcel:
    """One message under way, and whom to tell when it is settled."""

    __slots__ = ("attempts", "message", "settled")

    def __init__(self, message: DeviceMessage, settled: Callable[[], None]) -> None:
        self.message = message
        self.settled = settled
        self.attempts = 0


class Courier:
    """Delivers for one link. A thing's next message waits until the one before is settled, so none overtakes."""

    def __init__(self, sink: ReadingSink, principal: Principal, chance: Random, counts: Counter[str]) -> None:
        self._sink = sink
        self._principal = principal
        self._chance = chance
        self._counts = counts
        self._lanes: dict[ThingId, deque[_Parcel]] = {}
        self._retries: dict[ThingId, asyncio.TimerHandle] = {}
        self._told: set[tuple[ThingId, ReadingRefusal]] = set()
        self._closed = False

    def submit(self, messages: Sequence[DeviceMessage], settled: Callable[[], None]) -> None:
        """Take the messages of one notification; ``settled`` is called once all are stored or refused for good."""
        if not messages:
            settled()
            return
        left = len(messages)

        def one_settled() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                settled()

        for message in messages:
            self._queue(_Parcel(message, one_settled))

    def close(self) -> None:
        """Stop retrying. What is not settled stays unacknowledged."""
        self._closed = True
        for retry in self._retries.values():
            retry.cancel()
        self._retries.clear()

    def _queue(self, parcel: _Parcel) -> None:
        lane = self._lanes.setdefault(parcel.message.thing_id, deque())
        lane.append(parcel)
        if len(lane) == 1:
            self._send(parcel)

    def _send(self, parcel: _Parcel) -> None:
        parcel.attempts += 1
        self._sink.accept(self._principal, parcel.message, lambda receipt: self._receive(parcel, receipt))

    def _receive(self, parcel: _Parcel, receipt: Receipt) -> None:
        if self._closed:
            return
        match receipt:
            case Stored():
                self._count_stored(parcel.message, receipt)
                self._finish(parcel)
            case Refused() if receipt.code in RETRYABLE_REFUSALS:
                self._retry_later(parcel, receipt)
            case Refused():
                self._count_refused(parcel.message, receipt)
                self._finish(parcel)

    def _finish(self, parcel: _Parcel) -> None:
        thing_id = parcel.message.thing_id
        lane = self._lanes[thing_id]
        lane.popleft()
        parcel.settled()
        if lane:
            self._send(lane[0])
        else:
            self._lanes.pop(thing_id, None)

    def _retry_later(self, parcel: _Parcel, refused: Refused) -> None:
        self._counts["retried"] += 1
        delay_s = refused.retry_after_s
        if delay_s is None:
            delay_s = next_delay_s(parcel.attempts, cap_s=_RETRY_CAP_S, chance=self._chance)
        loop = asyncio.get_running_loop()
        self._retries[parcel.message.thing_id] = loop.call_later(delay_s, self._retry, parcel)

    def _retry(self, parcel: _Parcel) -> None:
        self._retries.pop(parcel.message.thing_id, None)
        self._send(parcel)

    def _count_stored(self, message: DeviceMessage, receipt: Stored) -> None:
        self._counts["accepted"] += 1
        self._counts["duplicates"] += receipt.duplicate
        if self._told:
            self._told = {told for told in self._told if told[0] != message.thing_id}

    def _count_refused(self, message: DeviceMessage, refused: Refused) -> None:
        """Count every refusal and log the first of its kind; it is news again after the thing had one stored."""
        self._counts["refused"] += 1
        if (message.thing_id, refused.code) not in self._told:
            self._told.add((message.thing_id, refused.code))
            _log.warning("message_refused", thing_id=message.thing_id, code=refused.code, detail=refused.detail)
