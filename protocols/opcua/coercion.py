"""From what the hub wants to write to the type that a variable or an argument has (Part 3 section 8)."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from actors.model.readings import Reported, Scalar
from protocols.opcua.stack import ua
from protocols.opcua.structures import Field

_BOOLEAN: Final = 1
_RANGES: Final[Mapping[int, tuple[int, int]]] = {
    2: (-(2**7), 2**7 - 1),
    3: (0, 2**8 - 1),
    4: (-(2**15), 2**15 - 1),
    5: (0, 2**16 - 1),
    6: (-(2**31), 2**31 - 1),
    7: (0, 2**32 - 1),
    8: (-(2**63), 2**63 - 1),
    9: (0, 2**64 - 1),
}
_FLOAT: Final = 10
_DOUBLE: Final = 11
_LARGEST_FLOAT: Final = 3.4028234663852886e38
_STRING: Final = 12
_DATE_TIME: Final = 13
_GUID: Final = 14
_LOCALIZED_TEXT: Final = 21
_VARIANT: Final = 24


class DoesNotFit(ValueError):
    """A value cannot be what the other side expects; the text says what that is."""


def variant_of(value: Reported, field: Field, *, is_array: bool) -> Any:
    """Return the value as a variant of the field's type.

    Raises:
        DoesNotFit: it cannot be one without being changed.
    """
    kind = _kind_for(value, field)
    if isinstance(value, tuple):
        if not is_array:
            raise DoesNotFit(f"expected a single {_name(kind)}, got {len(value)} numbers")
        return ua.Variant([_element(each, kind, field.names) for each in value], ua.VariantType(kind), is_array=True)
    if is_array:
        return ua.Variant([_element(value, kind, field.names)], ua.VariantType(kind), is_array=True)
    return ua.Variant(_element(value, kind, field.names), ua.VariantType(kind))


def _kind_for(value: Reported, field: Field) -> int:
    if field.type_id:
        raise DoesNotFit("expected a structure, which the hub does not write")
    if field.builtin != _VARIANT:
        return field.builtin
    match value:
        case bool():
            return _BOOLEAN
        case str():
            return _STRING
        case _:
            return _DOUBLE


def _element(value: Scalar, kind: int, names: Mapping[int, str] | None) -> Any:  # one return a type
    if kind in _RANGES:
        return _whole(value, kind, names)
    if kind == _BOOLEAN:
        return _flag(value)
    if kind in (_FLOAT, _DOUBLE):
        return _number(value, kind)
    if not isinstance(value, str):
        raise DoesNotFit(f"expected {_name(kind)}, got {value!r}")
    try:
        match kind:
            case 12:
                return value
            case 13:
                moment = datetime.fromisoformat(value)
                return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            case 14:
                return UUID(value)
            case 21:
                return ua.LocalizedText(value)
            case _:
                raise DoesNotFit(f"expected {_name(kind)}, which the hub does not write")
    except ValueError:
        raise DoesNotFit(f"expected {_name(kind)}, got {value!r}") from None


def _whole(value: Scalar, kind: int, names: Mapping[int, str] | None) -> int:
    if isinstance(value, str) and names:
        by_name = {name.casefold(): number for number, name in names.items()}
        if value.casefold() not in by_name:
            raise DoesNotFit(f"expected one of {', '.join(names.values())}; got {value!r}")
        return by_name[value.casefold()]
    low, high = _RANGES[kind]
    if isinstance(value, str) or not math.isfinite(value) or int(value) != value or not low <= value <= high:
        raise DoesNotFit(f"expected {_name(kind)}, a whole number from {low} to {high}; got {value!r}")
    return int(value)


def _flag(value: Scalar) -> bool:
    if value in (0, 1):  # and what equals them: False and True
        return bool(value)
    raise DoesNotFit(f"expected Boolean, got {value!r}")


def _number(value: Scalar, kind: int) -> float:
    if isinstance(value, str | bool) or not math.isfinite(value):
        raise DoesNotFit(f"expected {_name(kind)}, got {value!r}")
    if kind == _FLOAT and abs(value) > _LARGEST_FLOAT:
        raise DoesNotFit(f"expected Float, a number up to {_LARGEST_FLOAT:.3g}; got {value!r}")
    return float(value)


def _name(kind: int) -> str:
    try:
        return str(ua.VariantType(kind).name)
    except ValueError:
        return f"type {kind}"
