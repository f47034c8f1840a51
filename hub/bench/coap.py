"""CoAP over real sockets: servers and load are processes of their own, each on its own core where there are two."""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec

_SOCKETS = 256
_SECONDS = 2.0
_TURNS = (("minimal", "front"), ("durable", "bare"), ("minimal", "front"), ("durable", "bare"))
"""Each is measured twice, some time apart, and its better run counts: other programs only ever make it worse."""


def figures(scale: float) -> dict[str, float]:
    """Return durable posts over aiocoap's bare handler (rate), and the front end over a bare responder (CPU)."""
    seconds = max(0.2, _SECONDS * scale)
    runs = [(kind, _measured(kind, seconds / len(turn))) for turn in _TURNS for kind in turn]
    rate = {kind: max(per_s for ran, (per_s, _) in runs if ran == kind) for kind, _ in runs}
    cpu = {kind: min(cpu_us for ran, (_, cpu_us) in runs if ran == kind) for kind, _ in runs}
    return {
        "coap.post_durable_vs_aiocoap_bare": rate["durable"] / rate["bare"],
        "coap.front_cpu_vs_minimal": cpu["front"] / cpu["minimal"],
        "coap.post_durable_per_s": rate["durable"],
        "coap.front_per_s": rate["front"],
        "coap.front_cpu_us": cpu["front"],
        "coap.post_durable_cpu_us": cpu["durable"],
        "coap.aiocoap_bare_cpu_us": cpu["bare"],
    }


def _measured(kind: str, seconds: float) -> tuple[float, float]:
    """Return answers a second and CPU microseconds of the server an answer."""
    with _server(kind) as server:
        port = int(_line(server))
        before = _cpu_s(server)
        _pin(server.pid, min(os.sched_getaffinity(0)))
        command = [sys.executable, "-m", "hub.bench.coap_load", str(port), str(_SOCKETS), str(seconds), "b"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as load:  # noqa: S603 - our own
            _pin(load.pid, max(os.sched_getaffinity(0)))
            told, _ = load.communicate(timeout=60 + 5 * seconds)
        found = msgspec.json.decode(told, type=dict[str, float])
        return found["per_s"], (_cpu_s(server) - before) / found["answers"] * 1e6


@contextmanager
def _server(kind: str) -> Generator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "hub.bench.coap_server", kind, str(_SOCKETS)]
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
