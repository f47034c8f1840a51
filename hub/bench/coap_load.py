"""The load of the CoAP benchmarks, a process of its own: ``python -m hub.bench.coap_load PORT SOCKETS SECONDS BOOT``.

Each socket is a thing with one CON POST under way; the next leaves when the answer is there.
"""

import select
import socket
import sys
import time

import msgspec

_AGAIN_S = 2.0
_WARM_UP_S = 0.3
_CHANGED = 0x44


class _Device:
    """A thing with a socket of its own."""

    def __init__(self, port: int, number: int, boot: str) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(0)
        self.socket.connect(("127.0.0.1", port))
        self.sent_at = 0.0
        name = f"t{number}".encode()
        self._options = b"\x01" + b"\xb1t" + bytes([len(name)]) + name + b"\x11\x32\xff"  # token; /t/NAME; format 50
        self._body = f'{{"boot":"{boot}","name":"p0","value":1000.5,"unit":"count","seq":'.encode()
        self._seq = 0
        self._datagram = b""

    def next(self, now: float) -> None:
        """Send the next post."""
        self._seq += 1
        head = b"\x41\x02" + (self._seq & 0xFFFF).to_bytes(2, "big")
        self._datagram = b"%b%b%b%d}" % (head, self._options, self._body, self._seq)
        self.again(now)

    def again(self, now: float) -> None:
        """Send the same post (again)."""
        self.sent_at = now
        try:
            self.socket.send(self._datagram)
        except OSError:
            return  # the buffer is full, or the server not yet there: sent again later

    def is_answered(self) -> bool:
        """Take one datagram and say whether it is the answer to the post under way.

        Raises:
            SystemExit: It is a refusal.
        """
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


def load(port: int, sockets: int, seconds: float, boot: str) -> dict[str, float]:
    """Return the answers in all, and those a second once it ran warm."""
    devices = [_Device(port, number, boot) for number in range(sockets)]
    by_file = {device.socket.fileno(): device for device in devices}
    poll = select.epoll()
    for number in by_file:
        poll.register(number, select.EPOLLIN)
    total, counted, now = 0, 0, time.monotonic()
    start, end = now + _WARM_UP_S, now + _WARM_UP_S + seconds
    for device in devices:
        device.next(now)
    looked_at = now
    while now < end:
        for number, _ in poll.poll(0.1):
            device = by_file[number]
            if device.is_answered():
                total += 1
                counted += now >= start
                device.next(now)
        now = time.monotonic()
        if now - looked_at > _AGAIN_S / 4:
            looked_at = now
            for device in devices:
                if now - device.sent_at > _AGAIN_S:
                    device.again(now)
    for device in devices:
        device.socket.close()
    poll.close()
    return {"answers": total, "per_s": counted / (now - start)}


if __name__ == "__main__":
    _port, _sockets, _seconds, _boot = sys.argv[1:]
    print(msgspec.json.encode(load(int(_port), int(_sockets), float(_seconds), _boot)).decode())  # noqa: T201 - its answer
