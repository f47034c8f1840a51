"""Servers of posts against each other over real sockets: each a process, asked in turn by the same process.

The servers share one core and the load has another where there are two. They are asked in short slices by turns, and a
ratio is the median of those of neighbouring slices: what else the machine does then meets both sides alike.
"""

import os
import statistics
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from hub.bench.post_load import Loaded

_SOCKETS: Final = 256
_SLICES: Final = 8
_SHORTEST_S: Final = 0.1


class Posted(Struct, frozen=True, kw_only=True):
    """How a server answered: the rate of each slice, and its CPU time an answer."""

    slices: Sequence[float]
    cpu_us: float

    @property
    def per_s(self) -> float:
        """Answers a second."""
        return statistics.median(self.slices)

    def over(self, peer: "Posted") -> float:
        """Return the rate over that of a peer of the same run."""
        return statistics.median(own / other for own, other in zip(self.slices, peer.slices, strict=True))


def posted(protocol: str, kinds: Sequence[str], seconds: float) -> Mapping[str, Posted]:
    """Return how the servers of these kinds answered, each for so long in all."""
    with ExitStack() as stack:
        servers = [stack.enter_context(_server(protocol, kind)) for kind in kinds]
        ports = [_line(server).decode().strip() for server in servers]
        before = [_cpu_s(server) for server in servers]
        for server in servers:
            _pin(server.pid, min(os.sched_getaffinity(0)))
        told = _loaded(protocol, ports, seconds)
        after = [_cpu_s(server) for server in servers]
    return {
        kind: Posted(slices=found.per_s, cpu_us=(ended - began) / found.answers * 1e6)
        for kind, found, began, ended in zip(kinds, told, before, after, strict=True)
    }


def _loaded(protocol: str, ports: Sequence[str], seconds: float) -> list[Loaded]:
    slices = max(2, min(_SLICES, int(seconds / _SHORTEST_S)))
    options = [str(_SOCKETS), str(seconds / slices), str(slices)]
    command = [sys.executable, "-m", "hub.bench.post_load", protocol, *options, *ports]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as load:  # noqa: S603 - our own
        _pin(load.pid, max(os.sched_getaffinity(0)))
        told, _ = load.communicate(timeout=60 + 10 * seconds * len(ports))
    return msgspec.json.decode(told, type=list[Loaded])


@contextmanager
def _server(protocol: str, kind: str) -> Generator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", f"hub.bench.{protocol}_server", kind, str(_SOCKETS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:  # noqa: S603 - our own
        try:
            yield server
        finally:
            if server.stdin is not None:
                server.stdin.close()
            try:
                server.wait(timeout=20)
            except subprocess.TimeoutExpired:
                server.kill()


def _pin(process: int, core: int) -> None:
    """Keep all threads of a process on one core."""
    for task in Path(f"/proc/{process}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


def _cpu_s(server: "subprocess.Popen[bytes]") -> float:
    if server.stdin is not None:
        server.stdin.write(b"\n")
        server.stdin.flush()
    return float(_line(server))


def _line(server: "subprocess.Popen[bytes]") -> bytes:
    return server.stdout.readline() if server.stdout is not None else b""
