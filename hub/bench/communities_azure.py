"""Failing components announced from events, judged as a purchaser would (Microsoft's simulated machines).

Nearly every error that warns comes at six in the morning there, exactly 24 h before its failure, which no real plant's
errors do. With the hour of the day as a column the figures flatter, so those without it are printed beside them
(``plain_...``); rows every 3 h still let a model tell six o'clock from most other hours.
"""

from pathlib import Path
from typing import Any

import numpy as np

from actors.community.component_failure import (
    EventSpec,
    FailureModel,
    Flags,
    event_features,
    rolling_means,
    within_horizon,
)
from actors.community.failure_training import Examples, FailureSettings, f1, train_failures
from actors.community.lives import FloatArray
from hub.bench.communities import Say
from hub.demo.azure import Plant, event_spec, hours, read_plant, read_telemetry

DATA = "Microsoft's predictive maintenance machines: simulated, real failures are harder to foresee"

_STEP_H = 3.0
_START_H, _END_H = hours("2015-01-02 06:00"), hours("2016-01-01 06:00")
_TEST_FROM_H = hours("2015-08-01 00:00")
_GAP_H = 24.0
_REORDER_H = 72.0
_FIRST_H, _LAST_H = 48.0, 12.0
_MACHINE_FOLDS = 5
_TELEMETRY_WINDOWS = (24, 6)


def measure(folder: Path, say: Say) -> dict[str, Any]:
    """Return announced failures, false orders and, where telemetry is there, macro F1. Raises: UnreadableData."""
    plant = read_plant(folder)
    found: dict[str, Any] = {"set": "azure", "data": DATA}
    for label, hour_of_day in (("", True), ("plain_", False)):
        figures = _events_only(plant, event_spec(hour_of_day=hour_of_day))
        found |= {f"{label}{key}": value for key, value in figures.items()}
        say(f"azure, {'with' if hour_of_day else 'without'} hour of day: {figures}")
    found |= _with_telemetry(plant, folder)
    return found


def _events_only(plant: Plant, spec: EventSpec) -> dict[str, Any]:
    everything = _examples(plant, spec, np.arange(_START_H, _END_H, _STEP_H))
    model = train_failures(spec, everything.where(everything.at_h < _TEST_FROM_H - _GAP_H))
    test = everything.where(everything.at_h >= _TEST_FROM_H)
    alarms = model.alarms(test.vectors)
    judged = [_judge(plant, test, alarms[name], name) for name in spec.components]
    failures, announced, orders, false = (int(each) for each in np.sum(judged, axis=0))
    return {
        "announced_12h": round(announced / failures, 4),
        "false_orders": round(false / max(1, orders), 4),
        "failures": failures,
        "orders": orders,
        "f1": {name: round(f1(alarms[name], test.fails[name]), 4) for name in spec.components},
        "rules": _rules(model),
    }


def _rules(model: FailureModel) -> dict[str, str]:
    return {name: rule.sentence() for name, rule in model.rules.items()}


def _examples(plant: Plant, spec: EventSpec, at_h: FloatArray) -> Examples:
    numbers = sorted(plant.machines)
    return Examples(
        vectors=np.concatenate([event_features(spec, plant.machines[number], at_h) for number in numbers]),
        at_h=np.tile(at_h, len(numbers)),
        machine=np.repeat(np.array(numbers, dtype=np.int64), len(at_h)),
        fails={name: _fails(plant, numbers, name, at_h) for name in spec.components},
    )


def _fails(plant: Plant, numbers: list[int], component: str, at_h: FloatArray) -> Flags:
    return np.concatenate([within_horizon(_failed(plant, number, component), at_h) for number in numbers])


def _failed(plant: Plant, number: int, component: str) -> FloatArray:
    return plant.failed[number].get(component, np.zeros(0))


def _judge(plant: Plant, test: Examples, alarms: Flags, component: str) -> tuple[int, int, int, int]:
    """Return how many failures there were, were announced 12 h ahead, and how many orders opened, were false."""
    totals = np.zeros(4, dtype=np.int64)
    for number in plant.machines:
        stood = test.at_h[alarms & (test.machine == number)]
        failed = _failed(plant, number, component)
        failed = failed[failed >= _TEST_FROM_H + _FIRST_H]
        ahead = [bool(((stood >= at - _FIRST_H) & (stood <= at - _LAST_H)).any()) for at in failed]
        opened = _orders(stood)
        every = _failed(plant, number, component)
        false = [not ((every > at) & (every <= at + _REORDER_H)).any() for at in opened]
        totals += np.array([len(failed), sum(ahead), len(opened), sum(false)])
    failures, announced, orders, wrong = totals.tolist()
    return failures, announced, orders, wrong


def _orders(stood_h: FloatArray) -> list[float]:
    """Return when orders open: at an alarm, unless the last order is not yet 72 h old."""
    opened: list[float] = []
    for at in stood_h.tolist():
        if not opened or at - opened[-1] > _REORDER_H:
            opened.append(at)
    return opened


def _with_telemetry(plant: Plant, folder: Path) -> dict[str, Any]:
    """Return F1 with machines held out, hour of the day known; thresholds are chosen on the training machines."""
    spec = event_spec(hour_of_day=True)
    examples = _telemetry_examples(plant, spec, folder)
    said = {name: np.zeros(len(examples.at_h), dtype=np.bool_) for name in spec.components}
    how = FailureSettings(rounds=80, learning_rate=0.1, validation_h=0.0)
    for fold in range(_MACHINE_FOLDS):
        unseen = examples.machine % _MACHINE_FOLDS == fold
        alarms = train_failures(spec, examples.where(~unseen), how).alarms(examples.vectors[unseen])
        for name in spec.components:
            said[name][unseen] = alarms[name]
    scores = {name: f1(said[name], examples.fails[name]) for name in spec.components}
    return {
        "telemetry_macro_f1": round(float(np.mean(list(scores.values()))), 4),
        "telemetry_f1": {name: round(value, 4) for name, value in scores.items()},
        "telemetry_positive_rows": {name: int(examples.fails[name].sum()) for name in spec.components},
    }


def _telemetry_examples(plant: Plant, spec: EventSpec, folder: Path) -> Examples:
    parts = [_telemetry_of(plant, spec, number, *table) for number, table in sorted(read_telemetry(folder).items())]
    return Examples(
        vectors=np.concatenate([part.vectors for part in parts]),
        at_h=np.concatenate([part.at_h for part in parts]),
        machine=np.concatenate([part.machine for part in parts]),
        fails={name: np.concatenate([part.fails[name] for part in parts]) for name in spec.components},
    )


def _telemetry_of(plant: Plant, spec: EventSpec, number: int, at_h: FloatArray, signals: FloatArray) -> Examples:
    """Return one machine's moments every 3 h, but for the last day: what failed after it is known, the signals end."""
    means = np.concatenate([rolling_means(signals, window) for window in _TELEMETRY_WINDOWS], axis=1)
    rows = np.arange(24, len(at_h), int(_STEP_H))
    at = at_h[rows]
    return Examples(
        vectors=np.concatenate([event_features(spec, plant.machines[number], at), means[rows]], axis=1),
        at_h=at,
        machine=np.full(len(at), number, dtype=np.int64),
        fails={name: within_horizon(_failed(plant, number, name), at) for name in spec.components},
    )
