"""``$batch``: several operations in one request, changesets all or nothing (OData 4.0 part 1, section 11.7)."""

import re
from collections.abc import Mapping
from itertools import count
from typing import Final

from msgspec import Struct

from crm_adapters.dynamics.sandbox.environment import Environment
from crm_adapters.dynamics.sandbox.errors import DataverseError, refuse
from crm_adapters.dynamics.sandbox.webapi import Answer, Operation, WebApi, error_answer

LARGEST_BATCH: Final = 1000
_BOUNDARY: Final = re.compile(r'^multipart/mixed\s*;.*?boundary="?(?P<boundary>[^";]+)"?', re.IGNORECASE)
_REQUEST_LINE: Final = re.compile(r"^(?P<method>[A-Z]+) (?P<address>\S+) HTTP/1\.[01]$")
_REASONS: Final = {
    200: "OK",
    201: "Created",
    204: "No Content",
    304: "Not Modified",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    412: "Precondition Failed",
}


class _Part(Struct, frozen=True, kw_only=True):
    """One operation of a batch, with the id that later ones may name it by."""

    operation: Operation
    content_id: str = ""


class _Changeset(Struct, frozen=True, kw_only=True):
    parts: list[_Part]


def boundary_of(content_type: str) -> str:
    """Return the boundary of a multipart media type.

    Raises:
        DataverseError: 400 when it is none.
    """
    match = _BOUNDARY.match(content_type)
    if match is None:
        raise refuse(400, "BadPayload", f"Invalid Content-Type for a batch: '{content_type}'.")
    return match["boundary"]


class Batch:
    """Carries out batches."""

    def __init__(self, api: WebApi, environment: Environment) -> None:
        self._api = api
        self._environment = environment
        self._marks = count(1)

    def perform(self, request: Operation) -> Answer:
        """Carry out a batch. Malformed ones get a plain JSON error, as on the platform."""
        try:
            items = _read_items(request)
        except DataverseError as error:
            return error_answer(error)
        goes_on = "odata.continue-on-error" in request.preferences
        written: list[bytes] = []
        status = 200
        for item in items:
            answer, part = self._perform_item(item)
            written.append(part)
            if answer.status >= 400 and not goes_on:
                status = answer.status
                break
        return _multipart(f"batchresponse_{next(self._marks):08d}", written, status)

    def _perform_item(self, item: _Part | _Changeset) -> tuple[Answer, bytes]:
        if isinstance(item, _Part):
            answer = self._api.perform(item.operation)
            return answer, _http_part(answer, "")
        return self._perform_changeset(item)

    def _perform_changeset(self, changeset: _Changeset) -> tuple[Answer, bytes]:
        references: dict[str, str] = {}
        parts: list[bytes] = []
        try:
            with self._environment.tables.transaction():
                for part in changeset.parts:
                    answer = self._api.apply(part.operation, references)
                    if answer.entity and part.content_id:
                        references[part.content_id] = answer.entity
                    parts.append(_http_part(answer, part.content_id))
        except DataverseError as error:
            answer = error_answer(error)
            return answer, _http_part(answer, "")
        nested = _multipart(f"changesetresponse_{next(self._marks):08d}", parts, 200)
        return nested, _with_headers({"Content-Type": nested.headers["Content-Type"]}, nested.content)


def _read_items(request: Operation) -> list[_Part | _Changeset]:
    items: list[_Part | _Changeset] = []
    count = 0
    for headers, content in _split(boundary_of(request.headers.get("content-type", "")), request.content):
        if headers.get("content-type", "").lower().startswith("multipart/mixed"):
            changeset = _read_changeset(request, headers, content)
            count += len(changeset.parts)
            items.append(changeset)
        else:
            count += 1
            items.append(_read_part(request, headers, content))
    if count > LARGEST_BATCH:
        raise refuse(400, "InvalidArgument", f"The batch exceeds the maximum of {LARGEST_BATCH} operations.")
    return items


def _read_changeset(request: Operation, headers: Mapping[str, str], content: bytes) -> _Changeset:
    parts = [_read_part(request, inner, body) for inner, body in _split(boundary_of(headers["content-type"]), content)]
    if any(part.operation.method == "GET" for part in parts):
        raise refuse(400, "BadPayload", "GET requests are not allowed within a change set.")
    return _Changeset(parts=parts)


def _read_part(request: Operation, headers: Mapping[str, str], content: bytes) -> _Part:
    if not headers.get("content-type", "").lower().startswith("application/http"):
        raise refuse(400, "BadPayload", "A part of a batch must be application/http.")
    line, _, rest = content.lstrip(b"\r\n").partition(b"\r\n")
    match = _REQUEST_LINE.match(line.decode("latin-1"))
    if match is None:
        raise refuse(400, "BadPayload", f"The request line '{line.decode('latin-1')[:80]}' of a part is not valid.")
    inner, body = _headers_and_body(rest)
    operation = Operation(
        method=match["method"], address=match["address"], headers=inner, content=body, root=request.root
    )
    return _Part(operation=operation, content_id=headers.get("content-id", ""))


def _split(boundary: str, content: bytes) -> list[tuple[dict[str, str], bytes]]:
    delimiter = b"--" + boundary.encode("latin-1")
    if b"\r\n" not in content or delimiter + b"--" not in content:
        raise refuse(400, "BadPayload", "The batch is not terminated, or its lines do not end in CRLF.")
    body = content.partition(delimiter + b"--")[0]
    pieces = (b"\r\n" + body).split(b"\r\n" + delimiter + b"\r\n")[1:]
    return [_headers_and_body(piece) for piece in pieces]


def _headers_and_body(content: bytes) -> tuple[dict[str, str], bytes]:
    if content.startswith(b"\r\n"):
        return {}, content[2:].strip(b"\r\n")
    head, _, body = content.partition(b"\r\n\r\n")
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n") if line)
    return {name.strip().lower(): value.strip() for name, _, value in lines}, body


def _multipart(boundary: str, parts: list[bytes], status: int) -> Answer:
    delimiter = f"--{boundary}".encode()
    content = b"".join(delimiter + b"\r\n" + part + b"\r\n" for part in parts) + delimiter + b"--\r\n"
    return Answer(status=status, headers={"Content-Type": f"multipart/mixed; boundary={boundary}"}, content=content)


def _http_part(answer: Answer, content_id: str) -> bytes:
    identified = {"Content-ID": content_id} if content_id else {}
    reason = _REASONS.get(answer.status, "Error")
    inner = _with_headers({**answer.headers, "OData-Version": "4.0"}, answer.content)
    message = f"HTTP/1.1 {answer.status} {reason}\r\n".encode() + inner
    outer = {"Content-Type": "application/http", "Content-Transfer-Encoding": "binary", **identified}
    return _with_headers(outer, message)


def _with_headers(headers: Mapping[str, str], content: bytes) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode() + b"\r\n" + content
