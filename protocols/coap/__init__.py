"""CoAP: constrained things send readings to a UDP port of the hub."""

from typing import Final

from actors.ports import ProtocolSpec
from protocols.coap.adapter import CoapAdapter, open_coap
from protocols.coap.config import CoapConfig
from protocols.coap.forms import forms_of

SPEC: Final = ProtocolSpec(name="coap", title="CoAP", config_type=CoapConfig, open=open_coap, forms=forms_of)

__all__ = ["SPEC", "CoapAdapter", "CoapConfig", "open_coap"]
