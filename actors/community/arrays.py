"""Arrays as bytes: deterministic, bounded by their content, and never code (no pickle)."""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

_KINDS = frozenset({"<f8", "<f4", "<i8", "<i4", "<u2", "|b1"})


class _Stored(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    kind: str
    shape: tuple[int, ...]
    data: bytes


class UnreadableArrays(ValueError):
    """The bytes are not arrays that this version wrote."""


def pack(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Return the arrays as bytes; equal arrays in equal order give equal bytes."""
    return msgspec.msgpack.encode({name: _store(name, array) for name, array in arrays.items()})


def unpack(data: bytes) -> dict[str, npt.NDArray[Any]]:
    """Return what ``pack`` was given. Raises: UnreadableArrays."""
    try:
        stored = msgspec.msgpack.decode(data, type=dict[str, _Stored])
        return {name: _load(name, each) for name, each in stored.items()}
    except (msgspec.MsgspecError, ValueError) as error:
        raise UnreadableArrays(f"arrays expected as this version packs them, got {len(data)} bytes: {error}") from error


def _store(name: str, array: npt.NDArray[Any]) -> _Stored:
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    if little.dtype.str not in _KINDS:
        raise UnreadableArrays(f"array {name}: one of {sorted(_KINDS)} expected, got {little.dtype.str}")
    return _Stored(kind=little.dtype.str, shape=array.shape, data=little.tobytes())


def _load(name: str, stored: _Stored) -> npt.NDArray[Any]:
    if stored.kind not in _KINDS:
        raise UnreadableArrays(f"array {name}: one of {sorted(_KINDS)} expected, got {stored.kind}")
    return np.frombuffer(stored.data, dtype=np.dtype(stored.kind)).reshape(stored.shape)
