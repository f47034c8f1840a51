"""Answers of the hub as tables for people, or as JSON for scripts."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import click
from rich.console import Console
from rich.table import Table

from actors.model.money import Money

_NO_END = 100_000

Columns = Sequence[tuple[str, str]]
"""Heading and where the value is: ``place.city``; the first of ``a|b`` that is there."""


def show_rows(answer: object, columns: Columns, *, as_json: bool, when_empty: str) -> None:
    """Print a list: one row an entry, or a sentence when there is none."""
    if as_json:
        show_json(answer)
        return
    rows = rows_of(answer)
    if not rows:
        click.echo(when_empty)
        return
    table = Table(box=None, pad_edge=False)
    for place, (heading, _) in enumerate(columns):
        table.add_column(heading, no_wrap=place == 0, overflow="fold")  # the first is what the next command is given
    for row in rows:
        table.add_row(*[text_of(pick(row, path)) for _, path in columns])
    _print(table)


def show_entry(answer: object, *, as_json: bool) -> None:
    """Print one thing or order with all that is known of it, a line a fact."""
    if as_json:
        show_json(answer)
        return
    table = Table.grid(padding=(0, 2))
    for name, value in as_map(answer).items():
        if not is_empty(value):
            table.add_row(name, text_of(value))
    _print(table)


def show_json(answer: object) -> None:
    """Print an answer as it came."""
    click.echo(json.dumps(answer, indent=2, ensure_ascii=False))


def rows_of(answer: object) -> Sequence[object]:
    """Return the entries of an answer: the list itself, or the first list in its envelope."""
    lists = [as_list(value) for value in as_map(answer).values() if _is_list(value)]
    return lists[0] if lists else as_list(answer)


def all_rows(pages: Iterable[object]) -> object:
    """Return the one page as it is, or the entries of all pages."""
    answers = list(pages)
    return answers[0] if len(answers) == 1 else [row for page in answers for row in rows_of(page)]


def pick(row: object, paths: str) -> object:
    """Return the first value that one of the paths leads to; "" when none does."""
    for path in paths.split("|"):
        value = row
        for step in path.split("."):
            value = as_map(value).get(step)
        if not is_empty(value):
            return value
    return ""


def text_of(value: object) -> str:
    """Return a value as a person reads it."""
    if isinstance(value, Mapping):
        return _text_of_facts(as_map(cast("object", value)))
    if _is_list(value):
        return "\n".join(text_of(inner) for inner in as_list(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def as_map(value: object) -> Mapping[str, object]:
    """Return an object of JSON, or an empty one in place of anything else."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def as_list(value: object) -> Sequence[object]:
    """Return a list of JSON, or an empty one in place of anything else."""
    return cast("list[object]", value) if isinstance(value, list) else []


def is_empty(value: object) -> bool:
    """Say whether a value tells nothing."""
    return value is None or value in ("", [], {})


def _print(table: Table) -> None:
    """Print a table as wide as the terminal; where none is, as in a pipe, as wide as it is."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _NO_END
    console.print(table)


def _text_of_facts(facts: Mapping[str, object]) -> str:
    match facts:
        case {"minor": int(minor), "currency": str(currency)} if len(facts) == 2:
            return str(Money(minor=minor, currency=currency))
        case _:
            told = [(name, inner) for name, inner in facts.items() if not is_empty(inner)]
            return ", ".join(f"{name}: {text_of(inner)}" for name, inner in told)


def _is_list(value: object) -> bool:
    return isinstance(value, list)
