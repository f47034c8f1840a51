"""The contract of all protocol adapters, kept by OPC UA against a real server."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from actors.ports import ProtocolAdapter
from protocols.opcua import SPEC
from protocols.opcua.config import EndpointConfig, OpcUaConfig
from protocols.testing import ProtocolAdapterContract, ProtocolKit, sample_profile, sample_thing


class MonitoredTank:
    """A variable at the server, and what the wire says of it: held for retransmission, or acknowledged."""

    def __init__(self, adapter: ProtocolAdapter, plant: Any, node: str) -> None:
        self.adapter = adapter
        self._plant = plant
        self._node = node

    async def report(self, level: float) -> bool:
        refused, judged = self.adapter.counters()["refused"], self._judged()
        self._plant.do("set", values={self._node: level})
        while self._judged() == judged:  # noqa: ASYNC110 - counters have no event
            await asyncio.sleep(0.005)
        # OPC UA has no word for "refused": the notification is acknowledged, and the adapter counts it
        return await self._plant.settled() and self.adapter.counters()["refused"] == refused

    def _judged(self) -> int:
        counters = self.adapter.counters()
        return counters["accepted"] + counters["refused"]


class TestOpcUaKeepsTheContract(ProtocolAdapterContract):
    plant: Any

    @pytest.fixture(autouse=True)
    def _with_plant(self, plant: Any) -> None:
        self.plant = plant

    @asynccontextmanager
    async def connect(self, kit: ProtocolKit) -> AsyncGenerator[MonitoredTank]:
        machine = self.plant.define()
        sources = {"opcua": {"level": "nsu=urn:iot2crm:demo:plant;s={serial}.Level"}}
        profile = msgspec.structs.replace(sample_profile(), sources=sources)
        kit.things.register(sample_thing(profile=profile, options={"endpoint": "plant", "serial": machine}))
        endpoint = EndpointConfig(url=self.plant.url, publishing_interval_ms=20)
        async with SPEC.open(OpcUaConfig(endpoints={"plant": endpoint}), kit.deps()) as adapter:
            while adapter.counters().get("items") != 1:  # noqa: ASYNC110 - counters have no event
                await asyncio.sleep(0.005)
            yield MonitoredTank(adapter, self.plant, f"{machine}.Level")
