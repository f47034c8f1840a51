"""What a datagram is, by its bytes alone: our reading of it against aiocoap's, and the way it takes."""

import asyncio
from collections.abc import Callable
from random import Random

from aiocoap import Message
from aiocoap.numbers.codes import Code
from aiocoap.numbers.types import Type
from coap_wire import ACK, BODY, CHANGED, CON, GET, NON, SENML_JSON, post, request
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.coap.datagram import Reader, Target, Way, is_discovery, is_group, piggybacked, read
from protocols.coap.front import Ancillary, Front, FrontSettings
from protocols.coap.identity import Sender
from protocols.coap.mapping import Arrival
from protocols.coap.peers import Address
from protocols.coap.replies import Rejected, Reply, ReplyCode, unavailable
from protocols.testing import TANK, ManualClock

OPTIONS = st.lists(
    st.tuples(st.sampled_from([1, 3, 4, 5, 7, 11, 11, 11, 12, 14, 15, 23, 27, 60, 258]), st.binary(max_size=20)),
    max_size=5,
)
MESSAGES = st.builds(
    lambda mid, options, code, kind, token, body: request(mid, *options, code=code, kind=kind, token=token, body=body),
    st.integers(0, 65535),
    OPTIONS | st.just([(11, b"t"), (11, TANK.encode()), SENML_JSON]),
    st.integers(0, 255) | st.sampled_from([2, 3]),
    st.sampled_from([CON, NON, ACK, 0x70]),
    st.binary(max_size=9),
    st.binary(max_size=40),
)
DATAGRAMS = st.binary(max_size=80) | MESSAGES | st.binary(max_size=60).map(lambda noise: post(3)[:4] + noise)
PEER: Address = ("::ffff:127.0.0.1", 5000, 0, 0)
TO_US: Ancillary = [(41, 50, b"\0" * 10 + b"\xff\xff\x7f\0\0\1" + b"\0" * 4)]
TO_GROUP_V4: Ancillary = [(41, 50, b"\0" * 10 + b"\xff\xff\xe0\0\1\xbb" + b"\0" * 4)]
TO_GROUP_V6: Ancillary = [(41, 50, b"\xff\x02" + b"\0" * 13 + b"\xfd" + b"\0" * 4)]


class Bench:
    """A front end between fakes."""

    def __init__(self, **settings: float) -> None:
        self.clock = ManualClock()
        self.sent: list[tuple[bytes, Address]] = []
        self.taken: list[Arrival] = []
        self.stack = Stack()
        self.passed = self.stack.passed
        limits = FrontSettings(**{"leisure_s": 0.0} | settings)
        loop = asyncio.get_running_loop()
        self.front = Front(loop, self, self._send, self.clock, Random(1), limits)
        self.front.stand_before(self.stack)

    def _send(self, data: bytes, ancillary: Ancillary, address: Address) -> None:
        self.sent.append((data, address))

    def take(self, arrival: Arrival, answer: Callable[[Reply], None]) -> None:
        self.taken.append(arrival)
        answer(Reply(code=ReplyCode.CHANGED))

    def admit(self, sender: Sender) -> None:
        if sender.host.startswith("6.6."):
            raise Rejected(ReplyCode.UNAUTHORIZED, "unauthenticated", "no")

    def counted(self, reply: Reply) -> Reply:
        return reply


class Stack:
    """What stands behind a front end, and only listens."""

    def __init__(self) -> None:
        self.passed: list[bytes] = []
        self.separate: list[tuple[bytes, Reply]] = []

    def take(self, data: bytes, ancillary: Ancillary, address: Address) -> None:
        self.passed.append(data)

    def expects(self, data: bytes, address: Address) -> bool:
        return data[4:5] == b"\x01"

    def next_message_id(self) -> int:
        return 0x1234

    def send_separately(self, address: Address, packet_info: bytes | None, token: bytes, reply: Reply) -> None:
        self.separate.append((token, reply))


