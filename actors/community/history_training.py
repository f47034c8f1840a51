"""Training of a community's model of failing parts from shared histories. Needs seconds: run it off the loop."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from sklearn.isotonic import IsotonicRegression

from actors.community.component_failure import (
    HORIZON_H,
    EventSpec,
    Flags,
    MachineEvents,
    event_features,
    within_horizon,
)
from actors.community.failing import PublishedFailures, busy
from actors.community.failure_training import Examples, FailureSettings, train_judged
from actors.community.lives import FloatArray
from actors.model.histories import EventHistory
from actors.model.ids import fingerprint

FEWEST_FAILURES = 10
FEWEST_MACHINES = 8
STEP_H = 3.0

_MOST_SURE = 0.99
_WARMED_UP_H = 24.0


class TrainedFailures(Struct, frozen=True, kw_only=True, eq=False):
    """What came of a training, and what it was judged by: chances of held-out machines against what happened."""

    published: PublishedFailures
    log_loss: float
    """Mean over the parts, on machines that the judged models had not seen; less is better."""


def train_histories(histories: Sequence[EventHistory], *, seed: int) -> TrainedFailures:
    """Train on histories; the same ones in the same order and the same seed give the same model.

    Raises:
        ValueError: too few machines, or no part failed often enough.
    """
    if len(histories) < FEWEST_MACHINES:
        raise ValueError(f"at least {FEWEST_MACHINES} histories expected for training, got {len(histories)}")
    spec = _spec(histories)
    machines = [as_machine(each) for each in histories]
    examples = _examples(spec, histories, machines)
    how = FailureSettings(rounds=80, learning_rate=0.1, validation_h=0.0, seed=seed)
    model, judged = train_judged(spec, examples, how)
    curves = {part: _calibrated(raw, happened) for part, (raw, happened) in judged.items()}
    losses = [_log_loss(np.interp(raw, *curves[part]), happened) for part, (raw, happened) in judged.items()]
    published = PublishedFailures(
        model=model,
        curves=curves,
        usual=np.median(examples.vectors, axis=0),
        lowest=examples.vectors.min(axis=0),
        highest=examples.vectors.max(axis=0),
        busiest=_busiest(spec, histories, machines),
        owners=tuple(sorted({fingerprint(each.owner_id) for each in histories})),
        machines=len(histories),
        failures={part: _failures(histories, part) for part in spec.components},
    )
    return TrainedFailures(published=published, log_loss=float(np.mean(losses)))


def beats(trained: TrainedFailures, champion: PublishedFailures, histories: Sequence[EventHistory]) -> bool:
    """Say whether a new model is to take the place of the present one.

    It is when it knows more, or when it foretells the failures in these histories better, machines held out, than the
    present one does, which may have seen some of them.
    """
    old, new = champion.model.spec, trained.published.model.spec
    if not (set(new.components) <= set(old.components) and set(new.kinds) <= set(old.kinds)):
        return True
    examples = _examples(old, histories, [as_machine(each) for each in histories])
    raw = champion.model.chances(examples.vectors)
    losses = [_log_loss(champion.calibrated(part, raw[part]), examples.fails[part]) for part in old.components]
    return trained.log_loss < float(np.mean(losses))


def as_machine(history: EventHistory) -> MachineEvents:
    """Return a history as the columns are made from it; what failed was replaced."""
    replaced = {
        name: np.union1d(history.replaced.get(name, ()), history.failed.get(name, ()))
        for name in {*history.replaced, *history.failed}
    }
    return MachineEvents(
        machine_id=history.history_id,
        kind=history.kind,
        age_years=history.age_years,
        events={name: np.array(times, dtype=np.float64) for name, times in history.events.items()},
        replaced=replaced,
    )


def _spec(histories: Sequence[EventHistory]) -> EventSpec:
    parts = sorted({part for each in histories for part in each.failed})
    enough = tuple(part for part in parts if _failures(histories, part) >= FEWEST_FAILURES)
    if not enough:
        raise ValueError(f"at least {FEWEST_FAILURES} failures of one part expected, got fewer of each")
    return EventSpec(
        events=tuple(sorted({name for each in histories for name in each.events})),
        components=enough,
        kinds=tuple(sorted({each.kind for each in histories})),
        hour_of_day=False,
    )


def _failures(histories: Sequence[EventHistory], part: str) -> int:
    return sum(len(each.failed.get(part, ())) for each in histories)


def _examples(spec: EventSpec, histories: Sequence[EventHistory], machines: Sequence[MachineEvents]) -> Examples:
    """Return a moment every 3 h of each history, but for the first day and the last: what came after it is known."""
    at = [np.arange(each.since_h + _WARMED_UP_H, each.until_h - HORIZON_H, STEP_H) for each in histories]
    return Examples(
        vectors=np.concatenate([event_features(spec, each, hours) for each, hours in zip(machines, at, strict=True)]),
        at_h=np.concatenate(at),
        machine=np.repeat(np.arange(len(at), dtype=np.int64), [len(hours) for hours in at]),
        fails={part: _fails(histories, at, part) for part in spec.components},
    )


def _fails(histories: Sequence[EventHistory], at: Sequence[FloatArray], part: str) -> Flags:
    pairs = zip(histories, at, strict=True)
    return np.concatenate([within_horizon(np.array(each.failed.get(part, ())), hours) for each, hours in pairs])


def _busiest(spec: EventSpec, histories: Sequence[EventHistory], machines: Sequence[MachineEvents]) -> FloatArray:
    days = [np.arange(each.since_h, each.until_h, 24.0) for each in histories]
    most = [_most(spec, machine, hours) for machine, hours in zip(machines, days, strict=True)]
    return np.asarray(np.max(most, axis=0), dtype=np.float64)


def _most(spec: EventSpec, machine: MachineEvents, hours: FloatArray) -> FloatArray:
    counts = [busy(spec, machine, float(hour)) for hour in hours]
    return np.max(counts, axis=0) if counts else np.zeros(len(spec.events))


def _calibrated(raw: FloatArray, happened: Flags) -> tuple[FloatArray, FloatArray]:
    """Return a rising curve from raw chances to the share of moments that preceded a failure."""
    curve: Any = IsotonicRegression(y_min=0.0, y_max=_MOST_SURE, out_of_bounds="clip")
    curve.fit(raw, happened)
    return np.asarray(curve.X_thresholds_, dtype=np.float64), np.asarray(curve.y_thresholds_, dtype=np.float64)


def _log_loss(chances: FloatArray, happened: Flags) -> float:
    bounded = np.clip(chances, 1e-4, 1 - 1e-4)
    return float(-np.where(happened, np.log(bounded), np.log1p(-bounded)).mean())
