"""Where the hub's HTTP application listens."""

import re
from ipaddress import ip_address
from typing import Final

from msgspec import Struct

_ADDRESS: Final = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<host>[A-Za-z0-9._-]+)):(?P<port>[0-9]{1,5})")
LISTEN_WANTED: Final = 'an address and a port such as "127.0.0.1:8080" (port 0 takes a free one)'


class Listen(Struct, frozen=True, kw_only=True):
    """An address to listen at; port 0 takes a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def parse_listen(text: str) -> Listen | None:
    """Return the address, or None when the text is none."""
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match["port"]) > 65535:
        return None
    if match["six"] is None:
        return Listen(host=match["host"], port=int(match["port"]))
    try:
        return Listen(host=str(ip_address(match["six"])), port=int(match["port"]))
    except ValueError:
        return None
