"""Forms of Thing Descriptions for CoAP (W3C WoT CoAP Binding): the device's own resources, and the hub's. Pure."""

from typing import Any, Final

from actors.ports import ConnectedThing, ThingForms
from protocols.coap.config import CoapConfig
from protocols.coap.devices import URI_OPTION, end_of
from protocols.coap.mapping import PROTOCOL

_PREFIXES: Final = {"cov": "http://www.example.org/coap-binding#"}
"""The binding's own namespace, which is not settled yet (editor's draft)."""
_TEXT: Final = {"contentType": "text/plain", "cov:contentFormat": 0}
_JSON: Final = {"contentType": "application/json", "cov:contentFormat": 50}
_OBSERVE: Final = {"cov:methodName": "GET", "subprotocol": "cov:observe"}
_ANYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - what an operator may have written


def forms_of(config: CoapConfig, thing: ConnectedThing, host: str) -> ThingForms:
    """Return how a thing is reached by CoAP: itself at its option ``uri``, its orders at the hub, known as ``host``."""
    told = ThingForms(prefixes=_PREFIXES, events={"order": (_orders(config, thing, host),)} if config.port else {})
    device = thing.options.get(URI_OPTION, "").rstrip("/")
    if not device or end_of(device) is None:
        return told
    sources = thing.profile.sources.get(PROTOCOL, {})
    paths = {name: device + path for name, path in sources.items() if path.startswith("/")}
    properties = {
        name: _property(paths[name], writable=spec.writable)
        for name, spec in thing.profile.properties.items()
        if name in paths
    }
    actions = {
        name: ({"href": paths[name], "op": ["invokeaction"], "cov:methodName": "POST", **_JSON},)
        for name in thing.profile.actions
        if name in paths
    }
    return ThingForms(prefixes=_PREFIXES, properties=properties, actions=actions, events=told.events)


def _property(href: str, *, writable: bool) -> tuple[dict[str, Any], ...]:
    read = {"href": href, "op": ["readproperty"], "cov:methodName": "GET", **_TEXT}
    watch = {"href": href, "op": ["observeproperty", "unobserveproperty"], **_OBSERVE, **_TEXT}
    write = {"href": href, "op": ["writeproperty"], "cov:methodName": "PUT", **_TEXT}
    return (read, watch, write) if writable else (read, watch)


def _orders(config: CoapConfig, thing: ConnectedThing, host: str) -> dict[str, Any]:
    named = host if config.host in _ANYWHERE else config.host
    authority = f"[{named}]" if ":" in named else named
    href = f"coap://{authority}:{config.port}/m/{thing.thing_id}/orders"
    return {"href": href, "op": ["subscribeevent", "unsubscribeevent"], **_OBSERVE, **_JSON}
