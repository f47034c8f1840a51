"""From the values of one notification to one device message a thing."""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, cast
from uuid import UUID

import msgspec
from asyncua.ua.status_codes import get_name_and_doc
from asyncua.ua.uatypes import LocalizedText
from msgspec import Struct

from actors.model.ids import ThingId
from actors.model.readings import DeviceMessage, Quality, Reading, Reported
from protocols.opcua.addressing import PROTOCOL, ItemKey

_CODE: Final = 0xFFFF0000  # severity and sub-code; below are flags (Part 4 section 7.39)
_OVERFLOW: Final = 0x0480  # InfoType DataValue with the overflow bit: older values of the queue were dropped
_SEVERITIES: Final = (Quality.GOOD, Quality.UNCERTAIN, Quality.BAD, Quality.BAD)
_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)


class Unreadable(ValueError):
    """A value of a type that no property of a thing can hold."""


class Sample(Struct, frozen=True, gc=False):
    """One value as a server sends it: the variant's content, the status code and both times."""

    value: object
    status: int
    source_time: datetime | None
    server_time: datetime | None


class Origin(Struct, frozen=True, kw_only=True):
    """Which notification values came with. ``epoch`` is new for every subscription that was ever created."""

    epoch: str
    sequence_number: int
    received_at: datetime


class Observed(Struct, frozen=True, kw_only=True):
    """One value as the server sent it, under the thing's own name for it."""

    key: ItemKey
    reading: Reading
    server_time: datetime | None
    overflowed: bool


class Decoded(Struct, frozen=True, kw_only=True):
    """What a notification holds: a message for each thing that had news, and what could not be used."""

    messages: Sequence[DeviceMessage]
    unreadable: Mapping[ItemKey, str]
    without_news: int
    """Values that the thing knows already, and items without any value yet."""
    overflowed: int


class Decoder:
    """Decodes the notifications of one link in their order, and remembers the last value of every item.

    A new subscription begins with the present values; those that were handed on before are not handed on again.
    """

    def __init__(self) -> None:
        self._last: dict[ItemKey, Observed] = {}

    def decode(self, values: Iterable[tuple[ItemKey, Sample]], origin: Origin) -> Decoded:
        """Return the messages of one notification; an unreadable value does not spoil the others."""
        by_thing: dict[ThingId, list[Observed]] = {}
        unreadable: dict[ItemKey, str] = {}
        without_news = 0
        for key, sample in values:
            try:
                observed = self._news(key, sample)
            except Unreadable as error:
                unreadable[key] = str(error)
                continue
            if observed is None:
                without_news += 1
                continue
            by_thing.setdefault(key.thing_id, []).append(observed)
        return Decoded(
            messages=[_message(thing_id, news, origin) for thing_id, news in by_thing.items()],
            unreadable=unreadable,
            without_news=without_news,
            overflowed=sum(item.overflowed for news in by_thing.values() for item in news),
        )

    def forget(self, key: ItemKey) -> None:
        """Forget the last value of an item that is no longer monitored."""
        self._last.pop(key, None)

    def _news(self, key: ItemKey, sample: Sample) -> Observed | None:
        last = self._last.get(key)
        observed = observe(key, sample, None if last is None else last.reading.value)
        if observed is None or (observed == last and observed.reading.observed_at is not None):
            return None
        self._last[key] = observed
        return observed


def observe(key: ItemKey, sample: Sample, last: Reported | None) -> Observed | None:
    """Return the value with its times and quality, or None when there is none: with a bad status ``last`` stands in."""
    quality = _SEVERITIES[sample.status >> 30]
    held = _held(sample, quality)
    if held is None and quality is Quality.BAD:
        held = last
    if held is None:
        return None
    reading = Reading(
        name=key.name,
        value=held,
        observed_at=sample.source_time or sample.server_time,
        quality=quality,
        status=status_text(sample.status),
    )
    overflowed = sample.status & _OVERFLOW == _OVERFLOW
    return Observed(key=key, reading=reading, server_time=sample.server_time, overflowed=overflowed)


def reported(value: object) -> Reported | None:
    """Return a variant's value as a property can hold it; None stays None.

    Raises:
        Unreadable: structures and other values that are neither flag, finite number, text nor an array of such numbers.
    """
    match value:
        case None | bool():
            return value
        case str():
            return _clean(value)
        case int() | float():
            return _finite(value)
        case list():
            return _numbers(cast("list[object]", value))
        case LocalizedText():
            return _clean(str(value.Text or ""))
        case datetime():
            return value.isoformat()
        case UUID():
            return str(value)
        case other:
            raise Unreadable(f"values of type {type(other).__name__} are not supported")


def status_text(status: int) -> str | None:
    """Return the name of a status code, with its overflow flag; None for plain good."""
    name = "" if status & _CODE == 0 else get_name_and_doc(status & _CODE)[0]
    if status & _OVERFLOW == _OVERFLOW:
        return f"{name or 'Good'}, Overflow"
    return name or None


def _numbers(values: Sequence[object]) -> tuple[float, ...]:
    """Return an array row by row, whatever its dimensions."""
    flat: list[float] = []
    for value in values:
        match value:
            case list():
                flat.extend(_numbers(cast("list[object]", value)))
            case int() | float():
                flat.append(_finite(value))
            case other:
                raise Unreadable(f"arrays of {type(other).__name__} are not supported")
    return tuple(flat)


def _clean(text: str) -> str:
    """Replace bytes that were no UTF-8: asyncua passes them on as lone surrogates, which nothing can encode."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise Unreadable("the number is not finite")
    return float(value)


def _held(sample: Sample, quality: Quality) -> Reported | None:
    try:
        return reported(sample.value)
    except Unreadable:
        if quality is Quality.BAD:  # what comes with a bad status need not be a value
            return None
        raise


def _message(thing_id: ThingId, news: Sequence[Observed], origin: Origin) -> DeviceMessage:
    """Return one message with its readings in the order of their source times.

    A server sends the queue of one item after that of another; what belongs together has neighbouring times.
    """
    ordered = sorted(news, key=lambda item: item.reading.observed_at or _BEGINNING)
    return DeviceMessage(
        thing_id=thing_id,
        message_id=_message_id(ordered, origin),
        received_at=origin.received_at,
        readings=tuple(item.reading for item in ordered),
        protocol=PROTOCOL,
    )


def _message_id(news: Sequence[Observed], origin: Origin) -> str:
    """Return an id that a notification keeps when it is sent again, and that no other one has.

    Content with its times names itself: values, source and server times and status are the same on retransmission and
    after any restart. Both times count, since some servers keep the source time when only the status changes. Where the
    server tells no time, equal content may be news, and the place in the subscription is the name instead.
    """
    if any(item.reading.observed_at is None for item in news):
        return f"{origin.epoch}-{origin.sequence_number}"
    told = [
        (item.key.name, item.reading.observed_at, item.server_time, item.reading.status, item.reading.value)
        for item in news
    ]
    return hashlib.blake2b(msgspec.msgpack.encode(told), digest_size=16).hexdigest()
