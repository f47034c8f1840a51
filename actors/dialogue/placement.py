"""Where actors and desks live: every address has a key, a key has a slot, a slot belongs to a shard.

Things and their devices are placed by the thing's id, owners, communities and endpoints by theirs, orders by their key,
and a CRM connection with its desk by the connection's name. The slot of a key never changes: it is stored with things,
and rows of every journal lie where it says. What may change one day is which shard a slot belongs to.
"""

import re
from hashlib import blake2b
from typing import Final

from msgspec import Struct

SLOTS: Final = 4096
_DIGEST_BYTES: Final = 8
_PLACED: Final = re.compile(r"(?:thing/|device/|owner/|community/|order/|connection/|endpoint/|desk:)(.+)", re.DOTALL)


def placement_key(address: str) -> str:
    """Return what decides on the place of an actor (``kind/name``) or of a desk (``desk:connection``).

    Raises:
        ValueError: nothing at this address has a place of its own.
    """
    found = _PLACED.fullmatch(address)
    if found is None:
        wanted = "a thing, device, owner, community, order, connection, endpoint or desk"
        raise ValueError(f"{address!r} has no place: expected {wanted}")
    return found[1]


def slot_of(key: str) -> int:
    """Return the slot of a placement key, 0 to 4095: BLAKE2b-64 of its UTF-8 bytes, big-endian, modulo 4096."""
    return int.from_bytes(blake2b(key.encode(), digest_size=_DIGEST_BYTES).digest(), "big") % SLOTS


class ShardMap(Struct, frozen=True):
    """Which shard a slot belongs to: each of ``shards`` has an equal run of neighbouring slots."""

    shards: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.shards <= SLOTS:
            raise ValueError(f"expected 1 to {SLOTS} shards, got {self.shards}")

    def shard_of_slot(self, slot: int) -> int:
        """Return the shard that a slot belongs to."""
        return slot * self.shards // SLOTS

    def shard_of(self, address: str) -> int:
        """Return the shard in which an actor or desk lives.

        Raises:
            ValueError: nothing at this address has a place of its own.
        """
        return self.shard_of_slot(slot_of(placement_key(address)))
