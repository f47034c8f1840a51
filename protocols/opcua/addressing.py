"""Which node of a server is which property of a thing."""

import base64
import re
import urllib.parse
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from msgspec import Struct

from actors.model.errors import ConfigError
from actors.model.ids import ThingId
from actors.ports import ConnectedThing

PROTOCOL: Final = "opcua"
STANDARD_NAMESPACE: Final = "http://opcfoundation.org/UA/"
_ADDRESS: Final = re.compile(r"(?:nsu=(?P<namespace>[^;]+);)?(?P<kind>[isgb])=(?P<identifier>.+)", re.DOTALL)
_PLACEHOLDER: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_EXPECTED: Final = "expected nsu=<namespace URI>;s=<name> (or i=, g=, b=), without nsu only for namespace 0"


class ItemKey(NamedTuple):
    """One property of one thing."""

    thing_id: ThingId
    name: str


class NodeAddress(Struct, frozen=True, kw_only=True):
    """A node by namespace URI, since a server may number its namespaces anew at every start (Part 3 section 8.2.2)."""

    namespace: str = STANDARD_NAMESPACE
    kind: str
    identifier: str

    def __str__(self) -> str:
        return f"nsu={self.namespace};{self.kind}={self.identifier}"


class Wanted(Struct, frozen=True, kw_only=True):
    """What to monitor for the registered things, and for people why something is left out."""

    items: Mapping[ItemKey, NodeAddress]
    problems: Mapping[ThingId, str]

    def changed(self, things: Collection[ThingId], fresh: "Wanted") -> "Wanted":
        """Return what is wanted after these things changed; ``fresh`` is what is wanted of them now."""
        items = {key: address for key, address in self.items.items() if key.thing_id not in things}
        problems = {thing_id: reason for thing_id, reason in self.problems.items() if thing_id not in things}
        return Wanted(items=items | dict(fresh.items), problems=problems | dict(fresh.problems))


def parse_address(text: str, options: Mapping[str, str]) -> NodeAddress:
    """Return the node that ``text`` names, its {placeholders} filled in from ``options``.

    Raises:
        ConfigError: ``text`` is no address of a node, or an option that it needs is missing.
    """
    found = _ADDRESS.fullmatch(text)
    if found is None:
        raise ConfigError(f"node address {text!r}: {_EXPECTED}")
    namespace = found["namespace"]
    address = NodeAddress(
        namespace=urllib.parse.unquote(_fill(namespace, options)) if namespace else STANDARD_NAMESPACE,
        kind=found["kind"],
        identifier=_fill(found["identifier"], options),
    )
    _check_identifier(address)
    return address


def wanted_at(endpoint: str, things: Sequence[ConnectedThing]) -> Wanted:
    """Return the items of the things that are connected through ``endpoint``."""
    items: dict[ItemKey, NodeAddress] = {}
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


def _items_of(thing: ConnectedThing) -> dict[ItemKey, NodeAddress]:
    sources = thing.profile.sources.get(PROTOCOL)
    if not sources:
        raise ConfigError(f"profile {thing.profile.name}: table sources.opcua is missing or empty")
    options = {"thing_id": thing.thing_id, "serial": thing.serial, **thing.options}
    return {ItemKey(thing.thing_id, name): parse_address(text, options) for name, text in sources.items()}


def _fill(text: str, options: Mapping[str, str]) -> str:
    missing = [name for name in _PLACEHOLDER.findall(text) if name not in options]
    if missing:
        raise ConfigError(f"node address {text!r}: connection option {missing[0]!r} is missing")
    return _PLACEHOLDER.sub(lambda found: options[found[1]], text)


def _check_identifier(address: NodeAddress) -> None:
    try:
        if address.kind == "i":
            int(address.identifier)
        elif address.kind == "g":
            UUID(address.identifier)
        elif address.kind == "b":
            base64.b64decode(address.identifier, validate=True)
    except ValueError:
        raise ConfigError(f"node address {address}: {address.kind}= does not take {address.identifier!r}") from None
