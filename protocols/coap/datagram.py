"""CoAP datagrams as bytes (RFC 7252 section 3): what one is, and how an answer to it looks. Pure.

Which way a datagram takes depends on its bytes alone, so that a retransmission takes the same one.
"""

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final

from msgspec import Struct

from actors.model.ids import ThingId
from protocols.coap.mapping import FORMATS
from protocols.coap.replies import Reply, ReplyCode

HEADER_BYTES: Final = 4
MAX_TOKEN_BYTES: Final = 8  # RFC 7252 section 3: lengths 9 to 15 are a message format error
NON_START: Final = 0x50
"""The first byte of a sound CON is below, that of a sound NON is not."""
UNDERSTOOD: Final = frozenset({3, 7, 11, 15, 17, 23, 27})
"""Critical options that are served: Uri-Host, -Port, -Path, -Query, Accept, Block2, Block1."""
_OSCORE: Final = 9

_PASSED_ON: Final = UNDERSTOOD | {_OSCORE}
"""Where nothing is protected, the site behind refuses what is."""

_CON, _NON, _ACK, _RST = 0, 1, 2, 3
_GET = 1
_WITH_PAYLOAD: Final = frozenset({2, 3})  # POST, PUT
_URI_PATH, _CONTENT_FORMAT = 11, 12
_AUTHORITY: Final = frozenset({3, 7})
_PROXY: Final = frozenset({35, 39})  # Proxy-Uri, Proxy-Scheme
_TEXTS: Final = frozenset({3, 8, 11, 15, 20, 35, 39})  # string options; RFC 7252 section 3.2 says UTF-8
_LONGEST: Final = {3: 255, 7: 2, 11: 255, 15: 255, 17: 2, 23: 3, 27: 3}
_STARTS: Final = {  # version 1, CON or NON, sound token length, POST or PUT: where the options start
    bytes((first, code)): HEADER_BYTES + (first & 0x0F)
    for first in (*range(0x40, 0x49), *range(0x50, 0x59))
    for code in sorted(_WITH_PAYLOAD)
}
_ACK_CHANGED: Final = tuple(bytes((0x60 | length, ReplyCode.CHANGED)) for length in range(16))
_MOST_KNOWN: Final = 8192
_MARKER: Final = 0xFF
_DISCOVERY: Final = [b".well-known", b"core"]
_V4_MAPPED: Final = b"\0" * 10 + b"\xff\xff"

Option = tuple[int, bytes]


class Way(Enum):
    """What becomes of a datagram that is not a small post of readings."""

    FURTHER = "further"
    DROP = "drop"
    RESET = "reset"


class Target(Struct, frozen=True, gc=False):
    """Where a small POST or PUT of readings goes: to a thing, with nothing in it that needs more than one datagram."""

    thing_id: ThingId
    content_format: int
    size: int
    """Bytes of the options; marker and payload follow."""


class BadOption(Struct, frozen=True, gc=False):
    """A request with a critical option that is unknown here, or whose value is none."""

    number: int

    @property
    def is_proxying(self) -> bool:
        """Whether it asks for a proxy, which has a code of its own (RFC 7252 section 5.10.2)."""
        return self.number in _PROXY


class _FormatError(Exception):
    """The bytes are no message."""


