"""The TLV format of LwM2M (OMA-TS-LightweightM2M_Core-V1_1_1 section 7.4.3): bytes to entries and back. Pure."""

import struct
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Final

from msgspec import Struct

from actors.model.errors import MalformedPayload

MAX_ENTRIES: Final = 4096
_MOST_BYTES: Final = (1 << 24) - 1
_WHOLE: Final = {1: "b", 2: "h", 4: "i", 8: "q"}
_REAL: Final = {4: "f", 8: "d"}


class TlvKind(IntEnum):
    """The two highest bits of an entry's first byte."""

    OBJECT_INSTANCE = 0
    RESOURCE_INSTANCE = 1
    MULTIPLE_RESOURCE = 2
    RESOURCE = 3


_HOLDS: Final = {
    None: frozenset({TlvKind.OBJECT_INSTANCE, TlvKind.MULTIPLE_RESOURCE, TlvKind.RESOURCE, TlvKind.RESOURCE_INSTANCE}),
    TlvKind.OBJECT_INSTANCE: frozenset({TlvKind.MULTIPLE_RESOURCE, TlvKind.RESOURCE}),
    TlvKind.MULTIPLE_RESOURCE: frozenset({TlvKind.RESOURCE_INSTANCE}),
}
"""What an entry may hold; the others hold a value."""


class TlvEntry(Struct, frozen=True, kw_only=True):
    """One entry: a value, or the entries of an object instance or of a resource with several instances."""

    kind: TlvKind
    number: int
    value: bytes = b""
    entries: tuple["TlvEntry", ...] = ()


def decode_tlv(body: bytes) -> tuple[TlvEntry, ...]:
    """Return the entries of a body.

    Raises:
        MalformedPayload: The text says at which byte, and what was expected there.
    """
    return tuple(_entries(body, 0, len(body), None, [MAX_ENTRIES]))


def encode_tlv(entries: Sequence[TlvEntry]) -> bytes:
    """Return the bytes of entries.

    Raises:
        ValueError: An identifier or a length has no TLV form.
    """
    return b"".join(_encoded(entry) for entry in entries)


def whole(value: bytes) -> int:
    """Return a whole number of 1, 2, 4 or 8 bytes.

    Raises:
        MalformedPayload: It has another length.
    """
    if len(value) not in _WHOLE:
        raise MalformedPayload(f"TLV: expected a whole number of 1, 2, 4 or 8 bytes, got {len(value)}")
    return int.from_bytes(value, "big", signed=True)


def real(value: bytes) -> float:
    """Return a floating point number of 4 or 8 bytes.

    Raises:
        MalformedPayload: It has another length.
    """
    form = _REAL.get(len(value))
    if form is None:
        raise MalformedPayload(f"TLV: expected a number of 4 or 8 bytes, got {len(value)}")
    number: float = struct.unpack(f">{form}", value)[0]
    return number


def whole_bytes(number: int) -> bytes:
    """Return a whole number in the fewest of 1, 2, 4 or 8 bytes.

    Raises:
        ValueError: It needs more.
    """
    for size in _WHOLE:
        if -(1 << 8 * size - 1) <= number < 1 << 8 * size - 1:
            return number.to_bytes(size, "big", signed=True)
    raise ValueError(f"expected a whole number of 64 bits, got {number}")


def real_bytes(number: float) -> bytes:
    """Return a number in 8 bytes."""
    return struct.pack(">d", number)


def _entries(body: bytes, at: int, end: int, inside: TlvKind | None, left: list[int]) -> Iterator[TlvEntry]:
    while at < end:
        left[0] -= 1
        if left[0] < 0:
            raise MalformedPayload(f"TLV: expected up to {MAX_ENTRIES} entries, got more")
        start = at
        kind, number, size, at = _head(body, at, end)
        if kind not in _HOLDS[inside]:
            holder = "the top" if inside is None else inside.name.lower()
            raise MalformedPayload(f"TLV, byte {start}: expected what {holder} may hold, got {kind.name.lower()}")
        if kind in _HOLDS:
            held = tuple(_entries(body, at, at + size, kind, left))
            yield TlvEntry(kind=kind, number=number, entries=held)
        else:
            yield TlvEntry(kind=kind, number=number, value=body[at : at + size])
        at += size


def _head(body: bytes, at: int, end: int) -> tuple[TlvKind, int, int, int]:
    first = body[at]
    wide, length_bytes = first >> 5 & 1, first >> 3 & 3
    after = at + 2 + wide + length_bytes
    if after > end:
        raise MalformedPayload(f"TLV, byte {at}: expected an identifier and a length, got the end")
    number = int.from_bytes(body[at + 1 : at + 2 + wide], "big")
    size = int.from_bytes(body[at + 2 + wide : after], "big") if length_bytes else first & 7
    if after + size > end:
        raise MalformedPayload(f"TLV, byte {at}: expected {size} bytes of value, got {end - after}")
    return TlvKind(first >> 6), number, size, after


def _encoded(entry: TlvEntry) -> bytes:
    value = encode_tlv(entry.entries) if entry.kind in _HOLDS else entry.value
    if not 0 <= entry.number <= 0xFFFF or len(value) > _MOST_BYTES:
        raise ValueError(f"expected an identifier up to 65535 and up to {_MOST_BYTES} bytes, got {entry.number}")
    wide = entry.number > 0xFF
    length_bytes = 0 if len(value) < 8 else (len(value).bit_length() + 7) // 8
    first = entry.kind << 6 | wide << 5 | length_bytes << 3 | (len(value) if length_bytes == 0 else 0)
    length = len(value).to_bytes(length_bytes, "big") if length_bytes else b""
    return bytes((first,)) + entry.number.to_bytes(1 + wide, "big") + length + value
