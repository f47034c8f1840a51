"""A long file of things, sent to the hub in pieces: each is taken or told as wrong before the next one leaves."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from actors.model.errors import HubError
from hub.cli.api import Body, CallRefused, HubAddress, call
from hub.cli.tables import as_list, as_map

_ROWS: Final = 500
"""Things in a piece: some hundred kilobytes, well below what a hub takes by default, and done within a second."""


class Piece(Struct, frozen=True, kw_only=True):
    """What is sent at once: so many rows behind the first ``offset`` of the file."""

    body: Body
    offset: int = 0
    rows: int = 0


def cut(content: bytes, media_type: str) -> Sequence[Piece]:
    """Return a file in pieces; what is short, or cannot be read here, as it is: the hub says what is wrong with it."""
    bodies, rows = _table(content) if media_type == "text/csv" else _list(content)
    if len(bodies) <= 1:
        return [Piece(body=Body(content=content, content_type=media_type), rows=rows)]
    return [
        Piece(
            body=Body(content=body, content_type=media_type),
            offset=number * _ROWS,
            rows=min(_ROWS, rows - number * _ROWS),
        )
        for number, body in enumerate(bodies)
    ]


def _list(content: bytes) -> tuple[Sequence[bytes], int]:
    try:
        rows = msgspec.json.decode(content, type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return (), 0
    return [msgspec.json.encode(rows[start : start + _ROWS]) for start in range(0, len(rows), _ROWS)], len(rows)


def _table(content: bytes) -> tuple[Sequence[bytes], int]:
    try:
        headings, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    except (UnicodeDecodeError, csv.Error, ValueError):
        return (), 0
    rows = [row for row in rows if row]  # as the hub reads it: empty lines are none
    return [_written([headings, *rows[start : start + _ROWS]]) for start in range(0, len(rows), _ROWS)], len(rows)


def _written(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


class Imports:
    """What the hub said to the pieces so far, as if it had been one."""

    def __init__(self) -> None:
        self.rows = 0
        self.answer: dict[str, Any] = {}
        self._refused: CallRefused | None = None
        self._lost: HubError | None = None

    @property
    def failure(self) -> HubError | None:
        """Why nothing was taken, or why the rest was not."""
        return self._lost or (None if self.took_some else self._refused)

    @property
    def took_some(self) -> bool:
        """Whether any thing was registered."""
        return bool(as_list(self.answer.get("things")))

    def send(self, hub: HubAddress, piece: Piece) -> bool:
        """Send one piece and add what became of it; False means that it is of no use to send more."""
        try:
            self._add(call(hub, "POST", "/api/v1/things/import", body=piece.body), piece)
        except CallRefused as refused:
            if "rejected" not in as_map(refused.answer):
                self._lost = refused
                return False
            self._refused = refused
            self._add(refused.answer, piece)
        except HubError as error:
            self._lost = error
            return False
        self.rows += piece.rows
        return True

    def _add(self, answer: object, piece: Piece) -> None:
        told = as_map(answer)
        if not self.answer:
            self.answer = dict(told)
            return
        rejected = [_moved(as_map(row), piece.offset) for row in as_list(told.get("rejected"))]
        for name, rows in (("things", as_list(told.get("things"))), ("rejected", rejected)):
            self.answer[name] = [*as_list(self.answer.get(name)), *rows]


def _moved(row: Mapping[str, object], offset: int) -> Mapping[str, object]:
    """Return a rejected row under its number in the whole file."""
    number = str(row.get("row"))
    return {**row, "row": str(int(number) + offset)} if number.isdecimal() else row
