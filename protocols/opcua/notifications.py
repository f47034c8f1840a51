"""From the bytes of a publish response to a notice.

asyncua's generated decoders need several times as long for an item as everything else on its way; here an item of the
usual form (a number with times) is one unpacking.
"""

import struct
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from protocols.opcua.binary import Cursor, Flaw, Malformed, moment
from protocols.opcua.publishing import EventFields, Notice
from protocols.opcua.variants import (
    NUMBER_FORMS,
    Sample,
    read_data_value,
    read_node_id,
    read_structure,
    read_variant,
    skip_diagnostics,
    status_name,
)

_PUBLISH_RESPONSE: Final = "ns=0;i=829"
_REPUBLISH_RESPONSE: Final = "ns=0;i=835"
_DATA_CHANGE: Final = "ns=0;i=811"
_STATUS_CHANGE: Final = "ns=0;i=820"
_EVENTS: Final = "ns=0;i=916"
_SMALLEST_ITEM: Final = 5


class _Form(NamedTuple):
    """A data value of fixed size: handle, mask and encoding, the value, then what the mask says."""

    layout: struct.Struct
    has_status: bool
    has_source_time: bool


def read_publish_response(data: bytes) -> Notice:
    """Return what a PublishResponse brings.

    Raises:
        Malformed: it is none.
    """
    cursor = Cursor(data)
    _skip_header(cursor, _PUBLISH_RESPONSE)
    subscription_id = cursor.u32()
    cursor.skip(4 * cursor.count(4))  # available sequence numbers
    cursor.u8()  # more notifications
    return _read_message(cursor, subscription_id)


def read_republish_response(data: bytes, subscription_id: int) -> Notice:
    """Return what a RepublishResponse brings.

    Raises:
        Malformed: it is none.
    """
    cursor = Cursor(data)
    _skip_header(cursor, _REPUBLISH_RESPONSE)
    return _read_message(cursor, subscription_id)


def _skip_header(cursor: Cursor, expected: str) -> None:
    found = read_node_id(cursor)
    if found != expected:
        raise Malformed(Flaw.NOT_A_NOTIFICATION, f"expected a message of type {expected}, got {found}")
    cursor.skip(8 + 4)  # time, request handle
    status = cursor.u32()
    if status >> 30:
        raise Malformed(Flaw.NOT_A_NOTIFICATION, status_name(status))
    skip_diagnostics(cursor)
    for _ in range(cursor.count(4)):
        cursor.octets()
    read_structure(cursor)


def _read_message(cursor: Cursor, subscription_id: int) -> Notice:
    number = cursor.u32()
    cursor.skip(8)  # publish time
    parts = cursor.count(3)
    values: list[tuple[int, Sample]] = []
    events: list[EventFields] = []
    status: str | None = None
    for _ in range(parts):
        kind = read_node_id(cursor)
        if not cursor.u8():
            continue
        size = cursor.i32()
        body = Cursor(cursor.data, cursor.at, cursor.at + max(size, 0))
        cursor.skip(max(size, 0))
        if kind == _DATA_CHANGE:
            _read_items(body, values)
        elif kind == _EVENTS:
            events.extend(_read_event(body) for _ in range(body.count(8)))
        elif kind == _STATUS_CHANGE:
            status = status_name(body.u32())
    return Notice(
        subscription_id=subscription_id,
        sequence_number=number,
        is_keep_alive=not parts,
        values=values,
        events=events,
        status=status,
    )


def _read_event(cursor: Cursor) -> EventFields:
    handle = cursor.u32()
    return EventFields(handle, tuple(read_variant(cursor) for _ in range(cursor.count())))


def _read_items(cursor: Cursor, into: list[tuple[int, Sample]]) -> None:
    data, end, at = cursor.data, cursor.end, cursor.at
    number = cursor.count(_SMALLEST_ITEM)
    at = cursor.at
    times = _Times()
    for _ in range(number):
        form = _FORMS.get(data[at + 4] << 8 | data[at + 5]) if at + 6 <= end else None
        if form is None or at + form.layout.size > end:
            cursor.at = at
            into.append(_read_item(cursor))
            at = cursor.at
            continue
        fields = form.layout.unpack_from(data, at)
        at += form.layout.size
        source_time = times[fields[-2]] if form.has_source_time else None
        status = fields[2] if form.has_status else 0
        into.append((fields[0], Sample(fields[1], status, source_time, times[fields[-1]])))
    cursor.at = at


def _read_item(cursor: Cursor) -> tuple[int, Sample]:
    return cursor.u32(), read_data_value(cursor)


class _Times(dict[int, datetime | None]):
    """Times by ticks: the items of a notification share many."""

    def __missing__(self, ticks: int) -> datetime | None:
        found = self[ticks] = moment(ticks)
        return found


def _forms() -> Mapping[int, _Form]:
    """Return the usual forms by mask and encoding: a number with a server time, with or without the rest."""
    found: dict[int, _Form] = {}
    number_form: Callable[[int], str] = lambda kind: NUMBER_FORMS[kind].format[1:]  # noqa: E731 - one word for it
    for mask in (0x09, 0x0B, 0x0D, 0x0F):
        for kind in NUMBER_FORMS:
            status = "I" if mask & 0x02 else ""
            source = "q" if mask & 0x04 else ""
            layout = struct.Struct(f"<Ixx{number_form(kind)}{status}{source}q")
            found[mask << 8 | kind] = _Form(layout, bool(status), bool(source))
    return found


_FORMS: Final = _forms()
