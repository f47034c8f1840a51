"""Runs the CoAP server: site, socket and intake together."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, final

from actors.ports import LinkStatus, ProtocolDeps, RefusesCommands
from protocols.coap.config import CoapConfig
from protocols.coap.front import Front, FrontSettings, Taker
from protocols.coap.identity import PlainByAddress
from protocols.coap.intake import Intake
from protocols.coap.port import UdpPort, bound
from protocols.coap.resources import site_for
from protocols.coap.stack import stacked


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
    settings = FrontSettings(
        per_peer_per_s=config.per_peer_per_s,
        slow_per_s=config.slow_per_s,
        max_peers=config.max_peers,
        reply_within_s=config.reply_within_s,
        retry_after_s=config.retry_after_s,
    )
    async with serving(site, intake, deps, settings, (config.host, config.port)) as (port, front):
        yield CoapAdapter(config.host, port, front, intake)


@asynccontextmanager
async def serving(
    site: Any, taker: Taker, deps: ProtocolDeps, settings: FrontSettings, address: tuple[str, int]
) -> AsyncGenerator[tuple[UdpPort, Front]]:
    """Join socket, front end and aiocoap until the context ends.

    Raises:
        ConfigError: The address cannot be bound.
    """
    loop = asyncio.get_running_loop()
    port = UdpPort(loop, await bound(*address))
    front = Front(loop, taker, port.send, deps.clock, deps.chance, settings)
    async with stacked(site, port) as stack:
        front.stand_before(stack)
        port.start(front.receive, stack.take_error)
        try:
            yield port, front
        finally:
            front.close()


@final
class CoapAdapter(RefusesCommands):
    """A ``ProtocolAdapter`` with a UDP socket of its own."""

    def __init__(self, host: str, port: UdpPort, front: Front, intake: Intake) -> None:
        self._host = host
        self._port = port
        self._front = front
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
        """Return what the intake, the front end and the socket counted."""
        return {**self._intake.counters(), **self._front.counters(), **self._port.counters()}
