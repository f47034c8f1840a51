"""What the operator writes in the table of the HTTP adapter."""

from typing import Annotated

from msgspec import Meta

from actors.model.base import Value


class HttpConfig(Value, frozen=True, kw_only=True):
    """Limits for devices that talk to the hub's own HTTP server."""

    max_body_bytes: Annotated[int, Meta(ge=1024, le=64 * 1024 * 1024)] = 1024 * 1024
    """Bodies over this get 413; with gzip it counts the bytes after decompression."""
    accept_gzip: bool = True
    """Take ``Content-Encoding: gzip``; what unpacks to more than ``max_body_bytes`` is given up there."""
    body_within_s: Annotated[float, Meta(gt=0)] = 30.0
    """A body that takes longer gets 408."""
    reply_within_s: Annotated[float, Meta(gt=0)] = 60.0
    """A message not stored by then gets 503; the device sends it again under the same identity."""
    retry_after_s: Annotated[float, Meta(ge=1)] = 5.0
    """What 503 asks for when the reason itself names no time."""
    keep_keys: Annotated[int, Meta(ge=100, le=1_000_000)] = 10_000
    """So many idempotency keys are remembered with their replies, the latest."""
    heartbeat_s: Annotated[float, Meta(gt=0, le=300)] = 15.0
    """A silent event stream sends a comment so often, so that proxies and things see that it lives."""
    max_streams: Annotated[int, Meta(ge=1, le=100_000)] = 1000
    """Event streams and waiting polls at once; more get 503."""
    max_streams_of_a_thing: Annotated[int, Meta(ge=1)] = 8
    """How many of them one thing may hold, so that it keeps no other thing out."""
    longest_wait_s: Annotated[float, Meta(ge=0, le=300)] = 60.0
    """So long a poll for commands may wait at most."""
