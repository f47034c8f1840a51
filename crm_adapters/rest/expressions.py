"""Expressions of a manifest: JMESPath with a few functions, compiled and checked when the manifest is loaded."""

import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import jmespath
import msgspec
from jmespath import exceptions

from crm_adapters.rest.closures import Evaluate, evaluator, is_path
from crm_adapters.rest.functions import ManifestFunctions, Tables


class ExpressionError(ValueError):
    """An expression is malformed, names something that is not there, or could not be evaluated."""


class NotShown(ExpressionError):
    """An answer has not even the place where what was looked for would stand: it says nothing of what there is."""


class Expression:
    """One compiled expression over the named values of its context."""

    def __init__(self, text: str, names: AbstractSet[str], tables: Tables) -> None:
        """Compile and check.

        Raises:
            ExpressionError: the text is no JMESPath, or names a value, a function or a table that is not there.
        """
        self.text = text
        self._functions = ManifestFunctions(tables)
        try:
            self._compiled = jmespath.compile(text)
        except exceptions.JMESPathError as error:
            raise ExpressionError(f"{text!r} is no JMESPath: {_first_line(error)}") from error
        self._check(self._compiled.parsed, names)
        evaluate = evaluator(self._compiled.parsed, self._functions)
        self.value: Evaluate = evaluate if is_path(self._compiled.parsed) else self._explained(evaluate)
        """Returns the value in a context. Raises ``ExpressionError`` where a function got what it does not take."""
        searched, named = _FIRST_OF.match(text), _NAMED.match(text)
        self._searched = None if searched is None else jmespath.compile(searched["list"])
        self._named = None if named is None else (jmespath.compile(named["place"]), named["name"])

    def _explained(self, evaluate: Evaluate) -> Evaluate:
        def value(context: Mapping[str, Any]) -> Any:
            try:
                return evaluate(context)
            except (exceptions.JMESPathError, ArithmeticError, LookupError, TypeError, ValueError) as error:
                raise ExpressionError(f"{self.text!r}: {_first_line(error)}") from error

        return value

    @property
    def is_search(self) -> bool:
        """Say whether it takes the first of a list."""
        return self._searched is not None

    def sought(self, context: Mapping[str, Any]) -> Any:
        """Return what a search found: of ``LIST[0]...`` None only where the list is there, and empty.

        Raises:
            NotShown: there is no list.
            ExpressionError: as ``value``.
        """
        value = self.value(context)
        if value is None and self._searched is not None and not isinstance(self._searched.search(context), list):
            raise NotShown(f"{self.text!r}: there is no such list")
        return value

    def shown(self, context: Mapping[str, Any]) -> Any:
        """Return what stands at a place: of ``PLACE.NAME`` None only where the place has that name, as a null.

        Raises:
            NotShown: the place has no such name.
            ExpressionError: as ``value``.
        """
        value = self.sought(context)
        if value is None and self._named is not None:
            place, name = self._named
            there = place.search(context)
            if not isinstance(there, dict) or name not in there:
                raise NotShown(f"{self.text!r}: there is no such place")
        return value

    def roots(self) -> frozenset[str]:
        """Return the names that the expression takes from its context."""
        return frozenset(_root_names(self._compiled.parsed))

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
        if name == "regex_group" and len(arguments) > 1 and arguments[1]["type"] == "literal":
            self._check_pattern(arguments[1]["value"])
        table = arguments[0] if name.startswith("lookup") and arguments else None
        if table and table["type"] == "literal" and table["value"] not in self._functions.tables:
            existing = ", ".join(sorted(self._functions.tables)) or "none"
            raise ExpressionError(f"{self.text!r} looks up in table {table['value']!r}; tables are: {existing}")

    def _check_pattern(self, pattern: object) -> None:
        try:
            re.compile(str(pattern))
        except re.error as error:
            raise ExpressionError(f"{self.text!r}: {pattern!r} is no regular expression: {error}") from error


_NAMED = re.compile(r"^(?P<place>\w+(\.\w+)*)\.(?P<name>\w+)$")
_FIRST_OF = re.compile(r"^(?P<list>\w+(\.\w+)*)\[0\]")
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


def _first_line(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error.args[0]!r} is missing"
    return str(error).split("\n", 1)[0]
