"""What every value of the vocabulary has in common."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

Instant = Annotated[datetime, Meta(tz=True)]
"""A point in time, aware and in UTC."""


class Value(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all values: immutable, compared by content, strict when decoded."""
