"""Webhooks of device clouds: one credential a cloud, readings of many things.

Who sends is told by the signature (Standard Webhooks) or the bearer token (CloudEvents webhooks, section 3); what it is
about by the message, within the things that the operator lets this cloud speak for.
"""

import hmac
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
from aiohttp import web
from msgspec import Struct

from actors.model.base import Instant
from actors.model.ids import OwnerId, ThingId
from actors.model.readings import DeviceMessage, Principal, PrincipalKind, ReadingRefusal, Refused
from actors.model.routes import operation
from actors.ports import Clock, ConnectedThing, LinkStatus, ProtocolDeps, ThingDirectory
from protocols.http.cloudevents import BATCHED, STRUCTURED, Part
from protocols.http.config import HookConfig
from protocols.http.door import Door, answered
from protocols.http.intake import ACCEPTED, body_parts
from protocols.http.mapping import Rejected, bearer
from protocols.http.replays import Reply
from protocols.http.signing import SIGNATURE, NotProved, key_of, proved
from protocols.http.storing import Storing
from protocols.payloads import Format, digest

_BURST_S: Final = 10.0
"""What a cloud kept back while it was cut off may come at once: as much as it may push in so long."""
_ORIGIN, _RATE = "WebHook-Request-Origin", "WebHook-Request-Rate"


class _Data(Struct, frozen=True):
    thing: str
    readings: msgspec.Raw


class _Envelope(Struct, frozen=True):
    """What Standard Webhooks advises to send."""

    type: str
    timestamp: Instant
    data: _Data


