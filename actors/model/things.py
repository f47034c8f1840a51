"""A thing: a profile plus identity, owner, place and connection."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from actors.model.base import Instant, Value
from actors.model.ids import OwnerId, ThingId

THING_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


class Purpose(StrEnum):
    """What a thing may share with its community."""

    HEALTH = "health"
    SUPPLIES = "supplies"
    PRICES = "prices"


class Place(Value, frozen=True, kw_only=True):
    """Where a thing stands and deliveries and technicians go."""

    name: str = ""
    street: str = ""
    postal_code: str = ""
    city: str = ""
    country: Annotated[str, Meta(pattern="^([A-Z]{2})?$")] = ""


class Connection(Value, frozen=True, kw_only=True):
    """How a thing reaches the hub: protocol name and that adapter's own options for it."""

    protocol: str
    options: dict[str, str] = {}


class ThingRecord(Value, frozen=True, kw_only=True):
    """What is registered about a thing. ``token_sha256`` is the hash of its bearer, where it has one."""

    thing_id: Annotated[ThingId, Meta(pattern=THING_ID_PATTERN)]
    owner_id: OwnerId
    profile: str
    serial: str = ""
    place: Place = Place()
    connection: Connection
    shares: tuple[Purpose, ...] = ()
    token_sha256: str = ""
    is_test: bool = False
    """A test thing runs everything, real notifications included, and spends nothing."""
    registered_at: Instant | None = None
    retired_at: Instant | None = None
