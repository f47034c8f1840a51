"""The directory of devices that registered themselves: kept over restarts, ended when their lifetime is over."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from heapq import heappop, heappush
from typing import Final, final

import msgspec
import structlog

from actors.model.errors import StoreDown
from actors.model.ids import OwnerId, ThingId
from actors.ports import AdapterStore, Clock
from protocols.coap.identity import PrincipalResolver, Sender
from protocols.coap.links import Link, Query, filtered
from protocols.coap.registration import (
    LIFETIME_S,
    Registration,
    Told,
    endpoint_link,
    key_of,
    meets,
    renewed,
    resource_links,
    stored_links,
)
from protocols.coap.replies import Rejected, ReplyCode
from protocols.coap.roster import Roster

_KIND: Final = "registration"
_RETRY_S: Final = 5.0
_FULL_RETRY_S: Final = 300.0

log = structlog.get_logger(__name__)

Watcher = Callable[[Registration, bool], None]
"""Told of each registration that came or was renewed (True), or ended (False)."""


@final
class Directory:
    """The registrations by key. Every change is on disk before its device is answered."""

    def __init__(
        self, store: AdapterStore, clock: Clock, resolver: PrincipalResolver, roster: Roster, *, most: int
    ) -> None:
        self._store = store
        self._clock = clock
        self._resolver = resolver
        self._roster = roster
        self._most = most
        self._registrations: dict[str, Registration] = {}
        self._by_thing: dict[ThingId, str] = {}
        self._ends: list[tuple[datetime, str]] = []
        """A heap of when to look at a registration again; most were renewed by then."""
        self._watchers: list[Watcher] = []

    def __len__(self) -> int:
        return len(self._registrations)

    def load(self) -> None:
        """Read what was registered before the restart; what cannot be read any more is left out."""
        for key, body in self._store.all(_KIND).items():
            try:
                self._know(msgspec.json.decode(body, type=Registration))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                log.warning("registration_unreadable", key=key, reason=str(error))

    def watch(self, watcher: Watcher) -> None:
        """Tell ``watcher`` what comes and goes, and at once what is there."""
        self._watchers.append(watcher)
        for registration in list(self._registrations.values()):
            watcher(registration, True)  # noqa: FBT003 - see Watcher

    def of(self, thing_id: ThingId) -> Registration | None:
        """Return the registration of a thing."""
        return self._registrations.get(self._by_thing.get(thing_id, ""))

    async def register(self, sender: Sender, said: Told) -> Registration:
        """Register a device, or register it anew at the same place.

        Raises:
            Rejected: It may not, says too little, or cannot be kept now.
        """
        if not said.endpoint:
            raise Rejected(ReplyCode.BAD_REQUEST, "malformed", "query: expected the endpoint name 'ep', got none")
        thing_id = self._roster.called(said.endpoint)
        if thing_id is None:
            text = f"{said.endpoint} is no registered thing, nor any thing's connection option 'endpoint'"
            raise Rejected(ReplyCode.FORBIDDEN, "unknown_thing", text)
        _, thing = self._resolver.resolve(sender, thing_id)
        key = key_of(said.endpoint, said.sector)
        if key not in self._registrations and len(self._registrations) >= self._most:
            text = f"{self._most} devices are registered, and no more are taken"
            raise Rejected(ReplyCode.UNAVAILABLE, "full", text, retry_s=_FULL_RETRY_S)
        registration = Registration(
            key=key,
            endpoint=said.endpoint,
            thing_id=thing.thing_id,
            owner_id=thing.owner_id,
            host=sender.host,
            port=sender.port,
            is_secured=bool(sender.claims),
            lifetime_s=said.lifetime_s or LIFETIME_S,
            renewed_at=self._clock.now(),
            sector=said.sector,
            lwm2m=said.lwm2m,
            queues=said.queues,
            base=said.base,
            attributes=said.attributes,
            links=stored_links(said.links or ()),
        )
        await self._keep(registration)
        log.info("device_registered", thing_id=thing.thing_id, endpoint=said.endpoint, lwm2m=said.lwm2m)
        return registration

    async def update(self, sender: Sender, key: str, said: Told) -> None:
        """Renew a registration; the device may have another address now.

        Raises:
            Rejected: 4.04 when there is none (any more), so that the device registers anew.
        """
        before = self.own(sender, key)
        after = renewed(before, said, self._clock.now())
        after = msgspec.structs.replace(after, host=sender.host, port=sender.port, is_secured=bool(sender.claims))
        await self._keep(after)

    async def deregister(self, sender: Sender, key: str) -> None:
        """End a registration.

        Raises:
            Rejected: 4.04 when there is none (any more).
        """
        await self._end(self.own(sender, key))

    async def expire(self, gone: Collection[ThingId] = ()) -> None:
        """End what was not renewed in time, and the registrations of things that are gone.

        Raises:
            Rejected: The disk is down; what has expired is found by nobody meanwhile.
        """
        for thing_id in gone:
            known = self.of(thing_id)
            if known is not None:
                await self._end(known)
        now = self._clock.now()
        while self._ends and self._ends[0][0] <= now:
            _, key = self._ends[0]
            known = self._registrations.get(key)
            if known is not None and known.expires_at <= now:
                await self._end(known)
            heappop(self._ends)
            if known is not None and known.expires_at > now:
                heappush(self._ends, (known.expires_at, key))

    def find(self, key: str) -> Registration | None:
        """Return a registration that has not expired."""
        known = self._registrations.get(key)
        return None if known is None or known.expires_at <= self._clock.now() else known

    def endpoints(self, owners: frozenset[OwnerId], query: Sequence[Query]) -> list[Link]:
        """Return the devices of these owners that meet a query (RFC 9176 section 6.2)."""
        return [
            endpoint_link(registration)
            for registration in self._live(owners, self._clock.now())
            if all(meets(registration, wanted) or _any(registration, wanted) for wanted in query)
        ]

    def resources(self, owners: frozenset[OwnerId], query: Sequence[Query]) -> list[Link]:
        """Return the resources of these owners' devices that meet a query (RFC 9176 section 6.1)."""
        found: list[Link] = []
        for registration in self._live(owners, self._clock.now()):
            left = [wanted for wanted in query if not meets(registration, wanted)]
            found.extend(filtered(resource_links(registration), left))
        return found

    def _live(self, owners: frozenset[OwnerId], now: datetime) -> list[Registration]:
        known = sorted(self._registrations.values(), key=lambda registration: registration.endpoint)
        return [entry for entry in known if entry.owner_id in owners and entry.expires_at > now]

    def own(self, sender: Sender, key: str) -> Registration:
        """Return the registration of whoever asks.

        Raises:
            Rejected: 4.04 when there is none (any more); it is not the sender's.
        """
        known = self.find(key)
        if known is None:
            text = "this registration does not exist or has expired: register again"
            raise Rejected(ReplyCode.NOT_FOUND, "unknown_registration", text)
        self._resolver.resolve(sender, known.thing_id)
        return known

    async def _keep(self, registration: Registration) -> None:
        try:
            await self._store.keep(_KIND, registration.key, msgspec.json.encode(registration))
        except StoreDown as error:
            raise _down(error) from None
        self._know(registration)
        self._tell(registration, is_there=True)

    def _know(self, registration: Registration) -> None:
        before = self._registrations.get(registration.key)
        self._registrations[registration.key] = registration
        self._by_thing[registration.thing_id] = registration.key
        if before is None or registration.expires_at < before.expires_at:
            heappush(self._ends, (registration.expires_at, registration.key))

    async def _end(self, registration: Registration) -> None:
        try:
            await self._store.forget(_KIND, registration.key)
        except StoreDown as error:
            raise _down(error) from None
        if self._registrations.pop(registration.key, None) is not None:
            if self._by_thing.get(registration.thing_id) == registration.key:
                del self._by_thing[registration.thing_id]
            log.info("device_deregistered", thing_id=registration.thing_id, endpoint=registration.endpoint)
            self._tell(registration, is_there=False)

    def _tell(self, registration: Registration, *, is_there: bool) -> None:
        for watcher in tuple(self._watchers):
            watcher(registration, is_there)


def _down(error: StoreDown) -> Rejected:
    return Rejected(ReplyCode.UNAVAILABLE, "storage_down", str(error), retry_s=_RETRY_S)


def _any(registration: Registration, wanted: Query) -> bool:
    """Say whether one of the device's links has what is looked for (RFC 9176 section 6)."""
    return bool(filtered(resource_links(registration), [wanted]))
