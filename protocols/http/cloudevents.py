"""CloudEvents 1.0 over HTTP: structured, batched and binary, to the bodies that we know. Pure.

After the specification's JSON format and HTTP binding, version 1.0.2. An event's ``data`` is one of our bodies, its
``source`` and ``id`` are the message's identity, and its ``time`` holds for readings that name none.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from actors.model.base import Instant
from actors.model.errors import MalformedPayload
from protocols.payloads import Format, digest

STRUCTURED: Final = "application/cloudevents+json"
BATCHED: Final = "application/cloudevents-batch+json"
MOST_EVENTS: Final = 1000
_ESCAPED: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NULL: Final = msgspec.Raw(b"null")
_JSON: Final = re.compile(r"^[a-z]+/([a-z0-9.]+\+)?json$")
_Text = Annotated[str, Meta(min_length=1, max_length=1000)]


class Part(Struct, frozen=True, kw_only=True):
    """One message inside a body: its form, its bytes, and what the envelope says of it."""

    form: Format
    body: bytes
    own_id: str | None = None
    time: datetime | None = None
    subject: str | None = None
    """What a CloudEvent is about, in its producer's words."""


class _Event(Struct, frozen=True, kw_only=True):
    """The attributes that are looked at; extensions may stand beside them."""

    specversion: str
    id: _Text
    source: _Text
    type: _Text
    time: Instant | None = None
    subject: _Text | None = None
    datacontenttype: str | None = None
    data: msgspec.Raw = msgspec.Raw()
    data_base64: str | None = None


def structured(body: bytes) -> Part:
    """Return the message of one event.

    Raises:
        MalformedPayload: the text says where and what was expected.
    """
    try:
        event = _EVENT.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedPayload(f"CloudEvent: {error}") from None
    return _part(event, "CloudEvent")


def batched(body: bytes) -> Sequence[Part]:
    """Return the messages of a batch of events, in order.

    Raises:
        MalformedPayload: the text says which event, where, and what was expected.
    """
    try:
        events = _EVENTS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedPayload(f"batch of CloudEvents: {error}") from None
    return [_part(event, f"CloudEvent {number}") for number, event in enumerate(events)]


def is_binary(headers: Mapping[str, str]) -> bool:
    """Say whether a request is an event in binary mode."""
    return "ce-specversion" in headers


def binary(headers: Mapping[str, str], form: Format, body: bytes) -> Part:
    """Return the message of an event whose attributes are headers.

    Raises:
        MalformedPayload: an attribute is missing or wrong.
    """
    told = {name[3:].lower(): _header_text(value) for name, value in headers.items() if name[:3].lower() == "ce-"}
    try:
        event = msgspec.convert(told, _Attributes)
    except (msgspec.ValidationError, RecursionError) as error:
        raise MalformedPayload(f"headers ce-...: {error}") from None
    _check_version(event.specversion, "header ce-specversion")
    return Part(
        form=form,
        body=body,
        own_id=_identity(event.source, event.id),
        time=_utc(event.time, "header ce-time"),
        subject=event.subject,
    )


class _Attributes(Struct, frozen=True, kw_only=True):
    specversion: str
    id: _Text
    source: _Text
    type: _Text
    time: Instant | None = None
    subject: _Text | None = None


def _part(event: _Event, where: str) -> Part:
    _check_version(event.specversion, where)
    own_id, time = _identity(event.source, event.id), _utc(event.time, where)
    form = _form(event.datacontenttype, where)
    return Part(form=form, body=_data(event, form, where), own_id=own_id, time=time, subject=event.subject)


def _check_version(version: str, where: str) -> None:
    if version != "1.0":
        raise MalformedPayload(f"{where}, specversion: expected 1.0, got {version[:20]!r}")


def _form(media: str | None, where: str) -> Format:
    wanted = (media or "application/json").partition(";")[0].strip().lower()
    for form in Format:
        if form.media_type == wanted:
            return form
    if _JSON.match(wanted):
        return Format.JSON
    known = ", ".join(form.media_type for form in Format)
    raise MalformedPayload(f"{where}, datacontenttype: expected one of {known}, got {wanted[:60]!r}")


def _data(event: _Event, form: Format, where: str) -> bytes:
    inline = b"" if event.data == _NULL else bytes(event.data)
    if event.data_base64 is not None:
        if inline:
            raise MalformedPayload(f"{where}: expected 'data' or 'data_base64', got both")
        try:
            return base64.b64decode(event.data_base64, validate=True)
        except (binascii.Error, ValueError):
            raise MalformedPayload(f"{where}, data_base64: expected base64") from None
    if not inline:
        raise MalformedPayload(f"{where}: expected readings in 'data' or 'data_base64', got neither")
    if form is Format.SENML_CBOR:
        raise MalformedPayload(f"{where}: expected CBOR in 'data_base64', got 'data'")
    return inline


def _identity(source: str, event_id: str) -> str:
    """Return the message's identity: ``source`` and ``id`` together are unique for an event."""
    return f"ce:{digest(source.encode(errors='replace'), event_id.encode(errors='replace'))}"


def _utc(time: datetime | None, where: str) -> datetime | None:
    try:
        return time and time.astimezone(UTC)
    except OverflowError:
        raise MalformedPayload(f"{where}, time: expected a time in the years 1 to 9999 UTC") from None


def _header_text(value: str) -> str:
    """Return an attribute from its header: percent-encoded UTF-8 (HTTP binding, section 3.1.3.2)."""
    if "%" not in value or _ESCAPED.search(value):
        return value
    raw = re.sub(
        rb"%([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), value.encode(errors="surrogateescape")
    )
    return raw.decode(errors="replace")


_EVENT: Final = msgspec.json.Decoder(_Event)
_EVENTS: Final[msgspec.json.Decoder[tuple[_Event, ...]]] = msgspec.json.Decoder(
    Annotated[tuple[_Event, ...], Meta(min_length=1, max_length=MOST_EVENTS)]
)
