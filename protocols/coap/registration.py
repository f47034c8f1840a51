"""Registrations of devices (RFC 9176 section 5, LwM2M core TS 1.1.1 section 6.2) as pure values."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated, Final

from msgspec import Meta
from msgspec.structs import replace

from actors.model.base import Instant, Value
from actors.model.errors import MalformedPayload
from actors.model.ids import OwnerId, ThingId
from protocols.coap.links import Link, Query, parse_links
from protocols.coap.replies import Rejected, ReplyCode

LIFETIME_S: Final = 90_000  # RFC 9176 section 5 when none is named; LwM2M's own is 86,400
_LONGEST_LIFETIME_S: Final = 4_294_967_295
_LONGEST_NAME: Final = 63  # bytes of an endpoint name (RFC 9176 section 5)
_MAX_ATTRIBUTES: Final = 16
_OWN: Final = frozenset({"ep", "lt", "base", "d", "lwm2m", "b", "sms", "Q"})
_LINK_LOCAL_BASE: Final = re.compile(r"coap://[^/]+")


class Registration(Value, frozen=True, kw_only=True):
    """One device as it registered itself. Its key is the last segment of its location."""

    key: str
    endpoint: Annotated[str, Meta(min_length=1)]
    thing_id: ThingId
    owner_id: OwnerId
    host: str
    port: int
    is_secured: bool = False
    """It registered in its own security context, and is talked to in no other way."""
    lifetime_s: int
    renewed_at: Instant
    sector: str = ""
    lwm2m: str = ""
    """The version it speaks; empty where it is no LwM2M client."""
    queues: bool = False
    """It sleeps: nothing reaches it but for a while after it spoke (LwM2M queue mode)."""
    base: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    links: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()

    @property
    def expires_at(self) -> datetime:
        """When it ends, unless it is renewed."""
        return self.renewed_at + timedelta(seconds=min(self.lifetime_s, 10 * 365 * 86_400))

    def holds(self, path: str) -> bool:
        """Say whether the device listed a path, or something above it; one that lists nothing may hold anything."""
        if not self.links:
            return True
        return any(path == target or path.startswith(target.rstrip("/") + "/") for target, _ in self.links)


class Told(Value, frozen=True, kw_only=True):
    """What the query and the body of a registration say."""

    endpoint: str
    lifetime_s: int | None
    sector: str
    lwm2m: str
    queues: bool
    base: str
    attributes: tuple[tuple[str, str], ...]
    links: tuple[Link, ...] | None


def told(query: Sequence[str], body: bytes) -> Told:
    """Read the query and the links of a registration or an update.

    Raises:
        Rejected: 4.00 with what is wrong.
    """
    given = _parameters(query)
    try:
        links = parse_links(body) if body else None
    except MalformedPayload as error:
        raise Rejected(ReplyCode.BAD_REQUEST, "malformed", str(error)) from None
    return Told(
        endpoint=given.get("ep", ""),
        lifetime_s=_lifetime(given.get("lt")),
        sector=given.get("d", ""),
        lwm2m=given.get("lwm2m", ""),
        queues="Q" in given or "Q" in given.get("b", ""),
        base=_base(given.get("base", "")),
        attributes=tuple((name, value) for name, value in given.items() if name not in _OWN),
        links=links,
    )


def key_of(endpoint: str, sector: str) -> str:
    """Return the last segment of a location: the same for a device that registers again."""
    return sha256(f"{sector}\0{endpoint}".encode()).hexdigest()[:16]


def renewed(before: Registration, said: Told, now: datetime) -> Registration:
    """Return a registration after its update: what is not named stays (RFC 9176 section 5.3.1)."""
    return replace(
        before,
        renewed_at=now,
        lifetime_s=before.lifetime_s if said.lifetime_s is None else said.lifetime_s,
        base=said.base or before.base,
        queues=before.queues or said.queues,
        attributes=tuple({**dict(before.attributes), **dict(said.attributes)}.items()),
        links=before.links if said.links is None else stored_links(said.links),
    )


def stored_links(links: Iterable[Link]) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    """Return links as they are kept."""
    return tuple((link.target, link.attributes) for link in links)


def endpoint_link(registration: Registration) -> Link:
    """Return what a look-up of endpoints tells of a registration (RFC 9176 section 6.2)."""
    told_base = registration.base or _base_of(registration)
    own = [
        ("ep", registration.endpoint),
        ("base", told_base),
        ("rt", "core.rd-ep"),
        ("lt", str(registration.lifetime_s)),
    ]
    if registration.sector:
        own.append(("d", registration.sector))
    return Link(f"/rd/{registration.key}", (*own, *registration.attributes))


def resource_links(registration: Registration) -> list[Link]:
    """Return what a look-up of resources tells: each link with its full address (RFC 9176 section 6.1)."""
    base = registration.base or _base_of(registration)
    return [
        Link(f"{base}{target}" if target.startswith("/") else target, attributes)
        for target, attributes in registration.links
    ]


def meets(registration: Registration, query: Query) -> bool:
    """Say whether an endpoint has what is looked for: in its own attributes."""
    known = dict(endpoint_link(registration).attributes)
    value = f"/rd/{registration.key}" if query.name == "href" else known.get(query.name)
    return value is not None and query.matches(value)


def _base_of(registration: Registration) -> str:
    host = registration.host.removeprefix("::ffff:")
    return f"coap://[{host}]:{registration.port}" if ":" in host else f"coap://{host}:{registration.port}"


def _parameters(query: Sequence[str]) -> Mapping[str, str]:
    given: dict[str, str] = {}
    for parameter in query:
        name, _, value = parameter.partition("=")
        if name in given:
            raise Rejected(ReplyCode.BAD_REQUEST, "malformed", f"query: expected {name!r} once, got it again")
        given[name] = value
    if len(given) > _MAX_ATTRIBUTES:
        text = f"query: expected up to {_MAX_ATTRIBUTES} parameters, got {len(given)}"
        raise Rejected(ReplyCode.BAD_REQUEST, "malformed", text)
    for name in ("ep", "d"):
        if len(given.get(name, "").encode()) > _LONGEST_NAME:
            text = f"{name}: expected up to {_LONGEST_NAME} bytes"
            raise Rejected(ReplyCode.BAD_REQUEST, "malformed", text)
    return given


def _lifetime(value: str | None) -> int | None:
    if value is None:
        return None
    if not (value.isascii() and value.isdecimal() and len(value) <= 10) or not 1 <= int(value) <= _LONGEST_LIFETIME_S:
        text = f"lt: expected 1 to {_LONGEST_LIFETIME_S} seconds, got {value[:20]!r}"
        raise Rejected(ReplyCode.BAD_REQUEST, "malformed", text)
    return int(value)


def _base(value: str) -> str:
    if value and _LINK_LOCAL_BASE.fullmatch(value) is None:
        raise Rejected(ReplyCode.BAD_REQUEST, "malformed", f"base: expected coap://host:port, got {value[:80]!r}")
    return value
