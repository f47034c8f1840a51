"""OPC UA against node-opcua, a server that is not ours: what a value costs us and asyncua, and how many arrive."""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct

from hub.bench.node_opcua import NodeServer, NoNodeOpcua
from hub.bench.slow_path import slow_path

_FEW: Final = 1000
_MANY: Final = 5000
_SECONDS: Final = 2.0
_SECONDS_OF_MANY: Final = 4.0
_ROUND_TRIP_S: Final = 0.04
_IN_FLIGHT: Final = ("durable", "one_publish")


class _Seen(Struct, frozen=True, kw_only=True):
    values_per_s: float
    cpu_us: float


def rounds(say: Callable[[str], None], number: int, scale: float) -> dict[str, float]:
    """Return the medians of interleaved rounds; nothing where the server cannot be had, and why is said."""
    found: dict[str, list[float]] = {}
    for _ in range(number):
        try:
            measured = figures(scale)
        except NoNodeOpcua as reason:
            say(f"opcua.*: not measured: {reason}")
            return {}
        for key, value in measured.items():
            found.setdefault(key, []).append(value)
    say(f"OPC UA: {number} rounds")
    return {key: statistics.median(values) for key, values in found.items()}


def figures(scale: float) -> dict[str, float]:
    """Return one round; raises ``NoNodeOpcua`` where the server cannot be had.

    CPU: 1000 items that change ten times a second, until the hub has stored and acknowledged each value, over asyncua
    handing a publish response to a callback. Throughput: 5000 of them, stored and acknowledged, with three requests in
    flight over one, on a path with a round trip of 40 ms, as between two sites: a server tells at most so much in a
    response (node-opcua: 1000 values), and with one request in flight the next response waits for a round trip, however
    fast both ends are. Without a path (``_at_hand``) the round trip is what both ends compute and the disk's commit
    takes: on a quiet machine there is little to gain, then.
    """
    seconds, seconds_of_many = max(0.5, _SECONDS * scale), max(0.5, _SECONDS_OF_MANY * scale)
    with tempfile.TemporaryDirectory(prefix="iot2crm-bench-") as folder:
        server = NodeServer(Path(folder), variables=_MANY)
        try:
            server.do("count", every_ms=100)
            few = {kind: _measured(server.url, kind, _FEW, seconds) for kind in ("durable", "callback", "handler")}
            at_hand = {kind: _measured(server.url, kind, _MANY, seconds_of_many) for kind in _IN_FLIGHT}
            with slow_path(server.port, _ROUND_TRIP_S) as port:
                url = server.url.replace(f":{server.port}/", f":{port}/")
                many = {kind: _measured(url, kind, _MANY, seconds_of_many) for kind in _IN_FLIGHT}
        finally:
            server.close()
    return {
        "opcua.cpu_vs_asyncua_callback": few["durable"].cpu_us / few["callback"].cpu_us,
        "opcua.cpu_vs_asyncua_handler": few["durable"].cpu_us / few["handler"].cpu_us,
        "opcua.cpu_us": few["durable"].cpu_us,
        "opcua.asyncua_callback_cpu_us": few["callback"].cpu_us,
        "opcua.notifications_5000_vs_one_publish": many["durable"].values_per_s / many["one_publish"].values_per_s,
        "opcua.notifications_5000_at_hand_vs_one_publish": (
            at_hand["durable"].values_per_s / at_hand["one_publish"].values_per_s
        ),
        "opcua.notifications_5000_per_s": many["durable"].values_per_s,
    }


def _measured(url: str, kind: str, items: int, seconds: float) -> _Seen:
    command = [sys.executable, "-m", "hub.bench.opcua_client", kind, url, str(items)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:  # noqa: S603 - our own
        _line(client)
        time.sleep(seconds / 4)
        started, (before, cpu_before) = time.perf_counter(), _asked(client)
        time.sleep(seconds)
        took_s = time.perf_counter() - started
        after, cpu_after = _asked(client)
        if client.stdin is not None:
            client.stdin.close()
        client.wait(timeout=20)
    received = max(after - before, 1.0)
    return _Seen(values_per_s=received / took_s, cpu_us=(cpu_after - cpu_before) / received * 1e6)


def _asked(client: "subprocess.Popen[str]") -> tuple[float, float]:
    if client.stdin is not None:
        client.stdin.write("\n")
        client.stdin.flush()
    received, cpu_s = _line(client).split()
    return float(received), float(cpu_s)


def _line(client: "subprocess.Popen[str]") -> str:
    return client.stdout.readline() if client.stdout is not None else ""
