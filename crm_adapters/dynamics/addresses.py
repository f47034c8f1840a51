"""Addresses relative to the service root, percent-encoded (OData 4.0 URL conventions)."""

import re
from typing import Final
from urllib.parse import quote

_GUID: Final = re.compile(r"^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$")

_PLAIN: Final = re.compile(r"[A-Za-z0-9_.~-]+")
"""Stands in an address as it is (RFC 3986 section 2.3), as our keys do."""


def is_guid(text: str) -> bool:
    """Say whether a text is a row's id."""
    return bool(_GUID.match(text))


def literal(text: str) -> str:
    """Return a text as OData literal, not yet percent-encoded."""
    return "'" + text.replace("'", "''") + "'"


def by_key(entity_set: str, column: str, value: str) -> str:
    """Return the address of the row with this alternate key."""
    encoded = f"'{value}'" if _PLAIN.fullmatch(value) else quote(literal(value), safe="'")
    return f"{entity_set}({column}={encoded})"


def by_id(entity_set: str, guid: str) -> str:
    """Return the address of the row with this id."""
    return f"{entity_set}({guid})"


def with_options(path: str, **options: str) -> str:
    """Return an address with query options; give their names without ``$``, and empty ones are left out."""
    given = [f"${name}={quote(text, safe='(),;=$')}" for name, text in options.items() if text]
    return path + ("?" + "&".join(given) if given else "")


def any_of(column: str, values: tuple[str, ...]) -> str:
    """Return a filter that holds when the column is one of the texts."""
    return "(" + " or ".join(f"{column} eq {literal(value)}" for value in values) + ")"
