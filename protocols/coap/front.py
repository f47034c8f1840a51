"""The front end: answers small posts of readings itself, refuses what is unsound, and passes the rest to aiocoap.

aiocoap costs about 200 microseconds and, for 247 s, 2.6 kB a request; this way costs a twentieth and keeps a few words.
"""

from asyncio import AbstractEventLoop, TimerHandle
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import ceil
from random import Random
from typing import Final, Protocol, final

from msgspec import Struct

from actors.ports import Clock
from protocols.coap.datagram import (
    HEADER_BYTES,
    NON_START,
    BadOption,
    Reader,
    Target,
    Way,
    empty_ack,
    is_con,
    is_discovery,
    is_group,
    is_request,
    is_unasked,
    non_confirmable,
    piggybacked,
    reset,
)
from protocols.coap.identity import Sender
from protocols.coap.mapping import Arrival
from protocols.coap.peers import (
    CON_LIFETIME_S,
    NON_LIFETIME_S,
    Address,
    Bucket,
    Entry,
    Peer,
    PeerLimits,
    Peers,
    Progress,
)
from protocols.coap.replies import FOR_NOW, Rejected, Reply, bad_option, too_many, unavailable

Ancillary = Sequence[tuple[int, int, bytes]]
_TICK_S: Final = 0.25
_TICKS_TO_ACKNOWLEDGE: Final = 3  # half a second at least, well under ACK_TIMEOUT (2 s), when the device sends again


class FrontSettings(Struct, frozen=True, kw_only=True):
    """Limits and delays of the front end."""

    per_peer_per_s: float = 100.0
    """Requests a second of one address and port; twice as many at once."""
    slow_per_s: float = 200.0
    """Requests a second that aiocoap gets, of all peers; five times as many at once. It keeps each for 247 s."""
    strangers_per_s: float = 50.0
    """Refusals a second to addresses that may not speak, all together: a forged sender is not flooded by us."""
    max_peers: int = 10_000
    remembered: int = 16
    """Exchanges a peer, and up to twice as many: what is older is judged by the journal alone."""
    reply_within_s: float = 60.0
    retry_after_s: float = 5.0
    leisure_s: float = 5.0
    """An answer to a group comes at some time within (RFC 7252 section 8.2)."""


class Taker(Protocol):
    """Where arrivals go; the intake, for one."""

    def take(self, arrival: Arrival, answer: Callable[[Reply], None]) -> None:
        """Hand in one request; ``answer`` is called exactly once."""
        ...

    def admit(self, sender: Sender) -> None:
        """Say whether a sender may speak.

        Raises:
            Rejected: It may not.
        """
        ...

    def counted(self, reply: Reply) -> Reply:
        """Count a reply that did not come from ``take``."""
        ...


class Slow(Protocol):
    """The full CoAP stack behind the front end."""

    def take(self, data: bytes, ancillary: Ancillary, address: Address) -> None:
        """Hand in a datagram as it was received."""
        ...

    def expects(self, data: bytes, address: Address) -> bool:
        """Say whether a response belongs to a request of ours."""
        ...

    def next_message_id(self) -> int:
        """Return a message id that nobody else on this port uses at the time."""
        ...

    def send_separately(self, address: Address, packet_info: bytes | None, token: bytes, reply: Reply) -> None:
        """Send a confirmable response and repeat it until it is acknowledged."""
        ...


class _Exchange(Entry):
    """One post under way. Afterwards only what an ``Entry`` holds is kept of it."""

    __slots__ = ("address", "ancillary", "data", "peer", "since")
    since: int

    def __init__(self, peer: Peer, data: bytes, ancillary: Ancillary, address: Address, now: float) -> None:
        self.state = Progress.TAKEN
        self.until = now + (CON_LIFETIME_S if data[0] < NON_START else NON_LIFETIME_S)
        self.peer = peer
        self.data = data
        self.ancillary = ancillary
        self.address = address

    def release(self) -> None:
        """Keep no more than what a repeated request needs; and no circle of references."""
        del self.peer, self.data, self.ancillary, self.address


