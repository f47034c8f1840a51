"""The shipped contract suite, with a thing that speaks in lines."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count

from iot2crm_lines import SPEC, LinesAdapter, LinesConfig

from actors.model.commands import Carried, CommandFailure, NotCarried
from protocols.testing import (
    TOKEN,
    DeviceEnd,
    ProtocolAdapterContract,
    ProtocolKit,
    sample_command,
    sample_thing,
)


class Thing:
    """The far end of a connection."""

    def __init__(self, adapter: LinesAdapter, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.adapter = adapter
        self._reader = reader
        self._writer = writer
        self._numbers = count()

    async def ask(self, line: str) -> str:
        """Say a line and hear one."""
        self.say(line)
        return await self.hear()

    def say(self, line: str) -> None:
        """Say a line."""
        self._writer.write(line.encode() + b"\n")

    async def hear(self) -> str:
        """Hear a line."""
        async with asyncio.timeout(10):
            return (await self._reader.readline()).decode().strip()

    async def report(self, level: float) -> bool:
        """Tell the level once; True when the hub said that it is stored."""
        return (await self.ask(f"TELL b1 {next(self._numbers)} level={level}")).startswith("STORED")


@asynccontextmanager
async def connected(kit: ProtocolKit) -> AsyncGenerator[Thing]:
    kit.things.register(sample_thing())
    async with SPEC.open(LinesConfig(port=0), kit.deps()) as adapter:
        assert isinstance(adapter, LinesAdapter)
        host, _, port = adapter.urls[0].removeprefix("tcp://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        thing = Thing(adapter, reader, writer)
        try:
            assert await thing.ask(f"HELLO {TOKEN}") == "WELCOME tank-1"
            yield thing
        finally:
            writer.close()
            await writer.wait_closed()


class TestLinesContract(ProtocolAdapterContract):
    """The contract of all protocol adapters."""

    def connect(self, kit: ProtocolKit) -> AbstractAsyncContextManager[DeviceEnd]:
        return connected(kit)


async def test_nobody_speaks_without_a_token() -> None:
    kit = ProtocolKit()
    async with SPEC.open(LinesConfig(port=0), kit.deps()) as adapter:
        host, _, port = adapter.urls[0].removeprefix("tcp://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HELLO stolen\nTELL b 1 level=1\n")
        assert (await reader.readline()).startswith(b"REFUSED ? unauthenticated")
        assert await reader.readline() == b""
        writer.close()
        await writer.wait_closed()
    assert not kit.sink.received


async def test_a_line_that_says_nothing_is_told_so() -> None:
    kit = ProtocolKit()
    async with connected(kit) as thing:
        assert "expected: TELL" in await thing.ask("MUMBLE")
        assert thing.adapter.counters()["malformed"] == 1


async def test_a_command_is_done_or_failed_as_the_thing_says() -> None:
    async with connected(ProtocolKit()) as thing, asyncio.TaskGroup() as group:
        for said, outcome in (
            ("DONE c1 in 3 s", Carried(detail="in 3 s")),
            ("FAILED c1 stuck", NotCarried(code=CommandFailure.FAILED, detail="stuck")),
        ):
            task = group.create_task(thing.adapter.carry_out(sample_thing(), sample_command(), again=False))
            assert await thing.hear() == "DO c1 reset delay=3.0"
            thing.say(said)
            assert await task == outcome
