"""Identifiers and how the ones with a meaning are derived."""

import hashlib
from functools import lru_cache
from typing import NewType

ThingId = NewType("ThingId", str)
OwnerId = NewType("OwnerId", str)
CommunityId = NewType("CommunityId", str)
MandateId = NewType("MandateId", str)
OfferId = NewType("OfferId", str)
OrderKey = NewType("OrderKey", str)
CorrelationId = NewType("CorrelationId", str)
InstallationId = NewType("InstallationId", str)
CommandId = NewType("CommandId", str)

_FIELD_SEPARATOR = "\x1f"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_PAIRS = tuple(first + second for first in _LETTERS for second in _LETTERS)


@lru_cache(maxsize=4096)  # every turn of an order asks for its key, and hashing costs a tenth of the turn
def order_key(
    installation: InstallationId,
    owner: OwnerId,
    thing: ThingId,
    subject: str,
    episode: int,
    revision: int,
) -> OrderKey:
    """Return the external key of the order for one need: 29 upper-case letters and digits.

    The key names the need and never the attempt, so a repeated attempt finds the first one's record. It holds no dots
    and no case-dependent characters: some CRMs match external ids without regard to case.
    """
    material = _FIELD_SEPARATOR.join(("v1", installation, owner, thing, subject, str(episode), str(revision)))
    digest = hashlib.sha256(material.encode()).digest()
    return OrderKey("I2C" + _base32_26(digest))


def _base32_26(digest: bytes) -> str:
    """Return the first 26 letters of a digest in Base32 (RFC 4648): its first 130 bits, ten at a time.

    The library's encoder costs ten times as much, and a key is asked for at each step of an order.
    """
    bits = int.from_bytes(digest[:17]) >> 6
    return "".join([_PAIRS[(bits >> shift) & 1023] for shift in range(120, -10, -10)])


def fingerprint(*parts: str) -> str:
    """Return 16 hex digits that identify the content of a need; they travel into the CRM record beside the key."""
    return hashlib.sha256(_FIELD_SEPARATOR.join(parts).encode()).hexdigest()[:16]
