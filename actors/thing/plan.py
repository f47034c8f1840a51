"""What a profile means for the messages of its things, worked out once."""

from collections.abc import Callable
from operator import itemgetter
from struct import Struct as Layout
from typing import Any, Final

from msgspec import Struct

from actors.model.profiles import EventsSpec, SlotSpec, ThingProfile

_MOST_SHAPES: Final = 1_000

Slots = tuple[tuple[str, SlotSpec], ...]


class Shape(Struct, frozen=True, gc=False):
    """The names that a plain message tells, and what is to be done about them: the same for all messages with them."""

    names: tuple[str, ...]
    """In alphabetical order, as a thing keeps them; held once for all things of a profile."""
    sort: Callable[[tuple[float, ...]], tuple[float, ...]] | None
    """Brings a message's values into that order; nothing where they are in it."""
    pack: Callable[..., bytes]
    """Makes the column of the sorted values."""
    levels: tuple[tuple[int, Slots], ...]
    """(place in the message, slots whose level it tells)."""
    watched: tuple[tuple[int, str], ...]
    """(place in the message, name) of each property that a component or a fault looks at."""


def told_by(spec: EventsSpec | None) -> tuple[str, ...]:
    """Return the properties by which a thing tells what happens to it."""
    names = () if spec is None else (spec.code, spec.replaced, spec.failed, spec.hours, spec.age)
    return tuple(name for name in names if name is not None)


class Plan(Struct, frozen=True, gc=False):
    """A profile, and which of its properties are looked at by a slot, a component or a fault: others are only kept."""

    profile: ThingProfile
    levels: dict[str, Slots]
    """By property: the slots whose level it tells."""
    watched: frozenset[str]
    """What components and faults look at."""
    shapes: dict[tuple[str, ...], Shape]
    """Worked out so far. Forgotten when there are too many: a device may tell its properties in every combination."""

    @classmethod
    def of(cls, profile: ThingProfile) -> "Plan":
        """Return the plan for a profile."""
        slots = profile.slots.items()
        levels = {spec.level: tuple(slot for slot in slots if slot[1].level == spec.level) for _, spec in slots}
        components = (name for spec in profile.components.values() for name in (spec.snapshot, spec.cycle))
        faults = (spec.code for spec in profile.faults.values())
        return cls(profile, levels, frozenset((*components, *faults, *told_by(profile.events))), {})

    def shape(self, names: tuple[str, ...]) -> Shape:
        """Return the shape of a message that tells these names, none of them twice."""
        return self.shapes.get(names) or self._shaped(names)

    def _shaped(self, names: tuple[str, ...]) -> Shape:
        if len(self.shapes) >= _MOST_SHAPES:
            self.shapes.clear()
        order = sorted(range(len(names)), key=names.__getitem__)
        in_order = order == list(range(len(names)))
        sort: Any = None if in_order else itemgetter(*order)
        shape = self.shapes[names] = Shape(
            names if in_order else self.shape(tuple(names[place] for place in order)).names,
            sort,
            Layout(f"<{len(names)}d").pack,
            tuple((place, self.levels[name]) for place, name in enumerate(names) if name in self.levels),
            tuple((place, name) for place, name in enumerate(names) if name in self.watched),
        )
        return shape