@final
class Front:
    """Takes every datagram of a port."""

    def __init__(
        self,
        loop: AbstractEventLoop,
        taker: Taker,
        send: Callable[[bytes, Ancillary, Address], object],
        clock: Clock,
        chance: Random,
        settings: FrontSettings,
    ) -> None:
        self._loop = loop
        self._taker = taker
        self._send = send
        self._monotonic = clock.monotonic
        self._chance = chance
        self._settings = settings
        now = clock.monotonic()
        self._slow: Slow | None = None
        self._peers = Peers(settings.max_peers)
        self._limits = PeerLimits(per_s=settings.per_peer_per_s, remembered=settings.remembered)
        self._for_strangers = Bucket(settings.strangers_per_s, 2 * settings.strangers_per_s, now)
        self._for_slow = Bucket(settings.slow_per_s, 5 * settings.slow_per_s, now)
        self._open: dict[_Exchange, None] = {}
        self._timer: TimerHandle | None = None
        self._is_closed = False
        self._reader = Reader()
        self._to_us: Ancillary = ()
        self._ticks = 0
        self._ticks_to_give_up = ceil(settings.reply_within_s / _TICK_S)
        self._fast = 0
        names = ("slow", "repeats", "resets", "limited", "unsound", "to_groups", "empty_acks", "separate", "unasked")
        self._counts = Counter(dict.fromkeys(names, 0))

    def stand_before(self, slow: Slow) -> None:
        """Pass on to this stack."""
        self._slow = slow

    def close(self) -> None:
        """Answer nothing more."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()

    def trust(self, sender: Sender) -> None:
        """Treat an address as a peer: it spoke in a security context, so it has a share of its own."""
        now, address = self._monotonic(), (sender.host, sender.port, 0, 0)
        if self._peers.find(address, now) is None:
            self._peers.add(address, Peer(sender, self._limits, now), now)

    def counters(self) -> Mapping[str, int]:
        """Return the datagrams by the way they took, and the peers that are kept."""
        return {"fast": self._fast, **self._counts, "peers": len(self._peers)}

    def receive(self, data: bytes, ancillary: Ancillary, address: Address) -> None:
        """Deal with one datagram."""
        found = self._reader.read(data)
        if ancillary is not self._to_us:
            if ancillary and is_group(ancillary[0][2]):
                self._take_for_group(found, data, ancillary, address)
                return
            self._to_us = ancillary
        if isinstance(found, Target):
            self._take_post(found, data, ancillary, address)
        elif found is Way.FURTHER:
            self._pass_on(data, ancillary, address)
        elif isinstance(found, BadOption):
            self._refuse_option(found, data, ancillary, address)
        else:
            self._counts["unsound"] += 1
            if found is Way.RESET:
                self._counts["resets"] += 1
                self._send(reset(data), ancillary, address)

    # Posts of readings.

    def _take_post(self, target: Target, data: bytes, ancillary: Ancillary, address: Address) -> None:
        now = self._monotonic()
        peer = self._peers.find(address, now)
        if peer is None:
            try:
                peer = self._admitted(address, now)
            except Rejected as rejected:
                self._tell_stranger(data, ancillary, address, rejected.reply)
                return
        state = peer.find(hash(data), now)
        if state is not None:
            self._repeat(data, ancillary, address, state)
        elif peer.may(now):
            self._begin(_Exchange(peer, data, ancillary, address, now), target)
        else:
            self._limit(peer, data, ancillary, address, now)

    def _begin(self, exchange: _Exchange, target: Target) -> None:
        self._fast += 1
        peer, data = exchange.peer, exchange.data
        end = HEADER_BYTES + (data[0] & 0x0F)
        exchange.since = self._ticks
        peer.begin(hash(data), exchange)
        peer.open += 1
        self._open[exchange] = None
        if self._timer is None:
            self._timer = self._loop.call_later(_TICK_S, self._tick)
        payload = data[end + target.size + 1 :]
        arrival = Arrival(peer.sender, target.thing_id, target.content_format, payload, data[2:end])
        try:
            self._taker.take(arrival, partial(self._answer, exchange))
        except BaseException:
            if self._open.pop(exchange, self) is None:
                peer.open -= 1
            peer.forget(hash(data))  # sent again, it is tried again
            raise

    def _answer(self, exchange: _Exchange, reply: Reply) -> None:
        if self._is_closed or self._open.pop(exchange, self) is self:
            return  # it was told already that this takes too long
        peer, data = exchange.peer, exchange.data
        peer.open -= 1
        is_acknowledged = exchange.state is Progress.ACKNOWLEDGED
        if reply.code in FOR_NOW:
            peer.forget(hash(data))
        elif not is_acknowledged:
            exchange.state = reply
        if is_acknowledged:
            self._answer_separately(exchange, reply)
        elif data[0] < NON_START:
            self._send(piggybacked(data, reply), exchange.ancillary, exchange.address)
        else:
            self._reply(data, exchange.ancillary, exchange.address, reply)
        exchange.release()

    def _answer_separately(self, exchange: _Exchange, reply: Reply) -> None:
        self._counts["separate"] += 1
        if self._slow is not None:
            data, ancillary = exchange.data, exchange.ancillary
            token = data[HEADER_BYTES : HEADER_BYTES + (data[0] & 0x0F)]
            self._slow.send_separately(exchange.address, ancillary[0][2] if ancillary else None, token, reply)

    def _repeat(self, data: bytes, ancillary: Ancillary, address: Address, state: Reply | Progress) -> None:
        self._counts["repeats"] += 1
        if not is_con(data) or state is Progress.TAKEN:
            return  # RFC 7252 section 4.5; the answer to the first one comes
        answer = piggybacked(data, state) if isinstance(state, Reply) else empty_ack(data)
        self._send(answer, ancillary, address)

    def _limit(self, peer: Peer, data: bytes, ancillary: Ancillary, address: Address, now: float) -> None:
        self._counts["limited"] += 1
        if now - peer.told_at >= 1:
            peer.told_at = now
            reply = self._taker.counted(too_many(self._settings.per_peer_per_s))
            self._reply(data, ancillary, address, reply)

    def _tick(self) -> None:
        """Acknowledge what takes long, give up what takes too long. Open exchanges stand in the order of their age."""
        self._timer = None
        self._ticks += 1
        for exchange in list(self._open):
            age = self._ticks - exchange.since
            if age >= self._ticks_to_give_up:
                self._give_up(exchange)
            elif age < _TICKS_TO_ACKNOWLEDGE:
                break
            elif is_con(exchange.data) and exchange.state is Progress.TAKEN:
                exchange.state = Progress.ACKNOWLEDGED
                self._counts["empty_acks"] += 1
                self._send(empty_ack(exchange.data), exchange.ancillary, exchange.address)
        self._peers.drop_silent(self._monotonic())
        if self._open and not self._is_closed:
            self._timer = self._loop.call_later(_TICK_S, self._tick)

    def _give_up(self, exchange: _Exchange) -> None:
        late = f"not stored within {self._settings.reply_within_s:g} s; it may be stored later"
        reply = unavailable("not_stored_yet", late, self._settings.retry_after_s)
        self._answer(exchange, self._taker.counted(reply))

    # Everything else.

    def _pass_on(self, data: bytes, ancillary: Ancillary, address: Address) -> None:
        if self._slow is None or (is_request(data) and not self._may_be_slow(address)):
            self._counts["limited"] += 1  # silently: it may be a repeated request that was served before
        elif is_unasked(data) and not self._slow.expects(data, address):
            self._counts["unasked"] += 1  # aiocoap would keep each of them for 247 s
            if is_con(data):
                self._send(reset(data), ancillary, address)  # a ping too (RFC 7252 section 4.3)
        else:
            self._counts["slow"] += 1
            self._slow.take(data, ancillary, address)

    def _may_be_slow(self, address: Address) -> bool:
        now = self._monotonic()
        peer = self._peers.find(address, now)
        if peer is None:
            try:
                peer = self._admitted(address, now)
            except Rejected:
                return self._for_strangers.take(now) and self._for_slow.take(now)
        return peer.may(now) and self._for_slow.take(now)

    def _refuse_option(self, found: BadOption, data: bytes, ancillary: Ancillary, address: Address) -> None:
        reply = bad_option(found.number, is_proxying=found.is_proxying)
        self._tell_stranger(data, ancillary, address, reply)

    def _take_for_group(
        self, found: Target | BadOption | Way, data: bytes, ancillary: Ancillary, address: Address
    ) -> None:
        """Let a group be asked what there is; anything else gets silence (RFC 7252 section 8.2)."""
        self._counts["to_groups"] += 1
        if self._slow is None or found is not Way.FURTHER or not is_discovery(data):
            return
        if self._for_strangers.take(self._monotonic()):
            delay_s = self._chance.uniform(0, self._settings.leisure_s)
            self._loop.call_later(delay_s, self._take_later, data, ancillary, address)

    def _take_later(self, data: bytes, ancillary: Ancillary, address: Address) -> None:
        if self._slow is not None and not self._is_closed:
            self._slow.take(data, ancillary, address)

    # Peers.

    def _admitted(self, address: Address, now: float) -> Peer:
        sender = Sender(host=address[0], port=address[1])
        self._taker.admit(sender)
        peer = Peer(sender, self._limits, now)
        self._peers.add(address, peer, now)
        return peer

    def _tell_stranger(self, data: bytes, ancillary: Ancillary, address: Address, reply: Reply) -> None:
        """Refuse without keeping anything, and not too often."""
        self._taker.counted(reply)
        if self._for_strangers.take(self._monotonic()):
            self._reply(data, ancillary, address, reply)
        else:
            self._counts["limited"] += 1

    def _reply(self, request: bytes, ancillary: Ancillary, address: Address, reply: Reply) -> None:
        if is_con(request):
            self._send(piggybacked(request, reply), ancillary, address)
        elif self._slow is not None:
            self._send(non_confirmable(request, reply, self._slow.next_message_id()), ancillary, address)
