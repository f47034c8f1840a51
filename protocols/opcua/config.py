"""What the operator writes under ``[protocols.opcua]``."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from actors.model.base import Value
from actors.model.secrets import Secret

Seconds = Annotated[float, Meta(gt=0)]


class Policy(StrEnum):
    """The security policies of OPC UA that are still considered safe, and none."""

    NONE = "none"
    BASIC256SHA256 = "Basic256Sha256"
    AES128_SHA256_RSAOAEP = "Aes128Sha256RsaOaep"
    AES256_SHA256_RSAPSS = "Aes256Sha256RsaPss"


class Mode(StrEnum):
    """What a security policy is used for."""

    SIGN = "Sign"
    SIGN_AND_ENCRYPT = "SignAndEncrypt"


class EndpointConfig(Value, frozen=True, kw_only=True):
    """``[protocols.opcua.endpoints.NAME]``: one OPC UA server and how to watch it."""

    url: Annotated[str, Meta(pattern=r"^opc\.tcp://[^/\s]+:\d+(/\S*)?$")]
    publishing_interval_ms: Annotated[float, Meta(ge=10)] = 500.0
    """How often the server sends what changed."""
    sampling_interval_ms: Annotated[float, Meta(ge=0)] = 100.0
    """How often the server looks at a value; 0 is as fast as it can."""
    queue_size: Annotated[int, Meta(ge=1, le=100_000)] = 200
    """How many values of one item the server keeps while the path is broken or the hub is busy."""
    in_flight: Annotated[int, Meta(ge=1, le=10)] = 3
    """Publish requests that wait at the server at any time."""
    silence_s: Annotated[float, Meta(ge=0.5)] = 15.0
    """The link counts as broken when nothing came for so long; keep-alives come three times as often."""
    hold_s: Annotated[float, Meta(ge=10)] = 600.0
    """How long the server is asked to keep our session and its queues while it hears nothing of us."""
    backfill_s: Annotated[float, Meta(ge=0)] = 86_400.0
    """How far back a server's history is read after an outage that its queues did not survive; 0 is not at all."""
    request_timeout_s: Seconds = 5.0
    retry_cap_s: Seconds = 30.0
    """Longest wait between two attempts to connect, and before asking again for nodes that the server refused."""
    user: str = ""
    password: Secret | None = None
    plain_password: bool = False
    """Allow the password to travel over a connection without a security policy."""
    policy: Policy = Policy.NONE
    mode: Mode = Mode.SIGN_AND_ENCRYPT
    certificate: Path | None = None
    """Our certificate, PEM or DER. Its subject alternative name holds ``application_uri``."""
    private_key: Path | None = None
    private_key_password: Secret | None = None
    server_certificate: Path | None = None
    """The server's certificate, PEM or DER: no other server is talked to."""
    pki: Path | None = None
    """A folder with trusted, rejected, issuers and crl, where the server's certificate is not named here."""
    user_certificate: Path | None = None
    """The user's certificate, PEM or DER, instead of user and password."""
    user_private_key: Path | None = None
    application_uri: Annotated[str, Meta(min_length=1)] = "urn:iot2crm:hub"

    def __post_init__(self) -> None:
        if self.user and self.user_certificate is not None:
            raise ValueError("write user and password or user_certificate, not both")
        if (self.user_certificate is None) != (self.user_private_key is None):
            raise ValueError("user_certificate and user_private_key belong together")
        if self.policy is not Policy.NONE:
            self._check_certificates()
        elif self.user_certificate is not None:
            raise ValueError("user_certificate needs a policy and certificates: its signature proves nothing without")
        elif self.user and not self.plain_password:
            raise ValueError(
                f"user {self.user!r} without a security policy: write policy and certificates, "
                "or plain_password = true to send the password in clear text"
            )

    def _check_certificates(self) -> None:
        needed = {
            "certificate": self.certificate,
            "private_key": self.private_key,
            "server_certificate or pki": self.server_certificate or self.pki,
        }
        missing = [name for name, path in needed.items() if path is None]
        if missing:
            raise ValueError(f"policy {self.policy} needs {', '.join(missing)}")


class OpcUaConfig(Value, frozen=True, kw_only=True):
    """``[protocols.opcua]``: the servers by the name that things use in their connection option ``endpoint``."""

    endpoints: Annotated[dict[str, EndpointConfig], Meta(min_length=1)]
