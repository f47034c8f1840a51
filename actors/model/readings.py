"""What things tell: readings, and the device message that carries them."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from actors.model.base import Instant, Value
from actors.model.ids import OwnerId, ThingId

Scalar = bool | float | str
Reported = Scalar | tuple[float, ...]
"""What a property can hold: flag, number, text, or an array of numbers."""


class Quality(StrEnum):
    """How far a value can be trusted (the severities of an OPC UA StatusCode, Part 4 section 7.39)."""

    GOOD = "good"
    UNCERTAIN = "uncertain"
    BAD = "bad"


class Reading(Value, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One property's value at the source's time. ``unit`` is a SenML symbol, or None for text and flags."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    value: Reported
    unit: str | None = None
    observed_at: Instant | None = None
    quality: Quality = Quality.GOOD
    status: str | None = None
    """The protocol's own word for the quality, such as an OPC UA status code."""
    by_receipt: bool = False
    """``observed_at`` was reckoned from the time of receipt: it is in the hub's time, the source told none."""


class DeviceMessage(Value, frozen=True, kw_only=True, omit_defaults=True, tag=True, gc=False):
    """All readings that one thing sent in one piece: the unit of acknowledgement and of deduplication.

    ``message_id`` is unique for the thing for good: boot id and sequence number, an idempotency key, or the protocol's
    own identity. A message that comes again under the same id is acknowledged and changes nothing.
    """

    thing_id: ThingId
    message_id: Annotated[str, Meta(min_length=1, max_length=200)]
    received_at: Instant
    readings: tuple[Reading, ...]
    protocol: str = ""


class PlainMessage(Value, frozen=True, kw_only=True, omit_defaults=True, tag=True, gc=False):
    """A device message as most are, told shortly: good numbers, each in its property's own unit, as of their receipt.

    The hub makes it of a ``DeviceMessage`` that says no more than that; no name comes twice.
    """

    message_id: str
    received_at: Instant
    protocol: str = ""
    names: tuple[str, ...]
    values: tuple[float, ...]

    @property
    def readings(self) -> tuple[Reading, ...]:
        """The same as readings; their units are the properties' own."""
        return tuple(Reading(name=name, value=value) for name, value in zip(self.names, self.values, strict=True))


AnyDeviceMessage = DeviceMessage | PlainMessage


class PrincipalKind(StrEnum):
    """Who acts."""

    THING = "thing"
    OWNER = "owner"
    OPERATOR = "operator"
    LINK = "link"
    """Speaks for several things: a connection that the hub opened, such as an OPC UA session, or a device cloud."""


class Principal(Value, frozen=True, kw_only=True):
    """Who sent something, taken from the credential and never from the payload."""

    kind: PrincipalKind
    name: str
    thing_id: ThingId | None = None
    owner_id: OwnerId | None = None


class ReadingRefusal(StrEnum):
    """Why a device message was not taken."""

    UNKNOWN_THING = "unknown_thing"
    FOREIGN_THING = "foreign_thing"
    RETIRED_THING = "retired_thing"
    UNKNOWN_PROPERTY = "unknown_property"
    WRONG_UNIT = "wrong_unit"
    WRONG_TYPE = "wrong_type"
    OUT_OF_RANGE = "out_of_range"
    EMPTY = "empty"
    BUSY = "busy"
    STORAGE_DOWN = "storage_down"
    INTERNAL = "internal"
    """The hub failed on this message and keeps it for a person; sending it again will not help."""
    STOPPING = "stopping"


RETRYABLE_REFUSALS = frozenset({ReadingRefusal.BUSY, ReadingRefusal.STORAGE_DOWN, ReadingRefusal.STOPPING})


class Stored(Value, frozen=True, kw_only=True, tag=True):
    """The message is on disk. ``duplicate`` says that it had been before."""

    duplicate: bool = False


class Refused(Value, frozen=True, kw_only=True, tag=True):
    """The message was not taken, and nothing of it is kept."""

    code: ReadingRefusal
    detail: str
    retry_after_s: float | None = None


Receipt = Stored | Refused
