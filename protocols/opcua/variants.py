"""Variants and data values: what a server sends of a variable, as plain Python values."""

import struct
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from asyncua.ua.status_codes import get_name_and_doc
from msgspec import Struct

from protocols.opcua.binary import MOST_NESTED, Cursor, Flaw, Malformed

_ARRAY: Final = 0x80
_DIMENSIONS: Final = 0x40
_NUMBERS: Final = {1: "?", 2: "b", 3: "B", 4: "h", 5: "H", 6: "i", 7: "I", 8: "q", 9: "Q", 10: "f", 11: "d"}
NUMBER_FORMS: Final[Mapping[int, struct.Struct]] = {kind: struct.Struct("<" + form) for kind, form in _NUMBERS.items()}
"""Variant types of a fixed size: how they are packed."""
_HIGHEST_TYPE: Final = 25
_NODE_ID_FORMS: Final = {0: struct.Struct("<B"), 1: struct.Struct("<BH"), 2: struct.Struct("<HI")}
_HAS_URI: Final = 0x80
_HAS_SERVER: Final = 0x40


class Structure(Struct, frozen=True, gc=False):
    """A value of a type that is the server's own: its encoding's node, and its bytes."""

    encoding: str
    body: bytes


class Sample(Struct, frozen=True, gc=False):
    """One value as a server sends it, with its status code and both times."""

    value: object
    status: int
    source_time: datetime | None
    server_time: datetime | None


def read_variant(cursor: Cursor, depth: int = 0) -> object:
    """Read a value; arrays become flat lists, whatever their dimensions."""
    encoding = cursor.u8()
    kind = encoding & 0x3F
    if kind == 0:
        return None
    if not encoding & _ARRAY:
        return _reader(kind)(cursor, depth)
    values = _read_array(cursor, kind, depth)
    if encoding & _DIMENSIONS:
        cursor.skip(4 * cursor.count(4))
    return values


def read_data_value(cursor: Cursor, depth: int = 0) -> Sample:
    """Read a value with status and times."""
    mask = cursor.u8()
    value = read_variant(cursor, depth) if mask & 0x01 else None
    status = cursor.u32() if mask & 0x02 else 0
    source_time = cursor.time() if mask & 0x04 else None
    if mask & 0x10:
        cursor.skip(2)
    server_time = cursor.time() if mask & 0x08 else None
    if mask & 0x20:
        cursor.skip(2)
    return Sample(value, status, source_time, server_time)


def read_builtin(cursor: Cursor, kind: int, depth: int = 0) -> object:
    """Read a value of the built-in type with this number."""
    return _reader(kind)(cursor, depth)


def read_node_id(cursor: Cursor, _depth: int = 0) -> str:
    """Read a node id as people write it, by the server's own namespace index."""
    encoding = cursor.u8()
    kind = encoding & 0x3F
    if kind in _NODE_ID_FORMS:
        fields = cursor.unpack(_NODE_ID_FORMS[kind])
        text = f"ns={fields[0] if kind else 0};i={fields[-1]}"
    elif kind == 3:
        text = f"ns={cursor.u16()};s={cursor.text() or ''}"
    elif kind == 4:
        text = f"ns={cursor.u16()};g={cursor.guid()}"
    elif kind == 5:
        text = f"ns={cursor.u16()};b={(cursor.octets() or b'').hex()}"
    else:
        raise Malformed(Flaw.UNKNOWN_ENCODING, f"byte {cursor.at - 1}: no node id begins with {encoding:#x}")
    if encoding & _HAS_URI:
        cursor.text()
    if encoding & _HAS_SERVER:
        cursor.u32()
    return text


def read_structure(cursor: Cursor, depth: int = 0) -> Structure | None:
    """Read an ExtensionObject, its body left for those who know its type; null when it has no type."""
    del depth
    encoding = read_node_id(cursor)
    form = cursor.u8()
    body = (cursor.octets() or b"") if form else b""
    return None if encoding == "ns=0;i=0" else Structure(encoding, body)


def skip_diagnostics(cursor: Cursor, depth: int = 0) -> None:
    """Pass over a DiagnosticInfo."""
    _check_depth(depth)
    mask = cursor.u8()
    cursor.skip(4 * (mask & 0x0F).bit_count())
    if mask & 0x10:
        cursor.octets()
    if mask & 0x20:
        cursor.skip(4)
    if mask & 0x40:
        skip_diagnostics(cursor, depth + 1)


def status_name(status: int) -> str:
    """Return the name of a status code without its flags."""
    name: str = get_name_and_doc(status & 0xFFFF0000)[0]
    return name


def _read_array(cursor: Cursor, kind: int, depth: int) -> list[object]:
    form = NUMBER_FORMS.get(kind)
    if form is not None:
        number = cursor.count(form.size)
        return list(cursor.unpack(struct.Struct(f"<{number}{_NUMBERS[kind]}")))
    _check_depth(depth)
    read = _reader(kind)
    return [read(cursor, depth + 1) for _ in range(cursor.count())]


def _reader(kind: int) -> Callable[[Cursor, int], Any]:
    if kind > _HIGHEST_TYPE:  # reserved: to be read as bytes (Part 6 section 5.2.2.16)
        return _read_octets
    found = _READERS.get(kind)
    if found is None:
        raise Malformed(Flaw.UNKNOWN_ENCODING, f"no variant has the type {kind}")
    return found


def _check_depth(depth: int) -> None:
    if depth >= MOST_NESTED:
        raise Malformed(Flaw.TOO_DEEP, f"values are nested more than {MOST_NESTED} times")


def _number_reader(form: struct.Struct) -> Callable[[Cursor, int], object]:
    return lambda cursor, _depth: cursor.unpack(form)[0]


def _read_text(cursor: Cursor, _depth: int) -> str | None:
    return cursor.text()


def _read_octets(cursor: Cursor, _depth: int) -> bytes | None:
    return cursor.octets()


def _read_status(cursor: Cursor, _depth: int) -> str:
    return status_name(cursor.u32())


def _read_qualified_name(cursor: Cursor, _depth: int) -> str | None:
    cursor.u16()
    return cursor.text()


def _read_localized_text(cursor: Cursor, _depth: int) -> str:
    mask = cursor.u8()
    if mask & 0x01:
        cursor.text()
    return (cursor.text() or "") if mask & 0x02 else ""


def _read_nested_value(cursor: Cursor, depth: int) -> object:
    _check_depth(depth)
    return read_data_value(cursor, depth + 1).value


def _read_nested_variant(cursor: Cursor, depth: int) -> object:
    _check_depth(depth)
    return read_variant(cursor, depth + 1)


_READERS: Final[Mapping[int, Callable[[Cursor, int], Any]]] = {
    **{kind: _number_reader(form) for kind, form in NUMBER_FORMS.items()},
    12: _read_text,
    13: lambda cursor, _depth: cursor.time(),
    14: lambda cursor, _depth: cursor.guid(),
    15: _read_octets,
    16: _read_text,
    17: read_node_id,
    18: read_node_id,
    19: _read_status,
    20: _read_qualified_name,
    21: _read_localized_text,
    22: read_structure,
    23: _read_nested_value,
    24: _read_nested_variant,
    25: skip_diagnostics,
}
