"""Which component fails next, from a machine's events: chances, alarms, and the strongest rule in words.

Columns (communities.md 4f): for each kind of event how many came in the last 24, 48 and 120 h, the hours since the last
one and, where wanted, the hour of the day it came at; for each component the days since its last replacement; the age;
a flag a model of machine; then what signals told, if anything.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from actors.community.forest import Forest
from actors.community.lives import FloatArray

WINDOWS_H = (24.0, 48.0, 120.0)
HORIZON_H = 24.0

_LONGEST_H = 720.0
_NEVER_REPLACED_DAYS = 400.0
_NO_HOUR = -1.0

Flags = npt.NDArray[np.bool_]


class EventSpec(Struct, frozen=True, kw_only=True):
    """What is looked at, in the order of the columns."""

    events: tuple[str, ...]
    components: tuple[str, ...]
    kinds: tuple[str, ...]
    hour_of_day: bool = True


class MachineEvents(Struct, frozen=True, kw_only=True, eq=False):
    """What happened to one machine, each in hours on one clock that starts at a midnight, ascending."""

    machine_id: str
    kind: str
    age_years: float
    events: Mapping[str, FloatArray]
    replaced: Mapping[str, FloatArray]


class Rule(Struct, frozen=True, kw_only=True):
    """Of the moments with these events in the last 24 h, the share that preceded a failure within 24 h."""

    events: tuple[str, ...]
    component: str
    share: float
    moments: int

    def sentence(self) -> str:
        """Return the rule in words."""
        seen = " and ".join(self.events)
        return (
            f"{seen} within {WINDOWS_H[0]:.0f} h: {self.share:.0%} of {self.moments} such moments among peers preceded "
            f"a failure of {self.component} within {HORIZON_H:.0f} h."
        )


class FailureModel(Struct, frozen=True, kw_only=True, eq=False):
    """For each component a forest of log odds, the chance from which it alarms, and its rule where one was found."""

    spec: EventSpec
    forests: dict[str, Forest]
    thresholds: dict[str, float]
    rules: dict[str, Rule]

    def chances(self, vectors: FloatArray) -> dict[str, FloatArray]:
        """Return each component's chance to fail within 24 h, a row each."""
        return {name: chance_of(forest, vectors) for name, forest in self.forests.items()}

    def alarms(self, vectors: FloatArray) -> dict[str, Flags]:
        """Return where each component's alarm stands."""
        return {name: chance >= self.thresholds[name] for name, chance in self.chances(vectors).items()}

    def failing(self, vector: FloatArray) -> tuple[str, float, str] | None:
        """Return (component, its chance, why) of the likeliest alarm for one machine now; None when all is quiet."""
        chances = {name: float(each[0]) for name, each in self.chances(np.atleast_2d(vector)).items()}
        alarmed = [name for name, chance in chances.items() if chance >= self.thresholds[name]]
        if not alarmed:
            return None
        worst = max(alarmed, key=lambda name: chances[name])
        rule = self.rules.get(worst)
        return worst, chances[worst], rule.sentence() if rule else ""


def chance_of(forest: Forest, vectors: FloatArray) -> FloatArray:
    """Return probabilities of a forest of log odds."""
    return np.asarray(1.0 / (1.0 + np.exp(-forest.predict(vectors))), dtype=np.float64)


def event_features(spec: EventSpec, machine: MachineEvents, at_h: FloatArray) -> FloatArray:
    """Return the columns at these hours, a row each; nothing after a row's hour is looked at."""
    columns = [column for name in spec.events for column in _event_columns(machine.events.get(name), at_h, spec)]
    columns += [_days_since(machine.replaced.get(name), at_h) for name in spec.components]
    columns.append(np.full(len(at_h), machine.age_years))
    columns += [np.full(len(at_h), float(machine.kind == kind)) for kind in spec.kinds]
    return np.stack(columns, axis=1)


def event_columns_of(spec: EventSpec) -> dict[str, list[int]]:
    """Return what each kind of event and each replacement is called, and its columns in ``event_features``."""
    width = _width(spec)
    groups = {name: list(range(place * width, (place + 1) * width)) for place, name in enumerate(spec.events)}
    since = zip(spec.components, replacement_columns(spec), strict=True)
    return groups | {f"time since {name} was replaced": [column] for name, column in since}


def replacement_columns(spec: EventSpec) -> list[int]:
    """Return the columns that tell how long ago each component was replaced."""
    first = _width(spec) * len(spec.events)
    return list(range(first, first + len(spec.components)))


def within_horizon(happened_h: FloatArray, at_h: FloatArray) -> Flags:
    """Return at which hours something happens in the 24 h that follow."""
    return np.asarray(_count(happened_h, at_h + HORIZON_H) > _count(happened_h, at_h))


def rolling_means(values: FloatArray, window: int) -> FloatArray:
    """Return at each row the mean of the last ``window`` rows, or of those there are; a column each."""
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    end = np.arange(1, len(sums))
    start = np.maximum(end - window, 0)
    return np.asarray((sums[end] - sums[start]) / (end - start)[:, None], dtype=np.float64)


def present(spec: EventSpec, vectors: FloatArray, events: Sequence[str], window: int = 0) -> Flags:
    """Return the rows at which all of these events came in the last 24 h (or another of the windows)."""
    width = _width(spec)
    places = [spec.events.index(name) * width + window for name in events]
    return np.asarray((vectors[:, places] > 0).all(axis=1))


def _width(spec: EventSpec) -> int:
    """Return how many columns there are for a kind of event."""
    return len(WINDOWS_H) + 1 + spec.hour_of_day


def _event_columns(happened_h: FloatArray | None, at_h: FloatArray, spec: EventSpec) -> list[FloatArray]:
    happened = np.zeros(0) if happened_h is None else happened_h
    until = _count(happened, at_h)
    counts = [(until - _count(happened, at_h - window)).astype(np.float64) for window in WINDOWS_H]
    last = _last(happened, until)
    since = np.minimum(at_h - last, _LONGEST_H)
    hour = np.where(since <= WINDOWS_H[-1], np.mod(np.nan_to_num(last, neginf=0.0), 24.0), _NO_HOUR)
    return [*counts, since, hour] if spec.hour_of_day else [*counts, since]


def _days_since(replaced_h: FloatArray | None, at_h: FloatArray) -> FloatArray:
    replaced = np.zeros(0) if replaced_h is None else replaced_h
    return np.minimum((at_h - _last(replaced, _count(replaced, at_h))) / 24.0, _NEVER_REPLACED_DAYS)


def _count(happened_h: FloatArray, at_h: FloatArray) -> npt.NDArray[np.intp]:
    """Return how many happened up to each hour, that hour included."""
    return np.searchsorted(happened_h, at_h, side="right")


def _last(happened_h: FloatArray, count: npt.NDArray[np.intp]) -> FloatArray:
    """Return when the last of the first ``count`` happened; minus infinity when there was none."""
    return np.concatenate([[-np.inf], happened_h])[count]
