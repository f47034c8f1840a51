"""Following changes: what the cursor holds, what is asked, and what of the answer is new.

``SystemModstamp`` counts whole seconds and a transaction may become visible after its stamp, so each search begins a
little before the newest change seen, and rows that were told already are recognised by their content.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import msgspec
from msgspec import Struct

from actors.model.orders import RecordKind
from crm_adapters.salesforce.config import SalesforceConfig
from crm_adapters.salesforce.records import object_of, parse_moment, record_fields
from crm_adapters.salesforce.soql import moment, select

Row = Mapping[str, Any]


class Mark(Struct, frozen=True, kw_only=True):
    """How far one object was followed: the newest stamp, and digests of the rows inside the overlap."""

    newest: str = ""
    seen: dict[str, str] = {}


class BadCursor(ValueError):
    """A cursor that this adapter did not make."""


def parse_cursor(cursor: str) -> dict[str, Mark]:
    """Return the marks by object.

    Raises:
        BadCursor: it is not one of ours.
    """
    if not cursor:
        return {}
    try:
        return msgspec.json.decode(cursor, type=dict[str, Mark])
    except msgspec.DecodeError as error:
        raise BadCursor(str(error)) from error


def write_cursor(marks: Mapping[str, Mark]) -> str:
    """Return the cursor for the next search."""
    return msgspec.json.encode(marks).decode()


def kinds_followed(config: SalesforceConfig) -> tuple[RecordKind, ...]:
    """Return the kinds of records whose changes are asked for."""
    appointments = (RecordKind.APPOINTMENT,) if config.books_appointments else ()
    returns = (RecordKind.RETURN,) if config.returns else ()
    return (RecordKind.ORDER, RecordKind.SERVICE, *appointments, *returns)


def changes_query(kind: RecordKind, mark: Mark, config: SalesforceConfig) -> str:
    """Return the query for the records with a key that changed since the mark, less the overlap."""
    conditions = [f"{config.fields.key} != null"]
    if mark.newest:
        since = parse_moment(mark.newest) - timedelta(seconds=config.change_overlap_s)
        conditions.append(f"SystemModstamp >= {moment(since)}")
    return select(record_fields(kind, config), object_of(kind, config), conditions, "SystemModstamp, Id")


def unseen(rows: Iterable[Row], mark: Mark, config: SalesforceConfig) -> tuple[list[Row], Mark]:
    """Return the rows that are new or changed, and the mark after them."""
    listed = list(rows)
    digests = {str(row["Id"]): _digest(row) for row in listed}
    fresh = [row for row in listed if mark.seen.get(str(row["Id"])) != digests[str(row["Id"])]]
    newest = max([mark.newest, *(str(row["SystemModstamp"]) for row in listed)])
    if not newest:
        return fresh, mark
    begin = parse_moment(newest) - timedelta(seconds=config.change_overlap_s)
    stamps = {str(row["Id"]): parse_moment(str(row["SystemModstamp"])) for row in listed}
    kept = {key: digest for key, digest in digests.items() if stamps[key] >= begin}
    return fresh, Mark(newest=newest, seen=kept)


def _digest(row: Row) -> str:
    return hashlib.sha256(msgspec.json.encode(row, order="sorted")).hexdigest()[:12]
