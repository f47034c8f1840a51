"""A thing: a profile plus identity, owner, place and connection."""

from collections.abc import Iterable
from enum import StrEnum
from sys import intern
from typing import Annotated, Final

from msgspec import Meta
from msgspec.structs import force_setattr

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
    REPAIRS = "repairs"
    """What was done about its faults, and whether that helped."""
    TRAINING = "training"
    """Whole lives, as features and never as raw series, for the training of health models."""
    """Its history of events may teach the community's models; nothing else needs this consent."""


def _share_texts(value: Value, names: Iterable[str]) -> None:
    """Hold equal texts once: a record is decoded in several parts of the hub, and many records say the same."""
    for name in names:
        force_setattr(value, name, intern(getattr(value, name)))


class Place(Value, frozen=True, kw_only=True, gc=False):
    """Where a thing stands and deliveries and technicians go."""

    name: ShortText = ""
    street: ShortText = ""
    postal_code: ShortText = ""
    city: ShortText = ""
    country: Annotated[str, Meta(pattern=r"^([A-Z]{2})?\Z")] = ""

    def __post_init__(self) -> None:
        _share_texts(self, self.__struct_fields__)


_NO_OPTIONS: Final[dict[str, str]] = {}
"""Shared by all connections without any; values are never changed."""


class Connection(Value, frozen=True, kw_only=True, gc=False):
    """How a thing reaches the hub: protocol name and that adapter's own options for it."""

    protocol: str
    options: dict[str, str] = {}

    def __post_init__(self) -> None:
        _share_texts(self, ("protocol",))
        if not self.options:
            force_setattr(self, "options", _NO_OPTIONS)


class ThingRecord(Value, frozen=True, kw_only=True, gc=False):
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

    def __post_init__(self) -> None:
        _share_texts(self, ("thing_id", "owner_id", "profile", "serial"))
