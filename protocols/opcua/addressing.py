"""How nodes are named, whatever numbers a server gives its namespaces."""

import base64
import re
import urllib.parse
from collections.abc import Mapping
from typing import Final, NamedTuple
from uuid import UUID

from msgspec import Struct

from actors.model.errors import ConfigError
from actors.model.ids import ThingId

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
