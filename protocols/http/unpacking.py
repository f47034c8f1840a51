"""Content codings: gzip with a bound, so that a small body cannot unpack to a large one. Pure."""

import zlib
from typing import Final

from actors.model.errors import MalformedPayload

_GZIP: Final = 16 + zlib.MAX_WBITS


class TooLarge(Exception):
    """It unpacks to more than allowed."""


def unpacked(body: bytes, limit: int) -> bytes:
    """Return what a gzip body holds.

    Raises:
        TooLarge: more than ``limit`` bytes; no more than that was unpacked.
        MalformedPayload: it is no whole gzip member, or something follows it.
    """
    unpacker = zlib.decompressobj(_GZIP)
    try:
        content = unpacker.decompress(body, limit + 1)
    except zlib.error as error:
        raise MalformedPayload(f"gzip: {error}") from None
    if len(content) > limit:
        raise TooLarge
    if not unpacker.eof:
        raise MalformedPayload("gzip: expected a whole member, got a truncated one")
    if unpacker.unused_data:
        raise MalformedPayload(f"gzip: expected one member, got {len(unpacker.unused_data)} bytes behind it")
    return content
