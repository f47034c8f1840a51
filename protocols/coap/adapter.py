"""Runs the CoAP server: site, socket and intake together."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, final

from actors.ports import LinkStatus, ProtocolDeps
from protocols.coap.config import CoapConfig
from protocols.coap.identity import PlainByAddress
from protocols.coap.intake import Intake
from protocols.coap.port import UdpPort, listening
from protocols.coap.resources import site_for


@asynccontextmanager
async def open_coap(config: CoapConfig, deps: ProtocolDeps) -> AsyncGenerator["CoapAdapter"]:
    """Listen as configured until the context ends.

    Raises:
        ConfigError: The address cannot be bound.
    """
    intake = Intake(
        deps,
        PlainByAddress(config.plain_from, deps.things),
        max_payload_bytes=config.max_payload_bytes,
        retry_after_s=config.retry_after_s,
    )
    site = site_for(intake, reply_within_s=config.reply_within_s, retry_after_s=config.retry_after_s)
    async with listening(site, config.host, config.port) as port:
        yield CoapAdapter(config.host, port, intake)


@final
class CoapAdapter:
    """A ``ProtocolAdapter`` with a UDP socket of its own."""

    def __init__(self, host: str, port: UdpPort, intake: Intake) -> None:
        self._host = host
        self._port = port
        self._intake = intake

    @property
    def http_routes(self) -> Sequence[Any]:
        """None."""
        return ()

    @property
    def urls(self) -> Sequence[str]:
        """Where things send their readings, before ``/t/{thing_id}``."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return (f"coap://{host}:{self._port.number}",)

    def links(self) -> Sequence[LinkStatus]:
        """None: devices come and go."""
        return ()

    def counters(self) -> Mapping[str, int]:
        """Return what the intake and the socket counted."""
        return {**self._intake.counters(), **self._port.counters()}
