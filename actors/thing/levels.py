"""A slot's levels since its last refill, packed: sixteen bytes a sample, where a pair of numbers takes over a hundred.

Of 100,000 things with two slots each that is the larger part of what they hold in memory.
"""

from collections.abc import Iterable, Sequence
from struct import Struct
from typing import Final

_PAIR: Final = Struct("<dd")
_SIZE: Final = _PAIR.size
_MOST: Final = 48

Sample = tuple[float, float]
"""Seconds since 1970 UTC, level."""


def packed(samples: Iterable[Sample]) -> bytes:
    """Return samples as levels."""
    return b"".join(_PAIR.pack(at, level) for at, level in samples)


def unpacked(levels: bytes) -> Sequence[Sample]:
    """Return all samples, oldest first."""
    return [(at, level) for at, level in _PAIR.iter_unpack(levels)]


def newest(levels: bytes) -> Sample:
    """Return the last sample; there must be one."""
    at, level = _PAIR.unpack_from(levels, len(levels) - _SIZE)
    return at, level


def ends(levels: bytes) -> tuple[float, float, float, float]:
    """Return time and level of the first sample, then of the last."""
    at, level = _PAIR.unpack_from(levels)
    return (at, level, *_PAIR.unpack_from(levels, len(levels) - _SIZE))


def count(levels: bytes) -> int:
    """Return how many samples there are."""
    return len(levels) // _SIZE


def extended(levels: bytes, at: float, level: float) -> bytes:
    """Return levels with one more; once there are too many, the first, the newest, and every second one between."""
    levels += _PAIR.pack(at, level)
    if len(levels) <= _MOST * _SIZE:
        return levels
    samples = unpacked(levels)
    return packed((samples[0], *samples[1:-1:2], samples[-1]))
