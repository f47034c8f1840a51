"""A thing's newest values: its numbers packed in columns, everything else one by one.

Most of what things tell are numbers. Ten of them as single values take over a kilobyte and ten places in memory that a
message must reach; as columns two hundred bytes in four places. That is half of what an active thing costs.
"""

from collections.abc import Mapping, Sequence
from struct import pack, unpack
from typing import Any, Final, TypeGuard

from msgspec import Struct

from actors.model.readings import Quality, Reported

_QUALITIES: Final = tuple(Quality)
_GOOD: Final = _QUALITIES.index(Quality.GOOD)
_NUMBER: Final = (int, float)


class Latest(Struct, frozen=True, gc=False):
    """A property's newest value. Times are in seconds since 1970 UTC."""

    value: Reported
    at: float
    """When it was so: by the source's clock where that is ``source_at``, else by the hub's."""
    quality: Quality = Quality.GOOD
    source_at: float = 0.0
    """The newest time that the source itself told of this property, with this value or before; zero for none."""


class Numbers(Struct, frozen=True, gc=False, array_like=True):
    """The newest values of all properties that told a number, in one form only, so that equal ones compare equal.

    ``times`` is empty where all are of the time ``at`` (which is zero otherwise), ``qualities`` where all are good,
    and ``source_times`` where all are ``source_at``.
    """

    names: tuple[str, ...] = ()
    """In alphabetical order; ``values``, ``times`` and ``qualities`` (one byte each) are in the same."""
    values: bytes = b""
    at: float = 0.0
    times: bytes = b""
    qualities: bytes = b""
    source_at: float = 0.0
    source_times: bytes = b""


def is_number(value: Reported) -> TypeGuard[float]:
    """Say whether a value goes into the columns."""
    return isinstance(value, _NUMBER) and not isinstance(value, bool)


def numbers_of(latest: Mapping[str, Latest]) -> Numbers:
    """Return values as columns; all of them must be numbers."""
    if not latest:
        return Numbers()
    names = sorted(latest)
    rows = [latest[name] for name in names]
    at, times = _together([row.at for row in rows])
    source_at, source_times = _together([row.source_at for row in rows])
    qualities = bytes(_QUALITIES.index(row.quality) for row in rows)
    return Numbers(
        tuple(names),
        _packed_numbers([row.value for row in rows]),
        at,
        times,
        qualities if any(code != _GOOD for code in qualities) else b"",
        source_at,
        source_times,
    )


def _together(times: list[float]) -> tuple[float, bytes]:
    """Return the one time of all, or a column of them."""
    at = times[0]
    return (at, b"") if times.count(at) == len(times) else (0.0, _packed_numbers(times))


def _packed_numbers(values: Sequence[Any]) -> bytes:
    """Return a column, eight bytes a number."""
    return pack(f"<{len(values)}d", *values)


def _unpacked_numbers(column: bytes) -> tuple[float, ...]:
    """Return a column's numbers."""
    return unpack(f"<{len(column) // 8}d", column)


def latest_of(numbers: Numbers) -> dict[str, Latest]:
    """Return the columns as single values, by name."""
    names = numbers.names
    count = len(names)
    times = _unpacked_numbers(numbers.times) if numbers.times else (numbers.at,) * count
    qualities = numbers.qualities or bytes([_GOOD]) * count
    sources = _unpacked_numbers(numbers.source_times) if numbers.source_times else (numbers.source_at,) * count
    columns = zip(names, _unpacked_numbers(numbers.values), times, qualities, sources, strict=True)
    return {name: Latest(value, at, _QUALITIES[code], source_at) for name, value, at, code, source_at in columns}


def number_of(numbers: Numbers, name: str) -> float | None:
    """Return one property's newest number."""
    if name not in numbers.names:
        return None
    place = numbers.names.index(name) * 8
    return _unpacked_numbers(numbers.values[place : place + 8])[0]
