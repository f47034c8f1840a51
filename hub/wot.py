"""Thing Descriptions (W3C WoT TD 1.1) made from profiles. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec.json import schema_components

from actors.model.machine import ThingOrder
from actors.model.profiles import ActionSpec, PropertyKind, PropertySpec, ThingProfile
from actors.model.things import ThingRecord
from actors.ports import ThingForms

CONTEXT: Final = "https://www.w3.org/2022/wot/td/v1.1"
DISCOVERY: Final = "https://www.w3.org/2022/wot/discovery"
MEDIA: Final = "application/td+json"
PREFIX: Final = "urn:iot2crm:thing:"
_TYPES: Final[Mapping[PropertyKind, dict[str, Any]]] = {
    PropertyKind.NUMBER: {"type": "number"},
    PropertyKind.FLAG: {"type": "boolean"},
    PropertyKind.TEXT: {"type": "string"},
    PropertyKind.NUMBERS: {"type": "array", "items": {"type": "number"}},
}
_TOKEN: Final = {"scheme": "bearer", "in": "header", "format": "opaque"}
_OWN: Final = "negotiated"
"""The security of forms that lead to the thing by its own protocol, which agrees on it by itself."""
_BEARER: Final = {"securityDefinitions": {"bearer": _TOKEN}, "security": ["bearer"]}
_BOTH: Final = {"securityDefinitions": {"bearer": _TOKEN, _OWN: {"scheme": "auto"}}, "security": ["bearer"]}


def description(record: ThingRecord, profile: ThingProfile, base: str, own: ThingForms | None = None) -> dict[str, Any]:
    """Return a thing as consumers see it: what the hub knows of it, and what it can be told through the hub.

    ``own`` are the forms that lead to it by its own protocol.
    """
    path, own = f"/things/{record.thing_id}", own or ThingForms()
    told: dict[str, Any] = {
        "@context": [CONTEXT, {"iot2crm": "urn:iot2crm:vocabulary:", **own.prefixes}],
        "@type": "Thing",
        "id": f"{PREFIX}{record.thing_id}",
        "title": profile.title or record.thing_id,
        "version": {"instance": record.serial or record.thing_id, "model": f"{profile.model}@{profile.version}"},
        "base": base,
        "properties": {name: _property(name, spec, path) for name, spec in profile.properties.items()},
        "actions": {name: _action(name, spec, path) for name, spec in profile.actions.items()},
        "events": {"order": _order_event(path)},
        "iot2crm:protocol": record.connection.protocol,
        **(_BOTH if own.properties or own.actions or own.events else _BEARER),
    }
    for kind, forms in (("properties", own.properties), ("actions", own.actions), ("events", own.events)):
        _add(told[kind], forms)
    if record.registered_at is not None:
        told["created"] = record.registered_at.isoformat()
    return told


def _add(affordances: dict[str, dict[str, Any]], forms: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Set the forms of the thing's own protocol behind the hub's."""
    for name, own in forms.items():
        affordance = affordances[name]
        affordance["forms"] = [*affordance["forms"], *({**form, "security": [_OWN]} for form in own)]
        if any("observeproperty" in form["op"] for form in own):
            affordance["observable"] = True


def directory(base: str) -> dict[str, Any]:
    """Return the description of the directory itself (WoT Discovery, section 7.3)."""
    listed = {"type": "array", "items": {"type": "object"}}
    form = {"href": "/things{?limit,after}", "htv:methodName": "GET", "op": ["readproperty"]}
    retrieve = {"href": "/things/{id}", "htv:methodName": "GET", "op": ["invokeaction"]}
    return {
        "@context": [CONTEXT, DISCOVERY],
        "@type": "ThingDirectory",
        "id": "urn:iot2crm:directory",
        "title": "Things of this hub",
        "version": {"instance": "1.0"},
        "base": base,
        "properties": {
            "things": {
                "title": "All Thing Descriptions that the asker may see",
                "readOnly": True,
                "uriVariables": {"limit": {"type": "integer", "minimum": 1}, "after": {"type": "string"}},
                **listed,
                "forms": [{**form, "contentType": "application/ld+json"}],
            }
        },
        "actions": {
            "retrieveThing": {
                "title": "One Thing Description",
                "uriVariables": {"id": {"type": "string"}},
                "output": {"type": "object"},
                "safe": True,
                "idempotent": True,
                "forms": [{**retrieve, "contentType": MEDIA}],
            }
        },
        **_BEARER,
    }


def value_schema(spec: PropertySpec) -> dict[str, Any]:
    """Return the JSON Schema of a property's or an argument's value."""
    schema = dict(_TYPES[spec.kind])
    if spec.title:
        schema["title"] = spec.title
    if spec.unit is not None:
        schema["unit"] = spec.unit
    bounds = {"minimum": spec.minimum, "maximum": spec.maximum} if spec.kind is PropertyKind.NUMBER else {}
    return schema | {name: bound for name, bound in bounds.items() if bound is not None}


def _property(name: str, spec: PropertySpec, path: str) -> dict[str, Any]:
    href = f"{path}/properties/{name}"
    forms: list[dict[str, Any]] = [
        {"href": href, "op": ["readproperty"], "htv:methodName": "GET", "contentType": "application/json"}
    ]
    if spec.writable:
        forms.append(
            {"href": href, "op": ["writeproperty"], "htv:methodName": "PUT", "contentType": "application/json"}
        )
    return value_schema(spec) | {"readOnly": not spec.writable, "observable": False, "forms": forms}


def _action(name: str, spec: ActionSpec, path: str) -> dict[str, Any]:
    form = {"href": f"{path}/actions/{name}", "op": ["invokeaction"], "htv:methodName": "POST"}
    told: dict[str, Any] = {
        "title": spec.title,
        "safe": False,
        "idempotent": False,
        "forms": [{**form, "contentType": "application/json"}],
    }
    if spec.arguments:
        arguments = {argument: value_schema(prop) for argument, prop in spec.arguments.items()}
        told["input"] = {"type": "object", "properties": arguments}
    return told


def _order_event(path: str) -> dict[str, Any]:
    _, components = schema_components([ThingOrder])
    order = components["ThingOrder"]
    known = {name: {"type": "string"} for name in ("key", "subject", "kind", "state", "code", "sentence", "next_step")}
    return {
        "title": "What became of an order",
        "description": order.get("description", ""),
        "data": {"type": "object", "properties": known},
        "forms": [
            {
                "href": f"{path}/events",
                "op": ["subscribeevent", "unsubscribeevent"],
                "subprotocol": "sse",
                "contentType": "text/event-stream",
            }
        ],
    }
