"""What is known of LwM2M objects: the type of a resource, and what may be done with it. Pure.

Objects 0, 1, 3 and 5 are those of OMA-TS-LightweightM2M_Core-V1_1_1 appendix E; 3303 (temperature) and its relatives
share the reusable resources of the OMA registry (5500 to 5999).
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct

_PATH: Final = re.compile(r"/(\d{1,5})(?:/(\d{1,5})(?:/(\d{1,5})(?:/(\d{1,5}))?)?)?")
_LARGEST: Final = 65_534  # 65535 is reserved (core TS 1.1.1 section 6.1)


class ValueType(StrEnum):
    """The type of a resource's value."""

    TEXT = "text"
    WHOLE = "whole"
    REAL = "real"
    FLAG = "flag"
    OPAQUE = "opaque"
    TIME = "time"
    LINK = "link"
    NONE = "none"
    """It is executed and holds nothing."""


class ResourcePath(Struct, frozen=True):
    """``/object/instance/resource/resource instance``, down to any of them."""

    object_id: int
    instance: int | None = None
    resource: int | None = None
    resource_instance: int | None = None

    def __str__(self) -> str:
        parts = (self.object_id, self.instance, self.resource, self.resource_instance)
        return "".join(f"/{part}" for part in parts if part is not None)


class Resource(Struct, frozen=True):
    """A resource: its type, and which of R, W and E a server may do."""

    type: ValueType
    operations: str


def path_of(text: str) -> ResourcePath | None:
    """Return a path; nothing when the text is none."""
    found = _PATH.fullmatch(text)
    if found is None:
        return None
    parts = [None if part is None else int(part) for part in found.groups()]
    if any(part is not None and part > _LARGEST for part in parts):
        return None
    return ResourcePath(parts[0] or 0, *parts[1:])


def resource_at(path: ResourcePath) -> Resource | None:
    """Return what is known of a resource; nothing when it is of an object that is not known here."""
    if path.resource is None:
        return None
    known = _OBJECTS.get(path.object_id)
    if known is not None and path.resource in known:
        return known[path.resource]
    return _REUSABLE.get(path.resource) if path.object_id >= _FIRST_IPSO else None


_FIRST_IPSO: Final = 3200


def _table(*rows: str) -> Mapping[int, Resource]:
    split = (row.split() for row in rows)
    return {int(number): Resource(ValueType(kind), operations) for number, kind, operations in split}


_SECURITY: Final = _table(  # the bootstrap server's alone: no operation is a server's (appendix E.1)
    "0 text -", "1 flag -", "2 whole -", "3 opaque -", "4 opaque -", "5 opaque -", "10 whole -", "11 whole -"
)
_SERVER: Final = _table(
    *("0 whole R", "1 whole RW", "2 whole RW", "3 whole RW", "4 none E", "5 whole RW", "6 flag RW", "7 text RW"),
    *("8 none E", "9 none E", "10 whole R"),
)
_DEVICE: Final = _table(
    *("0 text R", "1 text R", "2 text R", "3 text R", "4 none E", "5 none E", "6 whole R", "7 whole R", "8 whole R"),
    *("9 whole R", "10 whole R", "11 whole R", "12 none E", "13 time RW", "14 text RW", "15 text RW", "16 text R"),
    *("17 text R", "18 text R", "19 text R", "20 whole R", "21 whole R", "22 link R"),
)
_FIRMWARE: Final = _table(
    *(
        "0 opaque W",
        "1 text RW",
        "2 none E",
        "3 whole R",
        "5 whole R",
        "6 text R",
        "7 text R",
        "8 whole R",
        "9 whole R",
    ),
)
_OBJECTS: Final[Mapping[int, Mapping[int, Resource]]] = {0: _SECURITY, 1: _SERVER, 3: _DEVICE, 5: _FIRMWARE}
_REUSABLE: Final = _table(
    *("5500 flag R", "5501 whole R", "5505 none E", "5518 time R", "5521 real RW", "5523 text RW", "5525 real RW"),
    *("5526 text RW", "5527 text RW", "5536 text RW", "5544 real R", "5548 flag RW", "5550 flag RW", "5600 real R"),
    *("5601 real R", "5602 real R", "5603 real R", "5604 real R", "5605 none E", "5650 real RW", "5651 real RW"),
    *("5700 real R", "5701 text R", "5702 real R", "5703 real R", "5704 real R", "5705 real R", "5706 text RW"),
    *("5750 text RW", "5800 real R", "5805 real R", "5820 real R", "5821 real RW", "5822 none E", "5850 flag RW"),
    *("5851 whole RW", "5852 whole RW", "5853 text RW", "5900 real RW", "6042 whole R"),
)
