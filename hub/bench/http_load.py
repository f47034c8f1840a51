"""The load of the HTTP benchmarks, a process of its own: ``python -m hub.bench.http_load PORT SOCKETS SECONDS``.

Each connection is a thing with one POST under way; the next leaves when the answer is there.
"""

import select
import socket
import sys
import time

import msgspec

_WARM_UP_S = 0.3
_STORED = b"HTTP/1.1 204"


class _Device:
    """A thing with a connection of its own, kept open."""

    def __init__(self, port: int, number: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = (
            f"POST /things/t{number}/readings HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer token-of-t{number}\r\nContent-Length: "
        ).encode()
        self._seq = 0
        self._answer = b""

    def next(self) -> None:
        """Send the next post."""
        self._seq += 1
        body = b'{"boot":"b","seq":%d,"name":"p0","value":1000.5,"unit":"count"}' % self._seq
        self.socket.sendall(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))

    def is_answered(self) -> bool:
        """Take what came and say whether it is the whole answer.

        Raises:
            SystemExit: it is a refusal.
        """
        self._answer += self.socket.recv(65536)
        if not self._answer.endswith(b"\r\n\r\n"):
            if self._answer[:12] not in {_STORED, b""} and len(self._answer) >= 12:
                raise SystemExit(f"refused: {self._answer!r}")
            return False
        if not self._answer.startswith(_STORED):
            raise SystemExit(f"refused: {self._answer!r}")
        self._answer = b""
        return True


def load(port: int, sockets: int, seconds: float) -> dict[str, float]:
    """Return the answers in all, and those a second once it ran warm."""
    devices = [_Device(port, number) for number in range(sockets)]
    by_file = {device.socket.fileno(): device for device in devices}
    poll = select.epoll()
    for number in by_file:
        poll.register(number, select.EPOLLIN)
    total, counted, now = 0, 0, time.monotonic()
    start, end = now + _WARM_UP_S, now + _WARM_UP_S + seconds
    for device in devices:
        device.next()
    while now < end:
        for number, _ in poll.poll(0.1):
            device = by_file[number]
            if device.is_answered():
                total += 1
                counted += now >= start
                device.next()
        now = time.monotonic()
    for device in devices:
        device.socket.close()
    poll.close()
    return {"answers": total, "per_s": counted / (now - start)}


if __name__ == "__main__":
    _port, _sockets, _seconds = sys.argv[1:]
    print(msgspec.json.encode(load(int(_port), int(_sockets), float(_seconds))).decode())  # noqa: T201 - its answer
