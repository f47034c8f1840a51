# pyright: reportPrivateUsage=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportAttributeAccessIssue=false, reportUnknownVariableType=false
"""The client of aiomqtt as we need it: a session that outlives connections, and acknowledgements by hand.

aiomqtt hides paho's manual acknowledgement (its only door is ``Client._client``), so a new version needs a look here.
Both trust their broker: what no broker may send ends the connection here, before it is taken in.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from actors.model.errors import ConfigError
from protocols.mqtt.config import MqttConfig
from protocols.mqtt.guard import Guard
from protocols.mqtt.mapping import Arrival

_OVERHEAD = 1024
"""Bytes of a packet beside its payload: topic and properties."""


@asynccontextmanager
async def connected(config: MqttConfig) -> AsyncGenerator[aiomqtt.Client]:
    """Connect; when the context ends nothing of the connection is left, however it ended.

    Raises:
        MqttError: no connection.
        ConfigError: the authorities' file cannot be read.
    """
    client = made(config)
    try:
        async with client:
            yield client
    finally:
        client._client._sock_close()  # noqa: SLF001 - aiomqtt leaves it open where an answer is late or malformed


async def subscribe(client: aiomqtt.Client, topics: list[str]) -> None:
    """Subscribe at QoS 1.

    Raises:
        MqttError: no answer, or the broker grants less: what it would not bring, or not keep, is not to be waited for.
    """
    granted = await client.subscribe([(topic, 1) for topic in topics])
    for topic, code in zip(topics, granted, strict=False):
        if getattr(code, "value", code) != 1:
            raise aiomqtt.MqttError(f"the broker does not let this hub read {topic} at QoS 1: {code}")


def made(config: MqttConfig) -> aiomqtt.Client:
    """Return a client that is not connected yet and acknowledges nothing by itself.

    Raises:
        ConfigError: the authorities' file cannot be read.
    """
    properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho has no types here
    properties.SessionExpiryInterval = config.session_s
    properties.ReceiveMaximum = config.in_flight
    properties.MaximumPacketSize = config.max_payload_bytes + _OVERHEAD
    client = aiomqtt.Client(
        config.host,
        config.port,
        identifier=config.client_id,
        username=config.user or None,
        password=config.password.reveal() if config.password is not None else None,
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=False,
        keepalive=config.keepalive_s,
        properties=properties,
        tls_context=_tls(config),
    )
    client._client.manual_ack_set(True)  # noqa: FBT003, SLF001 - see above
    Guard(client, config.max_payload_bytes + _OVERHEAD).stand()
    return client


def acknowledge(client: aiomqtt.Client, packet: int) -> None:
    """Tell the broker that a message at QoS 1 need not come again."""
    client._client.ack(packet, 1)  # noqa: SLF001 - see above


def arrival_of(message: aiomqtt.Message) -> Arrival:
    """Return a publication without the stack's types."""
    content_type = getattr(message.properties, "ContentType", "") if message.properties is not None else ""
    payload: Any = message.payload
    return Arrival(
        topic=str(message.topic),
        body=payload if isinstance(payload, bytes) else b"",
        packet=message.mid if message.qos else 0,
        is_retained=message.retain,
        content_type=content_type,
    )


def why(error: Exception) -> str:
    """Return what ended a connection: aiomqtt keeps it as the cause."""
    cause = error.__cause__ or error
    return str(cause) or type(cause).__name__


def end_if_cancelled() -> None:
    """End a task that was cancelled while aiomqtt waited: it loses that where its wait ends at the same time."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def first_of(errors: BaseExceptionGroup[aiomqtt.MqttError]) -> aiomqtt.MqttError:
    """Return what ended a connection first."""
    first = errors.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first


def _tls(config: MqttConfig) -> ssl.SSLContext | None:
    if not config.tls:
        return None
    try:
        return ssl.create_default_context(cafile=str(config.ca_file) if config.ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"[protocols.mqtt] ca_file: {config.ca_file} cannot be read: {error}") from error
