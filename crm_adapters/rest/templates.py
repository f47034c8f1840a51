"""Templates: trees of JSON, paths and texts in which expressions stand for values."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from crm_adapters.rest.expressions import Expression, ExpressionError

Context = Mapping[str, Any]
Compile = Callable[[str], Expression]
Render = Callable[[Context], Any]

_WHOLE = re.compile(r"^\$\{(.+)\}$", re.DOTALL)
_PART = re.compile(r"\$\{([^{}]+)\}")
_VARIABLE = re.compile(r"\{([^{}]+)\}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
OPTIONAL = "?"
"""A key that ends so is left out when its value is null."""


def tree(template: Any, compiled: Compile) -> Render:
    """Return what renders a JSON tree: a text "${expression}" becomes the value, with its type.

    Raises:
        ExpressionError: an expression in it cannot be used.
    """
    match template:
        case str():
            return _leaf(template, compiled)
        case dict():
            return _object({str(key): tree(value, compiled) for key, value in items_of(template)})
        case list():
            return _array([tree(value, compiled) for value in values_of(template)])
        case _:
            return lambda _context: template


def path(template: str, compiled: Compile) -> Render:
    """Return what renders a path: each {expression} becomes one percent-encoded segment or part of one.

    Raises:
        ExpressionError: an expression in it cannot be used, or the path does not begin with a slash.
    """
    if not template.startswith("/"):
        raise ExpressionError(f"path {template!r} does not begin with a slash")
    first, *pieces = _VARIABLE.split(template)
    parts = [(compiled(text), fixed) for text, fixed in zip(pieces[::2], pieces[1::2], strict=True)]

    def render(context: Context) -> str:
        text = first
        for expression, fixed in parts:
            text += _segment(expression, context) + fixed
        return text

    return render


def query(template: Mapping[str, str], compiled: Compile) -> Callable[[Context], list[tuple[str, str]]]:
    """Return what renders a query: a list becomes a repeated parameter; under a name that ends with ? null is none.

    Raises:
        ExpressionError: an expression in it cannot be used.
    """
    renders = {name: _leaf(text, compiled) for name, text in template.items()}

    def render(context: Context) -> list[tuple[str, str]]:
        return [
            (name.removesuffix(OPTIONAL), text)
            for name, make in renders.items()
            for text in _texts(name, make(context))
        ]

    return render


def items_of(value: Any) -> list[tuple[Any, Any]]:
    """Return the entries of an object whose type only its reader knows."""
    return list(value.items())


def values_of(value: Any) -> list[Any]:
    """Return the elements of an array whose type only its reader knows."""
    return list(value)


def scalar_text(value: Any) -> str:
    """Return a scalar as it stands in a path, a query or a header.

    Raises:
        ExpressionError: it is no scalar.
    """
    if type(value) is str:
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise ExpressionError(f"expected a text or a number, got {value!r}")


def header_text(value: Any) -> str:
    """Return a scalar as it stands in a header.

    Raises:
        ExpressionError: it is no scalar, or has control characters, which would begin another header.
    """
    text = scalar_text(value)
    if _CONTROL.search(text):
        raise ExpressionError(f"expected a text without control characters in a header, got {text!r:.60}")
    return text


def _leaf(text: str, compiled: Compile) -> Render:
    whole = _WHOLE.match(text)
    if whole and "${" not in whole[1]:
        return compiled(whole[1]).value
    first, *pieces = _PART.split(text)
    parts = [(compiled(part), fixed) for part, fixed in zip(pieces[::2], pieces[1::2], strict=True)]
    if not parts:
        return lambda _context: text

    def render(context: Context) -> str:
        rendered = first
        for expression, fixed in parts:
            rendered += scalar_text(expression.value(context)) + fixed
        return rendered

    return render


def _object(renders: Mapping[str, Render]) -> Render:
    entries = [(key.removesuffix(OPTIONAL), key.endswith(OPTIONAL), make) for key, make in renders.items()]

    def render(context: Context) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, is_optional, make in entries:
            value = make(context)
            if value is not None or not is_optional:
                values[name] = value
        return values

    return render


def _array(renders: list[Render]) -> Render:
    return lambda context: [make(context) for make in renders]


def _segment(expression: Expression, context: Context) -> str:
    segment = scalar_text(expression.value(context))
    if segment in {"", ".", ".."}:
        raise ExpressionError(f"{expression.text!r} is {segment!r}, which cannot stand in a path")
    return quote(segment, safe="")


def _texts(name: str, value: Any) -> list[str]:
    if value is None and name.endswith(OPTIONAL):
        return []
    return [scalar_text(item) for item in values_of(value)] if isinstance(value, list) else [scalar_text(value)]
