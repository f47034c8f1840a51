"""Forms of Thing Descriptions for OPC UA (OPC 10101, WoT Binding): server and node in one address. Pure."""

from typing import Any, Final
from urllib.parse import quote

from actors.model.errors import ConfigError
from actors.ports import ConnectedThing, ThingForms
from protocols.opcua.addressing import PROTOCOL, NodeAddress, parse_address
from protocols.opcua.config import OpcUaConfig
from protocols.opcua.sources import parse_source

_MEDIA: Final = {"contentType": "application/octet-stream"}
_KEPT: Final = ";=:/.,!~*'()@$"
"""What may stand in a query as it is (RFC 3986 section 3.4)."""


def forms_of(config: OpcUaConfig, thing: ConnectedThing, host: str) -> ThingForms:
    """Return how a thing's variables and methods are reached at its server; nothing where none is configured."""
    del host
    endpoint = config.endpoints.get(thing.options.get("endpoint", ""))
    if endpoint is None:
        return ThingForms()
    sources = thing.profile.sources.get(PROTOCOL, {})
    options = {"thing_id": thing.thing_id, "serial": thing.serial, **thing.options}
    properties: dict[str, tuple[dict[str, Any], ...]] = {}
    actions: dict[str, tuple[dict[str, Any], ...]] = {}
    for name, text in sources.items():
        try:
            if name in thing.profile.properties:
                source = parse_source(text, options, thing.profile.properties[name])
                if source.watching.events is None:
                    ops = ["readproperty", "observeproperty", "unobserveproperty"]
                    ops += ["writeproperty"] if thing.profile.properties[name].writable else []
                    properties[name] = (_form(endpoint.url, source.node, ops),)
            elif name in thing.profile.actions:
                method = parse_address(text.partition(" | ")[0].rstrip(), options)
                actions[name] = (_form(endpoint.url, method, ["invokeaction"]),)
        except ConfigError:  # the link says what is wrong with it
            continue
    return ThingForms(properties=properties, actions=actions)


def _form(url: str, node: NodeAddress, ops: list[str]) -> dict[str, Any]:
    path = url if url.count("/") > 2 else f"{url}/"
    return {"href": f"{path}?id={quote(str(node), safe=_KEPT)}", "op": ops, **_MEDIA}
