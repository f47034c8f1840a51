"""What a community publishes about failing parts, and the answer that a thing gets from it. No training here.

A question's features are the columns of ``component_failure`` at this moment, then how often each event came in the
last 30 days: by these is seen that a thing's events have drifted away from what peers knew.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct
from msgspec.structs import force_setattr

from actors.community import arrays
from actors.community.component_failure import (
    EventSpec,
    FailureModel,
    MachineEvents,
    Rule,
    event_columns_of,
    event_features,
    replacement_columns,
)
from actors.community.forest import Forest
from actors.community.lives import FloatArray
from actors.model.advice import Signal
from actors.model.ids import fingerprint

FAILING = "failing parts"
"""The subject of questions and models; no component can have this name."""

VERSION_PREFIX = "cf1-"
BUSY_H = 720.0

_SLACK = 0.5
_DRIFT_FACTOR = 1.5
_DRIFT_SLACK = 2.0
_MOVED = 0.1
_MOST_SIGNALS = 3


class PublishedFailures(Struct, frozen=True, kw_only=True, eq=False):
    """A model of failing parts with all that an answer needs; the same content has the same version."""

    model: FailureModel
    curves: dict[str, tuple[FloatArray, FloatArray]]
    """Part -> (raw chances, what share of such moments really was before a failure); found on held-out machines."""
    usual: FloatArray
    lowest: FloatArray
    highest: FloatArray
    busiest: FloatArray
    """For each event the most that a peer had in 30 days."""
    owners: tuple[str, ...]
    """Fingerprints: that two are the same can be seen, who they are cannot."""
    machines: int
    failures: dict[str, int]
    version: str = ""

    def __post_init__(self) -> None:
        force_setattr(self, "version", VERSION_PREFIX + hashlib.sha256(self.to_bytes()).hexdigest()[:16])

    def features(self, machine: MachineEvents, now_h: float) -> tuple[float, ...]:
        """Return what a thing asks with; nothing after ``now_h`` is looked at."""
        spec = self.model.spec
        vector = event_features(spec, machine, np.array([now_h]))[0]
        return (*vector.tolist(), *(float(each) for each in busy(spec, machine, now_h)))

    def chances(self, vector: FloatArray) -> dict[str, float]:
        """Return each part's chance to fail within 24 h."""
        raw = self.model.chances(np.atleast_2d(vector))
        return {name: float(self.calibrated(name, each)[0]) for name, each in raw.items()}

    def calibrated(self, part: str, raw: FloatArray) -> FloatArray:
        """Return what raw chances of a part mean."""
        at, share = self.curves[part]
        return np.asarray(np.interp(raw, at, share), dtype=np.float64)

    def strangeness(self, features: Sequence[float]) -> str:
        """Return why no answer can be given to these features; nothing where one can."""
        width, told = len(self.usual), np.array(features, dtype=np.float64)
        if len(told) != width + len(self.busiest) or not np.isfinite(told).all():
            return "out_of_range"
        vector, often = told[:width], told[width:]
        if (often > _DRIFT_FACTOR * self.busiest + _DRIFT_SLACK).any():
            return "drifted"
        kinds = len(self.model.spec.kinds)
        slack = _SLACK * (self.highest - self.lowest)
        outside = (vector < self.lowest - slack) | (vector > self.highest + slack)
        outside[replacement_columns(self.model.spec)] = (
            False  # of a new member nobody knows when: it counts as long ago
        )
        return "out_of_range" if outside.any() or (kinds and not vector[-kinds:].any()) else ""

    def moved(self, part: str, vector: FloatArray) -> tuple[Signal, ...]:
        """Return what raised a part's chance most: were it as usual, the log odds would fall most, the first first."""
        groups = event_columns_of(self.model.spec)
        rows = np.tile(vector, (len(groups) + 1, 1))
        for row, columns in enumerate(groups.values(), 1):
            rows[row, columns] = self.usual[columns]
        told = self.model.forests[part].predict(rows)
        falls = dict(zip(groups, (told[0] - told[1:]).tolist(), strict=True))
        strongest = sorted((name for name in falls if falls[name] > _MOVED), key=lambda name: -falls[name])
        return tuple(Signal(name=name, moved=falls[name]) for name in strongest[:_MOST_SIGNALS])

    def other_owners(self, owner_id: str) -> int:
        """Return how many owners besides this one it was trained on."""
        return len(set(self.owners) - {fingerprint(owner_id)})

    def to_bytes(self) -> bytes:
        """Return the content as bytes, without code; equal models give equal bytes."""
        model = self.model
        packed = {"usual": self.usual, "lowest": self.lowest, "highest": self.highest, "busiest": self.busiest}
        for name, forest in model.forests.items():
            packed |= {f"forest.{name}.{key}": getattr(forest, key) for key in Forest.__struct_fields__}
            packed |= {f"curve.{name}.{axis}": each for axis, each in zip("xy", self.curves[name], strict=True)}
        facts = _Facts(
            spec=model.spec,
            thresholds=model.thresholds,
            rules=model.rules,
            owners=self.owners,
            machines=self.machines,
            failures=self.failures,
            arrays=arrays.pack(packed),
        )
        return msgspec.msgpack.encode(facts)

    @classmethod
    def from_bytes(cls, data: bytes) -> "PublishedFailures":
        """Return what ``to_bytes`` was called on. Raises: UnreadableArrays."""
        try:
            facts = msgspec.msgpack.decode(data, type=_Facts)
            return _assembled(facts, arrays.unpack(facts.arrays))
        except (KeyError, TypeError, msgspec.MsgspecError) as error:
            raise arrays.UnreadableArrays(f"a model of failing parts expected, {error} is wrong or missing") from error


class _Facts(Struct, frozen=True, kw_only=True):
    spec: EventSpec
    thresholds: dict[str, float]
    rules: dict[str, Rule]
    owners: tuple[str, ...]
    machines: int
    failures: dict[str, int]
    arrays: bytes


def _assembled(facts: _Facts, content: dict[str, npt.NDArray[Any]]) -> PublishedFailures:
    forests = {
        name: Forest(**{key: content[f"forest.{name}.{key}"] for key in Forest.__struct_fields__})
        for name in facts.spec.components
    }
    return PublishedFailures(
        model=FailureModel(spec=facts.spec, forests=forests, thresholds=facts.thresholds, rules=facts.rules),
        curves={name: (content[f"curve.{name}.x"], content[f"curve.{name}.y"]) for name in forests},
        usual=content["usual"],
        lowest=content["lowest"],
        highest=content["highest"],
        busiest=content["busiest"],
        owners=facts.owners,
        machines=facts.machines,
        failures=facts.failures,
    )


def busy(spec: EventSpec, machine: MachineEvents, now_h: float) -> FloatArray:
    """Return how often each event came in the 30 days before an hour."""
    return np.array([_between(machine, name, now_h - BUSY_H, now_h) for name in spec.events], dtype=np.float64)


def _between(machine: MachineEvents, name: str, after_h: float, until_h: float) -> int:
    happened = machine.events.get(name)
    if happened is None:
        return 0
    return int(np.count_nonzero((happened > after_h) & (happened <= until_h)))
