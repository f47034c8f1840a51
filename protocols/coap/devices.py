"""The devices that the hub talks to of itself: those that registered, and those whose address the operator wrote."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from ipaddress import IPv4Address, ip_address
from typing import Final, final
from urllib.parse import urlsplit

import structlog

from actors.model.errors import MalformedPayload
from actors.model.ids import ThingId
from actors.ports import ConnectedThing, LinkStatus, ProtocolDeps
from protocols.coap.client import GET, Answer, DeviceClient, FarEnd
from protocols.coap.directory import Directory
from protocols.coap.lwm2m.values import Told, decode_values
from protocols.coap.registration import Registration
from protocols.coap.replies import Rejected
from protocols.coap.roster import PROTOCOL, Roster
from protocols.coap.watching import Watch, WatchSettings, paths_of

URI_OPTION: Final = "uri"
_EXPIRE_EVERY_S: Final = 1.0
_AWAKE_S: Final = (
    93.0  # MAX_TRANSMIT_WAIT: how long a sleeping client listens after it spoke (core TS 1.1.1 section 6.5)
)

log = structlog.get_logger(__name__)


@final
class _Known:
    """A device: where it is, whether it listens now, and the task that watches it."""

    def __init__(self, end: FarEnd, *, queues: bool, lwm2m: str) -> None:
        self.end = end
        self.queues = queues
        self.lwm2m = lwm2m
        self.watch: Watch | None = None
        self.task: asyncio.Task[None] | None = None
        self.spoke_at: datetime | None = None
        self.spoke = asyncio.Event()


@final
class Devices:
    """Watches every device that is known, from ``run`` until it is cancelled."""

    def __init__(
        self, client: DeviceClient, directory: Directory, roster: Roster, deps: ProtocolDeps, settings: WatchSettings
    ) -> None:
        self._client = client
        self._directory = directory
        self._roster = roster
        self._deps = deps
        self._settings = settings
        self._known: dict[ThingId, _Known] = {}
        self._gone: set[ThingId] = set()
        self._group: asyncio.TaskGroup | None = None
        self._before: dict[str, int] = {"notifications": 0, "unreadable": 0, "not_taken": 0}

    async def run(self) -> None:
        """Follow the directory and the things until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            self._directory.watch(self._registered)
            stop = self._deps.things.on_change(self._things_changed)
            try:
                for thing in self._deps.things.connected_by(PROTOCOL):
                    self._roster.add(thing)
                    self._connect(thing)
                while True:
                    await asyncio.sleep(_EXPIRE_EVERY_S)
                    await self._expire()
            finally:
                stop()
                for thing_id in list(self._known):
                    self._forget(thing_id)

    async def _expire(self) -> None:
        gone = tuple(self._gone)
        try:
            await self._directory.expire(gone)
        except Rejected as rejected:
            log.warning("registrations_not_ended", reason=str(rejected))
        else:
            self._gone.difference_update(gone)

    def links(self) -> Sequence[LinkStatus]:
        """Return how the links to all devices are doing."""
        return [known.watch.status for known in self._known.values() if known.watch is not None]

    def counters(self) -> Mapping[str, int]:
        """Return what came from devices that are asked."""
        totals = dict(self._before)
        for known in self._known.values():
            if known.watch is not None:
                for name, count in known.watch.counts.items():
                    totals[name] += count
        return {**totals, "devices": len(self._known), "registrations": len(self._directory)}

    def is_lwm2m(self, thing_id: ThingId) -> bool:
        """Say whether a thing registered as an LwM2M client."""
        known = self._known.get(thing_id)
        return known is not None and bool(known.lwm2m)

    async def reach(self, thing_id: ThingId) -> FarEnd | None:
        """Return where a thing listens; wait until it listens when it sleeps. Nothing when nobody knows where it is."""
        while (known := self._known.get(thing_id)) is not None:  # it may register anew, from elsewhere, meanwhile
            if not known.queues or self._is_awake(known):
                return known.end
            await known.spoke.wait()
            known.spoke.clear()
        return None

    async def read(self, thing_id: ThingId, path: str) -> tuple[Told, ...]:
        """Read a resource, an instance or an object of a device now.

        Raises:
            LinkDown, LinkRefused: It did not answer, or with an error.
            MalformedPayload: Its answer cannot be read.
        """
        end = await self.reach(thing_id)
        if end is None:
            raise MalformedPayload(f"{thing_id} is not registered here, and has no connection option 'uri'")
        answer: Answer = await self._client.ask(end, GET, path.strip("/").split("/"))
        return decode_values(answer.payload, answer.content_format, path, self._deps.clock.now())

    def _is_awake(self, known: _Known) -> bool:
        return known.spoke_at is not None and self._deps.clock.now() - known.spoke_at < timedelta(seconds=_AWAKE_S)

    def _things_changed(self, thing_ids: Sequence[ThingId]) -> None:
        for thing_id in thing_ids:
            self._roster.drop(thing_id)
        for thing in self._deps.things.connected_by(PROTOCOL, thing_ids):
            self._roster.add(thing)
        self._watch_anew(thing_ids)

    def _watch_anew(self, thing_ids: Collection[ThingId]) -> None:
        for thing_id in thing_ids:
            registration = self._directory.of(thing_id)
            thing = self._deps.things.find(thing_id)
            if thing is None:
                self._gone.add(thing_id)
                self._forget(thing_id)
            elif registration is not None:
                self._registered(registration, is_there=True)
            else:
                self._forget(thing_id)
                self._connect(thing)

    def _connect(self, thing: ConnectedThing) -> None:
        """Watch a device whose address the operator wrote."""
        uri = thing.options.get(URI_OPTION)
        if uri is None or thing.thing_id in self._known:
            return
        end = end_of(uri)
        if end is None:
            log.warning(
                "uri_unusable", thing_id=thing.thing_id, uri=uri, expected="coap://ADDRESS or coap://ADDRESS:PORT"
            )
            return
        self._begin(thing, _Known(end, queues=False, lwm2m=""), paths_of(thing.profile))

    def _registered(self, registration: Registration, is_there: bool) -> None:  # noqa: FBT001 - see Watcher
        thing = self._deps.things.find(registration.thing_id)
        if not is_there or thing is None:
            self._forget(registration.thing_id)
            if thing is not None:
                self._connect(thing)
            return
        context = thing.thing_id if registration.is_secured else ""
        end = FarEnd(host=registration.host, port=registration.port, context=context)
        known = self._known.get(thing.thing_id)
        paths = {path: name for path, name in paths_of(thing.profile).items() if registration.holds(path)}
        if known is None or known.end != end or known.watch is None or known.watch.thing != thing:
            self._forget(thing.thing_id)
            known = _Known(end, queues=registration.queues, lwm2m=registration.lwm2m)
            self._begin(thing, known, paths)
        known.queues = registration.queues
        known.spoke_at = registration.renewed_at
        known.spoke.set()

    def _begin(self, thing: ConnectedThing, known: _Known, paths: Mapping[str, str]) -> None:
        self._known[thing.thing_id] = known
        known.watch = Watch(thing, known.end, self._client, self._deps, self._settings)
        if paths and self._group is not None:
            known.task = self._group.create_task(known.watch.run(paths))

    def _forget(self, thing_id: ThingId) -> None:
        known = self._known.pop(thing_id, None)
        if known is None:
            return
        known.spoke.set()
        if known.watch is not None:
            for name, count in known.watch.counts.items():
                self._before[name] += count
        if known.task is not None:
            known.task.cancel()


def end_of(uri: str) -> FarEnd | None:
    """Return the far end of ``coap://ADDRESS[:PORT]``, as the socket names it; nothing when it is none."""
    try:
        parts = urlsplit(uri)
        address = ip_address(parts.hostname or "")
        port = parts.port or 5683
    except ValueError:
        return None
    if parts.scheme != "coap" or parts.path not in {"", "/"}:
        return None
    return FarEnd(host=f"::ffff:{address}" if isinstance(address, IPv4Address) else str(address), port=port)
