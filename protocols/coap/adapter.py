"""Runs the CoAP server: site, socket and intake together."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, final

from actors.model.commands import CommandOutcome, ThingCommand
from actors.model.ids import CommandId, ThingId
from actors.ports import ConnectedThing, LinkStatus, ProtocolDeps
from protocols.coap import commands
from protocols.coap.client import DeviceClient, RenewalSettings
from protocols.coap.config import CoapConfig
from protocols.coap.devices import Devices
from protocols.coap.directory import Directory
from protocols.coap.dtls import DtlsSettings, Keys, dtls_served
from protocols.coap.echo import EchoGate
from protocols.coap.front import Front, FrontSettings, Taker
from protocols.coap.identity import ByContext, PlainByAddress
from protocols.coap.intake import Intake
from protocols.coap.machine import MachineResources
from protocols.coap.oscore import Contexts, SecuredSite
from protocols.coap.port import UdpPort, bound
from protocols.coap.resources import site_for
from protocols.coap.roster import Roster
from protocols.coap.stack import AiocoapStack, stacked
from protocols.coap.watching import WatchSettings
from protocols.recalling import Recalls


@asynccontextmanager
async def open_coap(
    config: CoapConfig, deps: ProtocolDeps, renewal: RenewalSettings | None = None
) -> AsyncGenerator["CoapAdapter"]:
    """Listen as configured, and watch the devices that are known, until the context ends.

    Raises:
        ConfigError: The address cannot be bound.
    """
    roster = Roster(deps.things)
    contexts = Contexts(config.oscore, deps.store, deps.clock.now)
    secured = {ThingId(name) for name in (*config.oscore, *config.dtls)}
    resolver = ByContext(PlainByAddress(config.plain_from, deps.things, roster), secured, deps.things)
    intake = Intake(deps, resolver, max_payload_bytes=config.max_payload_bytes, retry_after_s=config.retry_after_s)
    directory = Directory(deps.store, deps.clock, resolver, roster, most=config.max_registrations)
    directory.load()
    gate = EchoGate(deps.clock.monotonic, most=config.max_peers, is_on=config.echo)
    machine = MachineResources(intake, gate, deps.machine, max_observers=config.max_observers)
    site = site_for(
        intake, gate, directory, machine, reply_within_s=config.reply_within_s, retry_after_s=config.retry_after_s
    )
    whole: Any = SecuredSite(site, contexts, intake) if contexts else site
    async with serving(whole, intake, deps, front_settings(config), (config.host, config.port)) as (port, front, stack):
        site.on_secured = front.trust
        client = DeviceClient(stack, deps.clock, deps.chance, renewal or RenewalSettings(), contexts.secure)
        devices = Devices(client, directory, roster, deps, WatchSettings(retry_cap_s=config.retry_cap_s))
        async with _dtls(config, stack, deps), running(devices.run()):
            yield CoapAdapter(config.host, port, front, intake, devices, client)


@asynccontextmanager
async def _dtls(config: CoapConfig, stack: AiocoapStack, deps: ProtocolDeps) -> AsyncGenerator[None]:
    if config.dtls_port is None:
        yield
        return
    settings = DtlsSettings(
        host=config.host, port=config.dtls_port, sessions=config.dtls_sessions, datagrams_per_s=config.slow_per_s
    )
    async with dtls_served(stack.context, Keys(config.dtls), settings, deps.clock.monotonic):
        yield


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """Run something beside the body, and cancel it at the end."""
    failure: Exception | None = None
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work)
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised below, outside of the group, as what it is
            failure = error
        finally:
            task.cancel()
    if failure is not None:
        raise failure


def front_settings(config: CoapConfig) -> FrontSettings:
    """Return what the operator's limits are for the front end."""
    return FrontSettings(
        per_peer_per_s=config.per_peer_per_s,
        slow_per_s=config.slow_per_s,
        max_peers=config.max_peers,
        reply_within_s=config.reply_within_s,
        retry_after_s=config.retry_after_s,
    )


@asynccontextmanager
async def serving(
    site: Any, taker: Taker, deps: ProtocolDeps, settings: FrontSettings, address: tuple[str, int]
) -> AsyncGenerator[tuple[UdpPort, Front, AiocoapStack]]:
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
            yield port, front, stack
        finally:
            front.close()


@final
class CoapAdapter:
    """A ``ProtocolAdapter`` with a UDP socket of its own."""

    def __init__(
        self, host: str, port: UdpPort, front: Front, intake: Intake, devices: Devices, client: DeviceClient
    ) -> None:
        self._host = host
        self._port = port
        self._front = front
        self._intake = intake
        self._devices = devices
        self._client = client
        self._recalls = Recalls()

    @property
    def devices(self) -> Devices:
        """The devices that the hub talks to of itself."""
        return self._devices

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
        """Return how the devices are doing that the hub observes."""
        return self._devices.links()

    def counters(self) -> Mapping[str, int]:
        """Return what the intake, the front end and the socket counted."""
        return {
            **self._intake.counters(),
            **self._front.counters(),
            **self._port.counters(),
            **self._devices.counters(),
        }

    async def carry_out(self, thing: ConnectedThing, command: ThingCommand, *, again: bool) -> CommandOutcome:
        """Bring a command to a device; see ``ProtocolAdapter.carry_out``."""
        return await commands.carry_out(
            thing, command, again=again, devices=self._devices, client=self._client, recalls=self._recalls
        )

    def recall(self, command_id: CommandId) -> bool:
        """Take back a command that waits for a sleeping device."""
        return self._recalls.recall(command_id)
