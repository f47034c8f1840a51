"""From the values of one notification to one device message a thing."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
from msgspec import Struct

from actors.model.ids import ThingId
from actors.model.profiles import PropertyKind
from actors.model.readings import DeviceMessage, Quality, Reading, Reported
from protocols.opcua.addressing import PROTOCOL, ItemKey
from protocols.opcua.values import Unreadable, finite, part_of, reported
from protocols.opcua.variants import Sample, status_name

_CODE: Final = 0xFFFF0000  # severity and sub-code; below are flags (Part 4 section 7.39)
_OVERFLOW: Final = 0x0480  # InfoType DataValue with the overflow bit: older values of the queue were dropped
_SEVERITIES: Final = (Quality.GOOD, Quality.UNCERTAIN, Quality.BAD, Quality.BAD)
_GOOD: Final = Quality.GOOD
_NUMBER: Final = PropertyKind.NUMBER
_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)


class Origin(Struct, frozen=True, kw_only=True):
    """Which notification values came with. ``epoch`` is new for every subscription that was ever created."""

    epoch: str
    sequence_number: int
    received_at: datetime


class Subject(Struct, frozen=True, kw_only=True):
    """Whose value it is, and what it may be."""

    key: ItemKey
    kind: PropertyKind = PropertyKind.NUMBER
    unit: str | None = None
    part: tuple[str, ...] = ()
    names: Mapping[int, str] | None = None
    """What the numbers of an enumeration are called."""


class Observed(Struct, frozen=True, gc=False):
    """One value as a property holds it, and the server's time for it."""

    reading: Reading
    server_time: datetime | None


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

    @property
    def known(self) -> Mapping[ItemKey, Observed]:
        """The last value of every item that had one."""
        return self._last

    def decode(self, values: Iterable[tuple[Subject, Sample]], origin: Origin) -> Decoded:
        """Return the messages of one notification; an unreadable value does not spoil the others."""
        by_thing: dict[ThingId, list[Observed]] = {}
        unreadable: dict[ItemKey, str] = {}
        without_news = overflowed = 0
        last = self._last
        for subject, sample in values:
            key = subject.key
            before = last.get(key)
            try:
                observed = observe(subject, sample, before)
            except Unreadable as error:
                unreadable[key] = str(error)
                continue
            if observed is None or (observed == before and observed.reading.observed_at is not None):
                without_news += 1
                continue
            last[key] = observed
            overflowed += sample.status & _OVERFLOW == _OVERFLOW
            news = by_thing.get(key.thing_id)
            if news is None:
                by_thing[key.thing_id] = [observed]
            else:
                news.append(observed)
        return Decoded(
            messages=[_message(thing_id, news, origin) for thing_id, news in by_thing.items()],
            unreadable=unreadable,
            without_news=without_news,
            overflowed=overflowed,
        )

    def forget(self, key: ItemKey) -> None:
        """Forget the last value of an item that is no longer monitored."""
        self._last.pop(key, None)


def observe(subject: Subject, sample: Sample, before: Observed | None) -> Observed | None:
    """Return the value with its times and quality, or None when there is none.

    With a bad status the last value, that of ``before``, stands in.
    """
    value, status = sample.value, sample.status
    quality, text = _GOOD, None
    if status:
        quality, text = _SEVERITIES[status >> 30], status_text(status)
    if value.__class__ is float and quality is _GOOD and not subject.part and subject.kind is _NUMBER:
        held: Reported | None = finite(value)  # pyright: ignore[reportArgumentType] - its class is float
    else:
        held = _held(subject, value, quality)
        if held is None and quality is Quality.BAD and before is not None:
            held = before.reading.value
    if held is None:
        return None
    reading = Reading(
        name=subject.key.name,
        value=held,
        unit=subject.unit,
        observed_at=sample.source_time or sample.server_time,
        quality=quality,
        status=text,
    )
    return Observed(reading, sample.server_time)


def status_text(status: int) -> str | None:
    """Return the name of a status code, with its overflow flag; None for plain good."""
    name = "" if status & _CODE == 0 else status_name(status)
    if status & _OVERFLOW == _OVERFLOW:
        return f"{name or 'Good'}, Overflow"
    return name or None


def _held(subject: Subject, value: object, quality: Quality) -> Reported | None:
    try:
        part = part_of(value, subject.part) if subject.part and value is not None else value
        return reported(part, subject.kind, subject.names)
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
        (
            item.reading.name,
            item.reading.observed_at,
            item.server_time,
            item.reading.status,
            item.reading.value,
        )
        for item in news
    ]
    return hashlib.blake2b(msgspec.msgpack.encode(told), digest_size=16).hexdigest()
