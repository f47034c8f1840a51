"""What a server recorded while nobody listened (Part 11): read item by item, a page at a time."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec import Struct

from protocols.opcua.connection import Connection
from protocols.opcua.mapping import Subject
from protocols.opcua.stack import ua
from protocols.opcua.variants import Sample

_VALUES_PER_PAGE: Final = 1000
_NODES_PER_CALL: Final = 100
_MOST_PAGES: Final = 10_000
_TICK: Final = timedelta(microseconds=1)
_AHEAD: Final = timedelta(hours=1)
"""Sources may be so much ahead of their server."""
_PLAIN: Final = (bool, int, float, str, list)


class Gap(Struct, frozen=True, kw_only=True):
    """An item whose last value we know, and the time of that."""

    subject: Subject
    node: Any
    since: datetime


async def recorded(
    connection: Connection, gaps: Sequence[Gap], reach: timedelta
) -> AsyncIterator[list[tuple[Subject, Sample]]]:
    """Yield what the server recorded after the last known values, page by page; nothing of items without a history.

    ``reach`` is how far back at most. All times are the server's: its clock and ours may differ by any amount.
    """
    if not gaps:
        return
    now = await connection.time(max(gap.since for gap in gaps))
    earliest = now - reach
    size = min(_NODES_PER_CALL, (await connection.facts()).histories_per_call)
    for start in range(0, len(gaps), size):
        left = [_Reading(gap, None) for gap in gaps[start : start + size]]
        for _ in range(_MOST_PAGES):
            if not left:
                break
            answers = await _page(connection, left, earliest, now)
            yield [
                (reading.gap.subject, sample)
                for reading, answer in zip(left, answers, strict=True)
                for sample in _samples(answer)
            ]
            left = [
                _Reading(reading.gap, answer.ContinuationPoint)
                for reading, answer in zip(left, answers, strict=True)
                if answer.ContinuationPoint and answer.ContinuationPoint != reading.continuation
            ]


class _Reading:
    """A node that is being read. Some servers repeat a continuation point for ever; that ends it."""

    __slots__ = ("continuation", "gap")

    def __init__(self, gap: Gap, continuation: bytes | None) -> None:
        self.gap = gap
        self.continuation = continuation


async def _page(connection: Connection, left: Sequence[_Reading], earliest: datetime, now: datetime) -> list[Any]:
    since = max(earliest, min(reading.gap.since for reading in left) + _TICK)
    details = ua.ReadRawModifiedDetails()
    details.IsReadModified = False
    details.StartTime, details.EndTime = since, now + _AHEAD
    details.NumValuesPerNode = _VALUES_PER_PAGE
    details.ReturnBounds = False
    params = ua.HistoryReadParameters()
    params.HistoryReadDetails = details
    params.TimestampsToReturn = ua.TimestampsToReturn.Both
    params.ReleaseContinuationPoints = False
    params.NodesToRead = [_node(reading) for reading in left]
    return await connection.history_read(params)


def _node(reading: _Reading) -> Any:
    node = ua.HistoryReadValueId()
    node.NodeId = reading.gap.node
    node.ContinuationPoint = reading.continuation
    return node


def _samples(answer: Any) -> list[Sample]:
    """Return the values of one answer in the order of time; those of types that only structures have are left out."""
    recorded_values: list[Any] = list(getattr(answer.HistoryData, "DataValues", None) or [])
    samples: list[Sample] = []
    for value in recorded_values:
        content: object = None if value.Value is None else value.Value.Value
        if value.SourceTimestamp is not None and content.__class__ in _PLAIN:
            status = 0 if value.StatusCode is None else value.StatusCode.value
            samples.append(Sample(content, status, value.SourceTimestamp, value.ServerTimestamp))
    return sorted(samples, key=_time)


def _time(sample: Sample) -> Any:
    return sample.source_time
