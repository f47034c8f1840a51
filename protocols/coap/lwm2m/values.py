"""Bodies of devices to values by path, and values to bodies, in the content formats of LwM2M. Pure."""

import base64
import binascii
import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from actors.model.errors import MalformedPayload
from actors.model.readings import Reported
from protocols.coap.lwm2m.objects import ResourcePath, ValueType, path_of, resource_at
from protocols.coap.lwm2m.tlv import (
    TlvEntry,
    TlvKind,
    decode_tlv,
    encode_tlv,
    real,
    real_bytes,
    whole,
    whole_bytes,
)
from protocols.senml import MAX_RECORDS, Pack, decode_cbor, decode_json

TEXT: Final = 0
OPAQUE: Final = 42
SENML_JSON: Final = 110
SENML_CBOR: Final = 112
TLV: Final = 11542
LWM2M_JSON: Final = 11543
_LONGEST_TEXT: Final = 4096


class Told(Struct, frozen=True, kw_only=True):
    """One value that a device told, under its path."""

    path: str
    value: Reported
    unit: str | None = None
    observed_at: datetime | None = None
    by_receipt: bool = False


def decode_values(
    body: bytes, content_format: int | None, path: str, now: datetime, types: Mapping[str, ValueType] | None = None
) -> tuple[Told, ...]:
    """Return the values in the answer of a device that was asked for ``path``; ``types`` help where none is known.

    Raises:
        MalformedPayload: The text says where and what was expected.
    """
    hints = types or {}
    match content_format:
        case None | 0:
            return (Told(path=path, value=_from_text(body, path, hints)),)
        case 42:
            return (Told(path=path, value=base64.urlsafe_b64encode(body).decode()),)
        case 110:
            return _from_pack(decode_json(body, now, paths=True))
        case 112:
            return _from_pack(decode_cbor(body, now, paths=True))
        case 11542:
            return tuple(_from_tlv(decode_tlv(body), path, hints))
        case 11543:
            return tuple(_from_lwm2m_json(body))
        case other:
            expected = f"{TEXT}, {OPAQUE}, {SENML_JSON}, {SENML_CBOR}, {TLV} or {LWM2M_JSON}"
            raise MalformedPayload(f"Content-Format: expected {expected}, got {other}")


def encode_text(value: Reported) -> bytes:
    """Return a value as plain text (core TS 1.1.1 section 7.4.1).

    Raises:
        ValueError: An array has no such form.
    """
    if isinstance(value, tuple):
        raise ValueError("expected one value, got an array")  # noqa: TRY004 - of the wrong kind for this device
    if isinstance(value, bool):
        return b"1" if value else b"0"
    if isinstance(value, str):
        return value.encode()
    return (f"{int(value)}" if float(value).is_integer() and abs(value) < 1e15 else repr(value)).encode()


def encode_resource(path: ResourcePath, value: Reported) -> bytes:
    """Return the TLV of one resource with one value.

    Raises:
        ValueError: The value has not the resource's type.
    """
    number = path.resource if path.resource_instance is None else path.resource_instance
    kind = TlvKind.RESOURCE if path.resource_instance is None else TlvKind.RESOURCE_INSTANCE
    return encode_tlv((TlvEntry(kind=kind, number=number or 0, value=_tlv_value(path, value)),))


def _tlv_value(path: ResourcePath, value: Reported) -> bytes:
    if isinstance(value, tuple):
        raise ValueError("expected one value, got an array")  # noqa: TRY004 - of the wrong kind for this device
    if isinstance(value, bool):
        return b"\x01" if value else b"\0"
    known = resource_at(path)
    if isinstance(value, str):
        return opaque_bytes(value) if known is not None and known.type is ValueType.OPAQUE else value.encode()
    is_whole = known is not None and known.type in {ValueType.WHOLE, ValueType.TIME}
    if is_whole and not float(value).is_integer():
        raise ValueError(f"{path}: expected a whole number, got {value:g}")
    return whole_bytes(int(value)) if is_whole else real_bytes(float(value))


def _type_of(path: str, hints: Mapping[str, ValueType]) -> ValueType | None:
    found = path_of(path)
    known = None if found is None else resource_at(found)
    return hints.get(path) if known is None else known.type


def _from_text(body: bytes, path: str, hints: Mapping[str, ValueType]) -> Reported:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise MalformedPayload(f"{path}: expected text in UTF-8") from None
    if len(text) > _LONGEST_TEXT:
        raise MalformedPayload(f"{path}: expected up to {_LONGEST_TEXT} characters, got {len(text)}")
    match _type_of(path, hints):
        case ValueType.FLAG:
            return _flag(text, path)
        case ValueType.WHOLE | ValueType.REAL | ValueType.TIME:
            return _number(text, path)
        case _:
            return text


def _flag(text: str, path: str) -> bool:
    flags = {"1": True, "true": True, "0": False, "false": False}
    if text.strip().lower() not in flags:
        raise MalformedPayload(f"{path}: expected 0 or 1, got {text[:40]!r}")
    return flags[text.strip().lower()]


