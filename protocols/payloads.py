"""What things post, whatever the transport: readings as plain JSON or SenML."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from actors.model.base import Instant, Value
from actors.model.errors import MalformedPayload
from actors.model.readings import Reading, Reported
from protocols.senml import MAX_RECORDS, decode_cbor, decode_json

BOOT_PATTERN: Final = r"^[A-Za-z0-9._-]{1,100}$"


class Format(Enum):
    """A form of body, with its media type and its CoAP content format number."""

    JSON = ("application/json", 50)
    SENML_JSON = ("application/senml+json", 110)
    SENML_CBOR = ("application/senml+cbor", 112)

    def __init__(self, media_type: str, number: int) -> None:
        self.media_type = media_type
        self.number = number


class Payload(Struct, frozen=True, kw_only=True):
    """A decoded body.

    ``own_id`` is the identity the device gave the message (``boot:seq``), if it did. ``timed`` says that every reading
    has an absolute time of its own, so that the same bytes are the same message for good.
    """

    readings: tuple[Reading, ...]
    own_id: str | None
    timed: bool


class ReportedReading(Value, frozen=True, kw_only=True):
    """One reading of a report."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    value: Reported
    unit: Annotated[str, Meta(max_length=32)] | None = None
    time: Instant | None = None


class Report(Value, frozen=True, kw_only=True):
    """A message of readings in plain JSON: several of them, or one alone."""

    boot: Annotated[str, Meta(pattern=BOOT_PATTERN)] | None = None
    seq: Annotated[int, Meta(ge=0)] | None = None
    readings: Annotated[tuple[ReportedReading, ...], Meta(min_length=1, max_length=MAX_RECORDS)] | None = None
    name: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    value: Reported | None = None
    unit: Annotated[str, Meta(max_length=32)] | None = None
    time: Instant | None = None


def decode_payload(body: bytes, form: Format, now: datetime, sources: Mapping[str, str]) -> Payload:
    """Return the readings in ``body``; ``sources`` is the profile's {property: name on the wire} for this protocol.

    Raises:
        MalformedPayload: The text says where and what was expected.
    """
    match form:
        case Format.JSON:
            return _plain(body, sources)
        case Format.SENML_JSON:
            pack = decode_json(body, now)
        case Format.SENML_CBOR:
            pack = decode_cbor(body, now)
    properties = {wire: name for name, wire in sources.items()}
    readings = tuple(_renamed(reading, full, properties) for full, reading in pack.entries)
    return Payload(readings=readings, own_id=None, timed=pack.timed)


def content_id(form: Format, body: bytes) -> str:
    """Return the identity of a message that is told by its content alone, because every reading has its time."""
    return f"sha256:{digest(form.media_type.encode(), body)}"


def digest(*parts: bytes) -> str:
    """Return 32 hex digits of SHA-256 that tell these parts, and where one ends, from all others."""
    hashed = hashlib.sha256()
    for part in parts:
        hashed.update(len(part).to_bytes(4, "big"))
        hashed.update(part)
    return hashed.hexdigest()[:32]


def _plain(body: bytes, sources: Mapping[str, str]) -> Payload:
    try:
        plain = _PLAIN.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedPayload(f"JSON: {error}") from None
    if (plain.boot is None) != (plain.seq is None):
        raise MalformedPayload("JSON: expected 'boot' and 'seq' together, got one of them")
    own_id = None if plain.boot is None else f"{plain.boot}:{plain.seq}"
    properties = {wire: name for name, wire in sources.items()} if sources else _AS_THEY_ARE
    if plain.readings is None and plain.time is None and plain.name is not None and plain.value is not None:
        lone = Reading(name=properties.get(plain.name, plain.name), value=plain.value, unit=plain.unit)
        return Payload(readings=(lone,), own_id=own_id, timed=False)  # what most messages are
    readings = tuple(_reading(index, told, properties) for index, told in enumerate(_told(plain)))
    return Payload(readings=readings, own_id=own_id, timed=all(reading.observed_at is not None for reading in readings))


def _told(plain: Report) -> tuple[ReportedReading, ...]:
    if plain.readings is not None:
        if plain.name is not None or plain.value is not None or plain.unit is not None or plain.time is not None:
            raise MalformedPayload("JSON: expected either 'readings' or one reading's 'name' and 'value', got both")
        return plain.readings
    if plain.name is None or plain.value is None:
        raise MalformedPayload("JSON: expected 'readings', or one reading's 'name' and 'value'")
    return (ReportedReading(name=plain.name, value=plain.value, unit=plain.unit, time=plain.time),)


def _reading(index: int, told: ReportedReading, properties: Mapping[str, str]) -> Reading:
    try:
        observed_at = told.time and told.time.astimezone(UTC)
    except OverflowError:
        raise MalformedPayload(f"JSON reading {index}, 'time': expected a time in the years 1 to 9999 UTC") from None
    return Reading(name=properties.get(told.name, told.name), value=told.value, unit=told.unit, observed_at=observed_at)


def _renamed(reading: Reading, full: str, properties: Mapping[str, str]) -> Reading:
    name = properties.get(full) or properties.get(reading.name)
    return reading if name is None else msgspec.structs.replace(reading, name=name)


_PLAIN: Final = msgspec.json.Decoder(Report)
_AS_THEY_ARE: Final[Mapping[str, str]] = {}
