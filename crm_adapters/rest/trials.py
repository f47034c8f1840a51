"""Trying expressions and templates on sample input, noting what cannot work."""

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from crm_adapters.rest import templates
from crm_adapters.rest.expressions import Expression, ExpressionError
from crm_adapters.rest.functions import Tables
from crm_adapters.rest.templates import Context, Render

Names = AbstractSet[str]
_UNKNOWABLE = "raw"
"""A CRM's own record: no sample says what is in it."""


class Trials:
    """Compiles; ``problems`` says what was wrong, table by table. What is wrong is compiled as a null."""

    def __init__(self, tables: Tables) -> None:
        self.problems: list[str] = []
        self._tables = tables
        self._never = Expression("`null`", frozenset(), {})

    def expression(self, table: str, key: str, text: str, names: Names) -> Expression:
        """Return a compiled expression."""
        try:
            return Expression(text, names, self._tables)
        except ExpressionError as error:
            self.note(table, f"{key}: {error}")
            return self._never

    def maybe(self, table: str, key: str, text: str | None, names: Names) -> Expression | None:
        """Return a compiled expression where there is one."""
        return None if text is None else self.expression(table, key, text, names)

    def path(self, table: str, key: str, template: str, names: Names, context: Context) -> Render:
        """Return what renders a path."""
        return self._tried(table, key, names, context, lambda compiled: templates.path(template, compiled))

    def tree(self, table: str, key: str, template: Any, names: Names, context: Context) -> Render:
        """Return what renders a body, a header or a text."""
        return self._tried(table, key, names, context, lambda compiled: templates.tree(template, compiled))

    def query(
        self, table: str, key: str, template: Mapping[str, str], names: Names, context: Context
    ) -> Callable[[Context], list[tuple[str, str]]]:
        """Return what renders a query."""
        return self._tried(table, key, names, context, lambda compiled: templates.query(template, compiled))

    def first(self, table: str, foreach: Expression, context: Context) -> Any:
        """Return the first element of a list for sample input: what holds for it holds for all."""
        value = self.try_value(table, "foreach", foreach, context, needed=_UNKNOWABLE not in foreach.roots())
        if isinstance(value, list) and value:
            return templates.values_of(value)[0]
        if value is not None:
            self.note(table, "foreach: expected a list that is not empty for a sample")
        return None

    def try_value(self, table: str, key: str, expression: Expression, context: Context, *, needed: bool) -> Any:
        """Return an expression's value for a sample."""
        try:
            value = expression.value(context)
        except ExpressionError as error:
            self.note(table, f"{key}: {error}")
            return None
        if value is None and needed:
            self.note(table, f"{key}: {expression.text!r} is null for a sample; expected a value")
        return value

    def note(self, table: str, text: str) -> None:
        """Keep a problem."""
        self.problems.append(f"[{table}] {text}")

    def _tried(
        self, table: str, key: str, names: Names, context: Context, make: Callable[[templates.Compile], Render]
    ) -> Render:
        """Compile a template and render it once: what is null for a sample will be null for every order."""
        used: list[Expression] = []

        def compiled(text: str) -> Expression:
            used.append(Expression(text, names, self._tables))
            return used[-1]

        try:
            render = make(compiled)
            if any(_UNKNOWABLE in expression.roots() for expression in used):
                return render
            empty = list(_nulls(render(context)))
        except ExpressionError as error:
            self.note(table, f"{key}: {error}")
            return self._never.value
        for place in empty:
            self.note(table, f"{key}{place}: is null for a sample; expected a value, or a key that ends with ?")
        return render


def _nulls(value: Any, place: str = "") -> Iterator[str]:
    match value:
        case None:
            yield place
        case dict():
            for key, inner in templates.items_of(value):
                yield from _nulls(inner, f"{place}.{key}")
        case list():
            for index, inner in enumerate(templates.values_of(value)):
                yield from _nulls(inner, f"{place}[{index}]")
        case _:
            return
