"""Readings as packs."""

from collections.abc import Sequence
from datetime import datetime
from math import isfinite

import cbor2
import msgspec

from actors.model.readings import Reading
from protocols.senml.labels import NUMBERS, RELATIVE_BELOW_S

_Packed = dict[str, float | str | bool]


def encode_json(readings: Sequence[Reading], *, base_name: str = "") -> bytes:
    """Return a pack of these readings; quality and status have no place in it.

    Raises:
        ValueError: A value has no SenML form: an array, a number that is not finite, a time before July 1978.
    """
    return msgspec.json.encode(_pack(readings, base_name))


def encode_cbor(readings: Sequence[Reading], *, base_name: str = "") -> bytes:
    """Return a CBOR pack of these readings, numbers in their shortest exact form, else as ``encode_json``."""
    numbered = [{NUMBERS[label]: value for label, value in record.items()} for record in _pack(readings, base_name)]
    return cbor2.dumps(numbered, canonical=True)


def _pack(readings: Sequence[Reading], base_name: str) -> list[_Packed]:
    records = [_record(reading) for reading in readings]
    if records and base_name:
        records[0] = {"bn": base_name, **records[0]}
    return records


def _record(reading: Reading) -> _Packed:
    record: _Packed = {"n": reading.name}
    if reading.unit is not None:
        record["u"] = reading.unit
    if reading.observed_at is not None:
        record["t"] = _seconds(reading.observed_at)
    match reading.value:
        case bool(flag):
            record["vb"] = flag
        case str(text):
            record["vs"] = text
        case int(number) | float(number) if isfinite(number):
            record["v"] = number
        case other:
            raise ValueError(f"{reading.name}: {other!r} has no SenML form; expected a finite number, text or flag")
    return record


def _seconds(instant: datetime) -> float:
    seconds = instant.timestamp()
    if seconds < RELATIVE_BELOW_S:
        raise ValueError(f"{instant} has no SenML form: it would be read as relative to now")
    return int(seconds) if seconds.is_integer() else seconds
