"""From a machine that was found at a server to a thing profile in TOML, for a person to look over."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from actors.model.profiles import PropertyKind
from actors.model.units import known
from protocols.opcua.addressing import STANDARD_NAMESPACE, NodeAddress
from protocols.opcua.discovery import FoundVariable, Lifetime, Machine

_LONGEST_NAME: Final = 64
_UNITS: Final[Mapping[str, str]] = {
    "°C": "Cel",
    "degC": "Cel",
    "Ω": "Ohm",
    "rpm": "1/min",
    "r/min": "1/min",
    "min⁻¹": "1/min",
    "L": "l",
    "m³": "m3",
    "m²": "m2",
    "m/s²": "m/s2",
    "Nm": "J",
    "hour": "h",
    "second": "s",
    "minute": "min",
}
"""Units as servers write them (UN/CEFACT), and their SenML symbols."""
_HEALTH: Final = "DeviceHealth"
_HEALTH_FAULTS: Final = (
    ("FAILURE", "The device reports a failure", "Find the failure and repair it", 1),
    ("MAINTENANCE_REQUIRED", "The device asks for maintenance", "Do the maintenance that is due", 2),
    ("OFF_SPEC", "The device works outside its specification", "Find out why, and adjust or repair", 2),
)
_PLACEHOLDER: Final = "machine"


def profile_of(machine: Machine, origin: str) -> str:
    """Return the profile; ``origin`` says where the machine was found."""
    names = _names([each.path for each in machine.variables] + [each.path for each in machine.methods])
    model = machine.facts.get("Model") or machine.name
    maker = machine.facts.get("Manufacturer", "")
    lines = [
        f"# A machine found at {origin}.",
        "# Look it over: remove what nobody needs, and add what the hub shall take care of.",
        f"name = {_quoted(_slug((model,)))}",
        f"title = {_quoted(f'{maker} {model}'.strip())}",
        f"model = {_quoted(model)}",
        *_advice(machine),
    ]
    for variable in machine.variables:
        lines += ["", *_property(names[variable.path], variable)]
    for method in machine.methods:
        lines += ["", f"[actions.{names[method.path]}]", f"title = {_quoted(method.title or method.path[-1])}"]
    for variable in machine.variables:
        lines += _care(names[variable.path], variable)
    lines += ["", "[sources.opcua]"]
    places = [(each.path, each.node) for each in machine.variables] + [
        (each.path, each.node) for each in machine.methods
    ]
    lines += [f"{names[path]} = {_quoted(_source(node, machine))}" for path, node in places]
    return "\n".join(lines) + "\n"


def _advice(machine: Machine) -> Iterator[str]:
    """Return what a person needs to register the thing itself."""
    yield "#"
    yield "# Register the machine with"
    if "SerialNumber" in machine.facts:
        yield f"#   serial = {_quoted(machine.facts['SerialNumber'])}"
    if "ProductInstanceUri" in machine.facts:
        yield f"#   id: made from its ProductInstanceUri {machine.facts['ProductInstanceUri']}"
    options = 'endpoint = "NAME"'
    if machine.node.kind == "s":
        options += f", {_PLACEHOLDER} = {_quoted(machine.node.identifier)}"
    yield f'#   connection = {{ protocol = "opcua", options = {{ {options} }} }}'


def _property(name: str, variable: FoundVariable) -> Iterator[str]:
    yield f"[properties.{name}]"
    if variable.kind is not PropertyKind.NUMBER:
        yield f"kind = {_quoted(variable.kind)}"
    if variable.names:
        yield f"# one of {', '.join(variable.names)}"
    if variable.unit and variable.kind is PropertyKind.NUMBER:
        unit = _UNITS.get(variable.unit, variable.unit)
        yield f"unit = {_quoted(unit)}" if known(unit) else f"# the server writes its unit as {variable.unit}"
    if variable.low is not None and variable.high is not None:
        yield f"# its range is {variable.low:g} to {variable.high:g}"
    if variable.is_writable:
        yield "# writable = true      # the server allows it; say so only where the hub shall set it"
    yield f"title = {_quoted(variable.title or variable.path[-1])}"


def _care(name: str, variable: FoundVariable) -> Iterator[str]:
    """Return what the hub can take care of: health of OPC UA for Devices, and life that is used up."""
    if variable.path[-1] == _HEALTH:
        for status, title, work, priority in _HEALTH_FAULTS:
            yield ""
            yield f"[faults.{_slug((*variable.path[:-1], status))}]"
            yield f"code = {_quoted(name)}"
            yield f"equals = {_quoted(status)}"
            yield f"title = {_quoted(title)}"
            yield f"work = {_quoted(work)}"
            yield f"priority = {priority}"
    if variable.lifetime is not None:
        yield from _slot(name, variable, variable.lifetime)


def _slot(name: str, variable: FoundVariable, life: Lifetime) -> Iterator[str]:
    yield ""
    if life.start <= life.limit:
        yield f"# {name} counts up from {life.start:g}, and the part is used up at {life.limit:g}."
        return
    whole = life.start - life.limit
    yield f"# {name} counts down: a new part has {life.start:g}, a used one {life.limit:g}{_of(life)}"
    yield "# Write the article that replaces it, then remove the marks of comment."
    yield f"# [slots.{name}_part]"
    yield f"# title = {_quoted(variable.title or name)}"
    yield f"# level = {_quoted(name)}"
    yield f"# capacity = {life.start:g}"
    yield f"# low_at = {life.limit + whole / 10:g}"
    yield f"# refill_step = {whole / 2:g}"
    yield '# skus = [{ sku = "WRITE-IT-HERE" }]'


def _of(life: Lifetime) -> str:
    return f" ({life.indication})" if life.indication else ""


def _source(node: NodeAddress, machine: Machine) -> str:
    identifier = node.identifier
    own = machine.node
    if own.kind == node.kind == "s" and own.namespace == node.namespace and identifier.startswith(own.identifier):
        identifier = f"{{{_PLACEHOLDER}}}" + identifier[len(own.identifier) :]
    if node.namespace == STANDARD_NAMESPACE:
        return f"{node.kind}={identifier}"
    return f"nsu={node.namespace.replace('%', '%25').replace(';', '%3B')};{node.kind}={identifier}"


def _names(paths: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """Return a name for each path: its last step, with as many before it as make it the only one."""
    names: dict[tuple[str, ...], str] = {}
    taken: set[str] = set()
    for path in paths:
        for steps in range(1, len(path) + 1):
            name = _slug(path[-steps:])
            if name not in taken:
                break
        else:
            name = f"{_slug(path)[: _LONGEST_NAME - 5]}_{len(taken)}"
        taken.add(name)
        names[path] = name
    return names


def _slug(path: Sequence[str]) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", "_".join(path))
    plain = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
    named = plain if plain[:1].isalpha() else f"n_{plain}"
    return named[:_LONGEST_NAME].rstrip("_")


def _quoted(text: str) -> str:
    """Return a basic string of TOML, which is one of JSON but for one character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
