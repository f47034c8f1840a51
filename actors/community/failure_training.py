"""Training of a component failure model on peers' events. Needs seconds: run it off the loop."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from actors.community.boosting import fit_log_odds
from actors.community.component_failure import HORIZON_H, EventSpec, FailureModel, Flags, Rule, chance_of, present
from actors.community.forest import Forest, mean_of
from actors.community.lives import FloatArray

THRESHOLDS = np.linspace(0.05, 0.90, 35)

_FEWEST_MOMENTS = 20
_FEWEST_SHARE = 0.1
_QUIET_KEPT = 8
_NEAR = 1
_MACHINE_FOLDS = 4
_FORESTS = 3
_USUAL = 0.5


class FailureSettings(Struct, frozen=True, kw_only=True):
    """How to train; a threshold is chosen on the last ``validation_h`` hours, or on held-out machines when 0."""

    rounds: int = 150
    learning_rate: float = 0.08
    validation_h: float = 45 * 24.0
    seed: int = 0


class Examples(Struct, frozen=True, kw_only=True, eq=False):
    """Moments of machines: a row of columns, its hour, its machine, and for each component whether it failed next."""

    vectors: FloatArray
    at_h: FloatArray
    machine: npt.NDArray[np.int64]
    fails: dict[str, Flags]

    def where(self, wanted: Flags) -> "Examples":
        """Return some of the moments."""
        return Examples(
            vectors=self.vectors[wanted],
            at_h=self.at_h[wanted],
            machine=self.machine[wanted],
            fails={name: each[wanted] for name, each in self.fails.items()},
        )


def train_failures(spec: EventSpec, examples: Examples, settings: FailureSettings | None = None) -> FailureModel:
    """Train on these moments; thresholds come from models that had not seen what they are chosen on.

    Raises: ValueError for a component that always or never failed.
    """
    return train_judged(spec, examples, settings)[0]


def train_judged(
    spec: EventSpec, examples: Examples, settings: FailureSettings | None = None
) -> tuple[FailureModel, dict[str, tuple[FloatArray, Flags]]]:
    """Train as ``train_failures`` does; return with it the held-out moments' chances and whether each part failed next.

    Raises: ValueError for a component that always or never failed.
    """
    how = settings or FailureSettings()
    judged = {name: _held_out(spec, examples, name, how) for name in spec.components}
    model = FailureModel(
        spec=spec,
        forests={name: _fit(spec, examples, name, how) for name in spec.components},
        thresholds={name: best_threshold(*each) if len(each[0]) else _USUAL for name, each in judged.items()},
        rules={name: rule for name in spec.components if (rule := strongest_rule(spec, examples, name))},
    )
    return model, judged


def best_threshold(chances: FloatArray, happened: Flags) -> float:
    """Return the threshold with the best F1; among equals the middle one, as far as may be from both kinds of error."""
    scores = np.array([f1(chances >= threshold, happened) for threshold in THRESHOLDS])
    best = np.flatnonzero(scores >= scores.max() - 1e-9)
    return float(THRESHOLDS[best[len(best) // 2]])


def f1(alarms: Flags, happened: Flags) -> float:
    """Return the harmonic mean of precision and recall; 0 without a hit."""
    hits = int(np.count_nonzero(alarms & happened))
    told = int(np.count_nonzero(alarms)) + int(np.count_nonzero(happened))
    return 2 * hits / max(1, told)


def strongest_rule(spec: EventSpec, examples: Examples, component: str) -> Rule | None:
    """Return the event, or two events together, that alone foretells this component best (F1); None without any."""
    found = [_rule(spec, examples, component, events) for events in _candidates(spec.events)]
    worthy = [each for each in found if each[1].moments >= _FEWEST_MOMENTS and each[1].share >= _FEWEST_SHARE]
    return max(worthy, key=lambda each: each[0], default=(0.0, None))[1]


def _rule(spec: EventSpec, examples: Examples, component: str, events: Sequence[str]) -> tuple[float, Rule]:
    there, fails = present(spec, examples.vectors, events), examples.fails[component]
    moments = int(np.count_nonzero(there))
    share = float(np.count_nonzero(there & fails) / max(1, moments))
    return f1(there, fails), Rule(events=tuple(events), component=component, share=share, moments=moments)


def _candidates(events: Sequence[str]) -> list[tuple[str, ...]]:
    return [(each,) for each in events] + list(combinations(events, 2))


def _fit(spec: EventSpec, examples: Examples, component: str, how: FailureSettings) -> Forest:
    """Fit on all moments near an event or a failure and on every eighth of the quiet ones: they are all alike.

    The mean of three forests that chance made different; one alone hangs on it where few have failed.
    """
    happened = examples.fails[component]
    heard = happened | (np.arange(len(happened)) % _QUIET_KEPT == 0)
    for name in spec.events:
        heard |= present(spec, examples.vectors, (name,), _NEAR)
    forests = [
        fit_log_odds(
            examples.vectors[heard],
            happened[heard],
            rounds=how.rounds,
            learning_rate=how.learning_rate,
            seed=how.seed + twin,
        )
        for twin in range(_FORESTS)
    ]
    return mean_of(forests)


def _held_out(spec: EventSpec, examples: Examples, component: str, how: FailureSettings) -> tuple[FloatArray, Flags]:
    """Return chances of the held-out moments, by models that had not seen them, and whether it failed next."""
    chances, judged = np.zeros(len(examples.at_h)), np.zeros(len(examples.at_h), dtype=np.bool_)
    for seen, unseen in _splits(examples, how):
        if not examples.fails[component][seen].any():
            continue
        forest = _fit(spec, examples.where(seen), component, how)
        chances[unseen] = chance_of(forest, examples.vectors[unseen])
        judged |= unseen
    return chances[judged], examples.fails[component][judged]


def _splits(examples: Examples, how: FailureSettings) -> Iterator[tuple[Flags, Flags]]:
    """Yield (seen, unseen) moments: the last weeks held out, with a gap of the horizon, or each machine once."""
    if how.validation_h > 0:
        start = float(examples.at_h.max()) - how.validation_h
        yield examples.at_h < start - HORIZON_H, examples.at_h >= start
        return
    for fold in range(_MACHINE_FOLDS):
        unseen = np.isin(examples.machine, np.unique(examples.machine)[fold::_MACHINE_FOLDS])
        yield ~unseen, unseen
