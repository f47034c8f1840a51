"""A broker that speaks MQTT 5 until the hub has subscribed, and then does what no broker should."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

CONNECT, PUBLISH, PUBACK, SUBSCRIBE, PINGREQ = 0x10, 0x30, 0x40, 0x80, 0xC0
CONNACK_YES = b"\x20\x03\x00\x00\x00"
GRANTED = b"\x01\x01"


def length(number: int) -> bytes:
    """Return a remaining length (MQTT 5 section 1.5.5)."""
    out = bytearray()
    while True:
        number, digit = divmod(number, 128)
        out.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(out)


def packet(first: int, body: bytes) -> bytes:
    """Return a packet with its fixed header."""
    return bytes([first]) + length(len(body)) + body


def text(value: str | bytes) -> bytes:
    """Return a string with its length."""
    raw = value.encode() if isinstance(value, str) else value
    return len(raw).to_bytes(2, "big") + raw


def publication(
    topic: str | bytes, body: bytes, *, qos: int = 0, mid: int = 1, flags: int = 0, properties: bytes = b"\0"
) -> bytes:
    """Return a PUBLISH; nothing is checked."""
    number = mid.to_bytes(2, "big") if qos else b""
    return packet(PUBLISH | qos << 1 | flags, text(topic) + number + properties + body)


class Peer:
    """One connection of the hub, which has subscribed."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self.acknowledged: list[int] = []
        self.published: list[bytes] = []

    async def packet(self) -> tuple[int, bytes]:
        """Return the hub's next packet."""
        first = (await self._reader.readexactly(1))[0]
        size, shift = 0, 0
        while True:
            digit = (await self._reader.readexactly(1))[0]
            size |= (digit & 0x7F) << shift
            shift += 7
            if not digit & 0x80:
                return first, await self._reader.readexactly(size)

    async def send(self, data: bytes) -> None:
        """Send bytes, as far as the hub takes them."""
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> None:
        """Answer what the hub sends, and keep what it said, until it hangs up."""
        while True:
            first, body = await self.packet()
            match first & 0xF0:
                case 0xC0:
                    await self.send(b"\xd0\x00")
                case 0x40:
                    self.acknowledged.append(int.from_bytes(body[:2], "big"))
                case 0x30:
                    await self._take(first, body)
                case _:
                    pass

    async def _take(self, first: int, body: bytes) -> None:
        size = 2 + int.from_bytes(body[:2], "big")
        self.published.append(body[2:size])
        if first & 0x06:
            await self.send(packet(PUBACK, body[size : size + 2]))


Attack = Callable[[Peer], Awaitable[None]]


async def nothing(peer: Peer) -> None:
    """Behave, for as long as the connection lasts."""
    await peer.answer()


class HostileBroker:
    """``attack`` is what it does to each connection from now on; ``connack`` and ``granted`` what it answers first."""

    def __init__(self) -> None:
        self.port = 0
        self.attack: Attack = nothing
        self.connack = CONNACK_YES
        self.granted = GRANTED
        self.peers: list[Peer] = []
        self.open = 0
        """Connections that the hub has not closed."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak with one connection."""
        peer = Peer(reader, writer)
        self.open += 1
        with suppress(OSError, asyncio.IncompleteReadError):
            await self._speak(peer)
        with suppress(OSError):
            while await reader.read(65536):  # until the hub has hung up
                pass
        self.open -= 1
        writer.close()

    async def _speak(self, peer: Peer) -> None:
        await peer.packet()
        await peer.send(self.connack)
        if self.connack != CONNACK_YES:
            return
        _, body = await peer.packet()
        await peer.send(packet(0x90, body[:2] + b"\0" + self.granted))
        self.peers.append(peer)
        await self.attack(peer)


@asynccontextmanager
async def hostile_broker() -> AsyncGenerator[HostileBroker]:
    """Run one on a free loopback port."""
    broker = HostileBroker()
    server = await asyncio.start_server(broker.serve, "127.0.0.1", 0)
    broker.port = server.sockets[0].getsockname()[1]
    try:
        yield broker
    finally:
        server.close()
