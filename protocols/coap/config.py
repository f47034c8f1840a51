"""What the operator writes in the table of the CoAP adapter."""

import re
from ipaddress import ip_network
from typing import Annotated, Final, Literal

from msgspec import Meta

from actors.model.base import Value
from actors.model.secrets import Secret

_HEX: Final = r"^([0-9a-f]{2})*\Z"


class OscoreConfig(Value, frozen=True, kw_only=True):
    """``[protocols.coap.oscore.THING]``: the security context of a thing (RFC 8613). Everything but names is in hex."""

    secret: Secret
    """The master secret, at least 16 bytes."""
    thing_id: Annotated[str, Meta(pattern=_HEX, max_length=14)]
    """The sender id of the thing: what its messages name. Two things with the same one need a ``context`` each."""
    hub_id: Annotated[str, Meta(pattern=_HEX, max_length=14)] = ""
    """The sender id of the hub."""
    salt: Annotated[str, Meta(pattern=_HEX, max_length=128)] = ""
    context: Annotated[str, Meta(pattern=_HEX, max_length=64)] = ""
    algorithm: Literal["AES-CCM-16-64-128", "A128GCM", "A256GCM", "ChaCha20/Poly1305"] = "AES-CCM-16-64-128"

    def __post_init__(self) -> None:
        """Refuse a context that could not work.

        Raises:
            ValueError: The secret is too short or not in hex, or both ids are the same.
        """
        if re.fullmatch(r"(?:[0-9a-fA-F]{2}){16,64}", self.secret.reveal()) is None:
            raise ValueError("secret: expected 16 to 64 bytes in hex; make one with: openssl rand -hex 16")
        if self.thing_id == self.hub_id:
            raise ValueError("thing_id and hub_id: expected two that differ, or both would use the same nonces")


class DtlsConfig(Value, frozen=True, kw_only=True):
    """``[protocols.coap.dtls.THING]``: the pre-shared key of a thing."""

    identity: Annotated[str, Meta(min_length=1, max_length=128)]
    key: Secret
    """8 to 32 bytes in hex."""

    def __post_init__(self) -> None:
        """Refuse a key that is none.

        Raises:
            ValueError: It is not in hex, or too short.
        """
        if re.fullmatch(r"(?:[0-9a-fA-F]{2}){8,32}", self.key.reveal()) is None:
            raise ValueError("key: expected 8 to 32 bytes in hex; make one with: openssl rand -hex 16")


class CoapConfig(Value, frozen=True, kw_only=True):
    """Where to listen, and who may speak without security."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 5683
    """0 takes a free port; the adapter's ``urls`` tell which."""
    plain_from: tuple[str, ...] = ()
    """Networks (``10.1.0.0/16``, ``127.0.0.1``) whose addresses may speak plain CoAP. Nobody by default."""
    oscore: dict[str, OscoreConfig] = {}
    """Security contexts by thing id. A thing that has one is heard in no other way."""
    dtls_port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    """EXPERIMENTAL: listen for DTLS with pre-shared keys too. Needs the extra ``dtls``; OSCORE is better kept."""
    dtls: dict[str, DtlsConfig] = {}
    """Pre-shared keys by thing id. A thing that has one is heard in no other way."""
    dtls_sessions: Annotated[int, Meta(ge=1)] = 64
    """DTLS sessions at once; the longest silent one makes room for a new one."""
    max_payload_bytes: Annotated[int, Meta(ge=64, le=1024 * 1024)] = 64 * 1024
    """Larger bodies, after the blocks are put together, get 4.13."""
    reply_within_s: Annotated[float, Meta(gt=0)] = 60.0
    """A message not stored by then gets 5.03."""
    retry_after_s: Annotated[float, Meta(ge=1)] = 5.0
    """The Max-Age of 5.03 when the reason itself names no time."""
    per_peer_per_s: Annotated[float, Meta(gt=0)] = 100.0
    """Requests a second of one address and port, twice as many at once; more get 4.29 with Max-Age."""
    slow_per_s: Annotated[float, Meta(gt=0)] = 200.0
    """Requests a second, of all together, that are more than a small post of readings; more get silence."""
    max_peers: Annotated[int, Meta(ge=16)] = 10_000
    """Addresses whose latest exchanges are remembered, about 2 kB each; the longest silent one is forgotten first."""

    max_registrations: Annotated[int, Meta(ge=1)] = 100_000
    """Devices in the resource directory."""
    retry_cap_s: Annotated[float, Meta(ge=1)] = 60.0
    """Longest wait before a device that the hub observes and that was lost is tried again."""
    max_observers: Annotated[int, Meta(ge=0)] = 1000
    """Observations of orders at once; more are answered once, without being notified."""
    echo: bool = True
    """Answers more than three times as large as their request leave only when the sender has shown that it is there."""

    def __post_init__(self) -> None:
        """Refuse networks that are none.

        Raises:
            ValueError: An entry of ``plain_from`` is no address or network, or two things have one security context.
        """
        for network in self.plain_from:
            ip_network(network)
        names = [(config.thing_id, config.context) for config in self.oscore.values()]
        if len(set(names)) < len(names):
            raise ValueError("oscore: expected a thing_id, or a context, of its own for each thing")
        if self.dtls and self.dtls_port is None:
            raise ValueError("dtls: expected a dtls_port (usually 5684) to listen at")
