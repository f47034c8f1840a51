"""A plant in a process of its own, and links to it."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from free_ports import free_port

from actors.model.ids import ThingId
from actors.model.profiles import PropertyKind, PropertySpec, ThingProfile
from actors.model.readings import DeviceMessage
from actors.ports import ConnectedThing, ProtocolAdapter
from hub.bench.node_opcua import NodeServer, NoNodeOpcua
from protocols.opcua import SPEC
from protocols.opcua.config import EndpointConfig, OpcUaConfig
from protocols.testing import DEADLINE_S, OWNER, ProtocolKit

NODE = "nsu=urn:iot2crm:demo:plant;s={node}."
ENGINE = ThingProfile(
    name="engine",
    title="Engine",
    model="E-1",
    properties={
        "level": PropertySpec(unit="%"),
        "cycle": PropertySpec(unit="cycle"),
        "note": PropertySpec(kind=PropertyKind.TEXT),
        "snapshot": PropertySpec(kind=PropertyKind.NUMBERS),
    },
    sources={
        "opcua": {
            "level": NODE + "Level",
            "cycle": NODE + "Cycle",
            "note": NODE + "Note",
            "snapshot": NODE + "Snapshot",
        }
    },
)
VARIABLES = {"Level": "number", "Cycle": "count", "Note": "text", "Snapshot": "numbers"}
_names = count(1)


class PlantProcess:
    """A running plant; every method returns when the plant has answered."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        announced = folder / f"plant-{next(_names)}.url"
        command = [
            sys.executable,
            "-m",
            "hub.demo.plant",
            "--announce",
            str(announced),
            "--port",
            str(port or free_port()),
        ]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        while not announced.exists():
            if self.process.poll() is not None:
                raise RuntimeError("the plant did not start")
            time.sleep(0.01)
        self.url = announced.read_text().strip()

    @property
    def port(self) -> int:
        return int(self.url.rstrip("/").rpartition(":")[2])

    def do(self, command: str, **more: Any) -> Mapping[str, Any]:
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps({"do": command, **more}) + "\n")
        stdin.flush()
        answer: dict[str, Any] = json.loads(stdout.readline())
        assert answer.pop("ok"), answer
        return answer

    def set(self, **values: Any) -> None:
        """Set ``machine_Variable=value``."""
        self.do("set", values={name.replace("_", ".", 1): value for name, value in values.items()})

    def define(self) -> str:
        """Make a machine with a name of its own."""
        machine = f"M{next(_names)}"
        self.do("define", machines={machine: VARIABLES})
        return machine

    def unacknowledged(self) -> int:
        return int(self.do("settle", within_s=0)["waiting"])

    async def settled(self) -> bool:
        return bool((await asyncio.to_thread(self.do, "settle", within_s=DEADLINE_S))["settled"])

    def kill(self) -> None:
        self.process.kill()
        self.close()

    def close(self) -> None:
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
        self.process.wait(DEADLINE_S)


@dataclass
class Running:
    """An adapter with one link, and the hub it talks to."""

    kit: ProtocolKit
    adapter: ProtocolAdapter

    @property
    def state(self) -> str:
        return self.adapter.links()[0].state

    def count(self, name: str) -> int:
        return self.adapter.counters().get(name, 0)

    async def until(self, condition: Callable[[], bool], within_s: float = DEADLINE_S) -> None:
        async with asyncio.timeout(within_s):
            while not condition():  # noqa: ASYNC110 - conditions of counters and of another process
                await asyncio.sleep(0.005)

    def values(self, name: str) -> list[Any]:
        """Return what was stored of one property, in order; what a link tells of itself being lost is left out."""
        return [told.value for message in self.told for told in message.readings if told.name == name]

    @property
    def told(self) -> list[DeviceMessage]:
        """What was stored and came from the server."""
        return [message for message in self.kit.sink.stored if "-quality-" not in message.message_id]


