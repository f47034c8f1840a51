"""HTTP: things post readings to the hub's own server."""

from typing import Final

from actors.ports import ProtocolSpec
from protocols.http.adapter import HttpAdapter, open_http
from protocols.http.config import HttpConfig

SPEC: Final = ProtocolSpec(name="http", title="HTTP", config_type=HttpConfig, open=open_http)

__all__ = ["SPEC", "HttpAdapter", "HttpConfig", "open_http"]
