"""DTLS with pre-shared keys, EXPERIMENTAL: aiocoap's server on DTLSSocket (extra ``dtls``), with bounds around it.

What it does not do: certificates, connection ids, several addresses, requests of the hub to a device that came this
way. It keeps each session until others need its place. OSCORE is the way to go.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any, Final, final

import structlog
from aiocoap.messagemanager import MessageManager
from aiocoap.tokenmanager import TokenManager
from aiocoap.transports import tinydtls_server
from msgspec import Struct

from actors.model.errors import ConfigError
from actors.model.ids import ThingId
from protocols.coap.config import DtlsConfig
from protocols.coap.peers import Bucket

_DISTANCE: Final = 1  # aiocoap listens one above the port that it is given: 5684 beside 5683

log = structlog.get_logger(__name__)


class DtlsSettings(Struct, frozen=True, kw_only=True):
    """Where to listen, and how much is taken."""

    host: str
    port: int
    sessions: int
    datagrams_per_s: float


@final
class Keys:
    """Which key belongs to which identity, and to which thing. It is what aiocoap calls server credentials."""

    def __init__(self, configs: Mapping[str, DtlsConfig]) -> None:
        self._by_identity = {
            config.identity.encode(): (bytes.fromhex(config.key.reveal()), ThingId(name))
            for name, config in configs.items()
        }

    def find_dtls_psk(self, identity: bytes) -> tuple[bytes, str]:
        """Return the key of an identity, and the claim that it proves.

        Raises:
            KeyError: Nobody is called so.
        """
        return self._by_identity[identity]


@asynccontextmanager
async def dtls_served(
    context: Any, keys: Keys, settings: DtlsSettings, monotonic: Callable[[], float]
) -> AsyncGenerator[int]:
    """Serve what ``context`` serves over DTLS too; give the port.

    Raises:
        ConfigError: DTLSSocket is not installed, or the address cannot be bound.
    """
    tokens: Any = TokenManager(context)
    messages: Any = MessageManager(tokens)
    try:
        interface = await _interface(settings, monotonic).create_server(
            (settings.host, settings.port - _DISTANCE), messages, context.log, context.loop, keys
        )
    except ImportError as error:
        raise ConfigError("coap: dtls_port needs the package DTLSSocket: pip install 'iot2crm[dtls]'") from error
    except ValueError as error:
        text = f"coap: dtls_port needs one address to listen at, not {settings.host}: write it as host"
        raise ConfigError(text) from error
    except OSError as error:
        at = f"{settings.host} port {settings.port}"
        raise ConfigError(f"coap: cannot listen at {at} (dtls_port): {error.strerror or error}") from error
    messages.message_interface = interface
    tokens.token_interface = messages
    context.request_interfaces.append(tokens)
    log.warning("dtls_is_experimental", port=settings.port)
    yield settings.port


def _interface(settings: DtlsSettings, monotonic: Callable[[], float]) -> Any:
    """Return aiocoap's server with the two bounds that it lacks: sessions, and datagrams a second."""
    import_module("DTLSSocket")  # an extra: its lack is told at the start, not at the first datagram
    server: Any = tinydtls_server
    base: Any = server._DatagramServerSocketSimpleDTLS  # noqa: SLF001 - it has no other name
    limit = Bucket(settings.datagrams_per_s, 5 * settings.datagrams_per_s, monotonic())

    class BoundedSocket(base):  # type: ignore[misc] # aiocoap has no types
        """Makes room before it opens a session."""

        max_sockets = settings.sessions

        def datagram_received(self, data: bytes, sockaddr: Any) -> None:
            """Take one datagram, if it may be taken."""
            if not limit.take(monotonic()):
                return
            if sockaddr not in self._connections:
                self._maybe_purge_sockets()
            super().datagram_received(data, sockaddr)  # pyright: ignore[reportUnknownMemberType] # as above

    class BoundedServer(server.MessageInterfaceTinyDTLSServer):  # type: ignore[misc] # aiocoap has no types
        """Listens with such a socket."""

        _serversocket = BoundedSocket

    return BoundedServer
