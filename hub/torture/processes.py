"""Processes of a torture: started, killed without warning, or asked to stop."""

import asyncio
import sys
from asyncio.subprocess import Process
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Final

from actors.model.errors import HubError
from hub.bootstrap import URL_FILE
from hub.registry import OWNER_TOKEN_FILE

HUB_PROGRAM: Final = ("-m", "hub")
_LOOK_AGAIN_S: Final = 0.005
_LOG_TAIL: Final = 2000


class ProcessFailed(HubError):
    """A process ended, or did not do what it should in time. The text holds the end of its log."""


class Child:
    """One process of our own Python that announces its address in a file."""

    def __init__(self, arguments: Sequence[str], log: Path, announced_in: Path) -> None:
        self._arguments = arguments
        self._log = log
        self._announced_in = announced_in
        self._process: Process | None = None
        self.url = ""

    @property
    def pid(self) -> int:
        """The id of the process that runs.

        Raises:
            ProcessFailed: none was started.
        """
        if self._process is None:
            raise ProcessFailed(f"{self._log.stem} was never started")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(self, *, within_s: float = 60.0) -> float:
        """Start it and wait until it serves; return how many seconds that took.

        Raises:
            ProcessFailed: it ended, or did not serve in time.
        """
        began = monotonic()
        await self.spawn(self._arguments)
        if not await self.serves(within_s):
            code = self._code
            await self.kill()
            raise self._failure(f"did not serve within {within_s:g} s" if code is None else f"ended with {code}")
        return monotonic() - began

    async def spawn(self, arguments: Sequence[str] | None = None) -> None:
        """Start it, with other arguments than its own where they are given, and do not wait.

        It gets a session of its own: Ctrl-C on the terminal is for us, who end it in order.
        """
        self._announced_in.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *(arguments or self._arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def serves(self, within_s: float) -> bool:
        """Wait until it serves, or ends, or the time is up; say whether it serves."""
        deadline = monotonic() + within_s
        while not (url := self._announced()):
            if not self.is_running or monotonic() > deadline:
                return False
            await asyncio.sleep(_LOOK_AGAIN_S)
        self.url = url
        return True

    async def ends(self, within_s: float) -> int | None:
        """Wait until it ends by itself; return its exit code, None where it runs on."""
        if self._process is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._process.wait()
        return self._code

    def terminate(self) -> None:
        """Ask it to stop (SIGTERM), and do not wait."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()

    @property
    def _code(self) -> int | None:
        return None if self._process is None else self._process.returncode

    async def kill(self) -> None:
        """End it at once (SIGKILL): it cannot notice."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def stop(self, *, within_s: float = 30.0) -> None:
        """Ask it to stop (SIGTERM).

        Raises:
            ProcessFailed: it did not end with 0 in time.
        """
        if self._process is None or self._process.returncode is not None:
            raise self._failure("was not running when it should stop")
        self._process.terminate()
        code = await self.ends(within_s)
        if code is None:
            await self.kill()
            raise self._failure(f"did not stop within {within_s:g} s")
        if code != 0:
            raise self._failure(f"ended with {code} when asked to stop")

    def _announced(self) -> str:
        try:
            return self._announced_in.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return ""

    def _failure(self, what: str) -> ProcessFailed:
        tail = self._log.read_bytes()[-_LOG_TAIL:].decode(errors="replace")
        return ProcessFailed(f"{self._log.stem} {what}; its log ends:\n{tail}")


def hub_process(config: Path, data_dir: Path, program: Sequence[str] = HUB_PROGRAM) -> Child:
    """Return a hub that is not started yet; each start begins on what the last one left in its data directory."""
    arguments = (*program, "run", "-c", str(config), "--log-level", "warning")
    return Child(arguments, config.with_name("hub.log"), data_dir / URL_FILE)


def owner_token(data_dir: Path) -> str:
    """Return the token that the hub made at its first start."""
    return (data_dir / OWNER_TOKEN_FILE).read_text(encoding="utf-8").strip()


def sandbox_process(folder: Path, name: str, catalog: Path) -> Child:
    """Return a shop that is not started yet; its records are in a file, so it knows them after a restart."""
    announced_in = folder / f"{name}.url"
    arguments = ["-m", "hub", "sandbox", "rest", "--url-file", str(announced_in), "--catalog", str(catalog)]
    return Child((*arguments, "--data", str(folder / f"{name}.db")), folder / f"{name}.log", announced_in)
