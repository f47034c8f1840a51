"""What the operator writes in the table of the CoAP adapter."""

from ipaddress import ip_network
from typing import Annotated

from msgspec import Meta

from actors.model.base import Value


class CoapConfig(Value, frozen=True, kw_only=True):
    """Where to listen, and who may speak without security."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 5683
    """0 takes a free port; the adapter's ``urls`` tell which."""
    plain_from: tuple[str, ...] = ()
    """Networks (``10.1.0.0/16``, ``127.0.0.1``) whose addresses may speak plain CoAP. Nobody by default."""
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
    echo: bool = True
    """Answers more than three times as large as their request leave only when the sender has shown that it is there."""

    def __post_init__(self) -> None:
        """Refuse networks that are none.

        Raises:
            ValueError: An entry of ``plain_from`` is not an address or network.
        """
        for network in self.plain_from:
            ip_network(network)
