"""The hub as client of devices, on raw datagrams: observe with renewal and reorder check, write, execute, queue."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from coap_wire import (
    ACK,
    CHANGED,
    CON,
    GET,
    NON,
    POST,
    PUT,
    RST,
    Address,
    Option,
    asked,
    options_of,
    payload_of,
    received,
    request,
    udp_peer,
)

from actors.model.commands import (
    Carried,
    CommandFailure,
    CommandOutcome,
    InvokeAction,
    NotCarried,
    TellOrder,
    WriteProperty,
)
from actors.model.ids import CommandId
from actors.model.profiles import ActionSpec, PropertyKind, PropertySpec, ThingProfile
from actors.model.readings import PrincipalKind, ReadingRefusal
from protocols.coap import CoapAdapter, CoapConfig, open_coap
from protocols.coap.client import RenewalSettings, is_newer
from protocols.testing import TANK, ProtocolKit, sample_command, sample_order, sample_thing

CONTENT, NOT_FOUND = 0x45, 0x84
PROFILE = ThingProfile(
    name="valve",
    title="Valve",
    model="V-1",
    properties={
        "level": PropertySpec(unit="%"),
        "open": PropertySpec(kind=PropertyKind.FLAG, writable=True),
    },
    actions={"reboot": ActionSpec(title="Reboot"), "calibrate": ActionSpec(title="Calibrate")},
    sources={"coap": {"level": "/level", "open": "/3306/0/5850", "reboot": "/3/0/4", "calibrate": "/cal"}},
)
QUICK = RenewalSettings(least_s=0.01, most_s=0.02)


class Device:
    """A device of raw datagrams: it hears what the hub asks and answers as told."""

    def __init__(self, kit: ProtocolKit, adapter: CoapAdapter, sock: socket.socket, address: Address) -> None:
        self.kit = kit
        self.adapter = adapter
        self.sock = sock
        self.address = address
        self.held: list[bytes] = []
        self.acknowledged: set[bytes] = set()

    async def heard(self, path: str, code: int = GET) -> bytes:
        """Return the next request of the hub for a path; others are kept for who asks for them."""
        wanted = [part.encode() for part in path.strip("/").split("/")]
        while True:
            for datagram in self.held:
                if self.is_for(datagram, wanted) and datagram[1] == code:
                    self.held = [other for other in self.held if other[2:4] != datagram[2:4]]
                    return datagram
            datagram = await received(self.sock)
            self.held.append(datagram)
            if datagram[1] != code or not self.is_for(datagram, wanted):
                self.sock.sendto(bytes([ACK, 0]) + datagram[2:4], self.address)  # one request at a time leaves the hub
                self.acknowledged.add(datagram[2:4])

    @staticmethod
    def is_for(datagram: bytes, wanted: list[bytes]) -> bool:
        return [value for number, value in options_of(datagram) if number == 11] == wanted

    def answer(self, asked_for: bytes, body: bytes, *options: Option, code: int = CONTENT) -> None:
        """Answer in the acknowledgement, or behind it."""
        message_id, token = int.from_bytes(asked_for[2:4], "big"), asked_for[4 : 4 + (asked_for[0] & 15)]
        kind = NON if asked_for[2:4] in self.acknowledged else ACK
        self.sock.sendto(request(message_id, *options, code=code, kind=kind, token=token, body=body), self.address)

    def notify(self, asked_for: bytes, message_id: int, value: int, body: bytes, kind: int = NON) -> None:
        """Notify of a state."""
        token = asked_for[4 : 4 + (asked_for[0] & 15)]
        observe = (6, value.to_bytes(3, "big").lstrip(b"\0"))
        self.sock.sendto(request(message_id, observe, code=CONTENT, kind=kind, token=token, body=body), self.address)

    async def levels(self, count: int) -> list[Any]:
        await self.kit.sink.arrived(count)
        return [message.readings[0].value for message in self.kit.sink.messages]

    async def observed(self) -> bytes:
        """Answer the first observation of the level with 1."""
        asked_for = await self.heard("/level")
        assert (6, b"") in options_of(asked_for)
        self.answer(asked_for, b"1", (6, b"\x05"))
        await self.levels(1)
        return asked_for


@asynccontextmanager
async def running(**options: str) -> AsyncGenerator[Device]:
    kit = ProtocolKit()
    with udp_peer() as sock:
        uri = f"coap://127.0.0.1:{sock.getsockname()[1]}"
        given = {"uri": uri, "address": "127.0.0.1"} | options
        kit.things.register(sample_thing(profile=PROFILE, options={name: text for name, text in given.items() if text}))
        config = CoapConfig(port=0, plain_from=("127.0.0.1",), retry_cap_s=1.0)
        async with open_coap(config, kit.deps(), QUICK) as adapter:
            port = int(adapter.urls[0].rpartition(":")[2])
            yield Device(kit, adapter, sock, ("127.0.0.1", port))


async def test_what_a_device_tells_becomes_readings_of_its_thing() -> None:
    async with running() as device:
        asked_for = await device.observed()
        device.notify(asked_for, 1, 6, b"2")
        assert await device.levels(2) == [1.0, 2.0]
        principal, message = device.kit.sink.received[0]
        assert (principal.kind, message.thing_id) == (PrincipalKind.LINK, TANK)
        assert device.adapter.links()[0].state == "up"


async def test_a_late_older_notification_is_dropped() -> None:
    async with running() as device:
        asked_for = await device.observed()
        for message_id, value, body in ((1, 9, b"3"), (2, 8, b"2"), (3, 10, b"4")):
            device.notify(asked_for, message_id, value, body)
        assert await device.levels(3) == [1.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("before", "after", "newer"),
    [
        ((1, 0.0), (2, 0.0), True),
        ((2, 0.0), (1, 0.0), False),
        ((2, 0.0), (2, 0.0), False),
        ((2**24 - 1, 0.0), (0, 0.0), True),
        ((0, 0.0), (2**24 - 1, 0.0), False),
        ((9, 0.0), (1, 128.5), True),
    ],
)
def test_what_is_newer_goes_by_value_and_time(before: tuple[int, float], after: tuple[int, float], newer: bool) -> None:
    assert is_newer(before, after) is newer


async def test_an_observation_that_is_no_longer_fresh_is_registered_anew() -> None:
    async with running() as device:
        asked_for = await device.heard("/level")
        device.answer(asked_for, b"1", (6, b"\x05"), (14, b""))  # Max-Age 0
        renewed = await device.heard("/level")
        assert (6, b"") in options_of(renewed)
        assert renewed[4 : 4 + (renewed[0] & 15)] != asked_for[4 : 4 + (asked_for[0] & 15)]
        device.answer(renewed, b"2", (6, b"\x01"))  # a restarted device counts from the beginning
        assert await device.levels(2) == [1.0, 2.0]


async def test_a_confirmable_notification_is_acknowledged_and_an_ended_one_reset() -> None:
    async with running() as device:
        asked_for = await device.heard("/level")
        device.answer(asked_for, b"1", (6, b"\x05"), (14, b""))
        renewed = await device.heard("/level")
        device.answer(renewed, b"2", (6, b"\x06"))
        await device.levels(2)
        device.notify(renewed, 7, 8, b"3", kind=CON)
        assert await received(device.sock) == bytes([ACK, 0, 0, 7])
        device.notify(asked_for, 8, 9, b"4", kind=CON)
        assert await received(device.sock) == bytes([RST, 0, 0, 8])
        assert await device.levels(3) == [1.0, 2.0, 3.0]


async def test_a_resource_that_cannot_be_observed_is_read_again() -> None:
    async with running() as device:
        device.answer(await device.heard("/level"), b"1", (14, b"\x01"))
        device.answer(await device.heard("/level"), b"2", (14, b"\x01"))
        assert await device.levels(2) == [1.0, 2.0]


async def test_a_state_larger_than_a_block_is_fetched_whole() -> None:
    async with running() as device:
        asked_for = await device.heard("/level")
        pack = b'[{"n":"/level","v":7}' + b" " * 40 + b"]"
        device.answer(asked_for, pack[:32], (6, b"\x05"), (12, b"\x6e"), (23, b"\x09"))
        for number in range(2):
            block = await device.heard("/level")
            more = 8 if number == 0 else 0
            device.answer(block, pack[32 * number :][:32], (12, b"\x6e"), (23, bytes([number << 4 | more | 1])))
        assert await device.levels(1) == [7.0]


async def test_a_device_that_refuses_or_vanishes_is_shown_and_tried_again() -> None:
    async with running() as device:
        device.answer(await device.heard("/level"), b"", code=NOT_FOUND)
        again = await device.heard("/level")
        assert "4.04" in device.adapter.links()[0].reason
        device.answer(again, b"1", (6, b"\x05"))
        assert await device.levels(1) == [1.0]


async def test_a_state_that_could_not_be_stored_is_handed_in_again() -> None:
    async with running() as device:
        device.kit.sink.refuse(ReadingRefusal.BUSY, retry_after_s=0.01)
        device.answer(await device.heard("/level"), b"1", (6, b"\x05"))
        await device.levels(1)
        device.kit.sink.store()
        await device.levels(2)
        assert len(device.kit.sink.stored) == 1


async def command(device: Device, body: Any, *, again: bool = False) -> CommandOutcome:
    thing = device.kit.things.find(TANK)
    assert thing is not None
    return await device.adapter.carry_out(thing, sample_command(body), again=again)


async def test_a_write_is_a_put_that_the_device_acknowledges() -> None:
    async with running() as device, asyncio.TaskGroup() as group:
        done = group.create_task(command(device, WriteProperty(name="open", value=True)))
        asked_for = await device.heard("/3306/0/5850", PUT)
        assert payload_of(asked_for) == b"1"
        device.answer(asked_for, b"", code=CHANGED)
        assert await done == Carried(detail="2.04")


async def test_a_device_that_does_not_read_text_is_written_in_another_form() -> None:
    async with running() as device, asyncio.TaskGroup() as group:
        done = group.create_task(command(device, WriteProperty(name="open", value=False)))
        device.answer(await device.heard("/3306/0/5850", PUT), b"", code=0x8F)
        second = await device.heard("/3306/0/5850", PUT)
        assert (payload_of(second), (12, b"\x32") in options_of(second)) == (b"false", True)
        device.answer(second, b"", code=CHANGED)
        assert isinstance(await done, Carried)


@pytest.mark.parametrize(("code", "failure"), [(0x85, CommandFailure.REJECTED), (0xA0, CommandFailure.FAILED)])
async def test_a_devices_no_is_told_with_its_code(code: int, failure: CommandFailure) -> None:
    async with running() as device, asyncio.TaskGroup() as group:
        done = group.create_task(command(device, InvokeAction(name="calibrate", arguments={"at": 20.0})))
        asked_for = await device.heard("/cal", POST)
        assert payload_of(asked_for) == b'{"at":20.0}'
        device.answer(asked_for, b"not now", code=code)
        outcome = await done
        assert isinstance(outcome, NotCarried)
        assert (outcome.code, "not now" in outcome.detail) == (failure, True)


async def test_what_might_be_done_twice_is_not_sent_again() -> None:
    async with running() as device:
        outcome = await command(device, InvokeAction(name="calibrate"), again=True)
        assert isinstance(outcome, NotCarried)
        assert outcome.code is CommandFailure.DOUBTFUL


async def test_a_command_without_a_way_or_a_place_says_so() -> None:
    async with running(uri="") as device:
        unreachable = await command(device, WriteProperty(name="open", value=True))
        unsupported = await command(device, InvokeAction(name="unknown"))
    assert isinstance(unreachable, NotCarried)
    assert isinstance(unsupported, NotCarried)
    assert (unreachable.code, unsupported.code) == (CommandFailure.UNREACHABLE, CommandFailure.UNSUPPORTED)


async def registered(device: Device, *query: bytes) -> bytes:
    links = b"</1/0>,</3/0>,</5/0>,</3306/0>"
    given = [(15, part) for part in (b"ep=" + TANK.encode(), b"lwm2m=1.1", *query)]
    answer = await asked(device.sock, device.address, request(1, (11, b"rd"), (12, b"\x28"), *given, body=links))
    assert answer[1] == 0x41
    return [value for number, value in options_of(answer) if number == 8][1]


async def test_an_lwm2m_client_is_observed_written_and_executed() -> None:
    async with running(uri="") as device, asyncio.TaskGroup() as group:
        await registered(device, b"b=U")
        asked_for = await device.heard("/3306/0/5850")
        device.answer(asked_for, b"\xe1\x16\xda\x01", (6, b"\x01"), (12, (11542).to_bytes(2, "big")))
        assert await device.levels(1) == [True]
        done = group.create_task(command(device, InvokeAction(name="reboot")))
        device.answer(await device.heard("/3/0/4", POST), b"", code=CHANGED)
        assert isinstance(await done, Carried)


async def fallen_asleep(device: Device) -> bytes:
    """Register a device that sleeps between its messages, hear it once, and wait until it sleeps; return its key."""
    key = await registered(device, b"b=U", b"Q")
    device.answer(await device.heard("/3306/0/5850"), b"1", (6, b"\x01"))
    await device.levels(1)
    device.kit.clock.advance(94)
    return key


async def test_a_sleeping_device_is_told_when_it_wakes() -> None:
    async with running(uri="") as device, asyncio.TaskGroup() as group:
        key = await fallen_asleep(device)
        done = group.create_task(command(device, WriteProperty(name="open", value=False)))
        update = await asked(device.sock, device.address, request(9, (11, b"rd"), (11, key)))
        assert update[1] == CHANGED
        device.answer(await device.heard("/3306/0/5850", PUT), b"", code=CHANGED)
        assert isinstance(await done, Carried)


async def test_a_command_that_waits_for_a_sleeping_device_can_be_taken_back() -> None:
    async with running(uri="") as device, asyncio.TaskGroup() as group:
        await fallen_asleep(device)
        done = group.create_task(command(device, WriteProperty(name="open", value=False)))
        await asyncio.sleep(0)
        assert device.adapter.recall(CommandId("c1"))
        assert await done == NotCarried(code=CommandFailure.RECALLED, detail="taken back before it left")
        assert not device.adapter.recall(CommandId("c1"))


async def test_a_command_waits_on_when_what_is_known_of_its_sleeping_device_changes() -> None:
    async with running(uri="") as device, asyncio.TaskGroup() as group:
        key = await fallen_asleep(device)
        done = group.create_task(command(device, WriteProperty(name="open", value=False)))
        await asyncio.sleep(0)
        options = {"address": "127.0.0.1", "orders": "/inbox"}
        device.kit.things.register(sample_thing(profile=PROFILE, options=options))
        device.answer(await device.heard("/3306/0/5850"), b"1", (6, b"\x01"))
        assert (await asked(device.sock, device.address, request(9, (11, b"rd"), (11, key))))[1] == CHANGED
        device.answer(await device.heard("/3306/0/5850", PUT), b"", code=CHANGED)
        assert isinstance(await done, Carried)


async def test_an_order_is_told_where_the_device_has_a_place_for_it() -> None:
    async with running(orders="/inbox") as device, asyncio.TaskGroup() as group:
        done = group.create_task(command(device, TellOrder(order=sample_order())))
        asked_for = await device.heard("/inbox", PUT)
        assert json.loads(payload_of(asked_for))["key"] == sample_order().key
        device.answer(asked_for, b"", code=CHANGED)
        assert isinstance(await done, Carried)
