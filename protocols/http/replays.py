"""Idempotency keys: one request under a key is carried out once, and its reply is given again.

In memory and bounded: after a restart a key is new. What may not happen twice then is kept from it elsewhere: messages
by their identity in the journal, orders by their subject.
"""

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from enum import Enum, auto

from msgspec import Struct


class Reply(Struct, frozen=True, gc=False):
    """What was answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Standing(Enum):
    """What is known of a key."""

    NEW = auto()
    IN_FLIGHT = auto()
    OTHER_BODY = auto()


class _Known(Struct, gc=False):
    digest: bytes
    reply: Reply | None = None


class Replays:
    """The latest keys with their replies; those under way are never forgotten."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[Hashable, _Known] = OrderedDict()
        self._under_way: dict[Hashable, bytes] = {}

    def begin(self, key: Hashable, digest: bytes) -> Standing | Reply:
        """Take a request under a key: it is new (then ``end`` or ``forget`` it), known, or not to be done."""
        held = self._under_way.get(key)
        known = self._known.get(key)
        former = held if held is not None else known.digest if known is not None else None
        if former is None:
            self._under_way[key] = digest
            return Standing.NEW
        if former != digest:
            return Standing.OTHER_BODY
        if known is None or known.reply is None:
            return Standing.IN_FLIGHT
        return known.reply

    def end(self, key: Hashable, reply: Reply) -> None:
        """Keep the reply of a request that was carried out."""
        self._known[key] = _Known(self._under_way.pop(key), reply)
        if len(self._known) > self._most:
            self._known.popitem(last=False)

    def forget(self, key: Hashable) -> None:
        """The request came to nothing: under this key it may be tried again, even with another body."""
        self._under_way.pop(key, None)

    def __len__(self) -> int:
        return len(self._known) + len(self._under_way)