class Reader:
    """Says what a datagram is, as ``read`` does, sooner for options that came before.

    How options are read never depends on what follows them, so those that ended at a marker once always do.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, Target] = {}

    def read(self, data: bytes) -> Target | BadOption | Way:
        """Say what a datagram is."""
        start = _STARTS.get(data[:2])
        if start is None:
            return read(data)
        end = data.find(_MARKER, start)
        target = self._known.get(data[start:end])
        if target is not None and 0 < end < len(data) - 1:
            return target
        found = read(data)
        if isinstance(found, Target):
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[data[start : start + found.size]] = found
        return found


def read(data: bytes) -> Target | BadOption | Way:
    """Say what a datagram is."""
    size = len(data)
    if size < HEADER_BYTES or data[0] >> 6 != 1:
        return Way.DROP  # another version (RFC 7252 section 3), or nothing that could be answered
    kind, start = data[0] >> 4 & 3, HEADER_BYTES + (data[0] & 0x0F)
    try:
        options, end = _walked(data, start)
    except _FormatError:
        return _unsound(kind)
    code = data[1]
    if (kind == _RST and code) or (kind == _ACK and 0 < code < 32):
        return Way.DROP  # a reset is empty, and nobody acknowledges by asking (RFC 7252 section 4.3)
    if kind > _NON or not 0 < code < 32:
        return Way.FURTHER if all(_is_sound(*option) for option in options) else _unsound(kind)
    if code in _WITH_PAYLOAD and end < size:
        thing_id, content_format = _addressed(options)
        if thing_id and content_format is not None:
            return Target(thing_id, content_format, end - start - 1)
    return _judged(options, kind)


def is_con(data: bytes) -> bool:
    """Say whether a sound datagram is confirmable."""
    return data[0] >> 4 & 3 == _CON


def is_request(data: bytes) -> bool:
    """Say whether a sound datagram is a request, and not an answer to one of ours."""
    return data[0] >> 4 & 3 <= _NON and 0 < data[1] < 32


def is_unasked(data: bytes) -> bool:
    """Say whether a sound datagram is something that wants an acknowledgement or not, and is no request."""
    return data[0] >> 4 & 3 <= _NON and not 0 < data[1] < 32


def is_discovery(data: bytes) -> bool:
    """Say whether a sound datagram is what may be asked of a group: ``GET /.well-known/core``, not confirmable."""
    options, _ = _walked(data, HEADER_BYTES + (data[0] & 0x0F))
    path = [value for number, value in options if number == _URI_PATH]
    return data[0] >> 4 & 3 == _NON and data[1] == _GET and path == _DISCOVERY


def is_group(packet_info: bytes) -> bool:
    """Say whether ``in6_pktinfo`` names a multicast or broadcast destination."""
    return packet_info[:1] == b"\xff" or (packet_info[:12] == _V4_MAPPED and packet_info[12] >= 224)


def piggybacked(request: bytes, reply: Reply) -> bytes:
    """Return the acknowledgement of a request that holds its response."""
    length = request[0] & 0x0F
    start = _ACK_CHANGED[length] if reply.code is ReplyCode.CHANGED else bytes((length | 0x60, reply.code))
    answer = start + request[2 : HEADER_BYTES + length]
    return answer + tail(reply) if reply.text or reply.max_age_s is not None else answer


def non_confirmable(request: bytes, reply: Reply, message_id: int) -> bytes:
    """Return the response to a NON request, under a message id of our own."""
    end = HEADER_BYTES + (request[0] & 0x0F)
    head = bytes((0x50 | end - HEADER_BYTES, reply.code, message_id >> 8, message_id & 0xFF))
    return head + request[HEADER_BYTES:end] + tail(reply)


def empty_ack(request: bytes) -> bytes:
    """Return what says only that the request came."""
    return b"\x60\0" + request[2:4]


def reset(request: bytes) -> bytes:
    """Return what says that the message makes no sense here."""
    return b"\x70\0" + request[2:4]


def tail(reply: Reply) -> bytes:
    """Return the options and the payload of a response."""
    if reply.max_age_s is None and not reply.text:
        return b""
    options = b""
    if reply.max_age_s is not None:
        value = reply.max_age_s.to_bytes((reply.max_age_s.bit_length() + 7) // 8, "big")
        options = bytes((0xD0 | len(value), 1)) + value  # option 14 is 13 plus 1
    payload = reply.payload
    return options + b"\xff" + payload if payload else options


def _unsound(kind: int) -> Way:
    return Way.RESET if kind == _CON else Way.DROP  # RFC 7252 sections 4.2 and 4.3


def _walked(data: bytes, at: int) -> tuple[list[Option], int]:
    """Return the options and where the payload starts (the end of the datagram when there is none)."""
    size, code = len(data), data[1]
    if at > size or data[0] & 0x0F > MAX_TOKEN_BYTES or code >> 5 in {1, 6, 7} or (code == 0 and size > HEADER_BYTES):
        raise _FormatError
    number, options = 0, list[Option]()
    while at < size:
        first = data[at]
        at += 1
        if first == _MARKER:
            if at == size:
                raise _FormatError  # a marker and no payload
            return options, at
        delta, length = first >> 4, first & 0x0F
        if delta > 12:
            delta, at = _extended(data, at, delta)
        if length > 12:
            length, at = _extended(data, at, length)
        number += delta
        if at + length > size:
            raise _FormatError
        options.append((number, data[at : at + length]))
        at += length
    return options, size


def _extended(data: bytes, at: int, nibble: int) -> tuple[int, int]:
    after = at + nibble - 12
    if nibble == 15 or after > len(data):
        raise _FormatError
    return int.from_bytes(data[at:after], "big") + (13 if nibble == 13 else 269), after


def _addressed(options: Sequence[Option]) -> tuple[ThingId, int | None]:
    """Return thing and content format of ``/t/{thing_id}``; nothing when anything else is in the options.

    Uri-Host and Uri-Port may be there: this is one site under all names, here as behind.
    """
    while options and options[0][0] in _AUTHORITY and _is_sound(*options[0]):
        options = options[1:]
    if len(options) < 2 or options[-1][0] != _CONTENT_FORMAT or options[0] != (_URI_PATH, b"t"):
        return ThingId(""), None
    segments, value = options[1:-1], options[-1][1]
    content_format = int.from_bytes(value, "big")
    if len(value) > 2 or content_format not in FORMATS:
        return ThingId(""), None
    if any(number != _URI_PATH or len(segment) > 255 for number, segment in segments):
        return ThingId(""), None
    try:
        return ThingId(b"/".join(segment for _, segment in segments).decode()), content_format
    except UnicodeDecodeError:
        return ThingId(""), None


def _judged(options: Iterable[Option], kind: int) -> BadOption | Way:
    """Return the first option that cannot be served (RFC 7252 section 5.4.1); without one the request goes on."""
    for number, value in options:
        if (number & 1 and number not in _PASSED_ON) or not _is_sound(number, value):
            return BadOption(number) if kind == _CON else Way.DROP
    return Way.FURTHER


def _is_sound(number: int, value: bytes) -> bool:
    if len(value) > _LONGEST.get(number, 1034):  # the longest of all options (RFC 7252 section 5.10)
        return False
    if number in _TEXTS:
        try:
            value.decode()
        except UnicodeDecodeError:
            return False
    return True
