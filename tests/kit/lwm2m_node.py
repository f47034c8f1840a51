"""An LwM2M client that is not ours, in a process of its own: lwm2m-node-lib, installed by npm into the cache."""

import asyncio
import fcntl
import json
import shutil
import subprocess
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from protocols.testing import DEADLINE_S

HOME = Path(__file__).parents[2] / ".cache" / "lwm2m-node-lib"
PACKAGE = "lwm2m-node-lib@1.4.0"
_SCRIPT = Path(__file__).with_name("lwm2m_node_client.js")


class NoNodeLib(Exception):
    """lwm2m-node-lib cannot be had here; the text says why."""


def installed() -> Path:
    """Return the folder of node's modules, filled at the first time.

    Raises:
        NoNodeLib: node, npm or the package cannot be had.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise NoNodeLib("lwm2m-node-lib: node and npm are not installed")
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = HOME / "ready"
        if not stamp.exists() or stamp.read_text() != PACKAGE:
            _install()
            stamp.write_text(PACKAGE)
    return HOME / "node_modules"


def _install() -> None:
    npm = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(HOME), PACKAGE]
    try:
        subprocess.run(npm, check=True, capture_output=True, timeout=300, text=True)
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise NoNodeLib(f"{PACKAGE} cannot be installed: {said[-1] if said else error}") from error


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
