"""Letters between shards, as they wait in outboxes and as they travel."""

from typing import Any, Final

from msgspec import Raw, Struct

SHARD_RELAY: Final = "shard"
"""The relay that carries letters to other shards: the courier."""
GATE: Final = "shard"
"""The kind of actor that takes them in: one for each sending shard."""
UNREADABLE: Final = f"{GATE}/unreadable"


class Letter(Struct, frozen=True):
    """A tell to an actor of another shard, when it is written. ``schema`` is that of the receiver's kind."""

    address: str
    message: Any
    schema: int = 1


class SealedLetter(Struct, frozen=True):
    """The same, as it is carried: only the receiving actor's kind reads the message."""

    address: str
    message: Raw
    schema: int = 1


class NumberedLetter(Struct, frozen=True):
    """A letter with its number in the sender's outbox: numbers rise, and none is ever used again."""

    number: int
    address: str
    message: Raw
    schema: int = 1


class Parcel(Struct, frozen=True, tag=True):
    """Letters from one shard to another, in their order. A gate passes on those that it has not taken before."""

    letters: tuple[NumberedLetter, ...]


class Forward(Struct, frozen=True, tag=True):
    """The outcome of work for a relay, to be told to an actor that lives elsewhere."""

    address: str
    message: Any


class Unreadable(Struct, frozen=True, tag=True):
    """A letter that no actor of this shard can read."""

    address: str
    reason: str
    message: bytes


def is_gate(address: str) -> bool:
    """Say whether this is an address of a gate; each shard has its own under the same addresses."""
    return address.startswith(f"{GATE}/")


def gate_address(shard: int) -> str:
    """Return where letters from this shard arrive, in whatever shard."""
    return f"{GATE}/{shard}"
