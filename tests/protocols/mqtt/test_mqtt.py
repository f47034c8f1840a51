"""Readings over a real broker: acknowledged to it after the commit, in order, and once."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from mosquitto import Broker, NoMosquitto, broker, program

from actors.model.commands import Carried, CommandFailure, NotCarried
from actors.model.ids import CommandId
from actors.model.readings import ReadingRefusal
from protocols.mqtt import SPEC, MqttAdapter, MqttConfig
from protocols.mqtt.order import AckOrder
from protocols.testing import DeviceEnd, ProtocolAdapterContract, ProtocolKit, sample_command, sample_thing

LEVEL = {"name": "level", "value": 41.5}
TIMED = [{"n": "level", "t": 1.7e9, "v": 1}]


class Device:
    """The tank, with a connection of its own to the broker."""

    def __init__(self, adapter: MqttAdapter, client: aiomqtt.Client) -> None:
        self.adapter = adapter
        self._client = client
        self._numbers = count()

    async def tell(self, told: Any, qos: int = 1, *, retain: bool = False, thing: str = "tank-1") -> None:
        body = told if isinstance(told, bytes) else json.dumps(told).encode()
        await self._client.publish(f"iot2crm/{thing}/readings", body, qos=qos, retain=retain)

    async def heard(self) -> tuple[str, Any]:
        """Return the kind and the body of what the hub says next."""
        async with asyncio.timeout(30):
            message = await anext(aiter(self._client.messages))
        assert isinstance(message.payload, bytes)
        return str(message.topic).rsplit("/", 1)[1], json.loads(message.payload)

    async def ask(self, told: Any, **how: Any) -> Any:
        await self.tell(told, **how)
        kind, body = await self.heard()
        assert kind == "receipts"
        return body

    async def report(self, level: float) -> bool:
        told = {"boot": "b1", "seq": next(self._numbers), "readings": [{"name": "level", "value": level}]}
        stored: bool = (await self.ask(told))["stored"]
        return stored

    async def ends(self, **said: Any) -> None:
        await self._client.publish("iot2crm/tank-1/outcomes", json.dumps(said).encode(), qos=1)


@pytest.fixture(scope="module", autouse=True)
def _there_is_a_broker() -> None:
    try:
        program()
    except NoMosquitto as error:
        pytest.skip(str(error))


@pytest.fixture
async def running(tmp_path: Path) -> AsyncGenerator[Broker]:
    async with broker(tmp_path) as it:
        yield it


@asynccontextmanager
async def hub(kit: ProtocolKit, port: int) -> AsyncGenerator[MqttAdapter]:
    """Run an adapter that is connected."""
    kit.things.register(sample_thing())
    config = MqttConfig(host="127.0.0.1", port=port, retry_after_s=0.05, retry_cap_s=1.0)
    async with SPEC.open(config, kit.deps()) as adapter:
        assert isinstance(adapter, MqttAdapter)
        await until_up(adapter)
        yield adapter


async def until_up(adapter: MqttAdapter, state: str = "up") -> None:
    async with asyncio.timeout(30):
        while adapter.links()[0].state != state:  # noqa: ASYNC110 - a link tells nobody
            await asyncio.sleep(0.01)


@asynccontextmanager
async def connected(kit: ProtocolKit, port: int) -> AsyncGenerator[Device]:
    async with hub(kit, port) as adapter, device(adapter, port) as it:
        yield it


@asynccontextmanager
async def device(adapter: MqttAdapter, port: int) -> AsyncGenerator[Device]:
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe([("iot2crm/tank-1/receipts", 1), ("iot2crm/tank-1/commands", 1)])
        yield Device(adapter, client)


class TestMqttContract(ProtocolAdapterContract):
    """The contract of all protocol adapters, over mosquitto."""

    @pytest.fixture(autouse=True)
    def _broker(self, running: Broker) -> None:
        self._port = running.port

    def connect(self, kit: ProtocolKit) -> AbstractAsyncContextManager[DeviceEnd]:
        return connected(kit, self._port)


async def test_what_was_not_stored_comes_again_to_the_next_hub_and_is_stored_once(running: Broker) -> None:
    kit = ProtocolKit()
    kit.sink.withhold()
    async with connected(kit, running.port) as tank:
        await tank.tell(LEVEL)
        await kit.sink.arrived(1)
    kit.sink.release()  # it was stored after all, and the broker never heard of it
    async with hub(kit, running.port) as adapter:
        await kit.sink.arrived(2)
        assert len(kit.sink.stored) == 1
        assert adapter.counters()["duplicates"] == 1


async def test_what_was_stored_does_not_come_again(running: Broker) -> None:
    kit = ProtocolKit()
    async with connected(kit, running.port) as tank:
        assert (await tank.ask(LEVEL))["stored"]
    async with connected(kit, running.port) as tank:
        assert (await tank.ask({"name": "level", "value": 3}))["stored"]
    assert len(kit.sink.received) == 2


async def test_a_broker_that_restarts_is_found_again(running: Broker) -> None:
    kit = ProtocolKit()
    async with hub(kit, running.port) as adapter:
        async with device(adapter, running.port) as tank:
            assert await tank.report(41.5)
        await running.stop()
        await until_up(adapter, "down")
        assert adapter.links()[0].reason
        await running.start()
        await until_up(adapter)
        async with device(adapter, running.port) as tank:
            assert await tank.report(41.0)


async def test_a_retained_message_is_one_message_however_often_the_broker_brings_it(running: Broker) -> None:
    kit = ProtocolKit()
    async with aiomqtt.Client("127.0.0.1", running.port) as client:
        await client.publish("iot2crm/tank-1/readings", json.dumps(LEVEL).encode(), qos=1, retain=True)
    for _ in range(2):
        before = len(kit.sink.received)
        async with hub(kit, running.port):
            await kit.sink.arrived(before + 1)
    assert len(kit.sink.stored) == 1


@pytest.mark.parametrize(("told", "qos"), [(LEVEL, 0), (LEVEL, 1), (TIMED, 1)])
async def test_each_form_is_stored(running: Broker, told: Any, qos: int) -> None:
    kit = ProtocolKit()
    async with connected(kit, running.port) as tank:
        assert (await tank.ask(told, qos=qos))["stored"]
        assert kit.sink.stored[0].readings[0].name == "level"


async def test_the_same_value_later_is_a_message_of_its_own(running: Broker) -> None:
    kit = ProtocolKit()
    async with connected(kit, running.port) as tank:
        for _ in range(2):
            assert (await tank.ask(LEVEL))["stored"]
    assert len(kit.sink.stored) == 2


async def test_what_cannot_be_read_is_told_and_not_sent_again(running: Broker) -> None:
    kit = ProtocolKit()
    async with connected(kit, running.port) as tank:
        told = await tank.ask(b"{nothing")
        assert (told["stored"], told["code"]) == (False, "malformed")
        assert tank.adapter.counters()["malformed"] == 1
        assert await tank.report(41.5)


async def test_a_hub_that_is_busy_tries_again_by_itself(running: Broker) -> None:
    kit = ProtocolKit()
    kit.sink.refuse(ReadingRefusal.BUSY, retry_after_s=0.01)
    async with connected(kit, running.port) as tank:
        await tank.tell(LEVEL)
        await kit.sink.arrived(3)
        kit.sink.store()
        assert (await tank.heard())[1]["stored"]
        assert tank.adapter.counters()["retried"] >= 3


async def test_a_thing_of_another_protocol_is_not_spoken_for(running: Broker) -> None:
    kit = ProtocolKit()
    async with hub(kit, running.port) as adapter, device(adapter, running.port) as tank:
        kit.things.register(sample_thing(), protocol="http")
        assert (await tank.ask(LEVEL))["code"] == "unknown_thing"
    assert not kit.sink.received


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ({"ok": True, "detail": "done"}, Carried(detail="done")),
        ({"ok": False, "code": "rejected", "detail": "no"}, NotCarried(code=CommandFailure.REJECTED, detail="no")),
    ],
)
async def test_a_command_ends_as_the_thing_says(running: Broker, said: Any, outcome: Any) -> None:
    async with connected(ProtocolKit(), running.port) as tank, asyncio.TaskGroup() as group:
        task = group.create_task(tank.adapter.carry_out(sample_thing(), sample_command(), again=False))
        kind, command = await tank.heard()
        assert (kind, command["command_id"], command["body"]["name"]) == ("commands", "c1", "reset")
        await tank.ends(command_id="c1", **said)
        assert await task == outcome


async def test_a_command_that_was_not_published_can_be_taken_back(unused_tcp_port: int) -> None:
    kit = ProtocolKit()
    kit.things.register(sample_thing())
    config = MqttConfig(host="127.0.0.1", port=unused_tcp_port, retry_after_s=0.05, retry_cap_s=1.0)
    async with SPEC.open(config, kit.deps()) as adapter, asyncio.TaskGroup() as group:
        first = group.create_task(adapter.carry_out(sample_thing(), sample_command(command_id="c1"), again=False))
        second = group.create_task(adapter.carry_out(sample_thing(), sample_command(command_id="c2"), again=False))
        await asyncio.sleep(0)
        assert adapter.recall(CommandId("c2"))
        assert await second == NotCarried(code=CommandFailure.RECALLED, detail="taken back before it left")
        assert not first.done()
        assert adapter.recall(CommandId("c1"))


async def test_a_command_that_was_published_stays_under_way(running: Broker) -> None:
    async with connected(ProtocolKit(), running.port) as tank, asyncio.TaskGroup() as group:
        task = group.create_task(tank.adapter.carry_out(sample_thing(), sample_command(), again=False))
        await tank.heard()
        assert not tank.adapter.recall(CommandId("c1"))
        await tank.ends(command_id="c1", ok=True)
        await task


def test_acknowledgements_leave_in_the_order_of_arrival() -> None:
    sent: list[int] = []
    order = AckOrder(sent.append)
    for packet in (1, 2, 3):
        order.arrived(packet)
    order.due(3)
    order.due(2)
    assert not sent
    order.due(1)
    assert sent == [1, 2, 3]
    assert len(order) == 0


def test_a_password_travels_in_clear_text_only_when_told_so() -> None:
    from actors.model.secrets import Secret  # noqa: PLC0415 - only here

    with pytest.raises(ValueError, match="plain_password"):
        MqttConfig(host="broker", password=Secret("x"))
    assert MqttConfig(host="broker", password=Secret("x"), plain_password=True).password is not None
