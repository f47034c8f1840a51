"""A real broker: Debian's mosquitto as a process on a free loopback port."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import debian
from free_ports import free_port

_CONFIG = """
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_interval 1
log_dest none
"""


class NoMosquitto(Exception):
    """mosquitto cannot be had here; the text says why."""


def program() -> str:
    """Return where mosquitto is, installing the Debian package where that can be done.

    Raises:
        NoMosquitto: it is not there, and cannot be installed.
    """
    return debian.installed("mosquitto", "mosquitto", NoMosquitto)


class Broker:
    """A broker that can be stopped and started again on its port, with what it keeps."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self.port = free_port()

    async def start(self) -> None:
        """Start, and wait until it listens."""
        file = self._folder / "mosquitto.conf"
        file.write_text(
            _CONFIG.format(port=self.port, folder=self._folder) + ("user root\n" if not os.geteuid() else "")
        )
        self._process = await asyncio.create_subprocess_exec(program(), "-c", str(file), stderr=subprocess.DEVNULL)
        async with asyncio.timeout(30):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    return

    async def stop(self) -> None:
        """Stop; what it keeps stays in its folder."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            await self._process.wait()
        self._process = None


@asynccontextmanager
async def broker(folder: Path) -> AsyncGenerator[Broker]:
    """Run a broker."""
    it = Broker(folder)
    await it.start()
    try:
        yield it
    finally:
        await it.stop()
