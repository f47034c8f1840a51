"""What a system holds: its tables and columns, what is seeded, and where a judge finds orders in it.

A column is written as words: its type (``text``, ``number``, ``integer``, ``boolean``, ``time``, ``choice a|b``,
``link TABLE``, ``children TABLE.COLUMN``), then ``required``, ``unique``, ``readonly``, ``max:N`` and ``=DEFAULT``.
"""

import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from actors.model.orders import RecordKind
from actors.model.outcomes import RecordStatus


class Type(StrEnum):
    """What a column holds."""

    TEXT = "text"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    TIME = "time"
    CHOICE = "choice"
    LINK = "link"
    CHILDREN = "children"


class Column(Struct, frozen=True, kw_only=True):
    """One column. ``target`` is the table of a link, or table and column of children."""

    name: str
    type: Type
    target: str = ""
    choices: tuple[str, ...] = ()
    required: bool = False
    unique: bool = False
    readonly: bool = False
    longest: int | None = None
    default: str | None = None


class Action(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A step of a table's work flow: from one of these values of a column to another."""

    column: str
    origins: tuple[str, ...]
    to: str


class Sum(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A column that is computed: the sum over children of the product of two of their columns."""

    children: str
    parent: str
    factors: tuple[str, str]


class TableDefinition(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table as it is declared."""

    columns: dict[str, str]
    ids: str = "integer"
    """``integer``, ``digits`` (as text), ``hex``, ``series PREFIX``, or ``column NAME``: the caller chooses."""
    number: str | None = None
    """Column and prefix of a number that the system gives, such as ``name S``."""
    actions: dict[str, Action] = {}
    sums: dict[str, Sum] = {}


class Lines(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the lines of an order stand: dotted paths from a line."""

    table: str
    parent: str
    sku: str
    quantity: str


class Role(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a judge finds what we placed: dotted paths from a row, through links."""

    table: str
    key: str
    fingerprint: str
    owner: str
    thing: str
    status: str
    statuses: dict[str, RecordStatus]
    number: str = "id"
    total: str | None = None
    lines: Lines | None = None


class Seed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rows to begin with: one for each article (``catalog``), customer (``accounts``), or a single one."""

    table: str
    each: str = "once"
    values: dict[str, Any]


class Customer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where customers are, so that a sandbox without accounts can know everybody."""

    table: str
    column: str
    values: dict[str, Any]


class Vendor(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One system as it is declared."""

    texts_only: bool = False
    """Every value travels as a text."""
    search_lag_s: float = 0.0
    requests_per_window: int = 1_000_000
    window_s: float = 10.0
    tables: dict[str, TableDefinition]
    roles: dict[RecordKind, Role]
    seed: tuple[Seed, ...] = ()
    customer: Customer


def load_vendor(name: str) -> Vendor:
    """Return the declaration of a system."""
    text = Path(__file__).with_name(f"{name}.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), Vendor)


def columns_of(table: TableDefinition) -> dict[str, Column]:
    """Return a table's columns by name."""
    return {name: column_of(name, words) for name, words in table.columns.items()}


def column_of(name: str, text: str) -> Column:
    """Return a column that is written as words."""
    words = text.split()
    kind = Type(words[0])
    takes_word = kind in {Type.CHOICE, Type.LINK, Type.CHILDREN}
    flags = words[2 if takes_word else 1 :]
    longest = next((int(word.removeprefix("max:")) for word in flags if word.startswith("max:")), None)
    return Column(
        name=name,
        type=kind,
        target=words[1] if kind in {Type.LINK, Type.CHILDREN} else "",
        choices=tuple(words[1].split("|")) if kind is Type.CHOICE else (),
        required="required" in flags,
        unique="unique" in flags,
        readonly="readonly" in flags,
        longest=longest,
        default=next((word.removeprefix("=") for word in flags if word.startswith("=")), None),
    )
