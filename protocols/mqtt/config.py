"""What the operator writes under ``[protocols.mqtt]``."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta

from actors.model.base import Value
from actors.model.secrets import Secret


class MqttConfig(Value, frozen=True, kw_only=True):
    """One broker. It must let each thing publish and subscribe only below its own ``prefix/THING_ID``."""

    host: str
    port: Annotated[int, Meta(ge=1, le=65535)] = 1883
    prefix: Annotated[str, Meta(pattern=r"^[^+#/\x00]+(/[^+#/\x00]+)*\Z", max_length=100)] = "iot2crm"
    """Topics are ``prefix/THING_ID/readings`` and so on."""
    client_id: Annotated[str, Meta(min_length=1, max_length=64)] = "iot2crm-hub"
    """The broker keeps for this name what comes while the hub is away: no two hubs may share one."""
    user: str = ""
    password: Secret | None = None
    tls: bool = False
    ca_file: Path | None = None
    """Who may have signed the broker's certificate; the system's authorities where none is named."""
    plain_password: bool = False
    """Allow the password to travel without TLS."""
    keepalive_s: Annotated[int, Meta(ge=5, le=3600)] = 30
    session_s: Annotated[int, Meta(ge=0, le=604_800)] = 86_400
    """So long the broker keeps unacknowledged messages while the hub is away."""
    in_flight: Annotated[int, Meta(ge=1, le=65535)] = 1000
    """Messages that the broker sends before it waits for an acknowledgement."""
    max_payload_bytes: Annotated[int, Meta(ge=64, le=16 * 1024 * 1024)] = 256 * 1024
    retry_after_s: Annotated[float, Meta(gt=0)] = 5.0
    """A message that the hub could not store is tried again after so long, where the reason names no time."""
    retry_cap_s: Annotated[float, Meta(ge=1)] = 60.0
    """Longest wait before the next attempt to connect."""

    def __post_init__(self) -> None:
        """Refuse what would send a password in clear text unasked.

        Raises:
            ValueError: a password without TLS.
        """
        if self.password is not None and not self.tls and not self.plain_password:
            raise ValueError("a password without tls: write tls = true, or plain_password = true for clear text")
