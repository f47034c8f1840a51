"""``$batch`` on the wire: one changeset and what follows it (OData 4.0 part 1, section 11.7)."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from crm_adapters.dynamics.failures import WireAnswer

_MULTIPART: Final = re.compile(r"\s*multipart/", re.IGNORECASE)
_BOUNDARY: Final = re.compile(r""";\s*boundary\s*=\s*(?:"([^"]+)"|([^\s;"]+))""", re.IGNORECASE)
_CONTENT_TYPE: Final = re.compile(rb"^content-type:([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_BATCH: Final = "batch_hub"
_CHANGESET: Final = "changeset_hub"
"""Boundaries need not be random: JSON never holds a bare line break."""


class Operation(Struct, frozen=True, kw_only=True):
    """One request inside a batch. ``path`` is percent-encoded and relative to the service root."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = {}


class MalformedBatch(ValueError):
    """The answer is no batch reply that could be read to its end."""


def json_bytes(body: Mapping[str, Any]) -> bytes:
    """Return a body as JSON, decimals as numbers with all their digits."""
    return _ENCODER.encode(body)


def batch_content(
    root: str, before: Iterable[Operation], changeset: Iterable[Operation], after: Iterable[Operation]
) -> tuple[str, bytes]:
    """Return media type and bytes of a batch: single requests, a changeset, single requests."""
    members = [
        _part(_request(root, operation), {"Content-ID": str(number)})
        for number, operation in enumerate(changeset, start=1)
    ]
    nested = _with_headers({"Content-Type": f'multipart/mixed; boundary="{_CHANGESET}"'}, _join(_CHANGESET, members))
    first = [_part(_request(root, operation), {}) for operation in before]
    last = [_part(_request(root, operation), {}) for operation in after]
    return f'multipart/mixed; boundary="{_BATCH}"', _join(_BATCH, [*first, nested, *last])


def read_batch(content_type: str, content: bytes) -> list[WireAnswer | list[WireAnswer]]:
    """Return the answers in order; a changeset that succeeded is a list, one that failed a single answer.

    Raises:
        MalformedBatch: it is not multipart, is cut short, or a part cannot be read.
    """
    answers: list[WireAnswer | list[WireAnswer]] = []
    for part in _parts(content_type, content):
        inner_type, inner = _opened(part)
        if _MULTIPART.match(inner_type):
            answers.append([_answer(_opened(member)[1]) for member in _parts(inner_type, inner)])
        else:
            answers.append(_answer(inner))
    return answers


def _request(root: str, operation: Operation) -> bytes:
    line = f"{operation.method} {root}{operation.path} HTTP/1.1\r\n".encode()
    if operation.body is None:
        return line + _with_headers({"Accept": "application/json", **operation.headers}, b"")
    headers = {"Content-Type": "application/json; type=entry", **operation.headers}
    return line + _with_headers(headers, json_bytes(operation.body))


def _part(content: bytes, headers: Mapping[str, str]) -> bytes:
    outer = {"Content-Type": "application/http", "Content-Transfer-Encoding": "binary", **headers}
    return _with_headers(outer, content)


def _with_headers(headers: Mapping[str, str], content: bytes) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode() + b"\r\n" + content


def _join(boundary: str, parts: Iterable[bytes]) -> bytes:
    return b"".join(b"--%b\r\n%b\r\n" % (boundary.encode(), part) for part in parts) + b"--%b--\r\n" % boundary.encode()


def _parts(content_type: str, content: bytes) -> list[bytes]:
    found = _BOUNDARY.search(content_type) if _MULTIPART.match(content_type) else None
    if found is None:
        raise MalformedBatch(f"expected multipart/mixed, got {content_type!r}")
    delimiter = b"\r\n--" + (found[1] or found[2]).encode()
    body, end, _ = (b"\r\n" + content).partition(delimiter + b"--")
    if not end:
        raise MalformedBatch("the multipart answer is cut short")
    return body.split(delimiter + b"\r\n")[1:]


def _opened(part: bytes) -> tuple[str, bytes]:
    """Return a part's media type, which is all that its own headers tell us, and what stands in it."""
    head, body = _cut(part)
    found = _CONTENT_TYPE.search(head)
    return "" if found is None else found[1].strip().decode("latin-1"), body


def _cut(content: bytes) -> tuple[bytes, bytes]:
    """Return headers and body; either may be empty."""
    if content.startswith(b"\r\n"):
        return b"", content[2:]
    head, _, body = content.partition(b"\r\n\r\n")
    return head, body


def _headers(head: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n") if line)
    return {name.strip().lower(): value.strip() for name, _, value in lines}


def _answer(content: bytes) -> WireAnswer:
    line, _, rest = content.lstrip(b"\r\n").partition(b"\r\n")
    words = line.split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise MalformedBatch("a part of the answer has no status line")
    head, body = _cut(rest)
    try:
        decoded = msgspec.json.decode(body) if body.strip() else None
    except msgspec.DecodeError as error:
        raise MalformedBatch(f"a part of the answer is no JSON: {error}") from error
    return WireAnswer(status=int(words[1]), headers=_headers(head), body=decoded)
