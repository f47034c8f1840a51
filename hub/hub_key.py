"""What hubs know each other by: an Ed25519 key, its fingerprint, and requests that are signed with it."""

import base64
import binascii
import hashlib
from datetime import timedelta
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

from actors.model.base import Instant
from actors.model.errors import HubError
from actors.model.ids import CommunityId

SCHEME: Final = "Hub"
CLOCKS_APART: Final = timedelta(minutes=5)
"""A request that is older, or from so far ahead, is refused: it may have been recorded."""
_FINGERPRINT: Final = 32
_LONGEST: Final = 2000


class NotSigned(HubError):
    """Something was not signed by the hub that it says it is of; the text says what is wrong."""


class Signature(Struct, frozen=True, kw_only=True):
    """The key that something was signed with, and the signature; both in hex."""

    public_key: str
    signature: str


class Introduction(Struct, frozen=True, kw_only=True):
    """What a hub signs to speak with another: who it is, to whom it speaks, about which community, and when."""

    hub: str
    to: str
    community: CommunityId
    at: Instant


class HubKey:
    """A hub's own key. ``secret`` is 32 bytes in hex."""

    def __init__(self, secret: str) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret))
        self._public = self._key.public_key().public_bytes_raw()

    @property
    def fingerprint(self) -> str:
        """What other hubs' operators list to trust this hub."""
        return _fingerprint(self._public)

    def sign(self, content: bytes) -> Signature:
        """Sign bytes."""
        return Signature(public_key=self._public.hex(), signature=self._key.sign(content).hex())

    def introduced(self, to: str, community_id: CommunityId, at: Instant) -> str:
        """Return the header ``Authorization`` of a request to another hub."""
        content = msgspec.json.encode(Introduction(hub=self.fingerprint, to=to, community=community_id, at=at))
        signed = self.sign(content)
        return f"{SCHEME} {base64.b64encode(content).decode()}.{signed.public_key}.{signed.signature}"


def signer(content: bytes, signature: Signature) -> str:
    """Return the fingerprint of the hub that signed this content. Raises: NotSigned."""
    try:
        public = bytes.fromhex(signature.public_key)
        Ed25519PublicKey.from_public_bytes(public).verify(bytes.fromhex(signature.signature), content)
    except (InvalidSignature, ValueError) as error:
        raise NotSigned(f"this is not what a hub signed ({str(error) or 'wrong signature'})") from error
    return _fingerprint(public)


def introduction(header: str, *, to: str, now: Instant) -> Introduction:
    """Return who speaks to the hub ``to``, by the header ``Authorization``. Raises: NotSigned."""
    scheme, _, told = header.partition(" ")
    parts = told.split(".")
    if scheme != SCHEME or len(parts) != 3 or len(told) > _LONGEST:
        raise NotSigned(f"expected a header Authorization: {SCHEME} INTRODUCTION.KEY.SIGNATURE")
    try:
        content = base64.b64decode(parts[0], validate=True)
        said = msgspec.json.decode(content, type=Introduction)
    except (binascii.Error, msgspec.MsgspecError) as error:
        raise NotSigned(f"expected an introduction, got something else: {error}") from error
    if signer(content, Signature(public_key=parts[1], signature=parts[2])) != said.hub or said.to != to:
        raise NotSigned(f"expected an introduction to the hub {to}, signed by the hub that it names")
    if abs(now - said.at) > CLOCKS_APART:
        raise NotSigned(f"signed at {said.at:%Y-%m-%dT%H:%M:%SZ}, here it is {now:%Y-%m-%dT%H:%M:%SZ}: set the clocks")
    return said


def _fingerprint(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()[:_FINGERPRINT]
