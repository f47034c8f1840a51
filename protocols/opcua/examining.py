"""What the adapter makes of bytes, without a server: for fuzzing, and to look at a captured message."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from actors.model.ids import ThingId
from actors.model.profiles import PropertyKind
from actors.model.readings import Reading
from protocols.opcua.addressing import ItemKey
from protocols.opcua.binary import Cursor, Malformed
from protocols.opcua.mapping import Decoder, Origin, Subject
from protocols.opcua.notifications import read_publish_response
from protocols.opcua.variants import Sample, read_data_value

UNREADABLE: Final = "unreadable"
"""The code of a value that is well-formed and that no property can hold."""
_RECEIVED: Final = datetime(2026, 1, 1, tzinfo=UTC)
_KINDS: Final = tuple(PropertyKind)


class Examined(Struct, frozen=True, kw_only=True):
    """The readings that were found, and the code of each refusal."""

    readings: tuple[Reading, ...] = ()
    refusals: tuple[str, ...] = ()


def examine_response(data: bytes) -> Examined:
    """Return what a PublishResponse brings; an item's handle decides of which kind its property is."""
    try:
        notice = read_publish_response(data)
    except Malformed as error:
        return Examined(refusals=(error.flaw,))
    return _decoded((_subject(handle), sample) for handle, sample in notice.values)


def examine_value(data: bytes) -> Examined:
    """Return what a DataValue is as a property of each kind."""
    try:
        sample = read_data_value(Cursor(data))
    except Malformed as error:
        return Examined(refusals=(error.flaw,))
    return _decoded((_subject(number), sample) for number in range(len(_KINDS)))


def _subject(handle: int) -> Subject:
    return Subject(key=ItemKey(ThingId("examined"), f"p{handle}"), kind=_KINDS[handle % len(_KINDS)])


def _decoded(values: Iterable[tuple[Subject, Sample]]) -> Examined:
    decoded = Decoder().decode(values, Origin(epoch="examined", sequence_number=1, received_at=_RECEIVED))
    return Examined(
        readings=tuple(reading for message in decoded.messages for reading in message.readings),
        refusals=tuple(UNREADABLE for _ in decoded.unreadable),
    )
