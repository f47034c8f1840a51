"""From what a server sends to what a property can hold."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

import msgspec

from actors.model.profiles import PropertyKind
from actors.model.readings import Reported
from protocols.opcua.variants import Structure

_MOST_TEXT: Final = 16_384


class Unreadable(ValueError):
    """A value of a type that no property of a thing can hold."""


def reported(
    value: object, kind: PropertyKind = PropertyKind.NUMBER, names: Mapping[int, str] | None = None
) -> Reported | None:
    """Return a value as a property of this kind can hold it; None stays None. ``names`` are those of an enumeration.

    What is not of the property's kind is handed on as it is: the hub says what is wrong with it.

    Raises:
        Unreadable: structures and other values that are neither flag, finite number, text nor an array of such numbers.
    """
    if kind is PropertyKind.TEXT:
        return _as_text(value, names)
    if kind is PropertyKind.FLAG and value in (0, 1):
        return bool(value)
    return _plain(value)


def part_of(value: object, path: Sequence[str]) -> object:
    """Return the part of a structure that ``path`` leads to.

    Raises:
        Unreadable: there is no such part.
    """
    found: Any = value
    for number, step in enumerate(path):
        try:
            found = cast("list[object]", found)[int(step)] if isinstance(found, list) else found[step]
        except (TypeError, ValueError, KeyError, IndexError):
            raise Unreadable(f"there is no field {'.'.join(path[: number + 1])}{_offered(found)}") from None
    return found


def finite(value: float) -> float:
    """Return a number of 64 bits.

    Raises:
        Unreadable: it is too large, infinite or no number.
    """
    try:
        number = float(value)
    except OverflowError:
        raise Unreadable("the number is larger than 64 bits") from None
    if not math.isfinite(number):
        raise Unreadable("the number is not finite")
    return number


def _offered(found: Any) -> str:
    match found:
        case dict():
            return f"; expected one of {', '.join(cast('dict[str, object]', found))}"
        case list():
            return f"; there are {len(cast('list[object]', found))} elements"
        case _:
            return ""


def _plain(value: object) -> Reported | None:
    match value:
        case None | bool():
            return value
        case float() | int():
            return finite(value)
        case str():
            return _clean(value)
        case list():
            return _numbers(cast("list[object]", value))
        case datetime():
            return value.isoformat()
        case UUID():
            return str(value)
        case other:
            raise Unreadable(f"{_kind_of(other)} can only be a property of kind text, or a field of it")


def _as_text(value: object, names: Mapping[int, str] | None) -> str | None:
    match value:
        case None | str():
            return None if value is None else _clean(value)
        case bool():
            return "true" if value else "false"
        case int():
            return names.get(value, str(value)) if names else str(value)
        case float():
            return f"{finite(value):.15g}"
        case datetime() | UUID() | list() | dict():
            text = _plain(value) if isinstance(value, datetime | UUID) else _json(cast("object", value))
            return cast("str", text)
        case other:
            raise Unreadable(f"{_kind_of(other)} is no text")


def _json(value: object) -> str:
    try:
        text = msgspec.json.encode(value, enc_hook=_no_text).decode()
    except (TypeError, ValueError, RecursionError) as error:
        raise Unreadable(str(error)) from None
    if len(text) > _MOST_TEXT:
        raise Unreadable(f"{len(text)} characters of JSON are more than the {_MOST_TEXT} that a property may hold")
    return text


def _no_text(value: object) -> object:
    raise Unreadable(f"{_kind_of(value)} is no text")


def _kind_of(value: object) -> str:
    match value:
        case Structure():
            return f"a structure of the unknown type {value.encoding}"
        case dict():
            return "a structure"
        case bytes():
            return "a ByteString"
        case other:
            return f"a value of type {type(other).__name__}"


def _numbers(values: Sequence[object]) -> tuple[float, ...]:
    """Return an array row by row, whatever its dimensions."""
    flat: list[float] = []
    for value in values:
        match value:
            case list():
                flat.extend(_numbers(cast("list[object]", value)))
            case int() | float():
                flat.append(finite(value))
            case other:
                raise Unreadable(f"an array of {type(other).__name__} can only be a property of kind text")
    return tuple(flat)


def _clean(text: str) -> str:
    """Replace what nothing can encode, such as lone surrogates."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8", "replace")
