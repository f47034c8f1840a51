"""What no broker should do, and what hostile things can make one do: the hub hangs up, says why, and goes on."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from hostile_broker import (
    CONNACK_YES,
    HostileBroker,
    Peer,
    hostile_broker,
    nothing,
    packet,
    publication,
    text,
)
from msgspec.structs import replace

from actors.model.ids import ThingId
from actors.model.readings import ReadingRefusal
from protocols.mqtt import SPEC, MqttAdapter, MqttConfig
from protocols.testing import ProtocolKit, sample_command, sample_thing

TOPIC = "iot2crm/tank-1/readings"
LEVEL = json.dumps({"name": "level", "value": 41.5}).encode()
GOOD = publication(TOPIC, LEVEL, qos=1, mid=7)
MALFORMED = {
    "a reserved command": b"\x00\x00",
    "an answer to no question": b"\xf0\x02\x18\x00",
    "QoS 3": publication(TOPIC, LEVEL, qos=3),
    "QoS 2": publication(TOPIC, LEVEL, qos=2),
    "a topic that ends early": b"\x30\x02\xff\xff",
    "nothing in it": b"\x30\x00",
    "a topic that is no text": publication(b"iot2crm/\xff\xfe/readings", LEVEL),
    "a pattern for a topic": publication("iot2crm/+/readings", LEVEL, qos=1),
    "no topic": publication("", LEVEL, qos=1),
    "an alias nobody gave": publication("", LEVEL, qos=1, properties=b"\x03\x23\x00\x05"),
    "an acknowledgement without a number": b"\x40\x00",
    "a granted subscription without a number": b"\x90\x00",
    "a length of five digits": b"\x30\xff\xff\xff\xff\x7f",
    "properties longer than the packet": packet(0x30, text(TOPIC) + b"\xff\xff\xff\x7f"),
    "an unknown property": packet(0x30, text(TOPIC) + b"\x02\x7f\x00"),
    "a property twice": packet(0x30, text(TOPIC) + b"\x08" + b"\x03\x00\x01a" * 2),
    "a packet of a client": b"\x10\x00",
    "a refusal after the connection": b"\x20\x03\x00\x87\x00",
    "more than was allowed": publication(TOPIC, b"x" * 300_000, qos=1),
}


@pytest.fixture
async def broker() -> AsyncGenerator[HostileBroker]:
    async with hostile_broker() as it:
        yield it


@asynccontextmanager
async def hub(broker: HostileBroker, kit: ProtocolKit, **changes: Any) -> AsyncGenerator[MqttAdapter]:
    kit.things.register(sample_thing())
    told = {"retry_after_s": 0.05, "retry_cap_s": 1.0} | changes
    async with SPEC.open(MqttConfig(host="127.0.0.1", port=broker.port, **told), kit.deps()) as adapter:
        assert isinstance(adapter, MqttAdapter)
        yield adapter


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(40):
        while not holds():  # noqa: ASYNC110 - neither links nor brokers tell
            await asyncio.sleep(0.01)


def first(*packets: bytes, then: Any = nothing) -> Any:
    """Return an attack on the first connection; later ones are left in peace."""
    left = [packets]

    async def attack(peer: Peer) -> None:
        for data in left.pop() if left else ():
            await peer.send(data)
        await then(peer)

    return attack


async def is_well(broker: HostileBroker, kit: ProtocolKit, connections: int) -> None:
    """See that a reading is stored and acknowledged over the newest connection, and that no other is open."""
    await until(lambda: len(broker.peers) == connections)
    before = len(kit.sink.stored)
    await broker.peers[-1].send(GOOD)
    await until(lambda: 7 in broker.peers[-1].acknowledged)
    assert len(kit.sink.stored) == before + 1
    await until(lambda: broker.open == 1)


def reasons(adapter: MqttAdapter, seen: list[str]) -> bool:
    """Note why a link is down; say whether it ever was."""
    link = adapter.links()[0]
    if link.state == "down" and link.reason not in seen:
        seen.append(link.reason)
    return bool(seen)


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
async def test_what_no_broker_may_send_ends_the_connection_and_nothing_else(broker: HostileBroker, data: bytes) -> None:
    kit, seen = ProtocolKit(), list[str]()
    broker.attack = first(data)
    async with hub(broker, kit) as adapter:
        await until(lambda: reasons(adapter, seen))
        assert seen[0].startswith(("the broker sent", "[code:130] Protocol error"))
        await is_well(broker, kit, connections=2)
        assert adapter.counters()["accepted"] == 1


async def test_a_packet_that_is_too_long_is_refused_before_it_is_read(broker: HostileBroker) -> None:
    async def never_ending(peer: Peer) -> None:
        await peer.send(b"\x30\xff\xff\xff\x7f")
        with suppress(OSError):
            for sent in range(260):
                await peer.send(b"x" * 1_000_000)
                taken.append(sent)

    kit, seen, taken = ProtocolKit(), list[str](), list[int]()
    broker.attack = never_ending
    async with hub(broker, kit) as adapter:
        await until(lambda: reasons(adapter, seen))
        assert "268435455 bytes" in seen[0]
        assert len(taken) < 20  # what the sockets hold


async def test_more_than_may_be_in_flight_ends_the_connection(broker: HostileBroker) -> None:
    kit, seen = ProtocolKit(), list[str]()
    kit.sink.withhold()
    broker.attack = first(*(publication(TOPIC, LEVEL, qos=1, mid=mid) for mid in range(1, 30)))
    async with hub(broker, kit, in_flight=10) as adapter:
        await until(lambda: reasons(adapter, seen))
        assert "more than 10 unacknowledged" in seen[0]
        kit.sink.release()
        assert len(kit.sink.received) < 15


@pytest.mark.parametrize(("granted", "why"), [(b"\x87\x87", "Not authorized"), (b"\x00\x00", "at QoS 1")])
async def test_a_subscription_that_is_not_granted_is_no_link(broker: HostileBroker, granted: bytes, why: str) -> None:
    broker.granted = granted
    seen = list[str]()
    async with hub(broker, ProtocolKit()) as adapter:
        await until(lambda: reasons(adapter, seen))
        assert "does not let this hub read iot2crm/+/readings" in seen[0]
        assert why in seen[0]
        broker.granted = b"\x01\x01"
        await until(lambda: adapter.links()[0].state == "up")


async def test_wrong_credentials_are_told_and_tried_again_at_leisure(broker: HostileBroker) -> None:
    broker.connack = b"\x20\x03\x00\x86\x00"
    kit, seen = ProtocolKit(), list[str]()
    async with hub(broker, kit) as adapter:
        await until(lambda: reasons(adapter, seen))
        assert "Bad user name or password" in seen[0]
        await until(lambda: broker.open == 0)
        broker.connack = CONNACK_YES
        await is_well(broker, kit, connections=1)


async def test_a_hub_that_is_robbed_of_its_session_says_so_and_comes_back_slower_each_time(
    broker: HostileBroker,
) -> None:
    async def rob(peer: Peer) -> None:
        await peer.send(b"\xe0\x01\x8e")

    seen = list[str]()
    broker.attack = rob
    async with hub(broker, ProtocolKit(), retry_cap_s=60.0) as adapter:
        await until(lambda: reasons(adapter, seen))
        assert "Session taken over" in seen[0]
        await until(lambda: len(broker.peers) == 2)


async def test_topics_that_are_no_things_are_neither_looked_up_nor_answered(broker: HostileBroker) -> None:
    strange = ("\0", "a b", "x" * 200, "../tank-1", "-", "tank-1 ", "tank-1/x", "é")
    kit = ProtocolKit()
    broker.attack = first(*(publication(f"iot2crm/{name}/readings", LEVEL) for name in strange))
    async with hub(broker, kit) as adapter:
        await is_well(broker, kit, connections=1)
        assert adapter.counters()["refused"] == len(strange)
        assert set(broker.peers[0].published) <= {b"iot2crm/tank-1/receipts"}


async def test_a_flood_that_is_not_acknowledged_waits_for_a_busy_hub_only_in_part(broker: HostileBroker) -> None:
    kit = ProtocolKit()
    kit.sink.refuse(ReadingRefusal.BUSY, retry_after_s=600.0)
    broker.attack = first(*(publication(TOPIC, LEVEL) for _ in range(500)))
    async with hub(broker, kit, in_flight=20) as adapter:
        await until(lambda: len(kit.sink.received) == 500)
        counts = adapter.counters()
        assert (counts["retried"], counts["refused"]) == (20, 480)


async def test_a_flood_of_receipts_for_a_slow_reader_takes_no_commands_place(broker: HostileBroker) -> None:
    async def deaf(peer: Peer) -> None:
        for _ in range(2):
            for _ in range(15_000):
                await peer.send(junk)
            await listening.wait()
        await peer.answer()

    junk = publication(TOPIC, b"{" * 600)
    listening = asyncio.Event()
    broker.attack = deaf
    async with hub(broker, ProtocolKit()) as adapter, asyncio.TaskGroup() as group:
        await until(lambda: adapter.counters()["malformed"] > 14_000)
        task = group.create_task(adapter.carry_out(sample_thing(), sample_command(), again=False))
        await asyncio.sleep(0)
        listening.set()
        await until(lambda: b"iot2crm/tank-1/commands" in broker.peers[0].published)
        await until(lambda: adapter.counters()["malformed"] == 30_000)
        task.cancel()


async def test_a_hub_that_ends_in_the_middle_of_a_flood_of_receipts_ends(broker: HostileBroker) -> None:
    for _ in range(5):
        broker.attack = first(*(publication(TOPIC, b"{") for _ in range(300)))
        async with asyncio.timeout(30), hub(broker, ProtocolKit()) as adapter:
            await until(lambda: adapter.counters()["malformed"] > 200)


async def test_a_command_that_is_over_before_it_left_does_not_leave(broker: HostileBroker) -> None:
    broker.connack = b"\x20\x03\x00\x88\x00"
    async with hub(broker, ProtocolKit()) as adapter:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                await adapter.carry_out(sample_thing(), sample_command(command_id="late"), again=False)
        broker.connack = CONNACK_YES
        await until(lambda: broker.peers)
        await broker.peers[0].send(publication(TOPIC, b"{nothing"))
        await until(lambda: broker.peers[0].published)
        assert broker.peers[0].published == [b"iot2crm/tank-1/receipts"]


async def test_a_broker_that_acknowledges_no_command_loses_the_connection_and_the_next_one_gets_it(
    broker: HostileBroker,
) -> None:
    async def swallow(peer: Peer) -> None:
        while True:
            await peer.packet()

    broker.attack = first(then=swallow)
    async with hub(broker, ProtocolKit()) as adapter, asyncio.TaskGroup() as group:
        await until(lambda: broker.peers)
        broker.attack = nothing
        task = group.create_task(adapter.carry_out(sample_thing(), sample_command(), again=False))
        await until(lambda: len(broker.peers) == 2 and broker.peers[1].published)
        assert broker.peers[1].published == [b"iot2crm/tank-1/commands"]
        task.cancel()


async def test_a_thing_that_cannot_be_looked_up_for_the_moment_ends_nothing(broker: HostileBroker) -> None:
    class Unreadable:
        def __init__(self, things: Any) -> None:
            self._things = things
            self.fails = True

        def __getattr__(self, name: str) -> Any:
            return getattr(self._things, name)

        def connected_by(self, protocol: str, among: Collection[ThingId] | None = None) -> Any:
            if self.fails:
                raise RuntimeError("the disk cannot be read")
            return self._things.connected_by(protocol, among)

    kit = ProtocolKit()
    kit.things.register(sample_thing())
    things = Unreadable(kit.things)
    broker.attack = first(GOOD)
    config = MqttConfig(host="127.0.0.1", port=broker.port, retry_after_s=0.05)
    async with SPEC.open(config, replace(kit.deps(), things=things)) as adapter:
        await until(lambda: adapter.counters()["retried"] > 1)
        assert broker.peers[0].acknowledged == []
        things.fails = False
        await until(lambda: broker.peers[0].acknowledged == [7])
    assert len(kit.sink.stored) == 1
