"""What a profile says about where a property comes from: a node, and how to watch it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from actors.model.errors import ConfigError
from actors.model.profiles import PropertyKind, PropertySpec
from protocols.opcua.addressing import NodeAddress, parse_address

_SEPARATOR: Final = " | "


class Trigger(StrEnum):
    """What counts as a change (Part 4 section 7.22.2)."""

    STATUS = "status"
    VALUE = "value"
    TIME = "time"
    """A new source time alone is news, too."""


class EventView(StrEnum):
    """What a property of kind text is told of the events of an object."""

    ACTIVE = "active"
    """The name of the most severe alarm that is active; empty when none is."""
    MESSAGE = "message"
    """The text of each event."""


class Watching(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to watch one item; what is left out is the endpoint's or the server's own choice."""

    sampling_ms: Annotated[float, Meta(ge=0)] | None = None
    queue: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    deadband: Annotated[float, Meta(gt=0)] | None = None
    """Changes up to so much are no news, in the variable's own unit."""
    deadband_percent: Annotated[float, Meta(gt=0, le=100)] | None = None
    """Likewise, in percent of the variable's EURange."""
    trigger: Trigger = Trigger.VALUE
    events: EventView | None = None
    """The node is an object whose events are wanted, and not a variable."""
    severity: Annotated[int, Meta(ge=1, le=1000)] = 1
    """Less severe events are not wanted."""
    field: str = ""
    """Which part of a structure: names and positions with dots between, such as ``Axes.0.Temperature``."""


class Source(Struct, frozen=True, kw_only=True):
    """Where a property comes from, and what it holds."""

    node: NodeAddress
    watching: Watching = Watching()
    kind: PropertyKind = PropertyKind.NUMBER
    unit: str | None = None

    def __str__(self) -> str:
        return str(self.node)


def parse_source(text: str, options: Mapping[str, str], spec: PropertySpec) -> Source:
    """Return what ``text`` says: ``nsu=URI;s=NAME | sampling_ms=250 queue=50 deadband=0.2``.

    Raises:
        ConfigError: it is no address of a node, or an option behind the bar is wrong.
    """
    address, _, watching = text.partition(_SEPARATOR)
    return Source(
        node=parse_address(address.rstrip(), options),
        watching=_watching(text, watching, spec.kind),
        kind=spec.kind,
        unit=spec.unit,
    )


def _watching(text: str, written: str, kind: PropertyKind) -> Watching:
    given: dict[str, str] = {}
    for word in written.split():
        name, equals, value = word.partition("=")
        if not equals or name in given:
            raise ConfigError(f"node address {text!r}: expected name=value once each behind the bar; got {word!r}")
        given[name] = value
    try:
        found = msgspec.convert(given, Watching, strict=False)
    except msgspec.ValidationError as error:
        known = ", ".join(Watching.__struct_fields__)
        raise ConfigError(f"node address {text!r}: {error}; behind the bar may be {known}") from None
    if found.deadband is not None and found.deadband_percent is not None:
        raise ConfigError(f"node address {text!r}: write deadband or deadband_percent, not both")
    if found.events is not None and kind is not PropertyKind.TEXT:
        raise ConfigError(f'node address {text!r}: events make texts; write kind = "text" for this property')
    return found
