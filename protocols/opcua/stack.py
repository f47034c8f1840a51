"""The one place that depends on the inside of asyncua, as it is in version 2.1.0.

What is private or undocumented there, and why we need it:

- ``UaSession.ensure_publish_loop`` is called by CreateSubscription and starts a loop that acknowledges notifications
  even when a handler failed. Ours (``protocols.opcua.publishing``) acknowledges after the commit; this stays silent.
- ``Client._server_nonce`` and ``Client._policy_ids``, with the token of the session and the peer's certificate, are
  what ActivateSession needs to take up a session on a new channel (Part 4 section 5.7.3). asyncua only knows that way
  inside its own reconnect, which waits for ever when a PublishRequest slips out too early, and throws away
  subscriptions that survived; we make a fresh ``Client`` for every attempt instead.
- ``UaSession._send_request`` is the way of every request; its cancellations are made plain. Answers to publish requests
  are taken from it as bytes, since our own decoder is several times as fast (``protocols.opcua.notifications``).
- ``UaClient.session``, ``UaClient.protocol`` and ``UASocketProtocol.transport`` are replaced or aborted.

Most of asyncua is generated, with types that checkers cannot follow: it is ``Any`` from here on, and what leaves
``protocols.opcua.connection`` has types of our own.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from asyncua import ua as _ua  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType] - see above
from asyncua.client.client import Client
from asyncua.client.ua_session import UaSession
from msgspec import Struct

ua: Any = _ua


class SilentSession(UaSession):
    """A session whose publishing is left to us."""

    def ensure_publish_loop(self) -> None:
        """Start nothing."""

    async def publish_bytes(self, acks: list[Any]) -> bytes:
        """Send a PublishRequest; return the answer as it came. It waits as long as the server does."""
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements = acks
        return bytes(await self._send_request(request, timeout=0))

    async def republish_bytes(self, subscription_id: int, number: int) -> bytes:
        """Send a RepublishRequest; return the answer as it came."""
        request = ua.RepublishRequest()
        request.Parameters.SubscriptionId = subscription_id
        request.Parameters.RetransmitSequenceNumber = number
        return bytes(await self._send_request(request))

    async def _send_request(self, *args: Any, **kwargs: Any) -> Any:
        with plain_cancellation():
            return await super()._send_request(*args, **kwargs)


@contextmanager
def plain_cancellation() -> Generator[None]:
    """Turn any kind of ``CancelledError`` into a plain one.

    When a request is cancelled in the moment of its answer, asyncua (by way of wait_for2) raises a subclass, which
    ``asyncio.TaskGroup`` and ``asyncio.timeout`` of Python 3.11 take for a failure: they compare by identity.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        if type(error) is asyncio.CancelledError:
            raise
        raise asyncio.CancelledError from error


@contextmanager
def kept_cancellation() -> Generator[None]:
    """Raise ``CancelledError`` at the end where the task was cancelled inside, even if what is inside lost that.

    asyncua connects by way of ``asyncio.wait_for``, which in Python 3.11 forgets a cancellation that comes in the
    moment of the connection or its failure: https://github.com/python/cpython/issues/86296. The link would never end.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        yield
    finally:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError


class SessionTicket(Struct, frozen=True, kw_only=True):
    """What it takes to go on with a session over another channel."""

    token: Any
    server_nonce: bytes | None
    policies: tuple[Any, ...]
    peer_certificate: bytes | None


def fresh_client(url: str, timeout_s: float) -> Any:
    """Return a client that does nothing by itself: no reconnect, no watchdog, no publishing."""
    client = Client(url, timeout=timeout_s)
    client.uaclient.session = SilentSession(client.uaclient)
    client.uaclient.pre_request_hook = None  # it would wait for asyncua's own reconnect
    return client


def ticket_of(client: Any) -> SessionTicket:
    """Return the ticket of the client's session. Every activation makes a new one."""
    return SessionTicket(
        token=client.uaclient.session.authentication_token,
        server_nonce=client._server_nonce,  # noqa: SLF001 - see above
        policies=tuple(client._policy_ids),  # noqa: SLF001 - see above
        peer_certificate=client.security_policy.peer_certificate,
    )


def show_ticket(client: Any, ticket: SessionTicket) -> None:
    """Make the next ActivateSession of ``client`` take up the ticket's session. The channel is open already."""
    client.uaclient.session.restore_authentication_token(ticket.token)
    client._server_nonce = ticket.server_nonce  # noqa: SLF001 - see above
    client._policy_ids = list(ticket.policies)  # noqa: SLF001 - see above
    client.security_policy.peer_certificate = ticket.peer_certificate


def abort(client: Any) -> None:
    """Drop the socket at once, without waiting for what is still to be sent into a path that may be dead."""
    protocol = client.uaclient.protocol
    transport = None if protocol is None else protocol.transport
    client.disconnect_socket()
    if transport is not None:
        transport.abort()
