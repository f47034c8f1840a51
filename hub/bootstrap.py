"""Builds the hub from its configuration and runs it. The one file that names every part."""

import asyncio
import hashlib
import hmac
import secrets
import signal
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Final

import structlog
from aiohttp import web
from msgspec import Struct

from actors.community.core import CommunityCore
from actors.connection.core import ConnectionCore, ConnectionSettings
from actors.desk.desk import Desk, DeskSettings
from actors.device.core import DeviceCore
from actors.device.inquiring import InquirySettings
from actors.dialogue import (
    ANNOUNCEMENTS_RELAY,
    COMPUTE_RELAY,
    RECONCILING_RELAY,
    THINGS_RELAY,
    OpenConnection,
    community_address,
    connection_address,
    desk_relay,
)
from actors.endpoint.core import EndpointCore
from actors.model.errors import ConfigError
from actors.model.ids import CommunityId, InstallationId
from actors.model.profiles import ThingProfile
from actors.model.readings import Principal, PrincipalKind
from actors.owner.core import OwnerCore, OwnerLimits
from actors.ports import Clock, ConnectedThing, CrmAdapter, CrmDeps, ProtocolAdapter, ProtocolDeps, ThingForms
from actors.purchasing.core import OrderCore
from actors.purchasing.sourcing import PurchasingSettings
from actors.runtime.contract import EngineSettings
from actors.thing.core import ThingCore
from crm_adapters.addresses import AddressPolicy
from hub.announcing.sender import EndpointSender
from hub.announcing.tail import NoteTail
from hub.api.application import build_application
from hub.api.context import Hub
from hub.api.direct import runner_of
from hub.clock import SystemClock
from hub.commands import CommandRelay
from hub.compute import Compute
from hub.config import HubConfig
from hub.config.listen import Listen
from hub.config.tables import DeskConfig
from hub.crm_use import JournalledUse
from hub.exchange import Exchange
from hub.federation import Federation
from hub.files import write_whole
from hub.gone_crm import GoneCrm, gone_connections
from hub.hub_key import HubKey
from hub.ingest import DurableSink
from hub.interpreter import tune_interpreter
from hub.introductions import JournalledIntroductions
from hub.keeping import Keeping
from hub.logs import UnreadableRequests
from hub.machine import MachineDesk
from hub.ordering import OrderingOff
from hub.profiles import publish_profiles, reference
from hub.reconciling import Reconciler
from hub.record_watch import RecordWatch
from hub.registry import Registry, operator_token
from hub.sharding import whole_engine, whole_journal
from hub.storage.connection import FILE_NAME, JournalSettings, explained
from hub.storage.reserve import Reserve, open_reserve
from hub.storage.shards import open_shards
from hub.storage.shelf import Shelves, open_shelves
from hub.storage.sqlite import SqliteJournal
from hub.switching import Switches
from hub.taking_in import Intake

log = structlog.get_logger(__name__)

URL_FILE: Final = "hub.url"
_DRAIN_S: Final = 10.0


class RunningHub(Struct, frozen=True, kw_only=True):
    """A hub that serves: where, and its parts for tests and the demo."""

    url: str
    hub: Hub
    protocol_urls: Mapping[str, Sequence[str]]


