"""How a table is described: columns, lookups, collections, alternate keys."""

from enum import StrEnum
from typing import Any

from msgspec import Struct


class Kind(StrEnum):
    """What a column holds."""

    TEXT = "text"
    WHOLE = "whole"
    MONEY = "money"
    DECIMAL = "decimal"
    FLAG = "flag"
    TIME = "time"
    CHOICE = "choice"


class Level(StrEnum):
    """Requirement level. ``SYSTEM`` is enforced by the API, ``APPLICATION`` by forms (and by a strict sandbox)."""

    NONE = "none"
    APPLICATION = "application"
    SYSTEM = "system"


class Column(Struct, frozen=True, kw_only=True):
    """One column. ``read_only`` ones are set by the platform: what a client sends for them is ignored."""

    name: str
    kind: Kind = Kind.TEXT
    level: Level = Level.NONE
    max_length: int = 100
    options: tuple[int, ...] = ()
    default: Any = None
    read_only: bool = False


class Lookup(Struct, frozen=True, kw_only=True):
    """A reference to a row of ``target``, written by ``navigation`` (case matters) and read as ``_column_value``."""

    column: str
    navigation: str
    target: str
    level: Level = Level.NONE

    @property
    def value_name(self) -> str:
        """The name under which the id is read and filtered."""
        return f"_{self.column}_value"


class Collection(Struct, frozen=True, kw_only=True):
    """Rows of ``table`` that point here by their lookup ``column``; deleted with their parent when ``cascade``."""

    navigation: str
    table: str
    column: str
    cascade: bool = False


class Table(Struct, frozen=True, kw_only=True):
    """One table of the environment."""

    name: str
    entity_set: str
    primary_id: str
    primary_name: str
    columns: dict[str, Column]
    lookups: dict[str, Lookup] = {}
    """By navigation property."""
    collections: dict[str, Collection] = {}
    """By navigation property."""
    keys: tuple[str, ...] = ()
    """Columns that are alternate keys of their own."""

    def lookup_of(self, column: str) -> Lookup | None:
        """Return a lookup that fills ``column`` (several navigation properties may, as for customers)."""
        return next((lookup for lookup in self.lookups.values() if lookup.column == column), None)

    def readable(self, name: str) -> bool:
        """Say whether ``name`` can be selected or filtered."""
        if name == self.primary_id or name in self.columns:
            return True
        return any(lookup.value_name == name for lookup in self.lookups.values())


def text(name: str, *, length: int = 100, level: Level = Level.NONE) -> Column:
    """Describe a text column."""
    return Column(name=name, max_length=length, level=level)


def whole(name: str, *, default: int | None = None, level: Level = Level.NONE) -> Column:
    """Describe a whole number."""
    return Column(name=name, kind=Kind.WHOLE, default=default, level=level)


def money(name: str, *, read_only: bool = False) -> Column:
    """Describe an amount in the row's currency."""
    return Column(name=name, kind=Kind.MONEY, read_only=read_only)


def number(name: str, *, level: Level = Level.NONE) -> Column:
    """Describe a decimal number."""
    return Column(name=name, kind=Kind.DECIMAL, level=level)


def flag(name: str, *, default: bool = False) -> Column:
    """Describe a yes/no column."""
    return Column(name=name, kind=Kind.FLAG, default=default)


def moment(name: str, *, level: Level = Level.NONE) -> Column:
    """Describe a point in time."""
    return Column(name=name, kind=Kind.TIME, level=level)


def choice(name: str, *options: int, default: int | None = None, level: Level = Level.NONE) -> Column:
    """Describe a choice."""
    return Column(name=name, kind=Kind.CHOICE, options=options, default=default, level=level)


def automatic(name: str) -> Column:
    """Describe a text that the platform numbers when the client sends none."""
    return Column(name=name)


def to(column: str, target: str, *, navigation: str = "", level: Level = Level.NONE) -> Lookup:
    """Describe a lookup; its navigation property is named like the column unless said otherwise."""
    return Lookup(column=column, navigation=navigation or column, target=target, level=level)
