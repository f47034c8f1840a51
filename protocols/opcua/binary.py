"""Reading the binary encoding of OPC UA (Part 6 section 5.2) from bytes that nobody vouches for.

Every read is bounded: what a length claims must be there, and what nests may not nest for ever. Whatever the bytes are,
the answer is a value or ``Malformed`` with a code.
"""

import struct
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

MOST_NESTED: Final = 16
"""Values in values in values: no machine needs more."""
_EPOCH: Final = datetime(1601, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_LATEST_TICKS: Final = int((_LATEST - _EPOCH).total_seconds()) * 10_000_000
_U16: Final = struct.Struct("<H")
_I32: Final = struct.Struct("<i")
_U32: Final = struct.Struct("<I")
_I64: Final = struct.Struct("<q")
_GUID_SIZE: Final = 16


class Flaw(StrEnum):
    """Why bytes were refused."""

    TRUNCATED = "truncated"
    BAD_LENGTH = "bad_length"
    TOO_DEEP = "too_deep"
    UNKNOWN_ENCODING = "unknown_encoding"
    NOT_A_NOTIFICATION = "not_a_notification"


class Malformed(Exception):
    """Bytes that are no message of OPC UA. ``flaw`` says in which way."""

    def __init__(self, flaw: Flaw, detail: str) -> None:
        super().__init__(f"{flaw}: {detail}")
        self.flaw = flaw


class Cursor:
    """A place in bytes that moves on with every read."""

    __slots__ = ("at", "data", "end")

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self.data = data
        self.at = at
        self.end = len(data) if end is None else end

    def unpack(self, form: struct.Struct) -> tuple[Any, ...]:
        """Read fixed fields."""
        at = self.at
        self.at = at + form.size
        if self.at > self.end:
            raise _truncated(at)
        return form.unpack_from(self.data, at)

    def u8(self) -> int:
        """Read a byte."""
        at = self.at
        if at >= self.end:
            raise _truncated(at)
        self.at = at + 1
        return self.data[at]

    def u16(self) -> int:
        """Read two bytes."""
        number: int = self.unpack(_U16)[0]
        return number

    def u32(self) -> int:
        """Read four bytes."""
        number: int = self.unpack(_U32)[0]
        return number

    def i32(self) -> int:
        """Read four bytes with a sign."""
        number: int = self.unpack(_I32)[0]
        return number

    def take(self, size: int) -> bytes:
        """Read ``size`` bytes."""
        at = self.at
        if size < 0 or at + size > self.end:
            raise _truncated(at)
        self.at = at + size
        return self.data[at : self.at]

    def skip(self, size: int) -> None:
        """Pass over ``size`` bytes."""
        if size < 0 or self.at + size > self.end:
            raise _truncated(self.at)
        self.at += size

    def count(self, least: int = 1) -> int:
        """Read the length of an array whose elements have ``least`` bytes or more; no array is an empty one."""
        at, number = self.at, self.i32()
        if number <= 0:
            return 0
        if number * least > self.end - self.at:
            raise Malformed(Flaw.BAD_LENGTH, f"byte {at}: {number} elements announced, {self.end - self.at} bytes left")
        return number

    def octets(self) -> bytes | None:
        """Read a ByteString; a length under zero is null."""
        size = self.i32()
        return None if size < 0 else self.take(size)

    def text(self) -> str | None:
        """Read a String; bytes that are no UTF-8 are replaced."""
        octets = self.octets()
        return None if octets is None else octets.decode("utf-8", "replace")

    def time(self) -> datetime | None:
        """Read a DateTime; the beginning of its calendar means that there is none."""
        return moment(self.unpack(_I64)[0])

    def guid(self) -> UUID:
        """Read a Guid."""
        return UUID(bytes_le=self.take(_GUID_SIZE))


def moment(ticks: int) -> datetime | None:
    """Return a time from 100 ns since 1601; None for none at all."""
    if ticks <= 0:
        return None
    return _LATEST if ticks >= _LATEST_TICKS else _EPOCH + timedelta(microseconds=ticks // 10)


def _truncated(at: int) -> Malformed:
    return Malformed(Flaw.TRUNCATED, f"the message ends inside the field at byte {at}")
