"""``$batch`` on the wire: one changeset and what follows it (OData 4.0 part 1, section 11.7)."""

from collections.abc import Iterable, Mapping
from email.message import Message
from typing import Any, Final

import msgspec
from msgspec import Struct

from crm_adapters.dynamics.failures import WireAnswer

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
    for headers, part in _parts(content_type, content):
        inner_type = headers.get("content-type", "")
        if inner_type.lower().startswith("multipart/mixed"):
            answers.append([_answer(inner) for _, inner in _parts(inner_type, part)])
        else:
            answers.append(_answer(part))
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


def _parts(content_type: str, content: bytes) -> list[tuple[dict[str, str], bytes]]:
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_boundary()
    if message.get_content_maintype() != "multipart" or not boundary:
        raise MalformedBatch(f"expected multipart/mixed, got {content_type!r}")
    delimiter = b"\r\n--" + boundary.encode()
    body, end, _ = (b"\r\n" + content).partition(delimiter + b"--")
    if not end:
        raise MalformedBatch("the multipart answer is cut short")
    return [_split_headers(piece) for piece in body.split(delimiter + b"\r\n")[1:]]


def _split_headers(content: bytes) -> tuple[dict[str, str], bytes]:
    if content.startswith(b"\r\n"):
        return {}, content[2:]
    head, _, body = content.partition(b"\r\n\r\n")
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n"))
    return {name.strip().lower(): value.strip() for name, _, value in lines}, body


def _answer(content: bytes) -> WireAnswer:
    line, _, rest = content.lstrip(b"\r\n").partition(b"\r\n")
    words = line.split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise MalformedBatch("a part of the answer has no status line")
    headers, body = _split_headers(rest)
    try:
        decoded = msgspec.json.decode(body) if body.strip() else None
    except msgspec.DecodeError as error:
        raise MalformedBatch(f"a part of the answer is no JSON: {error}") from error
    return WireAnswer(status=int(words[1]), headers=headers, body=decoded)
