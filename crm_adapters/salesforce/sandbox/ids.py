"""Record ids: 15 case-sensitive characters, or 18 with a checksum that survives loss of case."""

import re
from typing import Final

ORGANISATION_ID: Final = "00DHu0000000001MAA"

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_POD: Final = "Hu0"
_SHAPE: Final = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")


def checksum(short: str) -> str:
    """Return the 3 characters that tell which of the 15 are capitals, five to a character, the first lowest."""
    groups = (short[start : start + 5] for start in (0, 5, 10))
    return "".join(_ALPHABET[sum(1 << bit for bit, char in enumerate(group) if "A" <= char <= "Z")] for group in groups)


def long_id(written: str) -> str | None:
    """Return the 18-character form of an id of either length; None when it is malformed or its checksum is wrong."""
    if _SHAPE.fullmatch(written) is None:
        return None
    short = written[:15]
    whole = short + checksum(short)
    return whole if written in {short, whole} else None


def numbered_id(prefix: str, number: int) -> str:
    """Return the id of the ``number``-th record of the object that owns ``prefix``."""
    digits = ""
    for _ in range(9):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    short = f"{prefix}{_POD}{digits}"
    return short + checksum(short)


USER_ID: Final = numbered_id("005", 1)
"""The integration user."""
