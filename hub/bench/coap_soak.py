"""A long run of CoAP posts: ``python -m hub.bench.coap_soak [--minutes 10] [--per-s 1000] [--peers 1000]``.

A hub's adapter with its turn engine and journal, a process of its own, gets CON posts from so many addresses at this
rate. Its resident memory must grow less than 50 MiB, and then stay. Progress is on standard error; the last line holds
the figures as JSON; the exit code is 1 when memory grew more, or not every post was stored.
"""

import select
import socket
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from typing import Final

import click
import msgspec
from msgspec import Struct

_CHANGED: Final = 0x44
_AGAIN_S: Final = 2.0
_MOST_GROWTH_MIB: Final = 50.0
_STAYS_MIB: Final = 8.0
"""How much the last third may grow: what the journal's caches breathe."""
_LOOK_EVERY_S: Final = 5.0


class Soaked(Struct, frozen=True, kw_only=True):
    """What a run showed."""

    posts: int
    answered: int
    repeated: int
    grown_mib: float
    """From the first look to the highest."""
    last_third_mib: float
    """Growth of the mean from the second third to the last."""


class _Fleet:
    """Devices with a socket each, of which one after another posts."""

    def __init__(self, port: int, peers: int) -> None:
        self._poll = select.epoll()
        self._devices = [_Device(port, number) for number in range(peers)]
        self._by_file = {device.socket.fileno(): device for device in self._devices}
        for number in self._by_file:
            self._poll.register(number, select.EPOLLIN)
        self._waiting = deque(self._devices)
        self.posts = self.answered = self.repeated = 0

    def post(self, now: float) -> None:
        """Let the device post that waited longest, if one is free."""
        if self._waiting:
            self._waiting.popleft().post(now)
            self.posts += 1

    def hear(self, timeout_s: float) -> None:
        """Take what was answered until then."""
        for number, _ in self._poll.poll(timeout_s):
            device = self._by_file[number]
            if device.is_answered():
                self.answered += 1
                self._waiting.append(device)

    def repeat(self, now: float) -> None:
        """Send again what was not answered in time, as CoAP does."""
        for device in self._devices:
            if device.datagram and now - device.sent_at > _AGAIN_S:
                device.again(now)
                self.repeated += 1


class _Device:
    """A device with one CON post under way at most."""

    def __init__(self, port: int, number: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(0)
        self.socket.connect(("127.0.0.1", port))
        name = f"t{number}".encode()
        self._options = b"\x01\xb1t" + bytes([len(name)]) + name + b"\x11\x32\xff"
        self._seq = 0
        self.datagram = b""
        self.sent_at = 0.0

    def post(self, now: float) -> None:
        """Send a new reading."""
        self._seq += 1
        body = b'{"boot":"b","seq":%d,"name":"p0","value":1000.5,"unit":"count"}' % self._seq
        self.datagram = b"\x41\x02" + (self._seq & 0xFFFF).to_bytes(2, "big") + self._options + body
        self.again(now)

    def again(self, now: float) -> None:
        """Send it (again)."""
        self.sent_at = now
        try:
            self.socket.send(self.datagram)
        except OSError:
            return

    def is_answered(self) -> bool:
        """Take one datagram and say whether it is the answer."""
        try:
            answer = self.socket.recv(2048)
        except OSError:
            return False
        if answer[1] == 0 or not self.datagram:
            return False
        if answer[0] & 0x30 == 0:
            self.socket.send(b"\x60\0" + answer[2:4])
        if answer[1] != _CHANGED:
            raise SystemExit(f"refused: {answer!r}")
        self.datagram = b""
        return True


def soak(minutes: float, per_s: float, peers: int) -> Soaked:
    """Run a server and a fleet and look at the server's memory."""
    command = [sys.executable, "-m", "hub.bench.coap_server", "durable", str(peers)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:  # noqa: S603 - our own
        port = int(server.stdout.readline()) if server.stdout is not None else 0
        fleet = _Fleet(port, peers)
        sizes = _driven(fleet, server.pid, 60 * minutes, per_s)
        if server.stdin is not None:
            server.stdin.close()
    third = max(1, len(sizes) // 3)
    mean = [sum(part) / len(part) for part in (sizes[-2 * third : -third] or sizes, sizes[-third:])]
    return Soaked(
        posts=fleet.posts,
        answered=fleet.answered,
        repeated=fleet.repeated,
        grown_mib=round(max(sizes) - sizes[0], 1),
        last_third_mib=round(mean[1] - mean[0], 1),
    )


def _driven(fleet: _Fleet, process: int, seconds: float, per_s: float) -> list[float]:
    """Post at the rate and return the server's memory every few seconds, from when every device has posted twice."""
    start = looked_at = time.monotonic()
    sizes: list[float] = []
    while (now := time.monotonic()) - start < seconds:
        due = int((now - start) * per_s)
        while fleet.posts < due:
            before = fleet.posts
            fleet.post(now)
            if fleet.posts == before:
                break  # all of them wait for an answer
        fleet.hear(0.002)
        if now - looked_at > _LOOK_EVERY_S:
            looked_at = now
            fleet.repeat(now)
            sizes.append(_resident_mib(process))
            told = f"{now - start:6.0f} s {fleet.answered:9d} answered {sizes[-1]:7.1f} MiB"
            print(told, file=sys.stderr, flush=True)  # noqa: T201 - progress of long work
    end = time.monotonic() + 3 * _AGAIN_S
    while fleet.answered < fleet.posts and time.monotonic() < end:
        fleet.hear(0.1)
        fleet.repeat(time.monotonic())
    return sizes or [_resident_mib(process)]


def _resident_mib(process: int) -> float:
    for line in Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


@click.command()
@click.option("--minutes", default=10.0, show_default=True, help="How long.")
@click.option("--per-s", default=1000.0, show_default=True, help="Posts a second, of all peers together.")
@click.option("--peers", default=1000, show_default=True, help="Addresses that post.")
def main(minutes: float, per_s: float, peers: int) -> None:
    """Post readings over CoAP for a long time and watch the hub's memory."""
    told = soak(minutes, per_s, peers)
    print(msgspec.json.encode(told).decode())  # noqa: T201 - its answer
    is_sound = told.answered == told.posts and told.grown_mib < _MOST_GROWTH_MIB and told.last_third_mib < _STAYS_MIB
    sys.exit(0 if is_sound else 1)


if __name__ == "__main__":
    main()
