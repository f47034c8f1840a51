"""What a Dataverse answer means for us: by error code first, by HTTP status only where there is no code.

Codes: Dataverse "Web service error codes" and "Service protection API limits".
"""

import re
from collections.abc import Mapping
from typing import Any, Final, cast

from msgspec import Struct

from actors.model.outcomes import Ambiguous, AuthFailed, Conflict, Failure, Permanent, Throttled, Transient
from crm_adapters.transport import retry_after_s

_DUPLICATE: Final = frozenset({"0x80060892", "0x80040237", "0x80040333"})
"""Alternate key, primary key, duplicate detection rule (which comes with HTTP 500)."""
_ABSENT: Final = frozenset({"0x80040217", "0x80060891"})
_CONFLICT: Final = frozenset({"0x80060882"})
_THROTTLED: Final = frozenset({"0x80072322", "0x80072321", "0x80072326"})
_UNEXPECTED: Final = frozenset({"0x80040216"})
_BUSY: Final = frozenset({"0x80044151", "0x80040230"})
"""SQL time-out and busy database."""
_FIELD: Final = re.compile(
    r"(?:property named|undeclared property|length of the|field|The value \S+ of) '(?P<name>\w+)'"
)
_MESSAGE_CAP: Final = 500


class WireAnswer(Struct, frozen=True, kw_only=True):
    """One answer, alone or as a part of a batch."""

    status: int
    headers: Mapping[str, str]
    body: Any = None

    @property
    def ok(self) -> bool:
        """Say whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def code(self) -> str | None:
        """The error's code as ``0x`` and eight digits, "" where it is empty, None where the answer names no error."""
        error = self._error()
        return None if error is None else _normal_code(error.get("code"))

    @property
    def message(self) -> str:
        """The error's own text."""
        error = self._error() or {}
        inner = _mapping(error.get("innererror"))
        return str(error.get("message") or inner.get("message") or f"HTTP {self.status}")[:_MESSAGE_CAP]

    @property
    def is_duplicate(self) -> bool:
        """Say whether a create-only request met an existing row; its documented answer has no code at all."""
        if self.code in _DUPLICATE:
            return True
        return self.status == 412 and self.code not in _CONFLICT

    @property
    def is_absent(self) -> bool:
        """Say whether the row is surely not there, and not just the address wrong."""
        return self.status == 404 and (self.code in _ABSENT or self.code == "")

    def _error(self) -> dict[str, Any] | None:
        match self.body:
            case {"error": {} as error}:
                return _mapping(error)
            case _:
                return None


def failure_of(answer: WireAnswer, *, writes: bool) -> Failure | None:
    """Return what an answer that is no success means, None for a success.

    ``writes`` says whether the request may have changed something when no final answer came.
    """
    if answer.ok:
        return None
    reason = f"{answer.status} {answer.code or ''} {answer.message}".replace("  ", " ")
    if answer.status == 429 or answer.code in _THROTTLED:
        return Throttled(retry_after_s=retry_after_s(answer.headers), reason=reason)
    if answer.status == 401:
        return AuthFailed(reason=reason)
    if answer.code in _CONFLICT:
        return Conflict(reason=reason)
    if answer.code in _DUPLICATE:
        return Permanent(code=str(answer.code), message=answer.message)
    if answer.status >= 500 or answer.status == 408 or answer.code in _UNEXPECTED | _BUSY:
        return Ambiguous(reason=reason) if writes else Transient(reason=reason)
    if 300 <= answer.status < 400 or answer.code is None:
        return _no_final_answer(answer, reason, writes=writes)
    return Permanent(code=answer.code or str(answer.status), message=answer.message, field=_field_of(answer.message))


def _no_final_answer(answer: WireAnswer, reason: str, *, writes: bool) -> Failure:
    """Judge what Dataverse itself does not say: redirects, and errors without its body (a proxy, a gateway)."""
    if answer.status in {400, 403, 404, 405, 413, 415}:
        return Permanent(code=str(answer.status), message=answer.message)
    return Ambiguous(reason=reason) if writes else Transient(reason=reason)


def _mapping(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _normal_code(code: Any) -> str:
    text = str(code or "").strip().lower()
    if text.lstrip("-").isdecimal():
        return f"0x{int(text) & 0xFFFFFFFF:08x}"
    return text


def _field_of(message: str) -> str | None:
    match = _FIELD.search(message)
    return None if match is None else match["name"]