def _number(text: str, path: str) -> float:
    try:
        number = float(text) if len(text) <= 64 and "_" not in text else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise MalformedPayload(f"{path}: expected a finite number, got {text[:40]!r}")
    return number


def _from_pack(pack: Pack) -> tuple[Told, ...]:
    return tuple(
        Told(
            path=full,
            value=reading.value,
            unit=reading.unit,
            observed_at=reading.observed_at,
            by_receipt=reading.by_receipt,
        )
        for full, reading in pack.entries
    )


def _from_tlv(entries: tuple[TlvEntry, ...], path: str, hints: Mapping[str, ValueType]) -> Iterator[Told]:
    """Name entries from the path that was asked: a device may answer with or without the levels above."""
    parts = path.strip("/").split("/") if path.strip("/") else []
    for entry in entries:
        match entry.kind:
            case TlvKind.OBJECT_INSTANCE:
                yield from _from_tlv(entry.entries, "/" + "/".join([*parts[:1], str(entry.number)]), hints)
            case TlvKind.MULTIPLE_RESOURCE:
                inside = "/" + "/".join([*_instance(parts), str(entry.number)])
                for held in entry.entries:
                    yield Told(path=f"{inside}/{held.number}", value=_tlv_told(held.value, inside, hints))
            case TlvKind.RESOURCE:
                full = "/" + "/".join([*_instance(parts), str(entry.number)])
                yield Told(path=full, value=_tlv_told(entry.value, full, hints))
            case TlvKind.RESOURCE_INSTANCE:
                full = "/" + "/".join([*parts[:3], str(entry.number)])
                yield Told(path=full, value=_tlv_told(entry.value, "/" + "/".join(parts[:3]), hints))


def _instance(parts: list[str]) -> list[str]:
    return parts[:2] if len(parts) > 1 else [*parts, "0"]  # of an object with one instance it may be left out


def _tlv_told(value: bytes, path: str, hints: Mapping[str, ValueType]) -> Reported:
    match _type_of(path, hints):
        case ValueType.FLAG:
            return _tlv_flag(value, path)
        case ValueType.WHOLE | ValueType.TIME:
            return float(whole(value))
        case ValueType.REAL:
            return _finite(real(value) if len(value) in {4, 8} else float(whole(value)), path)
        case ValueType.OPAQUE:
            return base64.urlsafe_b64encode(value).decode()
        case ValueType.LINK:
            return f"{int.from_bytes(value[:2], 'big')}:{int.from_bytes(value[2:4], 'big')}"
        case _:
            return _tlv_text(value, path)


def _tlv_flag(value: bytes, path: str) -> bool:
    if value not in {b"\0", b"\x01"}:
        raise MalformedPayload(f"TLV, {path}: expected one byte, 0 or 1, got {value[:8].hex()}")
    return value == b"\x01"


def _tlv_text(value: bytes, path: str) -> str:
    try:
        return value[:_LONGEST_TEXT].decode()
    except UnicodeDecodeError:
        raise MalformedPayload(f"TLV, {path}: expected text in UTF-8") from None


def _finite(number: float, path: str) -> float:
    if not math.isfinite(number):
        raise MalformedPayload(f"{path}: expected a finite number, got {number}")
    return number


class _Element(Struct, kw_only=True):
    n: Annotated[str, Meta(max_length=200)] = ""
    v: float | None = None
    bv: bool | None = None
    sv: Annotated[str, Meta(max_length=_LONGEST_TEXT)] | None = None
    ov: Annotated[str, Meta(max_length=200)] | None = None


class _Lwm2mJson(Struct, kw_only=True):
    e: Annotated[tuple[_Element, ...], Meta(min_length=1, max_length=MAX_RECORDS)]
    bn: Annotated[str, Meta(max_length=200)] = ""


_lwm2m_json: Final = msgspec.json.Decoder(_Lwm2mJson)


def _from_lwm2m_json(body: bytes) -> Iterator[Told]:
    """Read the JSON of LwM2M 1.0 (TS 1.0.2 section 6.4.4), which devices of that version still speak."""
    try:
        decoded = _lwm2m_json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedPayload(f"LwM2M JSON: {error}") from None
    for index, element in enumerate(decoded.e):
        given = [value for value in (element.v, element.bv, element.sv, element.ov) if value is not None]
        if len(given) != 1:
            raise MalformedPayload(f"LwM2M JSON, element {index}: expected one of v, bv, sv, ov, got {len(given)}")
        path = decoded.bn + element.n
        if path_of(path) is None:
            raise MalformedPayload(f"LwM2M JSON, element {index}: expected a path such as /3303/0/5700, got {path!r}")
        yield Told(path=path, value=given[0])


def opaque_bytes(text: str) -> bytes:
    """Return what base64url text stands for.

    Raises:
        ValueError: It is none.
    """
    try:
        return base64.urlsafe_b64decode(text)
    except binascii.Error as error:
        raise ValueError(f"expected base64url text: {error}") from None