async def run(config: HubConfig, disk: JournalSettings | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then drain. ``disk`` says otherwise than usual how the journal is written."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with open_hub(config, disk=disk) as running:
        tune_interpreter()
        log.info("hub_started", name=config.name, url=running.url, data_dir=str(config.data_dir))
        await stop.wait()
        log.info("hub_stopping", name=config.name)
    log.info("hub_stopped", name=config.name)


@asynccontextmanager
async def open_hub(
    config: HubConfig, clock: Clock | None = None, disk: JournalSettings | None = None
) -> AsyncGenerator[RunningHub]:
    """Start all parts in order; when the context ends, stop taking, finish what was begun, and close."""
    now = clock or SystemClock()
    async with AsyncExitStack() as stack:
        journals = stack.enter_context(open_shards(config.data_dir, config.shards, disk))
        reserve = stack.enter_context(closing(open_reserve(config.data_dir)))
        with explained(config.data_dir / FILE_NAME):  # damage inside the file shows when states are read
            parts = _Parts(config, journals, now, reserve)
            adapters = await parts.open_crm(stack)
            journal = whole_journal(journals)
            profiles = await publish_profiles(journal, config.profiles)
            parts.add_kinds(adapters, profiles)
            keeping = Keeping(journals, profiles.values(), config.storage, now)
            desks = parts.add_desks(adapters, await gone_connections(journal, adapters))
            group = await stack.enter_async_context(_cancelled_at_end())
            shelves = stack.enter_context(open_shelves(config.data_dir))
            protocols = await parts.start(stack, group, desks, shelves)
            keeping.start(group)
            hub = parts.api(desks, protocols, keeping)
            url = await parts.serve(stack, hub, protocols)
        yield RunningHub(url=url, hub=hub, protocol_urls={name: p.urls for name, p in protocols.items()})


class _Parts:
    """The parts while they are put together."""

    def __init__(self, config: HubConfig, journals: Sequence[SqliteJournal], clock: Clock, reserve: Reserve) -> None:
        self._config = config
        self._journal = journal = whole_journal(journals)
        self._clock = clock
        self._chance = Random(secrets.randbits(64))
        self._installation = InstallationId(journal.setting("installation", lambda: secrets.token_hex(16)))
        self._seal_key = journal.setting("seal_key", lambda: secrets.token_hex(32)).encode()
        settings = EngineSettings(
            mailbox_bound=config.limits.mailbox,
            passivate_after_s=60 * config.limits.silent_minutes,
            snapshot_every=config.storage.snapshot_every,
            batch_s=config.storage.batch_ms / 1000,
        )
        self._engine = whole_engine(journals, clock, settings)
        self._registry = Registry(config.profiles, config.communities, journal)
        noise_key = journal.setting("noise_key", lambda: secrets.token_hex(32)).encode()
        self._compute = Compute(config.communities, config.profiles, journal, clock, self._chance, noise_key)
        self._federation = Federation(
            self._compute.peers,
            clock,
            key=HubKey(journal.setting("hub_key", lambda: secrets.token_hex(32))),
            salt=journal.setting("hub_salt", lambda: secrets.token_hex(32)),
        )
        self._switches = Switches(self._engine, reserve)
        intake = Intake(journal, self._compute.peers, self._federation.fingerprint)
        self._exchange = Exchange(self._federation, intake, self._engine, config, clock=clock, chance=self._chance)
        self._sink = DurableSink(self._engine, self._registry)
        self._watch = RecordWatch()
        self._machine = MachineDesk(self._engine, self._registry, journal, self._compute, clock, self._watch)
        self._commands = CommandRelay(self._engine, self._registry, clock, self._switches.is_off)
        self._switches.recall_by(self._commands.take_back)
        self._unreadable = UnreadableRequests()
        self._tail = NoteTail(self._engine, journals, journal)
        key = journal.setting("endpoint_key", lambda: secrets.token_hex(32)).encode()
        policy = AddressPolicy(config.webhooks.internal_hosts)
        self._sender = EndpointSender(self._engine, journals, policy, key, clock, self._chance)

    async def open_crm(self, stack: AsyncExitStack) -> dict[str, CrmAdapter]:
        adapters: dict[str, CrmAdapter] = {}
        for choice in self._config.crm:
            deps = CrmDeps(connection=choice.name, clock=self._clock, chance=self._chance)
            adapters[choice.name] = await stack.enter_async_context(choice.spec.open(choice.config, deps))
        return adapters

    def add_kinds(self, adapters: Mapping[str, CrmAdapter], profiles: Mapping[str, ThingProfile]) -> None:
        current = {profile.name: reference(profile) for profile in self._config.profiles.values()}
        waits = [community.answer_within_s for community in self._config.communities.values()]
        purchasing = PurchasingSettings(
            installation=self._installation,
            connections={name: adapter.capabilities for name, adapter in adapters.items()},
            advice_s=max(waits, default=5.0),
            overdue_after_days=self._config.limits.overdue_after_days,
            introduces_things=frozenset(choice.name for choice in self._config.crm if choice.desk.introduce_things),
        )
        seen_within = self._config.limits.seen_within_days
        things = ThingCore(profiles, self._compute, self._installation, current, seen_within_days=seen_within)
        self._engine.add_kind(things)
        limits = OwnerLimits(
            max_orders_per_7_days=self._config.limits.max_orders_per_7_days,
            min_between_orders=timedelta(hours=self._config.limits.min_hours_between_orders),
        )
        self._engine.add_kind(OwnerCore(limits))
        self._engine.add_kind(CommunityCore())
        sellers = tuple(name for name, can in purchasing.connections.items() if can.offers)
        self._engine.add_kind(DeviceCore(InquirySettings(sellers=sellers, currency=purchasing.currency)))
        self._engine.add_kind(OrderCore(purchasing))
        self._engine.add_kind(ConnectionCore(self._connections(adapters)))
        self._engine.add_kind(EndpointCore(timedelta(days=self._config.webhooks.give_up_days)))

    def _connections(self, adapters: Mapping[str, CrmAdapter]) -> dict[str, ConnectionSettings]:
        return {
            choice.name: ConnectionSettings(
                can=adapters[choice.name].capabilities,
                changes_s=choice.desk.changes_every_s,
                reconcile_minute=choice.desk.reconcile_minute,
            )
            for choice in self._config.crm
        }

    def add_desks(self, adapters: Mapping[str, CrmAdapter], gone: Collection[str]) -> dict[str, Desk]:
        if gone:
            next_step = "put their [crm.NAME] back, or cancel"
            log.warning("crm_connections_missing", connections=sorted(gone), next_step=next_step)
        held = {**adapters, **{name: GoneCrm(name) for name in sorted(gone)}}
        desks = {name: self._desk(name, adapter) for name, adapter in held.items()}
        since = self._journal.restored()
        if since is not None:
            log.warning(
                "ordering_off",
                restored_at=since,
                next_step="iot2crm crm reconcile NAME --all, then iot2crm journal release",
            )
        for name, desk in desks.items():
            self._engine.add_relay(desk_relay(name), desk if since is None else OrderingOff(desk))
        self._engine.add_relay(COMPUTE_RELAY, self._compute)
        self._reconciler = Reconciler(self._engine, self._journal, desks)
        self._engine.add_relay(RECONCILING_RELAY, self._reconciler)
        self._engine.add_relay(THINGS_RELAY, self._commands)
        self._engine.add_relay(ANNOUNCEMENTS_RELAY, self._sender)
        return desks

    def _desk(self, name: str, adapter: CrmAdapter) -> Desk:
        known = next((choice.desk for choice in self._config.crm if choice.name == name), DeskConfig())
        settings = DeskSettings(
            parallel=known.parallel,
            requests_per_s=known.requests_per_s,
            requests_per_day=known.requests_per_day,
        )
        desk = Desk(name, adapter, self._engine, self._clock, self._chance, settings)
        desk.remember(JournalledIntroductions(self._journal))
        desk.recall(JournalledUse(self._journal))
        desk.present({owner_id: owner.customer(owner_id) for owner_id, owner in self._config.owners.items()})
        return desk

    async def start(
        self, stack: AsyncExitStack, group: asyncio.TaskGroup, desks: Mapping[str, Desk], shelves: Shelves
    ) -> dict[str, ProtocolAdapter]:
        """Recover first, then let devices in: what was acknowledged is there before anything new comes."""
        operator = Principal(kind=PrincipalKind.OPERATOR, name="operator")
        self._registry.admit(operator_token(self._config.data_dir), operator)
        self._engine.on_records(self._registry.follow)
        self._engine.on_records(self._watch.follow)
        self._engine.on_records(self._tail.follow)
        self._load_models()
        for desk in desks.values():
            group.create_task(desk.run())
        group.create_task(self._compute.run(self._engine))
        group.create_task(self._reconciler.run())
        group.create_task(self._commands.run())
        group.create_task(self._sender.run())
        group.create_task(self._tail.run())
        group.create_task(self._exchange.run())
        self._switches.resume()
        self._engine.start()
        for choice in self._config.crm:
            address = connection_address(choice.name)
            self._engine.submit(address, OpenConnection(connection=choice.name), lambda _outcome: None)
        stack.push_async_callback(self._drain)
        return await self._open_protocols(stack, shelves)

    def _load_models(self) -> None:
        models: dict[tuple[CommunityId, str], str] = {}
        for name in self._config.communities:
            community_id = CommunityId(name)
            state = self._engine.read(community_address(community_id))
            models |= {(community_id, subject): version for subject, version in state.models.items()}
        self._compute.load(models)

    async def _drain(self) -> None:
        finished = await self._engine.stop(within_s=_DRAIN_S)
        self._switches.tell_of_loss()
        log.info("turns_drained", finished=finished, **self._engine.counters())

    async def _open_protocols(self, stack: AsyncExitStack, shelves: Shelves) -> dict[str, ProtocolAdapter]:
        protocols: dict[str, ProtocolAdapter] = {}
        for choice in self._config.protocols:
            deps = ProtocolDeps(
                sink=self._sink,
                machine=self._machine,
                store=shelves.of(choice.name),
                things=self._registry,
                authenticator=self._registry,
                clock=self._clock,
                chance=self._chance,
            )
            protocols[choice.name] = await stack.enter_async_context(choice.spec.open(choice.config, deps))
        self._commands.connect(protocols)
        return protocols

    def api(self, desks: Mapping[str, Desk], protocols: Mapping[str, ProtocolAdapter], keeping: Keeping) -> Hub:
        return Hub(
            name=self._config.name,
            engine=self._engine,
            journal=self._journal,
            registry=self._registry,
            clock=self._clock,
            communities=tuple(self._config.communities),
            protocols=tuple(choice.name for choice in self._config.protocols),
            hear={choice.name: desks[choice.name].hear for choice in self._config.crm},
            doubt={choice.name: desks[choice.name].doubt for choice in self._config.crm},
            desks=lambda: [desk.status() for desk in desks.values()],
            links=lambda: [link for protocol in protocols.values() for link in protocol.links()],
            counters=lambda: {
                "engine": self._engine.counters(),
                "journal": keeping.counters(),
                "sink": self._sink.counters(),
                "commands": self._commands.counters(),
                "http": {"unreadable_requests": self._unreadable.count},
                "announcements": {"told": self._tail.told, **self._sender.counters()},
                **{f"protocol_{name}": protocol.counters() for name, protocol in protocols.items()},
            },
            seal=self._seal,
            forms=self._forms,
            switches=self._switches,
            sender=self._sender,
            most_endpoints=self._config.webhooks.most_endpoints,
            watch=self._watch,
            compute=self._compute,
            federation=self._federation,
            exchange=self._exchange,
            installation=self._installation,
            advise=self._machine.advise,
            spares=self._machine.spares,
        )

    def _forms(self, protocol: str, thing: ConnectedThing, host: str) -> ThingForms:
        """Return how a thing is reached by its own protocol; nothing where that is not configured."""
        chosen = (choice for choice in self._config.protocols if choice.name == protocol)
        return next((choice.spec.forms(choice.config, thing, host) for choice in chosen), ThingForms())

    def _seal(self, content: bytes) -> str:
        """Return a keyed hash. The hub keeps the key: it shows that nothing was changed, not who wrote it."""
        return hmac.new(self._seal_key, content, hashlib.sha256).hexdigest()

    async def serve(self, stack: AsyncExitStack, hub: Hub, protocols: Mapping[str, ProtocolAdapter]) -> str:
        routes = [route for protocol in protocols.values() for route in protocol.http_routes]
        limits = self._config.limits
        application = build_application(
            hub, routes, max_body_bytes=limits.max_body_bytes, body_within_s=limits.body_within_s
        )
        runner = await runner_of(application, self._unreadable)
        stack.push_async_callback(runner.cleanup)
        await _listen(runner, self._config.listen)
        port = runner.addresses[0][1]
        url = f"http://{self._config.listen.host}:{port}"
        _write_url(self._config.data_dir, url, stack)
        return url


async def _listen(runner: web.AppRunner, listen: Listen) -> None:
    try:
        await web.TCPSite(runner, listen.host, listen.port).start()
    except OSError as error:
        raise ConfigError(
            f"[hub] listen: cannot listen at {listen.host}:{listen.port}: {error.strerror};"
            " stop what uses it, or choose another address"
        ) from error


def _write_url(data_dir: Path, url: str, stack: AsyncExitStack) -> None:
    """Tell commands on this machine where the hub listens, for as long as it does."""
    path = data_dir / URL_FILE
    write_whole(path, url + "\n")
    stack.callback(lambda: path.unlink(missing_ok=True))


@asynccontextmanager
async def _cancelled_at_end() -> AsyncGenerator[asyncio.TaskGroup]:
    """A task group whose tasks run for ever: cancelled when the context ends, whose own errors pass as they are."""
    failure: Exception | None = None
    try:
        async with asyncio.TaskGroup() as group:
            try:
                yield group
            except Exception as error:  # noqa: BLE001 - raised below, outside of the group, as what it is
                failure = error
            raise _Stopped  # noqa: TRY301 - it ends the group's tasks, which nothing else does
    except* _Stopped:
        log.debug("background_stopped")
    if failure is not None:
        raise failure


class _Stopped(Exception):
    """Ends a task group on purpose."""