@dataclass
class Hub:
    """Starts adapters with settings that make tests quick."""

    kit: ProtocolKit = field(default_factory=ProtocolKit)

    @asynccontextmanager
    async def running(self, url: str, *, items: int | None = None, **settings: Any) -> AsyncGenerator[Running]:
        """Run an adapter with the endpoint ``plant`` until it is up and has ``items``."""
        quick: dict[str, Any] = {"publishing_interval_ms": 20, "retry_cap_s": 0.2, "silence_s": 5} | settings
        config = OpcUaConfig(endpoints={"plant": EndpointConfig(url=url, **quick)})
        async with SPEC.open(config, self.kit.deps()) as adapter:
            link = Running(self.kit, adapter)
            if items is not None:
                await link.until(lambda: link.state == "up" and link.count("items") == items)
            yield link

    def register(self, machine: str, thing_id: str = "engine-1", endpoint: str = "plant") -> ConnectedThing:
        thing = ConnectedThing(
            thing_id=ThingId(thing_id),
            owner_id=OWNER,
            profile=ENGINE,
            options={"endpoint": endpoint, "node": machine},
        )
        self.kit.things.register(thing)
        return thing


class NetworkPath:
    """A TCP path to a server. It can stall (sockets stay open, nothing goes through) and be cut (resets, refusals)."""

    def __init__(self) -> None:
        self.flows = asyncio.Event()
        self.flows.set()
        self.url = ""
        self._is_cut = False
        self._writers: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Reset all connections and refuse new ones."""
        self._is_cut = True
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        """Let connections through again."""
        self._is_cut = False

    @asynccontextmanager
    async def open(self, port: int, resource: str = "") -> AsyncGenerator["NetworkPath"]:
        async with asyncio.TaskGroup() as group:
            pipes: list[asyncio.Task[None]] = []

            async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                if self._is_cut:
                    writer.transport.abort()
                    return
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
                self._writers |= {writer, far_writer}
                pipes.append(group.create_task(self._pipe(reader, far_writer)))
                pipes.append(group.create_task(self._pipe(far_reader, writer)))

            server = await asyncio.start_server(join, "127.0.0.1", 0)
            self.url = f"opc.tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}/{resource}"
            yield self
            server.close()
            for pipe in pipes:
                pipe.cancel()

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                await self.flows.wait()
                writer.write(data)
        except ConnectionError:
            return
        finally:
            writer.close()


@pytest.fixture(scope="session")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlantProcess]:
    running = PlantProcess(tmp_path_factory.mktemp("plant"))
    yield running
    running.close()


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
async def path(plant: PlantProcess) -> AsyncGenerator[NetworkPath]:
    async with NetworkPath().open(plant.port) as opened:
        yield opened


@pytest.fixture
def start_plant(tmp_path: Path) -> Iterator[Callable[..., PlantProcess]]:
    """Start plants of one's own, to be killed."""
    started: list[PlantProcess] = []

    def start(port: int = 0) -> PlantProcess:
        started.append(PlantProcess(tmp_path, port))
        return started[-1]

    yield start
    for process in started:
        process.kill()


@pytest.fixture(scope="session")
def sim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeServer]:
    """One server of node-opcua for all tests that leave it as it was."""
    try:
        server = NodeServer(tmp_path_factory.mktemp("pki"), variables=5000, machinery=True)
    except NoNodeOpcua as error:
        pytest.skip(str(error))
    yield server
    server.close()


@pytest.fixture
def start_sim(tmp_path: Path) -> Iterator[Callable[..., NodeServer]]:
    """Start servers of node-opcua."""
    started: list[NodeServer] = []

    def start(**options: Any) -> NodeServer:
        try:
            started.append(NodeServer(tmp_path / "pki", **{"port": free_port(), **options}))
        except NoNodeOpcua as error:
            pytest.skip(str(error))
        return started[-1]

    yield start
    for server in started:
        server.kill()


@pytest.fixture
def network_path() -> NetworkPath:
    """A path that leads nowhere yet."""
    return NetworkPath()
