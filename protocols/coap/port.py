"""Our own UDP socket under aiocoap's unmodified udp6 message interface.

aiocoap's own transport goes deaf on uvloop after one ICMP error, cancels observations of innocent peers when a send
reports another peer's error, and shares its port with a second process (SO_REUSEPORT). This one does neither.
"""

import asyncio
import errno
import select
import socket
import struct
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, final

import structlog
from aiocoap import Context
from aiocoap.messagemanager import MessageManager
from aiocoap.tokenmanager import TokenManager
from aiocoap.transports.udp6 import MessageInterfaceUDP6

from actors.model.errors import ConfigError

_DATAGRAM_BYTES: Final = 65_536
_ANCILLARY_BYTES: Final = 1024
_BATCH: Final = 64
_UNREACHABLE: Final = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES})
_MAX_TOKEN_BYTES: Final = 8  # RFC 7252 section 3: lengths 9 to 15 are a message format error

_IP_RECVERR: Final = 11  # this and the next two: Linux; the socket module has them from Python 3.14 on
_IPV6_RECVERR: Final = 25
_MSG_ERRQUEUE: Final = 0x2000

_Ancillary = Sequence[tuple[int, int, bytes]]

log = structlog.get_logger(__name__)


@asynccontextmanager
async def listening(site: Any, host: str, port: int) -> AsyncGenerator["UdpPort"]:
    """Serve ``site`` by aiocoap on one UDP port, and stop with the context.

    Raises:
        ConfigError: The address cannot be bound.
    """
    loop = asyncio.get_running_loop()
    sock = await _bound(loop, host, port)
    context: Any = Context(loop=loop, serversite=site, loggername="coap-server")
    tokens: Any = TokenManager(context)
    messages: Any = MessageManager(tokens)
    interface: Any = MessageInterfaceUDP6(messages, log=context.log, loop=loop)
    messages.message_interface = interface
    tokens.token_interface = messages
    context.request_interfaces.append(tokens)
    transport = UdpPort(loop, sock, interface)
    interface.connection_made(transport)
    try:
        yield transport
    finally:
        await context.shutdown()


async def _bound(loop: asyncio.AbstractEventLoop, host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    try:
        sock.settimeout(0)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
        sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        found = await loop.getaddrinfo(
            host, port, family=socket.AF_INET6, type=socket.SOCK_DGRAM, flags=socket.AI_V4MAPPED
        )
        sock.bind(found[0][4])
    except OSError as error:
        sock.close()
        raise ConfigError(f"coap: cannot listen at {host} port {port}: {error.strerror or error}") from error
    return sock


@final
class UdpPort:
    """The transport that aiocoap's message interface sends through, and the loop that feeds it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, interface: Any) -> None:
        self._loop = loop
        self._sock = sock
        self._interface = interface
        self._is_open = True
        self._counts = Counter(datagrams=0, datagrams_dropped=0, unreachable=0)
        # libuv ends a poll handle on POLLERR: the loop watches an epoll of ours, which is only ever readable
        self._epoll = select.epoll()
        self._epoll.register(sock.fileno(), select.EPOLLIN)
        loop.add_reader(self._epoll.fileno(), self._ready)

    @property
    def number(self) -> int:
        """The port number."""
        number: int = self._sock.getsockname()[1]
        return number

    def counters(self) -> Mapping[str, int]:
        """Return datagrams, those dropped (cut, unsound or not sent), and errors of peers that are gone."""
        return dict(self._counts)

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Return the socket under its name (asyncio's transport interface)."""
        return self._sock if name == "socket" else default

    def sendmsg(self, data: bytes, ancdata: _Ancillary, flags: int, address: Any) -> None:
        """Send one datagram. A pending error of another peer is taken aside first and does not count as this one's."""
        try:
            self._sock.sendmsg((data,), ancdata, flags, address)
        except BlockingIOError:
            self._counts["datagrams_dropped"] += 1  # CoAP sends again
        except OSError:
            self._take_errors()
            self._send_again(data, ancdata, flags, address)

    def close(self) -> None:
        """Stop listening."""
        if not self._is_open:
            return
        self._is_open = False
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()
        self._sock.close()
        self._loop.call_soon(self._interface.connection_lost, None)

    def _send_again(self, data: bytes, ancdata: _Ancillary, flags: int, address: Any) -> None:
        try:
            self._sock.sendmsg((data,), ancdata, flags, address)
        except BlockingIOError:
            self._counts["datagrams_dropped"] += 1
        except OSError as error:
            self._interface.error_received(error)

    def _ready(self) -> None:
        for _, events in self._epoll.poll(0):
            if events & select.EPOLLERR:
                self._take_errors()
            if events & select.EPOLLIN:
                self._take_datagrams()

    def _take_datagrams(self) -> None:
        for _ in range(_BATCH):
            if not self._is_open:
                return
            try:
                data, ancdata, flags, address = self._sock.recvmsg(_DATAGRAM_BYTES, _ANCILLARY_BYTES)
            except BlockingIOError:
                return
            except OSError:
                continue  # an error that was pending; the queue has it too
            self._pass_on(data, ancdata, flags, address)

    def _pass_on(self, data: bytes, ancdata: _Ancillary, flags: int, address: Any) -> None:
        self._counts["datagrams"] += 1
        if flags & socket.MSG_TRUNC or not _is_sound(data):
            self._counts["datagrams_dropped"] += 1
            return
        try:
            self._interface.datagram_msg_received(data, ancdata, flags, address)
        except Exception as error:  # noqa: BLE001 - one datagram must not stop those behind it
            self._counts["datagrams_dropped"] += 1
            log.warning("datagram_failed", peer=address[0], reason=repr(error))

    def _take_errors(self) -> None:
        while self._is_open:
            try:
                data, ancdata, _, address = self._sock.recvmsg(_DATAGRAM_BYTES, _ANCILLARY_BYTES, _MSG_ERRQUEUE)
            except OSError:
                return
            if _error_number(ancdata) in _UNREACHABLE:  # others, such as a new path MTU, are cured by sending again
                self._counts["unreachable"] += 1
                self._loop.call_soon(self._tell_error, data, ancdata, address)  # not inside a send: it is not reentrant

    def _tell_error(self, data: bytes, ancdata: _Ancillary, address: Any) -> None:
        if self._is_open:
            self._interface.datagram_errqueue_received(data, ancdata, _MSG_ERRQUEUE, address)


def _is_sound(data: bytes) -> bool:
    return len(data) >= 4 and data[0] >> 6 == 1 and data[0] & 0x0F <= _MAX_TOKEN_BYTES


def _error_number(ancdata: _Ancillary) -> int | None:
    for level, kind, data in ancdata:
        if (level, kind) == (socket.IPPROTO_IPV6, _IPV6_RECVERR):
            number: int = struct.unpack_from("I", data)[0]  # ee_errno of sock_extended_err, ip(7)
            return number
    return None
