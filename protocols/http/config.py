"""What the operator writes in the table of the HTTP adapter."""

from typing import Annotated

from msgspec import Meta

from actors.model.base import Value


class HttpConfig(Value, frozen=True, kw_only=True):
    """Limits for devices that post readings. The address they post to is the hub's own HTTP server."""

    max_body_bytes: Annotated[int, Meta(ge=1024, le=64 * 1024 * 1024)] = 1024 * 1024
    """Bodies over this get 413; with gzip it counts the bytes after decompression."""
    accept_gzip: bool = False
    """Take ``Content-Encoding: gzip``. Off, because a small body may unpack to a large one."""
    body_within_s: Annotated[float, Meta(gt=0)] = 30.0
    """A body that takes longer gets 408."""
    reply_within_s: Annotated[float, Meta(gt=0)] = 60.0
    """A message not stored by then gets 503; the device sends it again under the same identity."""
    retry_after_s: Annotated[float, Meta(ge=1)] = 5.0
    """What 503 asks for when the reason itself names no time."""
