"""What a device is answered, without any stack's types: code, diagnostic text, Max-Age."""

from collections.abc import Mapping
from enum import IntEnum
from math import ceil
from typing import Final

from msgspec import Struct

from actors.model.errors import HubError
from actors.model.readings import ReadingRefusal, Receipt, Stored

_TEXT_BYTES: Final = 512  # a diagnostic stays within one datagram


class ReplyCode(IntEnum):
    """Response codes as they stand on the wire: class times 32 plus detail.

    RFC 7252 section 5.9; 4.09 and 4.22 are of RFC 8132, 4.29 of RFC 8516.
    """

    CREATED = 0x41
    DELETED = 0x42
    CHANGED = 0x44
    CONTENT = 0x45
    BAD_REQUEST = 0x80
    UNAUTHORIZED = 0x81
    BAD_OPTION = 0x82
    FORBIDDEN = 0x83
    NOT_FOUND = 0x84
    NOT_ALLOWED = 0x85
    NOT_ACCEPTABLE = 0x86
    CONFLICT = 0x89
    TOO_LARGE = 0x8D
    UNSUPPORTED_FORMAT = 0x8F
    UNPROCESSABLE = 0x96
    TOO_MANY = 0x9D
    INTERNAL = 0xA0
    UNAVAILABLE = 0xA3
    NO_PROXY = 0xA5


class Reply(Struct, frozen=True, kw_only=True):
    """One response. ``reason`` is our code for counting; the device gets ``text``."""

    code: ReplyCode
    reason: str = ""
    text: str = ""
    max_age_s: int | None = None
    is_duplicate: bool = False

    @property
    def payload(self) -> bytes:
        """The diagnostic payload (RFC 7252 section 5.5.2)."""
        return self.text.encode()[:_TEXT_BYTES].decode(errors="ignore").encode()


FOR_NOW: Final = frozenset({ReplyCode.TOO_MANY, ReplyCode.UNAVAILABLE})
"""The same request may get another answer later."""
STORED: Final = Reply(code=ReplyCode.CHANGED)
STORED_BEFORE: Final = Reply(code=ReplyCode.CHANGED, is_duplicate=True)


class Rejected(HubError):
    """A request is not taken."""

    def __init__(self, code: ReplyCode, reason: str, text: str, *, retry_s: float | None = None) -> None:
        super().__init__(text)
        max_age_s = None if retry_s is None else max(1, ceil(retry_s))
        self.reply = Reply(code=code, reason=reason, text=text, max_age_s=max_age_s)


_CODES: Final[Mapping[ReadingRefusal, ReplyCode]] = {
    ReadingRefusal.UNKNOWN_THING: ReplyCode.NOT_FOUND,
    ReadingRefusal.RETIRED_THING: ReplyCode.NOT_FOUND,
    ReadingRefusal.FOREIGN_THING: ReplyCode.FORBIDDEN,
    ReadingRefusal.EMPTY: ReplyCode.BAD_REQUEST,
    ReadingRefusal.UNKNOWN_PROPERTY: ReplyCode.UNPROCESSABLE,
    ReadingRefusal.WRONG_UNIT: ReplyCode.UNPROCESSABLE,
    ReadingRefusal.WRONG_TYPE: ReplyCode.UNPROCESSABLE,
    ReadingRefusal.OUT_OF_RANGE: ReplyCode.UNPROCESSABLE,
    ReadingRefusal.BUSY: ReplyCode.UNAVAILABLE,
    ReadingRefusal.STORAGE_DOWN: ReplyCode.UNAVAILABLE,
    ReadingRefusal.INTERNAL: ReplyCode.INTERNAL,
    ReadingRefusal.STOPPING: ReplyCode.UNAVAILABLE,
}


def reply_to(receipt: Receipt, *, default_retry_s: float) -> Reply:
    """Return what a receipt becomes on the wire; 5.03 says in Max-Age when to come again."""
    if isinstance(receipt, Stored):
        return STORED_BEFORE if receipt.duplicate else STORED
    code = _CODES[receipt.code]
    if code is not ReplyCode.UNAVAILABLE:
        return Reply(code=code, reason=receipt.code, text=f"{receipt.code}: {receipt.detail}")
    retry_s = default_retry_s if receipt.retry_after_s is None else receipt.retry_after_s
    return unavailable(receipt.code, receipt.detail, retry_s)


def unavailable(reason: str, detail: str, retry_s: float) -> Reply:
    """Return 5.03: the same message is welcome after Max-Age (RFC 7252 section 5.9.3.4)."""
    return Reply(code=ReplyCode.UNAVAILABLE, reason=reason, text=f"{reason}: {detail}", max_age_s=max(1, ceil(retry_s)))


def too_many(per_s: float) -> Reply:
    """Return 4.29: the peer sends more than it may."""
    text = f"limited: more than {per_s:g} requests a second from this address and port"
    return Reply(code=ReplyCode.TOO_MANY, reason="limited", text=text, max_age_s=max(1, ceil(1 / per_s)))


def bad_option(number: int, *, is_proxying: bool) -> Reply:
    """Return 4.02, or 5.05 for a request to be a proxy."""
    if is_proxying:
        return Reply(code=ReplyCode.NO_PROXY, reason="bad_option", text="this is no proxy")
    text = f"option {number} is critical and not understood here, or its value is malformed"
    return Reply(code=ReplyCode.BAD_OPTION, reason="bad_option", text=text)
