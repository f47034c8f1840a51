"""Writes queries: literals that cannot break out, and addresses percent-encoded."""

from collections.abc import Iterable
from datetime import datetime
from urllib.parse import quote

_UNSAFE = str.maketrans({"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"})


def text(value: str) -> str:
    """Return a text literal."""
    return f"'{value.translate(_UNSAFE)}'"


def texts(values: Iterable[str]) -> str:
    """Return a list of text literals for IN."""
    return f"({', '.join(text(value) for value in values)})"


def moment(value: datetime) -> str:
    """Return a date and time literal, to the millisecond; ``value`` is in UTC."""
    return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z"


def select(fields: Iterable[str], source: str, where: Iterable[str], order: str = "") -> str:
    """Return a query whose conditions all hold; empty fields and conditions are left out."""
    chosen = ", ".join(field for field in fields if field)
    query = f"SELECT {chosen} FROM {source}"  # noqa: S608 -- names are checked by the configuration, values by ``text``
    conditions = " AND ".join(condition for condition in where if condition)
    query += f" WHERE {conditions}" if conditions else ""
    return f"{query} ORDER BY {order}" if order else query


def query_path(query: str) -> str:
    """Return the address of a query, below the version, percent-encoded."""
    return f"/query?q={quote(query, safe='')}"
