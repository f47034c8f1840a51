"""The plain messages in C, where that was compiled: see ``actors.runtime.swift``."""

from typing import Any

from actors.model.profiles import PropertyKind, PropertySpec, SlotSpec, ThingProfile
from actors.model.readings import DeviceMessage, PlainMessage, Quality, Reading
from actors.model.things import ThingRecord
from actors.runtime.swift import compiled
from actors.thing.absorb import NONE
from actors.thing.latest import Numbers
from actors.thing.levels import extended
from actors.thing.noticing import SHORTEST_HISTORY_S, may_be_low
from actors.thing.plan import Plan, Shape
from actors.thing.state import SlotState, ThingState


def swift_things() -> Any:
    """Return ``plain`` and ``quiet`` of ``_quiet.c``, or None."""
    types = (
        *(PlainMessage, DeviceMessage, Reading, PropertySpec, ThingState, Numbers),
        *(SlotState, Plan, Shape, ThingProfile, SlotSpec, ThingRecord),
    )
    rules = (PropertyKind.NUMBER, Quality.GOOD, extended, may_be_low, NONE, SHORTEST_HISTORY_S)
    return compiled("actors.thing._quiet", types, *rules)
