"""States of things as older hubs wrote them, brought to the present form."""

from typing import Any, Final

import msgspec

from actors.runtime.turns import StateUpcasters
from actors.thing.latest import Latest, is_number, numbers_of
from actors.thing.levels import packed


def _columns(told: dict[str, Any]) -> dict[str, Any]:
    """Sort the newest values into columns of numbers and the rest, and pack the levels of slots."""
    latest: dict[str, Latest] = msgspec.convert(told.get("latest", {}), dict[str, Latest])
    numbers = numbers_of({name: known for name, known in latest.items() if is_number(known.value)})
    rest = {name: known for name, known in told.get("latest", {}).items() if name not in numbers.names}
    slots = {name: _with_levels(slot) for name, slot in told.get("slots", {}).items()}
    return told | {"numbers": msgspec.structs.astuple(numbers), "latest": rest, "slots": slots}


def _with_levels(slot: dict[str, Any]) -> dict[str, Any]:
    samples = slot.get("samples")
    return slot | {"levels": packed((at, level) for at, level in samples)} if samples else slot


def _as_stamped(told: dict[str, Any]) -> dict[str, Any]:
    """Take every newest value as stamped by the hub: whose clock told its time was not kept."""
    return told


LIFTS: Final[StateUpcasters] = {1: _columns, 2: _as_stamped}
