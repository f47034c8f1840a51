"""Answers of the hub as tables for people, or as JSON for scripts."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import click
from rich.console import Console
from rich.table import Table

from actors.model.money import Money

Columns = Sequence[tuple[str, str]]
"""Heading and where the value is: ``place.city``; the first of ``a|b`` that is there."""


def show_rows(answer: Any, columns: Columns, *, as_json: bool, when_empty: str) -> None:
    """Print a list: one row an entry, or a sentence when there is none."""
    if as_json:
        show_json(answer)
        return
    rows = rows_of(answer)
    if not rows:
        click.echo(when_empty)
        return
    table = Table(*[heading for heading, _ in columns], box=None, pad_edge=False)
    for row in rows:
        table.add_row(*[text_of(pick(row, path)) for _, path in columns])
    Console(highlight=False, markup=False, emoji=False).print(table)


def show_entry(answer: Any, *, as_json: bool) -> None:
    """Print one thing or order with all that is known of it, a line a fact."""
    if as_json:
        show_json(answer)
        return
    table = Table.grid(padding=(0, 2))
    for name, value in cast("Mapping[str, Any]", answer).items():
        if value not in (None, "", [], {}):
            table.add_row(name, text_of(value))
    Console(highlight=False, markup=False, emoji=False).print(table)


def show_json(answer: Any) -> None:
    """Print an answer as it came."""
    click.echo(json.dumps(answer, indent=2, ensure_ascii=False))


def rows_of(answer: Any) -> list[Any]:
    """Return the entries of an answer: the list itself, or the first list in its envelope."""
    if isinstance(answer, dict):
        lists = [value for value in cast("dict[str, Any]", answer).values() if isinstance(value, list)]
        return cast("list[Any]", lists[0]) if lists else []
    return cast("list[Any]", answer) if isinstance(answer, list) else []


def pick(row: Any, paths: str) -> Any:
    """Return the first value that one of the paths leads to."""
    for path in paths.split("|"):
        value = row
        for step in path.split("."):
            value = cast("dict[str, Any]", value).get(step) if isinstance(value, dict) else None
        if value not in (None, ""):
            return value
    return ""


def text_of(value: Any) -> str:
    """Return a value as a person reads it."""
    match value:
        case {"minor": int(minor), "currency": str(currency), **rest} if not rest:
            return str(Money(minor=minor, currency=currency))
        case dict():
            entries = cast("dict[str, Any]", value).items()
            return ", ".join(f"{name}: {text_of(inner)}" for name, inner in entries if inner not in (None, "", [], {}))
        case list():
            return "\n".join(text_of(inner) for inner in cast("list[Any]", value))
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)
