"""A thing: a profile plus identity, owner, place and connection."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from actors.model.base import Instant, Value
from actors.model.ids import OwnerId, ThingId

THING_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z"

ShortText = Annotated[str, Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*\Z")]
"""What people write in a form: one line without control characters."""


class Purpose(StrEnum):
    """What a thing may share with its community."""

    HEALTH = "health"
    SUPPLIES = "supplies"
    PRICES = "prices"


class Place(Value, frozen=True, kw_only=True):
    """Where a thing stands and deliveries and technicians go."""

    name: ShortText = ""
    street: ShortText = ""
    postal_code: ShortText = ""
    city: ShortText = ""
    country: Annotated[str, Meta(pattern=r"^([A-Z]{2})?\Z")] = ""


class Connection(Value, frozen=True, kw_only=True):
    """How a thing reaches the hub: protocol name and that adapter's own options for it."""

    protocol: str
    options: dict[str, str] = {}


class ThingRecord(Value, frozen=True, kw_only=True):
    """What is registered about a thing. ``token_sha256`` is the hash of its bearer, where it has one."""

    thing_id: Annotated[ThingId, Meta(pattern=THING_ID_PATTERN)]
    owner_id: OwnerId
    profile: str
    serial: ShortText = ""
    place: Place = Place()
    connection: Connection
    shares: tuple[Purpose, ...] = ()
    token_sha256: str = ""
    is_test: bool = False
    """A test thing runs everything, real notifications included, and spends nothing."""
    slot: Annotated[int, Meta(ge=0)] | None = None
    """Its place, minted from its id when it is registered and kept for good; None in records of older hubs."""
    registered_at: Instant | None = None
    retired_at: Instant | None = None
