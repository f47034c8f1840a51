"""The labels of SenML records and their CBOR numbers (RFC 8428 section 6, table 4)."""

from collections.abc import Mapping
from typing import Final

LABELS: Final[Mapping[int, str]] = {
    -6: "bs",
    -5: "bv",
    -4: "bu",
    -3: "bt",
    -2: "bn",
    -1: "bver",
    0: "n",
    1: "u",
    2: "v",
    3: "vs",
    4: "vb",
    5: "s",
    6: "t",
    7: "ut",
    8: "vd",
}
NUMBERS: Final[Mapping[str, int]] = {label: number for number, label in LABELS.items()}

RELATIVE_BELOW_S: Final = 2.0**28
"""Times under this count from now (RFC 8428 section 4.5.3)."""

_KINDS: Final[Mapping[type, str]] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "a flag",
    list: "an array",
    dict: "an object",
    bytes: "bytes",
    type(None): "null",
}


def kind_of(value: object) -> str:
    """Name the kind of a decoded value, for people."""
    return _KINDS.get(type(value), "something else")