class _Rate:
    """Messages that may come now: they come back steadily, and some may be saved."""

    def __init__(self, per_minute: int) -> None:
        self._per_s = per_minute / 60
        self._most = max(1.0, self._per_s * _BURST_S)
        self._left, self._at_s = self._most, 0.0

    def wait_s(self, now_s: float) -> float:
        """Take one and return 0, or return the seconds until one is there."""
        self._left = min(self._most, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._left < 1.0:
            return (1.0 - self._left) / self._per_s
        self._left -= 1.0
        return 0.0


class Hook:
    """One cloud: what proves it, whom it speaks for, and how it is doing."""

    def __init__(self, name: str, config: HookConfig, things: ThingDirectory, clock: Clock) -> None:
        self.name = name
        self.config = config
        self.principal = Principal(kind=PrincipalKind.LINK, name=f"hook {name}", owner_id=OwnerId(config.owner))
        self._things = things
        self._clock = clock
        self._keys = [key_of(secret) for secret in config.secrets]
        self._tokens = [token.reveal().encode() for token in config.tokens]
        self._rate = _Rate(config.per_minute)
        self._since = clock.now()
        self._counts = Counter(heard=0, refused=0)
        self._last: datetime | None = None

    def prove(self, request: web.Request, body: bytes) -> str | None:
        """Return the id that the sender signed, or nothing where its token speaks for it.

        Raises:
            Rejected: it is not the cloud, or pushes more than it may; only what is proved counts.
        """
        try:
            message_id = self._proved(request, body)
        except NotProved as error:
            self._counts["refused"] += 1
            raise Rejected("not_proved", str(error), {"WWW-Authenticate": "Bearer"}) from None
        wait_s = self._rate.wait_s(self._clock.monotonic())
        if wait_s > 0.0:
            told = f"expected up to {self.config.per_minute} messages a minute"
            raise Rejected("too_many_messages", told, {"Retry-After": str(max(1, round(wait_s)))})
        self._counts["heard"] += 1
        self._last = self._clock.now()
        return message_id

    def _proved(self, request: web.Request, body: bytes) -> str | None:
        if self._keys and (SIGNATURE in request.headers or not self._tokens):
            headers = {name.lower(): value for name, value in request.headers.items()}
            return proved(headers, body, self._keys, self._clock.now())
        told = bearer(request.headers.get("Authorization")) or request.query.get("access_token", "")
        given = told.encode(errors="surrogateescape")
        if not any([hmac.compare_digest(given, token) for token in self._tokens]):  # noqa: C419 - all, for equal time
            raise NotProved("Authorization: expected a bearer token of this hook")
        return None

    def thing(self, device: str | None) -> ConnectedThing | Refused:
        """Return the thing that the cloud calls so, or why it is not heard."""
        if device is None:
            told = "expected the device in the event's 'subject', or in 'data.thing'"
            return Refused(code=ReadingRefusal.UNKNOWN_THING, detail=told)
        named = self.config.things.get(device) if self.config.things else device
        thing = None if named is None else self._things.find(ThingId(named))
        if thing is None or thing.owner_id != self.config.owner:
            told = f"{device[:64]!r} is no thing that this hook speaks for"
            return Refused(code=ReadingRefusal.FOREIGN_THING, detail=told)
        return thing

    def status(self) -> LinkStatus:
        """Return how it is doing; a cloud that pushes nothing may have nothing to tell."""
        speaks = f"{len(self.config.things)} things" if self.config.things else "all things"
        told = f"{self._counts['heard']} messages, {self._counts['refused']} without proof"
        return LinkStatus(
            name=f"hook {self.name}",
            state="up" if self._last is not None else "connecting",
            since=self._last or self._since,
            reason=f"speaks for {speaks} of {self.config.owner}; {told}",
        )


class Hooks:
    """The route of all clouds."""

    def __init__(self, hooks: Mapping[str, HookConfig], deps: ProtocolDeps, door: Door, storing: Storing) -> None:
        self._hooks = {name: Hook(name, config, deps.things, deps.clock) for name, config in hooks.items()}
        self._door = door
        self._storing = storing

    def links(self) -> Sequence[LinkStatus]:
        """Return how each cloud is doing."""
        return [hook.status() for hook in self._hooks.values()]

    @operation(media=ACCEPTED, status=(204,), is_open=True)
    async def receive(self, request: web.Request) -> web.Response:
        """Store the readings that a device cloud pushes; it proves itself by its signature or its token."""
        hook = self._hook(request)
        media = request.content_type
        if media not in ACCEPTED:
            allowed = ", ".join(ACCEPTED)
            raise Rejected("unsupported", f"Content-Type: expected one of {allowed}", {"Accept-Post": allowed})
        body = await self._door.body(request)
        message_id = hook.prove(request, body)
        return answered(await self._stored(hook, pushed_parts(media, request.headers, body), message_id))

    @operation(status=(200,), is_open=True)
    async def agree(self, request: web.Request) -> web.Response:
        """Say whether a sender may push here (CloudEvents webhooks, section 4)."""
        hook = self._hook(request)
        headers = {"Allow": "OPTIONS, POST"}
        origin = request.headers.get(_ORIGIN)
        if origin is None:
            return web.Response(headers=headers)
        if origin.lower() not in {allowed.lower() for allowed in hook.config.origins}:
            raise Rejected("foreign_origin", f"{_ORIGIN}: this hook's 'origins' does not hold it", headers)
        headers["WebHook-Allowed-Origin"] = origin
        told = request.headers.get(_RATE, "")
        asked = int(told) if told.isascii() and told.isdecimal() and len(told) < 10 else 0
        headers["WebHook-Allowed-Rate"] = str(min(asked or hook.config.per_minute, hook.config.per_minute))
        return web.Response(headers=headers)

    def _hook(self, request: web.Request) -> Hook:
        hook = self._hooks.get(request.match_info["hook"])
        if hook is None:
            raise Rejected("unknown_hook", "there is no hook of this name")
        return hook

    async def _stored(self, hook: Hook, parts: Part | Sequence[Part], signed_id: str | None) -> Reply:
        if not isinstance(parts, Part):
            told = [self._judged(hook, part, signed_id, number) for number, part in enumerate(parts)]
            return await self._storing.store_all(hook.principal, told)
        found = hook.thing(parts.subject)
        if isinstance(found, Refused):
            raise Rejected(found.code, found.detail)
        message = self._storing.message(found, parts, None, _identity(hook, signed_id, ""))
        return await self._storing.store(hook.principal, message)

    def _judged(self, hook: Hook, part: Part, signed_id: str | None, number: int) -> DeviceMessage | Refused:
        """Return one message of a batch; of devices that are not heard the cloud is told, and the others are stored."""
        found = hook.thing(part.subject)
        if isinstance(found, Refused):
            return found
        return self._storing.item(found, part, number, identity=_identity(hook, signed_id, str(number)))


def _identity(hook: Hook, signed_id: str | None, place: str) -> str | None:
    """Return what makes a message one of its kind: it comes again under the id that its sender signed."""
    return None if signed_id is None else f"hook:{digest(hook.name.encode(), signed_id.encode(), place.encode())}"


def pushed_parts(media: str, headers: Mapping[str, str], body: bytes) -> Part | Sequence[Part]:
    """Return what a body holds: CloudEvents, or one message as Standard Webhooks advises.

    Raises:
        Rejected: it cannot be read.
    """
    if media in {STRUCTURED, BATCHED} or "ce-specversion" in headers:
        return body_parts(media, headers, body)
    if media != Format.JSON.media_type:
        raise Rejected("malformed", "expected a CloudEvent: without one nothing says which device it is about")
    try:
        told = _ENVELOPE.decode(body)
        time = told.timestamp.astimezone(UTC)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise Rejected("malformed", f"JSON: {error}") from None
    content = b'{"readings":' + bytes(told.data.readings) + b"}"
    return Part(form=Format.JSON, body=content, time=time, subject=told.data.thing)


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
