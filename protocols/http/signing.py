"""Signatures of webhooks after Standard Webhooks 1.0 (symmetric, ``v1``): made, and checked. Pure.

What is signed is ``id.timestamp.body``. An id holds no full stop: with one, parts of a body could be taken for others.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from actors.model.secrets import Secret

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
PREFIX: Final = "whsec_"
TOLERANCE_S: Final = 300
"""How far a sender's clock may be from ours; what is older is a replay."""
_SHORTEST: Final = 24
_LONGEST: Final = 64
_VERSION: Final = "v1,"
_MOST_SIGNATURES: Final = 20
_ID: Final = re.compile(r"[!-\-/-~]{1,200}")
_SECONDS: Final = re.compile(r"[0-9]{1,12}")


class NotProved(Exception):
    """A message is not signed by who holds the secret, or not now; the text says what was expected, no secret."""


def key_of(secret: Secret) -> bytes:
    """Return the key that a written secret stands for: base64, with ``whsec_`` before it or without.

    Raises:
        ValueError: it is no such secret.
    """
    try:
        key = base64.b64decode(secret.reveal().removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise ValueError(
            f"expected {PREFIX} and {_SHORTEST} to {_LONGEST} bytes in base64; make them with: openssl rand -base64 32"
        )
    return key


def written(key: bytes) -> str:
    """Return a key as the secret that people copy."""
    return PREFIX + base64.b64encode(key).decode()


def signature(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature of one message under one key."""
    content = f"{message_id}.{timestamp}.".encode() + body
    return _VERSION + base64.b64encode(hmac.digest(key, content, "sha256")).decode()


def signed(keys: Sequence[bytes], message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """Return the headers of a message that leaves now: a signature for each key, so that keys can be exchanged."""
    timestamp = int(at.timestamp())
    told = " ".join(signature(key, message_id, timestamp, body) for key in keys)
    return {ID: message_id, TIMESTAMP: str(timestamp), SIGNATURE: told}


def proved(headers: Mapping[str, str], body: bytes, keys: Sequence[bytes], now: datetime) -> str:
    """Return the id of a message that one of the keys has signed.

    Raises:
        NotProved: the text says what is missing or wrong.
    """
    message_id, told = headers.get(ID, ""), headers.get(TIMESTAMP, "")
    if _ID.fullmatch(message_id) is None:
        raise NotProved(f"{ID}: expected 1 to 200 visible ASCII characters and no full stop")
    if _SECONDS.fullmatch(told) is None:
        raise NotProved(f"{TIMESTAMP}: expected seconds since 1970")
    if abs(now.timestamp() - int(told)) > TOLERANCE_S:
        raise NotProved(f"{TIMESTAMP}: expected a time within {TOLERANCE_S} s of this hub's clock")
    given = _given(headers.get(SIGNATURE, ""))
    wanted = [signature(key, message_id, int(told), body).encode() for key in keys]
    if not any(hmac.compare_digest(one, other) for one in given for other in wanted):
        raise NotProved(f"{SIGNATURE}: expected one of this hook's secrets over id.timestamp.body")
    return message_id


def _given(header: str) -> list[bytes]:
    """Return the signatures of our version; others stand beside them while a sender changes its ways."""
    told = [one for one in header.split(" ") if one.startswith(_VERSION)]
    return [one.encode(errors="surrogateescape") for one in told[:_MOST_SIGNATURES]]
