"""CoAP on raw datagrams: what a device writes, and a socket to write it with."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import urlsplit

from protocols.coap import SPEC, CoapAdapter, CoapConfig
from protocols.testing import DEADLINE_S, TANK, ProtocolKit, sample_thing

GET, POST, PUT, DELETE = 1, 2, 3, 4
CON, NON, ACK, RST = 0x40, 0x50, 0x60, 0x70
CHANGED, BAD_OPTION, TOO_MANY, UNAVAILABLE = 0x44, 0x82, 0x9D, 0xA3
BODY = b'[{"n":"level","v":1}]'
SENML_JSON = (12, b"\x6e")
Option = tuple[int, bytes]
Address = tuple[str, int]


def option(delta: int, value: bytes) -> bytes:
    def nibble(number: int) -> tuple[int, bytes]:
        if number < 13:
            return number, b""
        return (13, bytes([number - 13])) if number < 269 else (14, (number - 269).to_bytes(2, "big"))

    (high, first), (low, second) = nibble(delta), nibble(len(value))
    return bytes([high << 4 | low]) + first + second + value


def request(
    message_id: int, *options: Option, code: int = POST, kind: int = CON, token: bytes = b"\x01", body: bytes = b""
) -> bytes:
    written, last = b"", 0
    for number, value in sorted(options, key=lambda pair: pair[0]):
        written += option(number - last, value)
        last = number
    head = bytes([kind | len(token), code]) + message_id.to_bytes(2, "big")
    return head + token + written + (b"\xff" + body if body else b"")


def post(message_id: int, *more: Option, body: bytes = BODY, thing: str = TANK, **rest: Any) -> bytes:
    return request(message_id, (11, b"t"), (11, thing.encode()), SENML_JSON, *more, body=body, **rest)


def options_of(datagram: bytes) -> list[Option]:
    """Return the options of a sound datagram."""
    at, number, options = 4 + (datagram[0] & 15), 0, list[Option]()
    while at < len(datagram) and datagram[at] != 0xFF:
        first, at = datagram[at], at + 1
        parts = []
        for nibble in (first >> 4, first & 15):
            width = max(0, nibble - 12)
            parts.append(int.from_bytes(datagram[at : at + width], "big") + (nibble, 13, 269)[width])
            at += width
        number += parts[0] if first >> 4 > 12 else first >> 4
        size = parts[1] if first & 15 > 12 else first & 15
        options.append((number, datagram[at : at + size]))
        at += size
    return options


def payload_of(datagram: bytes) -> bytes:
    """Return the payload of a sound datagram."""
    at = 4 + (datagram[0] & 15)
    while at < len(datagram) and datagram[at] != 0xFF:
        first = datagram[at]
        extended = datagram[at + 1 : at + 1 + max(0, (first >> 4) - 12)]
        at += 1 + len(extended)
        length = first & 15
        if length > 12:
            wide = datagram[at : at + length - 12]
            at += len(wide)
            length = int.from_bytes(wide, "big") + (13 if length == 13 else 269)
        at += length
    return datagram[at + 1 :]


@asynccontextmanager
async def coap_listening(kit: ProtocolKit, **config: Any) -> AsyncGenerator[tuple[CoapAdapter, Address]]:
    kit.things.register(sample_thing(options={"address": "127.0.0.1"}))
    settings = CoapConfig(**{"port": 0, "plain_from": ("127.0.0.0/8",)} | config)
    async with SPEC.open(settings, kit.deps()) as adapter:
        assert isinstance(adapter, CoapAdapter)
        yield adapter, ("127.0.0.1", urlsplit(adapter.urls[0]).port or 0)


@contextmanager
def udp_peer() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        yield sock


async def received(peer: socket.socket) -> bytes:
    async with asyncio.timeout(DEADLINE_S):
        return await asyncio.get_running_loop().sock_recv(peer, 2048)


async def asked(peer: socket.socket, address: Address, datagram: bytes) -> bytes:
    peer.sendto(datagram, address)
    return await received(peer)


async def until(adapter: CoapAdapter, counter: str, count: int = 1, *, exactly: bool = False) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            now = adapter.counters().get(counter, 0)
            if now == count or (now > count and not exactly):
                return
            await asyncio.sleep(0)
