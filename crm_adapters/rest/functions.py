"""The functions that a manifest's expressions may call beside JMESPath's own; README.md lists them. Pure."""

import base64
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, TypeVar

import msgspec
from jmespath import functions

from actors.model.money import Money

Tables = Mapping[str, Mapping[str, Any]]
Method = TypeVar("Method", bound=Callable[..., Any])
_AMOUNT = ["string", "number"]
_ANY = ["string", "number", "boolean", "array", "object", "null"]
_SEARCHED = 4000
"""Characters of a text that a pattern sees: an answer cannot keep the hub busy."""


class UnknownEntry(ValueError):
    """A look-up table has no such entry."""


def _takes(*types: list[str]) -> Callable[[Method], Method]:
    """Declare the JMESPath types that a function takes, one list an argument."""
    arguments: list[Any] = [{"types": each} for each in types]
    declare: Callable[[Method], Method] = functions.signature(*arguments)
    return declare


class ManifestFunctions(functions.Functions):  # type: ignore[misc]  # jmespath ships no types
    """The functions, and the look-up tables that two of them read."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables

    # Numbers and money: exact in decimals.

    @_takes(["object"])
    def _func_decimal_str(self, money: Mapping[str, Any]) -> str:
        return str(Money(minor=int(money["minor"]), currency=str(money["currency"])).decimal())

    @_takes(_AMOUNT, ["string"])
    def _func_to_minor(self, amount: str | float, currency: str) -> int:
        return Money.of(_decimal(amount), currency).minor

    @_takes(_AMOUNT, _AMOUNT)
    def _func_add(self, first: str | float, second: str | float) -> int | float:
        return _number(_decimal(first) + _decimal(second))

    @_takes(_AMOUNT, _AMOUNT)
    def _func_mul(self, first: str | float, second: str | float) -> int | float:
        return _number(_decimal(first) * _decimal(second))

    @_takes(_AMOUNT, _AMOUNT)
    def _func_percent(self, amount: str | float, percent: str | float) -> int:
        exact = _decimal(amount) * _decimal(percent) / 100
        return int(exact.quantize(Decimal(1), ROUND_HALF_EVEN))

    @_takes(_AMOUNT)
    def _func_int(self, amount: str | float) -> int:
        exact = _decimal(amount)
        if exact != exact.to_integral_value():
            raise ValueError(f"{amount!r} is no whole number")
        return int(exact)

    @_takes(["object"])
    def _func_tryton_decimal(self, money: Mapping[str, Any]) -> dict[str, str]:
        return {"__class__": "Decimal", "decimal": self._func_decimal_str(money)}

    @_takes(["object", "string", "null"])
    def _func_from_tryton(self, value: Mapping[str, Any] | str | None) -> Any:
        if not isinstance(value, Mapping):
            return value
        match value.get("__class__"):
            case "Decimal":
                return value["decimal"]
            case "datetime":
                return datetime(**_calendar(value), tzinfo=UTC).isoformat(timespec="microseconds")
            case "date":
                return date(**_calendar(value)).isoformat()
            case other:
                raise ValueError(f"a {other} of Tryton is not known here")

    # Times.

    @_takes(["string"], ["string"])
    def _func_date(self, instant: str, form: str) -> str:
        return datetime.fromisoformat(instant).astimezone(UTC).strftime(form)

    @_takes(["string"], _AMOUNT)
    def _func_later(self, instant: str, seconds: str | float) -> str:
        return (datetime.fromisoformat(instant).astimezone(UTC) + timedelta(seconds=float(seconds))).isoformat()

    @_takes(["string"])
    def _func_odata_date(self, instant: str) -> str:
        return f"/Date({round(datetime.fromisoformat(instant).timestamp() * 1000)})/"

    @_takes(_AMOUNT)
    def _func_from_odata_date(self, text: str | float) -> str:
        found = re.search(r"-?\d+", str(text))
        if found is None:
            raise ValueError(f"{text!r} is no /Date(milliseconds)/")
        return datetime.fromtimestamp(int(found[0]) / 1000, UTC).isoformat()

    # Texts.

    @_takes(["string", "null"], ["string"], ["number"])
    def _func_regex_group(self, text: str | None, pattern: str, group: float) -> str | None:
        found = None if text is None else re.search(pattern, text[:_SEARCHED])
        return None if found is None else found[int(group)]

    @_takes(["string"])
    def _func_b64(self, text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    @_takes(["string"])
    def _func_b64url(self, text: str) -> str:
        return base64.urlsafe_b64encode(text.encode()).decode()

    @_takes(_ANY)
    def _func_json(self, value: Any) -> str:
        return msgspec.json.encode(value).decode()

    @_takes(["string", "null"])
    def _func_from_json(self, text: str | None) -> Any:
        try:
            return None if text is None else msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ValueError(f"{text!r:.80} is no JSON") from error

    # Look-up tables, and lists of objects.

    @_takes(["string"], _AMOUNT, ["string"])
    def _func_lookup_or(self, table: str, key: str | float, default: str) -> Any:
        return self.tables[table].get(str(key), default)

    @_takes(["string"], _AMOUNT)
    def _func_lookup(self, table: str, key: str | float) -> Any:
        rows = self.tables[table]
        if str(key) not in rows:
            raise UnknownEntry(f"table {table!r} has no entry for {str(key)!r}")
        return rows[str(key)]

    @_takes(["array"], ["string"], ["array"])
    def _func_zip_in(self, objects: list[dict[str, Any]], name: str, values: list[Any]) -> list[dict[str, Any]]:
        if len(objects) != len(values):
            raise ValueError(f"{len(objects)} objects and {len(values)} values for {name!r}")
        return [{**each, name: value} for each, value in zip(objects, values, strict=True)]

    @_takes(["array"], ["string"], _ANY)
    def _func_put_in(self, objects: list[dict[str, Any]], name: str, value: Any) -> list[dict[str, Any]]:
        return [{**each, name: value} for each in objects]


def _calendar(parts: Mapping[str, Any]) -> dict[str, int]:
    return {name: int(part) for name, part in parts.items() if name != "__class__"}


def _decimal(amount: str | float) -> Decimal:
    return Decimal(str(amount))


def _number(exact: Decimal) -> int | float:
    return int(exact) if exact == exact.to_integral_value() else float(exact)
