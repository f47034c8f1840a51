"""What is kept of each peer, bounded: its latest exchanges, what it may still send, who it is. No clock, no I/O."""

from collections import OrderedDict
from enum import Enum
from itertools import islice
from typing import Final, final

from protocols.coap.identity import Sender
from protocols.coap.replies import Reply

CON_LIFETIME_S: Final = 247.0  # EXCHANGE_LIFETIME, RFC 7252 section 4.8.2
NON_LIFETIME_S: Final = 145.0  # NON_LIFETIME, as above
_LOOKED_AT: Final = 16
_SAME_TIME_S: Final = 1.0

Address = tuple[str, int, int, int]
"""As ``recvmsg`` gives it: host, port, flow, scope."""


class Progress(Enum):
    """How far an exchange is whose acknowledgement does not hold the answer."""

    TAKEN = "taken"
    ACKNOWLEDGED = "acknowledged"


State = Reply | Progress
"""The reply that a repeated request gets again, or that it gets none."""


@final
class Bucket:
    """A token bucket."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, per_s: float, burst: float, now: float) -> None:
        self._rate = per_s
        self._burst = burst
        self._tokens = burst
        self._at = now

    def take(self, now: float) -> bool:
        """Take one token, if there is one."""
        tokens = self._tokens + (now - self._at) * self._rate
        self._at = now
        tokens = min(tokens, self._burst)
        if tokens < 1:
            self._tokens = tokens
            return False
        self._tokens = tokens - 1
        return True


@final
class Entry:
    """An exchange as long as it is remembered."""

    __slots__ = ("state", "until")

    def __init__(self, until: float) -> None:
        self.until = until
        self.state: State = Progress.TAKEN


@final
class Ring:
    """The newest exchanges of one peer.

    The key is the hash of the whole datagram: a retransmission has the same bytes, while a device that started anew may
    use a message id again for something else, and that must not be answered with what it did not ask.
    """

    __slots__ = ("_entries", "_newest")

    def __init__(self, newest: int) -> None:
        self._entries: dict[int, Entry] = {}
        self._newest = newest

    def find(self, key: int, now: float) -> State | None:
        """Return how far this exchange is, None when it is not known (any more)."""
        entry = self._entries.get(key)
        return entry.state if entry is not None and entry.until > now else None

    def begin(self, key: int, until: float) -> Entry:
        """Remember an exchange; the oldest one goes."""
        entries = self._entries
        if key in entries:
            del entries[key]  # its lifetime is over; the new one is the newest
        elif len(entries) >= self._newest:
            del entries[next(iter(entries))]
        entry = entries[key] = Entry(until)
        return entry

    def forget(self, key: int) -> None:
        """Take the next datagram with these bytes as a new one."""
        self._entries.pop(key, None)


@final
class Peer:
    """One address that may speak."""

    __slots__ = ("bucket", "open", "ring", "seen_at", "sender", "told_at")

    def __init__(self, sender: Sender, bucket: Bucket, ring: Ring) -> None:
        self.sender = sender
        self.bucket = bucket
        self.ring = ring
        self.open = 0
        """Exchanges without an answer."""
        self.seen_at = 0.0
        self.told_at = float("-inf")
        """When it was last told that it sends too much."""


@final
class Peers:
    """The peers, least recently heard of first (to the second), up to a number."""

    def __init__(self, most: int) -> None:
        self._peers: OrderedDict[Address, Peer] = OrderedDict()
        self._most = most

    def __len__(self) -> int:
        return len(self._peers)

    def find(self, address: Address, now: float) -> Peer | None:
        """Return a peer that was just heard of."""
        peer = self._peers.get(address)
        if peer is not None and now - peer.seen_at > _SAME_TIME_S:
            peer.seen_at = now
            self._peers.move_to_end(address)
        return peer

    def add(self, address: Address, peer: Peer, now: float) -> None:
        """Keep a new peer; the longest silent one without an open exchange goes when there are too many."""
        peer.seen_at = now
        if len(self._peers) >= self._most:
            oldest = list(islice(self._peers.items(), _LOOKED_AT))
            self._peers.pop(next((known for known, silent in oldest if not silent.open), oldest[0][0]))
        self._peers[address] = peer

    def drop_silent(self, now: float) -> None:
        """Forget who was not heard of for as long as an exchange is remembered."""
        while self._peers:
            address, peer = next(iter(self._peers.items()))
            if now - peer.seen_at < CON_LIFETIME_S:
                return
            del self._peers[address]
