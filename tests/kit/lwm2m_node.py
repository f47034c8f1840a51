"""An LwM2M client that is not ours, in a process of its own: lwm2m-node-lib, installed by npm into the cache."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hub.bench import npm
from protocols.testing import DEADLINE_S

PACKAGE = "lwm2m-node-lib@1.4.0"
_SCRIPT = Path(__file__).with_name("lwm2m_node_client.js")


class NoNodeLib(Exception):
    """lwm2m-node-lib cannot be had here; the text says why."""


def installed() -> Path:
    """Return the folder of node's modules.

    Raises:
        NoNodeLib: node, npm or the package cannot be had.
    """
    return npm.installed(PACKAGE, NoNodeLib)


class NodeClient:
    """A running client; ``do`` returns when it has answered."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def do(self, command: str, **more: Any) -> Mapping[str, Any]:
        """Carry out one command of the script."""
        assert self._process.stdin is not None
        self._process.stdin.write((json.dumps({"do": command, **more}) + "\n").encode())
        return await self.answer()

    async def answer(self) -> Mapping[str, Any]:
        """Return the next line that it says."""
        assert self._process.stdout is not None
        async with asyncio.timeout(3 * DEADLINE_S):
            told: Mapping[str, Any] = json.loads(await self._process.stdout.readline() or b'{"error": "it ended"}')
        assert "error" not in told, told
        return told


@asynccontextmanager
async def node_client(port: int, **settings: Any) -> AsyncGenerator[NodeClient]:
    """Run a client of the server at this port of loopback."""
    modules = await asyncio.to_thread(installed)
    given = json.dumps({"host": "127.0.0.1", "port": port} | settings)
    process = await asyncio.create_subprocess_exec(
        "node",
        str(_SCRIPT),
        str(modules),
        given,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        client = NodeClient(process)
        await client.answer()
        yield client
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(DEADLINE_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
