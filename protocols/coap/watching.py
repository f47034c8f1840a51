"""Things whose resources the hub observes: what they tell becomes readings, and commands find their way to them."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from datetime import datetime
from functools import partial
from typing import Final, final

import structlog
from msgspec import Struct

from actors.model.errors import HubError, MalformedPayload
from actors.model.profiles import PropertyKind, ThingProfile
from actors.model.readings import (
    RETRYABLE_REFUSALS,
    DeviceMessage,
    Principal,
    PrincipalKind,
    Reading,
    Receipt,
    Refused,
)
from actors.ports import ConnectedThing, LinkStatus, ProtocolDeps
from protocols.backoff import next_delay_s
from protocols.coap.client import Answer, DeviceClient, FarEnd
from protocols.coap.lwm2m.objects import ValueType
from protocols.coap.lwm2m.values import Told, decode_values
from protocols.coap.mapping import FORMATS, PROTOCOL
from protocols.payloads import decode_payload

_RETRY_S: Final = 5.0
_JSON: Final = 50
_KINDS: Final = {
    PropertyKind.NUMBER: ValueType.REAL,
    PropertyKind.FLAG: ValueType.FLAG,
    PropertyKind.TEXT: ValueType.TEXT,
}

log = structlog.get_logger(__name__)


class WatchSettings(Struct, frozen=True, kw_only=True):
    """How lost devices are tried again."""

    retry_cap_s: float = 60.0


@final
class Watch:
    """Observes the resources of one device as long as it runs."""

    def __init__(
        self, thing: ConnectedThing, end: FarEnd, client: DeviceClient, deps: ProtocolDeps, settings: WatchSettings
    ) -> None:
        self.thing = thing
        self.end = end
        self._client = client
        self._deps = deps
        self._settings = settings
        self._boot = f"{deps.chance.getrandbits(64):016x}"
        self._count = 0
        self._latest: dict[str, int] = {}
        self._wrong: dict[str, str] = {}
        self._up: set[str] = set()
        self._is_over = False
        self._state = "connecting"
        self._since = deps.clock.now()
        self.counts = {"notifications": 0, "unreadable": 0, "not_taken": 0}

    @property
    def status(self) -> LinkStatus:
        """How the link to the device is doing."""
        name = f"coap {self.thing.thing_id}"
        reason = "; ".join(f"{path}: {why}" for path, why in sorted(self._wrong.items()))
        return LinkStatus(name=name, state=self._state, since=self._since, reason=reason)

    async def run(self, paths: Mapping[str, str]) -> None:
        """Observe ``{path: property}`` until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for path in paths:
                    group.create_task(self._keep_watching(path, paths))
        finally:
            self._is_over = True

    async def _keep_watching(self, path: str, paths: Mapping[str, str]) -> None:
        attempt = 0
        while True:
            try:
                async with aclosing(self._client.observe(self.end, path.strip("/").split("/"))) as answers:
                    async for answer in answers:
                        attempt = 0
                        self._works(path)
                        self._take(path, paths, answer)
            except HubError as error:
                self._fails(path, str(error))
            attempt += 1
            await asyncio.sleep(next_delay_s(attempt, cap_s=self._settings.retry_cap_s, chance=self._deps.chance))

    def _take(self, path: str, paths: Mapping[str, str], answer: Answer) -> None:
        self.counts["notifications"] += 1
        now = self._deps.clock.now()
        try:
            readings = readings_in(answer, path, paths, self.thing.profile, now)
        except MalformedPayload as error:
            self.counts["unreadable"] += 1
            log.warning("notification_unreadable", thing_id=self.thing.thing_id, path=path, reason=str(error))
            return
        if readings:
            self._hand_in(path, readings, now)

    def _hand_in(self, path: str, readings: tuple[Reading, ...], now: datetime) -> None:
        self._count += 1
        self._latest[path] = self._count
        message = DeviceMessage(
            thing_id=self.thing.thing_id,
            message_id=f"observe:{self._boot}:{self._count}",
            received_at=now,
            readings=readings,
            protocol=PROTOCOL,
        )
        self._deps.sink.accept(link_principal(self.thing), message, partial(self._is_taken, path, message, self._count))

    def _is_taken(self, path: str, message: DeviceMessage, number: int, receipt: Receipt) -> None:
        if not isinstance(receipt, Refused):
            return
        self.counts["not_taken"] += 1
        if receipt.code in RETRYABLE_REFUSALS and number == self._latest[path]:
            delay_s = receipt.retry_after_s or _RETRY_S
            asyncio.get_running_loop().call_later(delay_s, self._again, path, message, number)
        elif receipt.code not in RETRYABLE_REFUSALS:
            log.warning("notification_refused", thing_id=self.thing.thing_id, path=path, reason=receipt.detail)

    def _again(self, path: str, message: DeviceMessage, number: int) -> None:
        """Hand in the latest state once more; an older one is not worth it."""
        if number == self._latest[path] and not self._is_over:
            done: Callable[[Receipt], None] = partial(self._is_taken, path, message, number)
            self._deps.sink.accept(link_principal(self.thing), message, done)

    def _works(self, path: str) -> None:
        self._wrong.pop(path, None)
        self._up.add(path)
        if self._state == "up":
            return
        now = self._deps.clock.now()
        if self._state == "down":
            log.info("link_restored", thing_id=self.thing.thing_id, down_for_s=(now - self._since).total_seconds())
        self._state, self._since = "up", now

    def _fails(self, path: str, reason: str) -> None:
        self._wrong[path] = reason
        self._up.discard(path)
        if self._up or self._state == "down":
            return
        log.warning("link_lost", thing_id=self.thing.thing_id, reason=reason)
        self._state, self._since = "down", self._deps.clock.now()


def link_principal(thing: ConnectedThing) -> Principal:
    """Return who speaks for a thing that the hub itself asked."""
    return Principal(kind=PrincipalKind.LINK, name=f"coap:{thing.thing_id}", owner_id=thing.owner_id)


def paths_of(profile: ThingProfile) -> dict[str, str]:
    """Return ``{path: property}`` of the properties whose source is a path on the device."""
    sources = profile.sources.get(PROTOCOL, {})
    return {
        address: name for name, address in sources.items() if address.startswith("/") and name in profile.properties
    }


def readings_in(
    answer: Answer, path: str, paths: Mapping[str, str], profile: ThingProfile, now: datetime
) -> tuple[Reading, ...]:
    """Return the readings in an answer, those that the profile knows.

    Raises:
        MalformedPayload: It cannot be read.
    """
    if answer.content_format == _JSON:
        sources = {paths[path]: paths[path]}
        return decode_payload(answer.payload, FORMATS[_JSON], now, sources).readings
    types = {where: kind for where, name in paths.items() if (kind := _KINDS.get(profile.properties[name].kind))}
    told = decode_values(answer.payload, answer.content_format, path, now, types)
    return tuple(_reading(value, paths, profile) for value in told if value.path in paths)


def _reading(told: Told, paths: Mapping[str, str], profile: ThingProfile) -> Reading:
    spec = profile.properties[paths[told.path]]
    value = told.value
    if spec.kind is PropertyKind.FLAG and isinstance(value, float) and value in {0.0, 1.0}:
        value = bool(value)
    elif spec.kind is PropertyKind.TEXT and isinstance(value, float):
        value = f"{value:g}"
    at = told.observed_at
    return Reading(name=paths[told.path], value=value, unit=told.unit, observed_at=at, by_receipt=told.by_receipt)
