"""The demo's processes: started with their own logs, talked to by JSON lines, ended by their ids whatever happens."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar, final

import msgspec

from actors.ports import Clock

POLL_S: Final = 0.05
_END_S: Final = 8.0
_START_S: Final = 30.0
_LONGEST_LINE: Final = 64 * 1024 * 1024
_LAST_LINES: Final = 12

T = TypeVar("T")


class NeverHappened(Exception):
    """A condition did not come true in time, or a process ended before its time."""


async def until(clock: Clock, what: str, probe: Callable[[], Awaitable[T | None]], within_s: float = _START_S) -> T:
    """Return the first answer of ``probe`` that is not None.

    Raises:
        NeverHappened: there was none within ``within_s``.
    """
    deadline = clock.monotonic() + within_s
    while (found := await probe()) is None:
        if clock.monotonic() > deadline:
            raise NeverHappened(f"{what}: not within {within_s:g} s")
        await asyncio.sleep(POLL_S)
    return found


@final
class Worker:
    """One process. ``tell`` is for those that are played by JSON lines; one command is under way at a time."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self._process = process
        self._log = log
        self._turn = asyncio.Lock()

    @property
    def pid(self) -> int:
        """The process id, which is also that of its group."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Say whether it has not ended."""
        return self._process.returncode is None

    async def tell(self, **command: Any) -> Mapping[str, Any]:
        """Give a command and return its answer.

        Raises:
            NeverHappened: the process ended, or could not do it.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise NeverHappened(f"{self.name} takes no commands")
        async with self._turn:
            stdin.write(msgspec.json.encode(command) + b"\n")
            line = await stdout.readline()
        if not line:
            raise NeverHappened(f"{self.name} ended: {self.last_words()}")
        answer: Mapping[str, Any] = msgspec.json.decode(line)
        if not answer.get("ok"):
            raise NeverHappened(f"{self.name} could not {command.get('do')}: {line.decode().strip()}")
        return answer

    def last_words(self) -> str:
        """Return the end of its log."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-_LAST_LINES:]) or "it said nothing"

    async def kill(self) -> None:
        """End it at once, as power loss would, with everything that it started."""
        self._signal_group(signal.SIGKILL)
        await self._process.wait()

    async def end(self) -> None:
        """Ask it to end, and make it end when it does not."""
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            try:
                async with asyncio.timeout(_END_S):
                    await self._process.wait()
            except TimeoutError:
                await self.kill()
        self._signal_group(signal.SIGKILL)  # what it may have left behind; the group is ours alone

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


@final
class Crew:
    """All processes of one demo. Leaving the context ends them, the last started first."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._workers: list[Worker] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        async with asyncio.TaskGroup() as group:
            for worker in reversed(self._workers):
                group.create_task(worker.end())

    async def start(
        self, name: str, *arguments: str, played: bool = False, secrets: Mapping[str, str] | None = None
    ) -> Worker:
        """Start ``python -m <arguments>`` in a session of its own, so that Ctrl-C reaches it through us alone."""
        log = self._folder / f"{name}.log"
        pipe = asyncio.subprocess.PIPE if played else asyncio.subprocess.DEVNULL
        with log.open("ab") as written:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                *arguments,
                stdin=pipe,
                stdout=asyncio.subprocess.PIPE if played else written,
                stderr=written,
                cwd=self._folder,
                env={**os.environ, **(secrets or {})},
                start_new_session=True,
                limit=_LONGEST_LINE,
            )
        worker = Worker(name, process, log)
        self._workers.append(worker)
        return worker

    async def content_of(self, path: Path, worker: Worker) -> str:
        """Return what is in a file as soon as the process has written it.

        Raises:
            NeverHappened: the process ended first, or takes too long.
        """

        async def probe() -> str | None:
            if not worker.is_running:
                raise NeverHappened(f"{worker.name} ended: {worker.last_words()}")
            return _content(path)

        return await until(self._clock, f"{worker.name} is ready", probe)


def _content(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None
