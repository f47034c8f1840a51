"""MQTT: things publish readings to a broker, and the hub acknowledges to the broker what it has stored."""

from typing import Final

from actors.ports import ProtocolSpec
from protocols.mqtt.adapter import MqttAdapter, open_mqtt
from protocols.mqtt.config import MqttConfig

SPEC: Final = ProtocolSpec(name="mqtt", title="MQTT 5", config_type=MqttConfig, open=open_mqtt)

__all__ = ["SPEC", "MqttAdapter", "MqttConfig", "open_mqtt"]