@settings(max_examples=500, deadline=None)
@given(DATAGRAMS)
def test_what_we_take_for_a_post_is_the_same_message_to_aiocoap(datagram: bytes) -> None:
    found = read(datagram)
    if not isinstance(found, Target):
        return
    message = Message.decode(datagram)
    assert message.code in (Code.POST, Code.PUT)
    assert message.mtype in (Type.CON, Type.NON)
    assert message.payload == datagram[4 + len(message.token) + found.size + 1 :]
    assert message.opt.uri_path == ("t", *found.thing_id.split("/"))
    assert message.opt.content_format == found.content_format


@settings(max_examples=200, deadline=None)
@given(st.lists(DATAGRAMS, max_size=8))
def test_what_came_before_does_not_change_what_a_datagram_is(datagrams: list[bytes]) -> None:
    reader = Reader()
    for datagram in (post(1), post(2, body=b"\xff"), *datagrams, post(1)[: -len(BODY)], post(1) + b"\xff", *datagrams):
        assert reader.read(datagram) == read(datagram)


@settings(max_examples=500, deadline=None)
@given(DATAGRAMS)
def test_whatever_is_passed_on_aiocoap_can_decode(datagram: bytes) -> None:
    if read(datagram) is Way.FURTHER:
        Message.decode(datagram)


@settings(max_examples=300, deadline=None)
@given(DATAGRAMS)
def test_a_datagram_that_comes_twice_takes_the_same_way(datagram: bytes) -> None:
    async def twice() -> None:
        bench = Bench()
        ways = []
        for _ in range(2):
            before = dict(bench.front.counters())
            bench.front.receive(datagram, TO_US, PEER)
            after = bench.front.counters()
            ways.append({name for name in ("fast", "repeats", "slow", "unsound") if after[name] > before[name]})
        assert ways[1] == ({"repeats"} if ways[0] == {"fast"} else ways[0])
        bench.front.close()

    asyncio.run(twice())


async def test_a_post_is_read_whatever_its_token() -> None:
    bench = Bench()
    for length in range(9):
        bench.front.receive(post(513, token=b"x" * length), TO_US, PEER)
        taken = bench.taken[-1]
        assert (taken.exchange, taken.payload) == (b"\x02\x01" + b"x" * length, BODY)
        assert (taken.thing_id, taken.content_format) == (TANK, 110)
    bench.front.close()


def test_only_discovery_may_be_asked_of_a_group() -> None:
    paths = (11, b".well-known"), (11, b"core")
    assert is_discovery(request(1, *paths, code=GET, kind=NON))
    assert not is_discovery(request(1, *paths, code=GET, kind=CON))
    assert not is_discovery(request(1, (11, b"core"), code=GET, kind=NON))
    assert [is_group(ancillary[0][2]) for ancillary in (TO_US, TO_GROUP_V4, TO_GROUP_V6)] == [False, True, True]


def test_max_age_and_text_follow_the_token() -> None:
    answer = piggybacked(post(1, token=b"ab"), unavailable("busy", "so", 300))
    assert answer == bytes([ACK | 2, 0xA3, 0, 1]) + b"ab" + b"\xd2\x01\x01\x2c" + b"\xff" + b"busy: so"


async def test_a_group_gets_silence_unless_it_is_asked_what_there_is() -> None:
    bench = Bench()
    discovery = request(1, (11, b".well-known"), (11, b"core"), code=GET, kind=NON)
    for group in (TO_GROUP_V4, TO_GROUP_V6):
        for datagram in (post(1, kind=NON), post(2), request(3, (11, b"x"), code=GET, kind=NON), b"\x4f\x02\0\1"):
            bench.front.receive(datagram, group, PEER)
        bench.front.receive(discovery, group, PEER)
    await asyncio.sleep(0.01)
    assert (bench.sent, bench.taken, bench.passed) == ([], [], [discovery, discovery])
    bench.front.close()


