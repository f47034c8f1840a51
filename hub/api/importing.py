"""The route that registers many things at once, from JSON or a table."""

import asyncio
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from aiohttp import web
from msgspec import Struct

from actors.model.routes import operation
from actors.runtime.contract import AskFailed
from hub.api.bodies import whole_body
from hub.api.context import answer, asker, body_of, check_owner, hub_of
from hub.api.problems import Problem
from hub.api.things import NewThing, Registration, registered

_MOST_IMPORTED = 100_000
_AT_ONCE = 1_000
"""Things that are registered together: they share a few commits, and mailboxes stay far from their bounds."""
_BEYOND = "cells beyond the headings"


class Imported(Struct, frozen=True, kw_only=True):
    """What an import did."""

    things: Sequence[Registration]
    rejected: Sequence[dict[str, str]]


_Row = tuple[int, NewThing | str]
"""Its number, and the thing or what is wrong with it."""


@operation(body=list[Any], media=("text/csv",), reply=Imported)
async def import_things(request: web.Request) -> web.Response:
    """Register many things; a wrong one is told and does not stop the others."""
    asker(request)
    is_csv = request.content_type == "text/csv"
    rows = _csv_rows(await whole_body(request)) if is_csv else await body_of(request, list[Any])
    if len(rows) > _MOST_IMPORTED:
        raise Problem(422, "too_many", f"expected at most {_MOST_IMPORTED} things, got {len(rows)}")
    read = ((number, _read(request, row, strict=not is_csv)) for number, row in enumerate(rows, start=1))
    taken: list[Registration] = []
    rejected: list[dict[str, str]] = []
    for group in _groups(read):
        for number, result in await _registered(request, group):
            if isinstance(result, str):
                rejected.append({"row": str(number), "detail": result})
            else:
                taken.append(result)
    return answer(Imported(things=taken, rejected=rejected), status=200 if taken or not rejected else 422)


def _read(request: web.Request, row: Any, *, strict: bool) -> NewThing | str:
    try:
        new = msgspec.convert(row, NewThing, strict=strict)
        check_owner(asker(request), new.owner_id, f"owner {new.owner_id}")
    except (msgspec.ValidationError, Problem) as error:
        return str(error)
    return new


def _groups(rows: Iterable[_Row]) -> Iterator[list[_Row]]:
    """Yield rows that may be registered together: a thing that comes twice is judged by what it was the first time."""
    group: list[_Row] = []
    ids: set[str] = set()
    for number, new in rows:
        name = "" if isinstance(new, str) else new.thing_id
        if len(group) == _AT_ONCE or name in ids:
            yield group
            group, ids = [], set()
        group.append((number, new))
        ids |= {name} - {""}
    yield group


async def _registered(request: web.Request, group: Sequence[_Row]) -> list[tuple[int, Registration | str]]:
    """Register a group of things, all of them under way at once."""
    async with asyncio.TaskGroup() as tasks:
        under_way = [(number, tasks.create_task(_one(request, new))) for number, new in group]
    return [(number, task.result()) for number, task in under_way]


async def _one(request: web.Request, new: NewThing | str) -> Registration | str:
    if isinstance(new, str):
        return new
    try:
        return await registered(hub_of(request), new)
    except (Problem, AskFailed) as error:
        return str(error)


def _csv_rows(body: bytes) -> list[Any]:
    """Return the rows of a CSV with a thing's fields as columns, inner ones as ``place.city``.

    Raises:
        Problem: it is no CSV in UTF-8 (with or without a byte order mark, as spreadsheets write it).
    """
    try:
        text = body.decode("utf-8-sig")
        return [_row(flat) for flat in csv.DictReader(io.StringIO(text, newline=""), restkey=_BEYOND)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise Problem(422, "malformed", f"expected CSV in UTF-8: {error}") from error


def _row(flat: dict[str, Any]) -> Any:
    """Return a row as a thing's fields; one that does not fit its headings stays as it is, to be told as wrong."""
    row: dict[str, Any] = {}
    for column, value in flat.items():
        outer, _, inner = column.partition(".")
        holder = row.setdefault(outer, {}) if inner else row
        if column == _BEYOND or not isinstance(holder, dict):
            return flat
        if value:
            holder[inner or outer] = value
    if isinstance(row.get("shares"), str):
        row["shares"] = row["shares"].split()
    return row


ROUTES = (web.post("/api/v1/things/import", import_things),)
