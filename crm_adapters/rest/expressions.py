"""Expressions of a manifest: JMESPath with a few functions, compiled and checked when the manifest is loaded."""

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import jmespath
import msgspec
from jmespath import exceptions, functions

from actors.model.money import Money

Tables = Mapping[str, Mapping[str, Any]]
Method = TypeVar("Method", bound=Callable[..., Any])
_AMOUNT = ["string", "number"]


class ExpressionError(ValueError):
    """An expression is malformed, names something that is not there, or could not be evaluated."""


def _takes(*types: list[str]) -> Callable[[Method], Method]:
    """Declare the JMESPath types that a function takes, one list an argument."""
    arguments: list[Any] = [{"types": each} for each in types]
    declare: Callable[[Method], Method] = functions.signature(*arguments)
    return declare


class _Functions(functions.Functions):  # type: ignore[misc]  # jmespath ships no types
    """The functions that manifests may call beside the built-in ones (README.md lists them)."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables

    @_takes(["object"])
    def _func_decimal_str(self, money: Mapping[str, Any]) -> str:
        return str(Money(minor=int(money["minor"]), currency=str(money["currency"])).decimal())

    @_takes(_AMOUNT, ["string"])
    def _func_to_minor(self, amount: str | float, currency: str) -> int:
        return Money.of(_decimal(amount), currency).minor

    @_takes(_AMOUNT, _AMOUNT)
    def _func_mul(self, first: str | float, second: str | float) -> int | float:
        product = _decimal(first) * _decimal(second)
        return int(product) if product == product.to_integral_value() else float(product)

    @_takes(["string"], ["string"])
    def _func_date(self, instant: str, form: str) -> str:
        return datetime.fromisoformat(instant).astimezone(UTC).strftime(form)

    @_takes(["string"], _AMOUNT, ["string"])
    def _func_lookup_or(self, table: str, key: str | float, default: str) -> Any:
        return self.tables[table].get(str(key), default)

    @_takes(["string"], _AMOUNT)
    def _func_lookup(self, table: str, key: str | float) -> Any:
        rows = self.tables[table]
        if str(key) not in rows:
            raise ExpressionError(f"table {table!r} has no entry for {str(key)!r}")
        return rows[str(key)]


class Expression:
    """One compiled expression over the named values of its context."""

    def __init__(self, text: str, names: AbstractSet[str], tables: Tables) -> None:
        """Compile and check.

        Raises:
            ExpressionError: the text is no JMESPath, or names a value, a function or a table that is not there.
        """
        self.text = text
        self._functions = _Functions(tables)
        try:
            self._compiled = jmespath.compile(text)
        except exceptions.JMESPathError as error:
            raise ExpressionError(f"{text!r} is no JMESPath: {_first_line(error)}") from error
        self._check(self._compiled.parsed, names)

    def value(self, context: Mapping[str, Any]) -> Any:
        """Return the value.

        Raises:
            ExpressionError: a function got what it does not take.
        """
        try:
            return self._compiled.search(context, jmespath.Options(custom_functions=self._functions))
        except (exceptions.JMESPathError, InvalidOperation, KeyError, TypeError, ValueError) as error:
            raise ExpressionError(f"{self.text!r}: {_first_line(error)}") from error

    def _check(self, tree: Any, names: AbstractSet[str]) -> None:
        for name in _root_names(tree):
            if name not in names:
                raise ExpressionError(f"{self.text!r} names {name!r}; expected one of {', '.join(sorted(names))}")
        for name, arguments in _calls(tree):
            self._check_call(name, arguments)

    def _check_call(self, name: str, arguments: list[Any]) -> None:
        known = self._functions.FUNCTION_TABLE
        if name not in known:
            raise ExpressionError(f"{self.text!r} calls {name}(), which is no function here")
        table = arguments[0] if name.startswith("lookup") and arguments else None
        if table and table["type"] == "literal" and table["value"] not in self._functions.tables:
            existing = ", ".join(sorted(self._functions.tables)) or "none"
            raise ExpressionError(f"{self.text!r} looks up in table {table['value']!r}; tables are: {existing}")


_ONLY_FIRST_IS_ROOT = frozenset(
    "subexpression index_expression projection value_projection filter_projection pipe".split(" ")
)


def plain(value: Any) -> Any:
    """Return a value as expressions see it: what its JSON says."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _root_names(tree: Any) -> Iterator[str]:
    """Yield the names that an expression takes from its context itself, not from a value inside."""
    if tree["type"] == "field":
        yield str(tree["value"])
        return
    children = tree["children"][:1] if tree["type"] in _ONLY_FIRST_IS_ROOT else tree["children"]
    if tree["type"] != "expref":
        for child in children:
            if isinstance(child, dict):
                yield from _root_names(child)


def _calls(tree: Any) -> Iterator[tuple[str, list[Any]]]:
    if tree["type"] == "function_expression":
        yield str(tree["value"]), tree["children"]
    for child in tree["children"]:
        if isinstance(child, dict):
            yield from _calls(child)


def _decimal(amount: str | float) -> Decimal:
    return Decimal(str(amount))


def _first_line(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error.args[0]!r} is missing"
    return str(error).split("\n", 1)[0]
