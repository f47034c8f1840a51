"""How messages and states become bytes: only what decodes again may be kept."""

from numbers import Integral, Real
from typing import Any

import msgspec


def plain_number(value: Any) -> float | int:
    """Return a number of a foreign type, such as numpy's, as Python's own: only what decodes again may be kept.

    Raises:
        TypeError: it is no number, so the journal could not give it back.
    """
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    raise TypeError(f"{type(value).__name__} cannot be journalled: it would not come back as it is")


def legible(value: Any) -> float | int | str:
    """Return a number as Python's own, and anything else as text: for what only people will read."""
    try:
        return plain_number(value)
    except TypeError:
        return str(value)


encode = msgspec.msgpack.Encoder(enc_hook=plain_number).encode
encode_legibly = msgspec.msgpack.Encoder(enc_hook=legible).encode


def for_people(message: Any) -> bytes:
    """Return a message for the dead letters, whatever it holds: burying must not fail."""
    try:
        return encode_legibly(message)
    except (OverflowError, ValueError, TypeError):
        return encode_legibly(ascii(message))
