"""Which nodes of a server are which properties of which things."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from msgspec import Struct

from actors.model.errors import ConfigError
from actors.model.ids import ThingId
from actors.model.profiles import PropertySpec
from actors.ports import ConnectedThing
from protocols.opcua.addressing import PROTOCOL, ItemKey
from protocols.opcua.sources import Source, parse_source

ORDER_TOLD: Final = "tell_order"
"""The source where a thing wants to know what became of its orders."""
_UNDESCRIBED: Final = PropertySpec()


class Wanted(Struct, frozen=True, kw_only=True):
    """What to monitor for the registered things, and for people why something is left out."""

    items: Mapping[ItemKey, Source]
    problems: Mapping[ThingId, str]

    def changed(self, things: Collection[ThingId], fresh: "Wanted") -> "Wanted":
        """Return what is wanted after these things changed; ``fresh`` is what is wanted of them now."""
        items = {key: source for key, source in self.items.items() if key.thing_id not in things}
        problems = {thing_id: reason for thing_id, reason in self.problems.items() if thing_id not in things}
        return Wanted(items=items | dict(fresh.items), problems=problems | dict(fresh.problems))


def wanted_at(endpoint: str, things: Sequence[ConnectedThing]) -> Wanted:
    """Return the items of the things that are connected through ``endpoint``."""
    items: dict[ItemKey, Source] = {}
    problems: dict[ThingId, str] = {}
    for thing in things:
        if thing.options.get("endpoint") != endpoint:
            continue
        try:
            items.update(_items_of(thing))
        except ConfigError as error:
            problems[thing.thing_id] = str(error)
    return Wanted(items=items, problems=problems)


def without_endpoint(endpoints: Mapping[str, object], things: Sequence[ConnectedThing]) -> Mapping[ThingId, str]:
    """Return the things that no endpoint serves, each with the reason."""
    known = ", ".join(sorted(endpoints))
    return {
        thing.thing_id: f"connection option endpoint: expected one of {known}; got {thing.options.get('endpoint')!r}"
        for thing in things
        if thing.options.get("endpoint") not in endpoints
    }


def _is_command(name: str, thing: ConnectedThing) -> bool:
    return name in thing.profile.actions or name == ORDER_TOLD


def _items_of(thing: ConnectedThing) -> dict[ItemKey, Source]:
    sources = thing.profile.sources.get(PROTOCOL)
    if not sources:
        raise ConfigError(f"profile {thing.profile.name}: table sources.opcua is missing or empty")
    options = {"thing_id": thing.thing_id, "serial": thing.serial, **thing.options}
    properties = thing.profile.properties
    return {
        ItemKey(thing.thing_id, name): parse_source(text, options, properties.get(name, _UNDESCRIBED))
        for name, text in sources.items()
        if name in properties or not _is_command(name, thing)
    }
