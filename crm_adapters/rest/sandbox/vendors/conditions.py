"""Conditions of a search, and which values fit a column. Pure."""

from typing import Any

from msgspec import Struct

from crm_adapters.rest.sandbox.vendors.definitions import Column, Type


class Condition(Struct, frozen=True, kw_only=True):
    """One condition of a search; ``column`` may be a path through links."""

    column: str
    operator: str
    value: Any


def holds(condition: Condition, value: Any) -> bool:
    """Say whether a condition holds for a value; texts and numbers compare as the number where both are one."""
    wanted = condition.value
    match condition.operator:
        case "=":
            return _same(value, wanted)
        case "!=":
            return not _same(value, wanted)
        case "in":
            return any(_same(value, each) for each in wanted)
        case "like":
            return str(wanted).strip("%").casefold() in str(value or "").casefold()
        case ">" | ">=" | "<" | "<=" as operator if value not in (None, ""):
            left, right = rank(value), rank(wanted)
            return {">": left > right, ">=": left >= right, "<": left < right, "<=": left <= right}[operator]
        case _:
            return False


def fits(column: Column, value: Any, *, texts_only: bool) -> bool:
    """Say whether a value may stand in a column."""
    if texts_only and not isinstance(value, str):
        return False
    match column.type:
        case Type.CHOICE:
            return value in column.choices
        case Type.NUMBER:
            return not isinstance(value, bool) and rank(value)[0] != float("inf")
        case Type.INTEGER:
            return not isinstance(value, bool) and str(value).lstrip("-").isdigit()
        case Type.BOOLEAN:
            return isinstance(value, bool) or value in {"true", "false"}
        case Type.TEXT:
            return isinstance(value, str) and (column.longest is None or len(value) <= column.longest)
        case Type.TIME:
            return isinstance(value, str)
        case Type.LINK | Type.CHILDREN:
            return True


def _same(value: Any, wanted: Any) -> bool:
    empty = (None, "", False)
    return value in empty if wanted in empty else str(value) == str(wanted)


def rank(value: Any) -> tuple[float, str]:
    """Return what a value is sorted and compared by: as a number where it is one."""
    try:
        return float(value), ""
    except (TypeError, ValueError):
        return float("inf"), str(value or "")
