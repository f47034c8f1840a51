"""What is kept of each peer, bounded: its latest exchanges, what it may still send, who it is. No clock, no I/O."""

from collections import OrderedDict
from enum import Enum
from itertools import islice
from typing import Final, final

from msgspec import Struct

from protocols.coap.identity import Sender
from protocols.coap.replies import Reply

CON_LIFETIME_S: Final = 247.0  # EXCHANGE_LIFETIME, RFC 7252 section 4.8.2
NON_LIFETIME_S: Final = 145.0  # NON_LIFETIME, as above
_LOOKED_AT: Final = 16
_SAME_TIME_S: Final = 1.0
_ROUNDING_S: Final = 1e-9

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

    __slots__ = ("_each_s", "_full_at", "_lead_s")

    def __init__(self, per_s: float, burst: float, now: float) -> None:
        self._each_s = 1 / per_s
        self._lead_s = (burst - 1) / per_s
        self._full_at = now
        """When it is full again if nothing more is taken: the one number that is kept."""

    def take(self, now: float) -> bool:
        """Take one token, if there is one."""
        full_at = self._full_at
        if full_at <= now:
            self._full_at = now + self._each_s
            return True
        if full_at - now > self._lead_s + _ROUNDING_S:
            return False
        self._full_at = full_at + self._each_s
        return True


class Entry:
    """An exchange as long as it is remembered."""

    __slots__ = ("state", "until")

    def __init__(self, until: float) -> None:
        self.until = until
        self.state: State = Progress.TAKEN


class PeerLimits(Struct, frozen=True, kw_only=True):
    """What one peer may do."""

    per_s: float
    """Requests a second; twice as many at once."""
    remembered: int
    """Exchanges that are surely remembered; up to twice as many are."""


@final
class Peer:
    """One address that may speak: who it is, what it may still send, and its newest exchanges.

    An exchange is told by the hash of the whole datagram: a retransmission has the same bytes, while a device that
    started anew may use a message id again for something else, and that must not be answered with what it did not ask.
    Whole generations are forgotten at once: a table from which always the oldest is taken costs several times as much.
    """

    __slots__ = ("_limits", "_older", "_younger", "may", "open", "seen_at", "sender", "told_at")

    def __init__(self, sender: Sender, limits: PeerLimits, now: float) -> None:
        self.sender = sender
        self.open = 0
        """Exchanges without an answer."""
        self.seen_at = now
        self.told_at = float("-inf")
        """When it was last told that it sends too much."""
        self._limits = limits
        self.may = Bucket(limits.per_s, 2 * limits.per_s, now).take
        """Say whether it may send one more request at this time, and count it."""
        self._younger: dict[int, Entry] = {}
        self._older: dict[int, Entry] = {}

    def find(self, key: int, now: float) -> State | None:
        """Return how far an exchange is, None when it is not known (any more)."""
        entry = self._younger.get(key) or self._older.get(key)
        return entry.state if entry is not None and entry.until > now else None

    def begin(self, key: int, entry: Entry) -> None:
        """Remember an exchange."""
        younger = self._younger
        if len(younger) >= self._limits.remembered:
            self._older = younger
            self._younger = younger = {}
        younger[key] = entry

    def forget(self, key: int) -> None:
        """Take the next datagram with these bytes as a new one."""
        self._younger.pop(key, None)
        self._older.pop(key, None)


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
