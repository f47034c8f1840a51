"""The published health model: features to an index, and what turns peers' answers into advice. No training here."""

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import Struct
from msgspec.structs import force_setattr

from actors.community import arrays
from actors.community.calibration import Calibration
from actors.community.features import Normaliser, features, life_features
from actors.community.forest import Forest
from actors.community.lives import OUTCOME_CAP, FloatArray
from actors.community.network import Networks
from actors.community.policy import ActPolicy

FOREST_SHARE = 0.35
"""What the forest's word weighs beside the networks'."""

_SLACK = 0.5
_MOST_STRANGE_COLUMNS = 0.1


class HealthModel(Struct, frozen=True, kw_only=True, eq=False):
    """What a community publishes. ``lowest`` and ``highest`` bound the features it was trained on.

    Models of older releases have no networks: the forest speaks alone.
    """

    normaliser: Normaliser
    forest: Forest
    lowest: FloatArray
    highest: FloatArray
    calibration: Calibration
    policy: ActPolicy
    networks: Networks | None = None
    version: str = ""
    """Follows from the content."""

    def __post_init__(self) -> None:
        force_setattr(self, "version", version_of(self.to_bytes()))

    def features(self, first_rows: FloatArray, last_rows: FloatArray, age: int) -> FloatArray:
        """Return the features of a machine now, as a question carries them."""
        return features(self.normaliser, first_rows, last_rows, age)

    def index(self, vectors: FloatArray) -> FloatArray:
        """Return the health index of each feature vector, 0 to 125."""
        return blended(self.forest, self.networks, np.atleast_2d(vectors))

    def life_index(self, rows: FloatArray) -> FloatArray:
        """Return the health index at every cycle of a life."""
        return self.index(life_features(self.normaliser, rows))

    def knows(self, vector: npt.NDArray[np.float64]) -> bool:
        """Tell whether a feature vector lies where the model was trained, but for a tenth of its columns."""
        if vector.shape != self.lowest.shape or not np.isfinite(vector).all():
            return False
        slack = _SLACK * (self.highest - self.lowest)
        strange = (vector < self.lowest - slack) | (vector > self.highest + slack)
        return bool(strange.mean() <= _MOST_STRANGE_COLUMNS)

    def to_bytes(self) -> bytes:
        """Return the content as bytes, without code; equal models give equal bytes."""
        policy = np.array([self.policy.threshold, self.policy.needed, self.policy.of])
        forest = {f"forest.{name}": getattr(self.forest, name) for name in self.forest.__struct_fields__}
        normaliser = {f"normaliser.{name}": getattr(self.normaliser, name) for name in Normaliser.__struct_fields__}
        networks = {
            f"networks.{name}": getattr(self.networks, name)
            for name in (Networks.__struct_fields__ if self.networks else ())
        }
        own = {"lowest": self.lowest, "highest": self.highest, "widen": self.calibration.widen, "policy": policy}
        return arrays.pack({**normaliser, **forest, **networks, **own})

    @classmethod
    def from_bytes(cls, data: bytes) -> "HealthModel":
        """Return what ``to_bytes`` was called on. Raises: UnreadableArrays."""
        content = arrays.unpack(data)
        try:
            return _assemble(content)
        except (KeyError, TypeError, ValueError) as error:
            raise arrays.UnreadableArrays(f"a health model expected, {error} is wrong or missing") from error


def blended(forest: Forest, networks: Networks | None, vectors: FloatArray) -> FloatArray:
    """Return the health index of each feature vector, 0 to 125, by trees and networks together."""
    told = forest.predict(vectors)
    if networks is not None:
        told = FOREST_SHARE * told + (1 - FOREST_SHARE) * networks.predict(vectors)
    return np.clip(told, 0.0, OUTCOME_CAP)


def version_of(data: bytes) -> str:
    """Return the version id of a packed model."""
    return "hi1-" + hashlib.sha256(data).hexdigest()[:16]


def _assemble(content: dict[str, npt.NDArray[Any]]) -> HealthModel:
    threshold, needed, of = (float(each) for each in content["policy"])
    networks = _under("networks.", content)
    return HealthModel(
        networks=Networks(**networks) if networks else None,
        normaliser=Normaliser(**_under("normaliser.", content)),
        forest=Forest(**_under("forest.", content)),
        lowest=content["lowest"],
        highest=content["highest"],
        calibration=Calibration(widen=content["widen"]),
        policy=ActPolicy(threshold=threshold, needed=int(needed), of=int(of)),
    )


def _under(prefix: str, content: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in content.items() if name.startswith(prefix)}
