"""``$batch`` on the wire: one changeset and what follows it (OData 4.0 part 1, section 11.7)."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from crm_adapters.dynamics.failures import WireAnswer

_MULTIPART: Final = re.compile(r"\s*multipart/", re.IGNORECASE)
_BOUNDARY: Final = re.compile(r""";\s*boundary\s*=\s*(?:"([^"]+)"|([^\s;"]+))""", re.IGNORECASE)
_CONTENT_TYPE: Final = re.compile(rb"^content-type:([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_STATUS_LINE: Final = re.compile(rb"[\r\n]*HTTP/1\.[^ \r\n]* (\d+)(?: [^\r\n]*)?(?:\r\n|\Z)")
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_OUTER: Final = b"Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
_BATCH: Final = b"batch_hub"
_CHANGESET: Final = b"changeset_hub"
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
        b"%bContent-ID: %d\r\n\r\n%b" % (_OUTER, number, _request(root, operation))
        for number, operation in enumerate(changeset, start=1)
    ]
    nested = b'Content-Type: multipart/mixed; boundary="%b"\r\n\r\n%b' % (_CHANGESET, _join(_CHANGESET, members))
    first = [b"%b\r\n%b" % (_OUTER, _request(root, operation)) for operation in before]
    last = [b"%b\r\n%b" % (_OUTER, _request(root, operation)) for operation in after]
    return f'multipart/mixed; boundary="{_BATCH.decode()}"', _join(_BATCH, [*first, nested, *last])


def read_batch(content_type: str, content: bytes) -> list[WireAnswer | list[WireAnswer]]:
    """Return the answers in order; a changeset that succeeded is a list, one that failed a single answer.

    Raises:
        MalformedBatch: it is not multipart, is cut short, or a part cannot be read.
    """
    answers: list[WireAnswer | list[WireAnswer]] = []
    for part in _parts(content_type, content):
        inner_type, inner = _opened(part)
        if _MULTIPART.match(inner_type):
            answers.append([_answer(_cut(member)[1]) for member in _parts(inner_type, inner)])
        else:
            answers.append(_answer(inner))
    return answers


def _request(root: str, operation: Operation) -> bytes:
    body = operation.body
    typed = "Accept: application/json" if body is None else "Content-Type: application/json; type=entry"
    head = f"{operation.method} {root}{operation.path} HTTP/1.1\r\n{typed}\r\n"
    for name, value in operation.headers.items():
        head += f"{name}: {value}\r\n"
    return b"%b\r\n%b" % (head.encode(), b"" if body is None else json_bytes(body))


def _join(boundary: bytes, parts: Iterable[bytes]) -> bytes:
    return b"".join([b"--%b\r\n%b\r\n" % (boundary, part) for part in parts]) + b"--%b--\r\n" % boundary


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


class _Headers(Mapping[str, str]):
    """The headers of a part, by lower-case name. Read when asked for: only those of a failure ever are."""

    def __init__(self, head: bytes) -> None:
        self._head = head

    def _read(self) -> dict[str, str]:
        lines = (line.partition(":") for line in self._head.decode("latin-1").split("\r\n") if line)
        return {name.strip().lower(): value.strip() for name, _, value in lines}

    def __getitem__(self, name: str) -> str:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


def _answer(content: bytes) -> WireAnswer:
    status = _STATUS_LINE.match(content)
    if status is None:
        raise MalformedBatch("a part of the answer has no status line")
    head, body = _cut(content[status.end() :])
    try:
        decoded = msgspec.json.decode(body) if body.strip() else None
    except msgspec.DecodeError as error:
        raise MalformedBatch(f"a part of the answer is no JSON: {error}") from error
    return WireAnswer(status=int(status[1]), headers=_Headers(head), body=decoded)
