"""Reading: ``$select``, ``$filter``, ``$orderby``, ``$expand``, ``$top``, ``$count`` and pages."""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

from msgspec import Struct

from crm_adapters.dynamics.sandbox.environment import Environment
from crm_adapters.dynamics.sandbox.errors import refuse, unknown_property
from crm_adapters.dynamics.sandbox.filters import Row, parse_filter, parse_path
from crm_adapters.dynamics.sandbox.schema import Kind, Table

LARGEST_PAGE: Final = 5000
_KNOWN: Final = frozenset(
    {"$select", "$filter", "$orderby", "$expand", "$top", "$count", "$skiptoken", "$apply", "$format"}
)
_EXPANSION: Final = re.compile(r"^(?P<navigation>\w+)(?:\((?P<options>.*)\))?$", re.DOTALL)
_DEFAULT_SELECT: Final[tuple[str, ...]] = ()


class Page(Struct, frozen=True, kw_only=True):
    """What a query returns; ``next_token`` continues it."""

    rows: list[dict[str, Any]]
    count: int | None
    next_token: str


def select_of(table: Table, query: Mapping[str, str]) -> tuple[str, ...]:
    """Return the selected columns, () for all.

    Raises:
        DataverseError: 400 for a column that the table does not have.
    """
    names = tuple(name.strip() for name in query.get("$select", "").split(",") if name.strip())
    for name in names:
        if not table.readable(name):
            raise unknown_property(table.name, name)
    return names


def render(table: Table, row: Row, selected: Iterable[str] = _DEFAULT_SELECT) -> dict[str, Any]:
    """Return a row as JSON: its etag, its id, and the selected (or all) columns."""
    wanted = tuple(selected) or _readable_names(table)
    shown: dict[str, Any] = {"@odata.etag": etag(row), table.primary_id: row[table.primary_id]}
    for name in wanted:
        shown[name] = _shown(table, name, row.get(name))
    return shown


def etag(row: Row) -> str:
    """Return the weak entity tag of a row's version."""
    return f'W/"{row["versionnumber"]}"'


def expand(environment: Environment, table: Table, row: Row, query: Mapping[str, str]) -> dict[str, Any]:
    """Return what ``$expand`` adds to a row, one level deep.

    Raises:
        DataverseError: 400 for a navigation property that the table does not have.
    """
    added: dict[str, Any] = {}
    for part in _split(query.get("$expand", ""), ","):
        match = _EXPANSION.match(part)
        if match is None:
            raise refuse(400, "BadProperty", f"Term '{part}' is not valid in a $expand expression.")
        options = dict(option.split("=", 1) for option in _split(match["options"] or "", ";") if "=" in option)
        added[match["navigation"]] = _expanded(environment, table, row, match["navigation"], options)
    return added


def run_query(environment: Environment, table: Table, rows: Iterable[Row], query: Mapping[str, str], page: int) -> Page:
    """Return one page of the rows that the query asks for.

    Raises:
        DataverseError: 400 for what cannot be read.
    """
    _refuse_unknown_options(query)
    selected = select_of(table, query)
    matching = _filtered(environment, table, rows, query)
    ordered = _ordered(environment, table, matching, query)
    limit = _number(query, "$top")
    if limit is not None:
        ordered = ordered[:limit]
    start = _number(query, "$skiptoken") or 0
    size = LARGEST_PAGE if limit is not None else min(page, LARGEST_PAGE)
    shown = [
        render(table, row, selected) | expand(environment, table, row, query) for row in ordered[start : start + size]
    ]
    more = start + size < len(ordered)
    return Page(
        rows=shown,
        count=len(ordered) if query.get("$count") == "true" else None,
        next_token=str(start + size) if more else "",
    )


def next_link(address: str, query: Mapping[str, str], token: str) -> str:
    """Return the address of the following page."""
    options = {**query, "$skiptoken": token}
    return address + "?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in options.items())


def _expanded(environment: Environment, table: Table, row: Row, navigation: str, options: Mapping[str, str]) -> Any:
    if navigation in table.lookups:
        lookup = table.lookups[navigation]
        target = environment.model.table(lookup.target)
        guid = row.get(lookup.value_name)
        found = None if guid is None else environment.tables.get(target.name, str(guid))
        return None if found is None else render(target, found, select_of(target, options))
    if navigation in table.collections:
        collection = table.collections[navigation]
        child = environment.model.table(collection.table)
        children = environment.pointing(child.name, f"_{collection.column}_value", str(row[table.primary_id]))
        return run_query(environment, child, children, options, LARGEST_PAGE).rows
    raise unknown_property(table.name, navigation)


def _filtered(environment: Environment, table: Table, rows: Iterable[Row], query: Mapping[str, str]) -> list[Row]:
    text = query.get("$filter", "").strip()
    if not text:
        return list(rows)
    predicate = parse_filter(environment, table, text)
    return [row for row in rows if predicate(row)]


def _ordered(environment: Environment, table: Table, rows: list[Row], query: Mapping[str, str]) -> list[Row]:
    for part in reversed(_split(query.get("$orderby", ""), ",")):
        name, _, direction = part.partition(" ")
        if direction.strip() not in {"", "asc", "desc"}:
            raise refuse(400, "BadProperty", f"Syntax error in '$orderby': {part}")
        path = parse_path(table, name)
        keyed = [(path.value(environment, row), row) for row in rows]
        keyed.sort(key=lambda pair: (pair[0] is not None, pair[0]), reverse=direction.strip() == "desc")
        rows = [row for _, row in keyed]
    return rows


def _refuse_unknown_options(query: Mapping[str, str]) -> None:
    for name in query:
        if name == "$skip":
            raise refuse(400, "BadProperty", "Skip Clause is not supported in CRM")
        if name in {"sql", "fetchXml", "savedQuery", "userQuery"}:
            raise refuse(501, "", f"This sandbox does not answer queries by '{name}'.")
        if name.startswith("$") and name not in _KNOWN:
            raise refuse(400, "BadProperty", f"The query parameter '{name}' is not supported.")


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not text.isdecimal():
        raise refuse(400, "BadProperty", f"Invalid value '{text}' for {name} query option.")
    return int(text)


def _shown(table: Table, name: str, value: Any) -> Any:
    column = table.columns.get(name)
    if value is not None and column is not None and column.kind in {Kind.MONEY, Kind.DECIMAL}:
        return Decimal(str(value))
    return value


def _readable_names(table: Table) -> tuple[str, ...]:
    values = {lookup.value_name: None for lookup in table.lookups.values()}
    return (*table.columns, *values)


def _split(text: str, separator: str) -> list[str]:
    """Split at separators outside of parentheses and quotes."""
    parts, depth, quoted = [""], 0, False
    for character in text:
        if character == "'":
            quoted = not quoted
        depth += 0 if quoted else {"(": 1, ")": -1}.get(character, 0)
        if character == separator and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]
