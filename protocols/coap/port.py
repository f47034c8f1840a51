"""The UDP socket of CoAP: many datagrams a wake-up, and ICMP errors that hit whom they concern and nobody else.

aiocoap's own transport goes deaf on uvloop after one ICMP error, cancels observations of innocent peers when a send
reports another peer's error, and shares its port with a second process (SO_REUSEPORT). This one does neither.
"""

import asyncio
import errno
import select
import socket
import struct
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, final

import structlog

from actors.model.errors import ConfigError

_DATAGRAM_BYTES: Final = 65_536
_ANCILLARY_BYTES: Final = 256
_BATCH: Final = 64
_RECEIVE_BUFFER_BYTES: Final = 4 * 1024 * 1024  # 212 kB, the default, drops a burst of 800; the kernel may grant less
_UNREACHABLE: Final = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES})

_IP_RECVERR: Final = 11  # this and the next two: Linux; the socket module has them from Python 3.14 on
_IPV6_RECVERR: Final = 25
_MSG_ERRQUEUE: Final = 0x2000
_MSG_TRUNC: Final = int(socket.MSG_TRUNC)  # the flag class of the socket module costs microseconds

_ANY_V6: Final = b"\0" * 16
_ANY_V4: Final = b"\0" * 10 + b"\xff\xff" + b"\0" * 4

_Ancillary = Sequence[tuple[int, int, bytes]]
_Receive = Callable[[bytes, _Ancillary, Any], None]

log = structlog.get_logger(__name__)


async def bound(host: str, port: int) -> socket.socket:
    """Return a socket for IPv6 and IPv4 that listens there.

    Raises:
        ConfigError: The address cannot be bound.
    """
    loop = asyncio.get_running_loop()
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    try:
        sock.settimeout(0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
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
    """A bound socket and the loop that drains it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        self._loop = loop
        self._sock = sock
        self._is_open = True
        self._receive: _Receive = _nobody_listens
        self._receive_error: _Receive = _nobody_listens
        self._counts = Counter(datagrams_dropped=0, unreachable=0)
        self._datagrams = 0
        self._at_once = 1
        """How many datagrams the next wake-up may take: as many as came together lately, twice as many in a burst."""
        self._to_us = _own_address(sock)
        """What says which address was asked; empty where the socket has several and each datagram must tell."""
        self._receive_from = self._one_address if self._to_us else self._many_addresses
        # libuv ends a poll handle on POLLERR: the loop watches an epoll of ours, which is only ever readable
        self._epoll = select.epoll()
        self._epoll.register(sock.fileno(), select.EPOLLIN)

    @property
    def number(self) -> int:
        """The port number."""
        number: int = self._sock.getsockname()[1]
        return number

    @property
    def socket(self) -> socket.socket:
        """The socket."""
        return self._sock

    def counters(self) -> Mapping[str, int]:
        """Return datagrams, those dropped (cut, failed or not sent), and errors of peers that are gone."""
        return {"datagrams": self._datagrams, **self._counts}

    def start(self, receive: _Receive, receive_error: _Receive) -> None:
        """Hand each datagram, and each error that says that a peer is gone, to these."""
        self._receive, self._receive_error = receive, receive_error
        self._loop.add_reader(self._epoll.fileno(), self._ready)

    def send(self, data: bytes, ancillary: _Ancillary, address: Any) -> OSError | None:
        """Send one datagram; return what keeps it from leaving.

        A pending error of another peer is taken aside first and does not count as this one's.
        """
        try:
            if self._to_us:
                self._sock.sendto(data, address)
            else:
                self._sock.sendmsg((data,), ancillary, 0, address)
        except BlockingIOError:
            self._counts["datagrams_dropped"] += 1  # CoAP sends again
        except OSError:
            self._take_errors()
            return self._send_again(data, ancillary, address)
        return None

    def close(self) -> None:
        """Stop listening."""
        if not self._is_open:
            return
        self._is_open = False
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()
        self._sock.close()

    def _send_again(self, data: bytes, ancillary: _Ancillary, address: Any) -> OSError | None:
        try:
            self._sock.sendmsg((data,), ancillary, 0, address)
        except BlockingIOError:
            self._counts["datagrams_dropped"] += 1
        except OSError as error:
            self._counts["datagrams_dropped"] += 1
            return error
        return None

    def _ready(self) -> None:
        """Drain the socket, up to a batch. An error of a peer shows as one of the socket, or as nothing to read."""
        taken, receive, receive_from = 0, self._receive, self._receive_from
        for _ in range(self._at_once):
            try:
                data, ancillary, address = receive_from()
            except BlockingIOError:
                self._at_once = taken or 1  # to be told that there is nothing costs as much as a datagram
                if not taken:
                    self._take_errors()
                break
            except OSError:
                if not self._is_open:
                    break
                self._take_errors()
                continue
            taken += 1
            try:
                receive(data, ancillary, address)
            except Exception as error:  # noqa: BLE001 - one datagram must not stop those behind it
                self._dropped(address, error)
        else:
            self._at_once = min(2 * taken or 1, _BATCH)
        self._datagrams += taken

    def _dropped(self, address: Any, error: Exception) -> None:
        self._counts["datagrams_dropped"] += 1
        log.warning("datagram_failed", peer=address[0], reason=repr(error))

    def _one_address(self) -> tuple[bytes, _Ancillary, Any]:
        """Receive at a socket with one address: a third cheaper. No datagram is longer than the buffer."""
        data, address = self._sock.recvfrom(_DATAGRAM_BYTES)
        return data, self._to_us, address

    def _many_addresses(self) -> tuple[bytes, _Ancillary, Any]:
        data, ancillary, flags, address = self._sock.recvmsg(_DATAGRAM_BYTES, _ANCILLARY_BYTES)
        return b"" if flags & _MSG_TRUNC else data, ancillary, address

    def _take_errors(self) -> None:
        while self._is_open:
            try:
                data, ancillary, _, address = self._sock.recvmsg(_DATAGRAM_BYTES, _ANCILLARY_BYTES, _MSG_ERRQUEUE)
            except OSError:
                return
            if _error_number(ancillary) in _UNREACHABLE:  # others, such as a new path MTU, are cured by sending again
                self._counts["unreachable"] += 1
                self._loop.call_soon(self._tell_error, data, ancillary, address)  # not inside a send of aiocoap

    def _tell_error(self, data: bytes, ancillary: _Ancillary, address: Any) -> None:
        if self._is_open:
            self._receive_error(data, ancillary, address)


def _nobody_listens(_data: bytes, _ancillary: _Ancillary, _address: Any) -> None:
    """Do nothing before the start."""


def _own_address(sock: socket.socket) -> _Ancillary:
    """Return the ancillary data that every datagram to a socket with one address would bring."""
    host = socket.inet_pton(socket.AF_INET6, sock.getsockname()[0].partition("%")[0])
    if host in {_ANY_V6, _ANY_V4}:
        return ()
    return [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, host + b"\0\0\0\0")]


def _error_number(ancillary: _Ancillary) -> int | None:
    for level, kind, data in ancillary:
        if (level, kind) == (socket.IPPROTO_IPV6, _IPV6_RECVERR):
            number: int = struct.unpack_from("I", data)[0]  # ee_errno of sock_extended_err, ip(7)
            return number
    return None
