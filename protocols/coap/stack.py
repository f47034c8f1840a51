"""aiocoap behind the front end: its unmodified udp6 message interface on a transport that is ours.

What is used of aiocoap beyond its promised interface stands here alone: constructors, the wiring of its layers, and the
methods of the udp6 protocol. A test builds it; a new version of aiocoap needs a look.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, final

from aiocoap import Context, Message, Reliable
from aiocoap.messagemanager import MessageManager
from aiocoap.numbers.codes import Code
from aiocoap.pipe import Pipe
from aiocoap.tokenmanager import TokenManager
from aiocoap.transports.oscore import TransportOSCORE
from aiocoap.transports.udp6 import MessageInterfaceUDP6, UDP6EndpointAddress

from protocols.coap.front import Ancillary
from protocols.coap.peers import Address
from protocols.coap.port import UdpPort
from protocols.coap.replies import Reply

MSG_ERRQUEUE: Final = 0x2000


@asynccontextmanager
async def stacked(site: Any, port: UdpPort) -> AsyncGenerator["AiocoapStack"]:
    """Serve ``site`` with what is handed in, and send by ``port``; both end with the context."""
    loop = asyncio.get_running_loop()
    context: Any = Context(loop=loop, serversite=site, loggername="coap-server")
    tokens: Any = TokenManager(context)
    messages: Any = MessageManager(tokens)
    interface: Any = MessageInterfaceUDP6(messages, log=context.log, loop=loop)
    messages.message_interface = interface
    tokens.token_interface = messages
    context.request_interfaces.append(TransportOSCORE(context, context))  # before the one that speaks plainly
    context.request_interfaces.append(tokens)
    interface.connection_made(_Transport(loop, port, interface))
    stack = AiocoapStack(context, tokens, messages, interface)
    try:
        yield stack
    finally:
        await context.shutdown()


@final
class AiocoapStack:
    """What the front end and the port see of aiocoap."""

    def __init__(self, context: Any, tokens: Any, messages: Any, interface: Any) -> None:
        self._context = context
        self._tokens = tokens
        self._messages = messages
        self._interface = interface

    def take(self, data: bytes, ancillary: Ancillary, address: Address) -> None:
        """Hand in a datagram as it was received."""
        self._interface.datagram_msg_received(data, ancillary, 0, address)

    def take_error(self, data: bytes, ancillary: Ancillary, address: Address) -> None:
        """Hand in what the error queue held. Not to be called while aiocoap sends: it cannot be re-entered."""
        self._interface.datagram_errqueue_received(data, ancillary, MSG_ERRQUEUE, address)

    def expects(self, data: bytes, address: Address) -> bool:
        """Say whether a response belongs to a request of ours, by its token and where it comes from."""
        token = data[4 : 4 + (data[0] & 0x0F)]
        return data[1] != 0 and (token, UDP6EndpointAddress(address, self._interface)) in self._tokens.outgoing_requests

    def next_message_id(self) -> int:
        """Return the next of the message ids that aiocoap counts."""
        number: int = self._messages.message_id
        self._messages.message_id = (number + 1) & 0xFFFF
        return number

    def send_separately(self, address: Address, packet_info: bytes | None, token: bytes, reply: Reply) -> None:
        """Send a confirmable response; aiocoap repeats it until it is acknowledged."""
        response: Any = Message(code=Code(int(reply.code)), payload=reply.payload, _token=token)
        response.opt.max_age = reply.max_age_s
        response.remote = UDP6EndpointAddress(address, self._interface, pktinfo=packet_info)
        response.transport_tuning = Reliable()
        self._messages.send_message(response, _nobody_waits)

    @property
    def context(self) -> Any:
        """The context of aiocoap, for further transports."""
        return self._context

    def remote(self, host: str, port: int) -> Any:
        """Return a far end, named as the socket names it."""
        return UDP6EndpointAddress((host, port, 0, 0), self._interface)

    async def request(self, message: Any) -> Any:
        """Send a whole request, in blocks if need be, and return the whole answer."""
        return await self._context.request(message).response

    async def open(self, message: Any, take: Callable[[Any], bool]) -> Callable[[], None]:
        """Send a request and hand every event of aiocoap's pipe to ``take``, in order, as long as it says so.

        What is returned ends that: the next notification is then reset (RFC 7641 section 3.6).
        """
        pipe: Any = Pipe(message, self._context.log)
        end: Callable[[], None] = pipe.on_event(take)
        interface: Any = await self._context.find_remote_and_interface(message)
        interface.request(pipe)
        return end


@final
class _Transport:
    """The three things that udp6 asks of its transport."""

    def __init__(self, loop: asyncio.AbstractEventLoop, port: UdpPort, interface: Any) -> None:
        self._loop = loop
        self._port = port
        self._interface = interface

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Return the socket under its name (asyncio's transport interface)."""
        return self._port.socket if name == "socket" else default

    def sendmsg(self, data: bytes, ancillary: Ancillary, _flags: int, address: Any) -> None:
        """Send one datagram; aiocoap is told what keeps it from leaving."""
        error = self._port.send(data, ancillary, address)
        if error is not None:
            self._interface.error_received(error)

    def close(self) -> None:
        """Stop listening. Without the last line aiocoap's shutdown would wait for ever."""
        self._port.close()
        self._loop.call_soon(self._interface.connection_lost, None)


def _nobody_waits() -> None:
    """Do nothing when the peer resets a response: it is stored all the same."""
