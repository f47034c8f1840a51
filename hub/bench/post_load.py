"""The load of the benchmarks of posts, a process of its own.

``python -m hub.bench.post_load http|coap SOCKETS SLICE_S SLICES PORT...``: each server in turn gets a slice of time,
again and again, so that whatever else the machine does meets all of them alike. Each socket is a thing with one
post under way; the next leaves when the answer is there. Before a slice of another server begins, all are answered.
"""

import select
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol

import msgspec
from msgspec import Struct

_AGAIN_S: Final = 2.0
_AGAIN_AT_END_S: Final = 0.3
"""What a full buffer dropped is not worth a longer pause."""
_DRAIN_S: Final = 10.0
_WARM_UP_S: Final = 0.3
_CHANGED: Final = 0x44
_STORED: Final = b"HTTP/1.1 204"


class Loaded(Struct, frozen=True, kw_only=True):
    """What one server answered: in all, and a second in each slice."""

    answers: int
    per_s: tuple[float, ...]


class _Device(Protocol):
    """A thing with a socket of its own."""

    socket: socket.socket
    sent_at: float

    def next(self, now: float) -> None:
        """Send the next post."""
        ...

    def again(self, now: float) -> None:
        """Send the same post again, where the transport does not."""
        ...

    def is_answered(self) -> bool:
        """Take what came and say whether it is the whole answer.

        Raises:
            SystemExit: it is a refusal.
        """
        ...


class _HttpDevice:
    """A thing with a connection, kept open."""

    def __init__(self, port: int, number: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent_at = 0.0
        self._head = (
            f"POST /things/t{number}/readings HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer token-of-t{number}\r\nContent-Length: "
        ).encode()
        self._seq = 0
        self._answer = b""

    def next(self, now: float) -> None:
        self.sent_at = now
        self._seq += 1
        body = b'{"boot":"b","seq":%d,"name":"p0","value":1000.5,"unit":"count"}' % self._seq
        self.socket.sendall(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))

    def again(self, now: float) -> None:
        self.sent_at = now

    def is_answered(self) -> bool:
        self._answer += self.socket.recv(65536)
        if len(self._answer) >= len(_STORED) and not self._answer.startswith(_STORED):
            raise SystemExit(f"refused: {self._answer!r}")
        if not self._answer.endswith(b"\r\n\r\n"):
            return False
        self._answer = b""
        return True


class _CoapDevice:
    """A thing that posts confirmably from a port of its own."""

    def __init__(self, port: int, number: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(0)
        self.socket.connect(("127.0.0.1", port))
        self.sent_at = 0.0
        name = f"t{number}".encode()
        self._options = b"\x01" + b"\xb1t" + bytes([len(name)]) + name + b"\x11\x32\xff"  # token; /t/NAME; format 50
        self._seq = 0
        self._datagram = b""

    def next(self, now: float) -> None:
        self._seq += 1
        head = b"\x41\x02" + (self._seq & 0xFFFF).to_bytes(2, "big")
        body = b'{"boot":"b","seq":%d,"name":"p0","value":1000.5,"unit":"count"}' % self._seq
        self._datagram = head + self._options + body
        self.again(now)

    def again(self, now: float) -> None:
        self.sent_at = now
        try:
            self.socket.send(self._datagram)
        except OSError:
            return  # the buffer is full, or the server not yet there: sent again later

    def is_answered(self) -> bool:
        try:
            answer = self.socket.recv(2048)
        except OSError:
            return False
        if answer[1] == 0:
            return False  # an empty acknowledgement: the answer follows
        if answer[0] & 0x30 == 0:
            self.socket.send(b"\x60\0" + answer[2:4])
        elif answer[2:4] != self._datagram[2:4]:
            return False
        if answer[1] != _CHANGED:
            raise SystemExit(f"refused: {answer!r}")
        return True


class _Fleet:
    """The devices of one server."""

    def __init__(self, devices: list[_Device]) -> None:
        self._by_file = {device.socket.fileno(): device for device in devices}
        self._poll = select.epoll()
        for number in self._by_file:
            self._poll.register(number, select.EPOLLIN)
        self.answers = 0
        self.per_s: list[float] = []

    def post(self, seconds: float) -> float:
        """Post for so long, and on a busy machine until the first answer; return the answers a second."""
        before, started = self.answers, time.monotonic()
        now = started
        for device in self._by_file.values():
            device.next(now)
        while now < started + seconds or (self.answers == before and now < started + _DRAIN_S):
            for device in self._answered(now, _AGAIN_S):
                device.next(now)
            now = time.monotonic()
        rate = (self.answers - before) / (now - started)
        self._drain(now + _DRAIN_S)
        return rate

    def close(self) -> None:
        """Close all sockets."""
        for device in self._by_file.values():
            device.socket.close()
        self._poll.close()

    def _answered(self, now: float, again_s: float) -> Iterator[_Device]:
        """Yield the devices whose answers came; when none do, let those post again that wait so long."""
        found = self._poll.poll(0.1)
        for number, _ in found:
            device = self._by_file[number]
            if device.is_answered():
                self.answers += 1
                yield device
        for device in () if found else self._by_file.values():
            if now - device.sent_at > again_s:
                device.again(now)

    def _drain(self, until: float) -> None:
        """Take the answers that are under way, so that the server is idle while another one has its slice."""
        waiting = {id(device) for device in self._by_file.values()}
        while waiting and (now := time.monotonic()) < until:
            waiting -= {id(device) for device in self._answered(now, _AGAIN_AT_END_S)}


def load(make: Callable[[int, int], _Device], ports: list[int], slices: int, slice_s: float, size: int) -> list[Loaded]:
    """Return what each server answered."""
    fleets = [_Fleet([make(port, number) for number in range(size)]) for port in ports]
    for fleet in fleets:
        fleet.post(_WARM_UP_S)
    for _ in range(slices):
        for fleet in fleets:
            fleet.per_s.append(fleet.post(slice_s))
    for fleet in fleets:
        fleet.close()
    return [Loaded(answers=fleet.answers, per_s=tuple(fleet.per_s)) for fleet in fleets]


_DEVICES: Final[Mapping[str, Callable[[int, int], _Device]]] = {"http": _HttpDevice, "coap": _CoapDevice}

if __name__ == "__main__":
    _protocol, _sockets, _slice_s, _slices, *_ports = sys.argv[1:]
    _told = load(_DEVICES[_protocol], [int(port) for port in _ports], int(_slices), float(_slice_s), int(_sockets))
    print(msgspec.json.encode(_told).decode())  # noqa: T201 - its answer
