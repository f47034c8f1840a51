# pyright: reportPrivateUsage=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportAttributeAccessIssue=false, reportUnknownVariableType=false
"""Ends a connection whose broker sends what no broker may, instead of taking it in.

paho reads a packet of any length, keeps as many messages at QoS 2 as come, and lets the error of a malformed one pass;
aiomqtt then tells of the end but leaves the socket open, and the loop reads the same packet for ever.
"""

from typing import Any, Final

import aiomqtt
from paho.mqtt.enums import MQTTErrorCode

_PUBLISH: Final = 0x30
_KIND: Final = 0xF0
_QOS: Final = 0x06
_QOS_2: Final = 0x04


class Guard:
    """Stands between the socket and paho of one client; ``most_bytes`` is the longest packet that it lets in."""

    def __init__(self, client: aiomqtt.Client, most_bytes: int) -> None:
        self._client = client
        self._paho: Any = client._client  # noqa: SLF001 - paho's only door
        self._most_bytes = most_bytes
        self._receive = self._paho._sock_recv  # noqa: SLF001
        self._handle = self._paho._packet_handle  # noqa: SLF001

    def stand(self) -> None:
        """Take the place of paho's own steps, which it looks up at its client."""
        self._paho._sock_recv = self._guarded_receive  # noqa: SLF001
        self._paho._packet_handle = self._guarded_handle  # noqa: SLF001

    def _guarded_receive(self, size: int) -> bytes:
        packet = self._paho._in_packet  # noqa: SLF001
        if packet["have_remaining"] and packet["remaining_length"] > self._most_bytes:
            told = f"a packet of {packet['remaining_length']} bytes; at most {self._most_bytes} were allowed"
            self._refuse(told)
            raise ConnectionError(told)
        received: bytes = self._receive(size)
        return received

    def _guarded_handle(self) -> MQTTErrorCode:
        first = self._paho._in_packet["command"]  # noqa: SLF001
        if first & _KIND == _PUBLISH and first & _QOS == _QOS_2:
            return self._refuse("a message at QoS 2; the hub subscribes at QoS 1")
        try:
            code: MQTTErrorCode = self._handle()
        except Exception as error:  # noqa: BLE001 - whatever paho and aiomqtt make of bytes that are no packet
            return self._refuse(f"a malformed packet ({type(error).__name__}: {error})")
        return self._refuse("what no broker may send") if code is MQTTErrorCode.MQTT_ERR_PROTOCOL else code

    def _refuse(self, what: str) -> MQTTErrorCode:
        error = aiomqtt.MqttError(f"the broker sent {what}")
        waited_for = self._client._disconnected if self._client._connected.done() else self._client._connected  # noqa: SLF001
        if not waited_for.done():
            waited_for.set_exception(error)
        return MQTTErrorCode.MQTT_ERR_PROTOCOL
