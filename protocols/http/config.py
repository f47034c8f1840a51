"""What the operator writes in the table of the HTTP adapter."""

import re
from typing import Annotated, Final

from msgspec import Meta

from actors.model.base import Value
from actors.model.secrets import Secret
from protocols.http.signing import key_of

_TOKEN: Final = re.compile(r"[!-~]{16,512}")
_Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")]


class HookConfig(Value, frozen=True, kw_only=True):
    """``[protocols.http.hooks.NAME]``: a device cloud that pushes readings of its devices to ``/hooks/NAME``."""

    owner: Annotated[str, Meta(min_length=1, max_length=64)]
    """Whose things it may speak for; nobody else's are heard."""
    things: dict[str, str] = {}
    """What the cloud calls a device -> the thing's id; only these are heard. Empty: it calls every device by its id."""
    secrets: tuple[Secret, ...] = ()
    """Of Standard Webhooks (``whsec_...``): one, and while it is exchanged the new one beside it."""
    tokens: tuple[Secret, ...] = ()
    """Bearer tokens, for clouds that do not sign; 16 to 512 visible ASCII characters."""
    origins: tuple[Annotated[str, Meta(min_length=1, max_length=253)], ...] = ()
    """Senders that may ask by the CloudEvents handshake whether they may push, by their DNS names."""
    per_minute: Annotated[int, Meta(ge=1, le=1_000_000)] = 6000
    """Messages that it may push; more get 429."""

    def __post_init__(self) -> None:
        """Refuse a hook that could prove nothing.

        Raises:
            ValueError: There is neither secret nor token, or one of them is none.
        """
        if not self.secrets and not self.tokens:
            raise ValueError("secrets and tokens: expected at least one secret or token, or nobody could be believed")
        for number, secret in enumerate(self.secrets, 1):
            try:
                key_of(secret)
            except ValueError as error:
                raise ValueError(f"secrets, item {number}: {error}") from None
        for number, token in enumerate(self.tokens, 1):
            if _TOKEN.fullmatch(token.reveal()) is None:
                raise ValueError(f"tokens, item {number}: expected 16 to 512 visible ASCII characters")


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
    reader_within_s: Annotated[float, Meta(gt=0)] = 30.0
    """An event stream whose reader takes nothing for so long is cut off; the thing connects again."""
    longest_wait_s: Annotated[float, Meta(ge=0, le=300)] = 60.0
    """So long a poll for commands may wait at most."""
    hooks: dict[_Name, HookConfig] = {}
    """Device clouds that push readings, by the name in their route."""
