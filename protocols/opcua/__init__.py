"""OPC UA: a client that subscribes to servers and acknowledges what the hub has stored."""

from actors.ports import ProtocolSpec
from protocols.opcua.adapter import open_opcua
from protocols.opcua.config import OpcUaConfig
from protocols.opcua.forms import forms_of

SPEC = ProtocolSpec(name="opcua", title="OPC UA client", config_type=OpcUaConfig, open=open_opcua, forms=forms_of)
