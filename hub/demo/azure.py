"""Microsoft's predictive maintenance data (simulated: 100 machines, 2015) as machines with events.

Hours count from 2015-01-01 00:00, local time of the machines.
"""

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import numpy as np
from msgspec import Struct

from actors.community.component_failure import EventSpec, MachineEvents
from actors.community.lives import FloatArray
from hub.demo.cmapss import UnreadableData

SIGNALS = ("volt", "rotate", "pressure", "vibration")

_ZERO = datetime(2015, 1, 1)  # noqa: DTZ001 -- the files tell local time without a zone
_EVENTS = tuple(f"error{number}" for number in range(1, 6))
_COMPONENTS = tuple(f"comp{number}" for number in range(1, 5))
_KINDS = tuple(f"model{number}" for number in range(1, 5))

Row = dict[str, str]


class Plant(Struct, frozen=True, kw_only=True, eq=False):
    """All machines by number, and when which component of each failed."""

    machines: dict[int, MachineEvents]
    failed: dict[int, dict[str, FloatArray]]


def event_spec(*, hour_of_day: bool) -> EventSpec:
    """Return what is looked at in this data set."""
    return EventSpec(events=_EVENTS, components=_COMPONENTS, kinds=_KINDS, hour_of_day=hour_of_day)


def hours(stamp: str) -> float:
    """Return hours since the start of 2015. Raises: ValueError."""
    return (datetime.fromisoformat(stamp) - _ZERO).total_seconds() / 3600


def read_plant(folder: Path) -> Plant:
    """Read machines, errors, maintenance and failures. Raises: UnreadableData."""
    try:
        errors = _by_machine(_rows(folder, "PdM_errors"), "errorID")
        replaced = _by_machine(_rows(folder, "PdM_maint"), "comp")
        failed = _by_machine(_rows(folder, "PdM_failures"), "failure")
        machines = {int(row["machineID"]): row for row in _rows(folder, "PdM_machines")}
        made = {
            number: MachineEvents(
                machine_id=f"machine-{number}",
                kind=row["model"],
                age_years=float(row["age"]),
                events=errors[number],
                replaced=replaced[number],
            )
            for number, row in machines.items()
        }
    except (KeyError, ValueError) as error:
        raise UnreadableData(f"{folder}: columns as Microsoft published them expected: {error}") from error
    return Plant(machines=made, failed={number: failed[number] for number in made})


def read_telemetry(folder: Path) -> dict[int, tuple[FloatArray, FloatArray]]:
    """Return (hours, hourly signals) of each machine that has telemetry. Raises: UnreadableData."""
    found: defaultdict[int, list[list[float]]] = defaultdict(list)
    for row in _rows(folder, "PdM_telemetry_20machines_90days"):
        found[int(row["machineID"])].append([hours(row["datetime"]), *(float(row[name]) for name in SIGNALS)])
    tables = {number: np.array(sorted(rows)) for number, rows in found.items()}
    return {number: (table[:, 0], table[:, 1:]) for number, table in tables.items()}


def _by_machine(rows: Iterable[Row], column: str) -> defaultdict[int, dict[str, FloatArray]]:
    found: defaultdict[int, defaultdict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        found[int(row["machineID"])][row[column]].append(hours(row["datetime"]))
    sorted_by_name = {
        number: {name: np.array(sorted(each)) for name, each in kinds.items()} for number, kinds in found.items()
    }
    return defaultdict(dict, sorted_by_name)


def _rows(folder: Path, stem: str) -> list[Row]:
    for path in (folder / f"{stem}.csv", folder / f"{stem}.csv.gz"):
        if path.exists():
            with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
                return list(csv.DictReader(lines))
    raise UnreadableData(f"{folder}: {stem}.csv or {stem}.csv.gz expected")