async def test_a_flood_from_forged_addresses_keeps_a_bounded_number_of_them() -> None:
    bench = Bench(max_peers=100, strangers_per_s=5.0)
    for number in range(5_000):
        bench.front.receive(post(1), TO_US, ("::ffff:127.0.0.9", number, 0, 0))
        bench.front.receive(post(1), TO_US, ("6.6.6.6", number, 0, 0))
        bench.front.receive(request(2, (11, b"x"), code=GET), TO_US, ("6.6.6.6", number, 0, 0))
    assert bench.front.counters()["peers"] == 100
    assert sum(address[0] == "6.6.6.6" for _, address in bench.sent) + len(bench.passed) == 10
    bench.front.receive(post(1), TO_US, PEER)
    assert bench.sent[-1] == (bytes([ACK | 1, CHANGED, 0, 1, 1]), PEER)
    bench.front.close()


async def test_a_flood_from_one_peer_leaves_the_others_their_memory_and_their_turn() -> None:
    bench = Bench(per_peer_per_s=10.0, slow_per_s=10.0)
    bench.front.receive(post(1), TO_US, PEER)
    flooder = ("::ffff:127.0.0.9", 1, 0, 0)
    for number in range(5_000):
        bench.front.receive(post(number), TO_US, flooder)
        bench.front.receive(request(number, (11, b"x"), code=GET), TO_US, flooder)
    assert len(bench.taken) + len(bench.passed) == 21
    bench.front.receive(post(1), TO_US, PEER)
    assert bench.front.counters()["repeats"] == 1
    bench.front.receive(request(9, (11, b"x"), code=GET), TO_US, PEER)
    assert bench.passed[-1] == request(9, (11, b"x"), code=GET)
    bench.front.close()


async def test_peers_that_fell_silent_are_forgotten() -> None:
    bench = Bench()
    bench.front.receive(post(1), TO_US, PEER)
    bench.clock.advance(248)
    bench.front.receive(post(1), TO_US, ("::ffff:127.0.0.9", 1, 0, 0))
    async with asyncio.timeout(30):
        while bench.front.counters()["peers"] == 2:  # noqa: ASYNC110 - a counter has no event
            await asyncio.sleep(0.01)
    bench.front.close()


async def test_the_newest_exchanges_of_a_peer_are_remembered_and_older_ones_forgotten() -> None:
    bench = Bench(remembered=4)
    for number in (1, 2, 3, 4, 5, 5, 2, 1, 6, 7, 8, 4, 9, 5, 1):
        bench.front.receive(post(number), TO_US, PEER)
    assert [arrival.exchange[1] for arrival in bench.taken] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 1]
    bench.front.close()


async def test_who_spoke_in_a_security_context_has_a_share_of_its_own() -> None:
    bench = Bench(strangers_per_s=1.0)
    protected = request(1, (9, b"\x09\x00\x01"), body=b"x" * 20)
    for number in range(5):
        bench.front.receive(protected, TO_US, ("6.6.6.6", number, 0, 0))
    assert len(bench.passed) == 2
    bench.front.trust(Sender(host="6.6.6.6", port=9, claims=("tank-1",)))
    for _ in range(5):
        bench.front.receive(protected, TO_US, ("6.6.6.6", 9, 0, 0))
    assert len(bench.passed) == 7
    bench.front.close()


async def test_responses_that_nobody_asked_for_and_pings_reach_no_memory() -> None:
    bench = Bench()
    unasked = [request(number, code=0x45, kind=kind, token=b"\x02") for number in range(9) for kind in (CON, NON)]
    for datagram in (*unasked, b"\x40\0\x12\x34"):
        bench.front.receive(datagram, TO_US, PEER)
    assert (bench.passed, bench.front.counters()["unasked"]) == ([], 19)
    assert [data for data, _ in bench.sent] == [b"\x70\0" + number.to_bytes(2, "big") for number in (*range(9), 0x1234)]
    for expected in (request(1, code=0x45, token=b"\x01"), b"\x60\0\x12\x34", b"\x70\0\x12\x34"):
        bench.front.receive(expected, TO_US, PEER)
        assert bench.passed[-1] == expected
    bench.front.close()
