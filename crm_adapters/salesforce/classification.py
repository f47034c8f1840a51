"""What an answer of the API means for the caller. Source: Salesforce REST API guide, status codes and error codes."""

from typing import Any, Final

from msgspec import Struct

from actors.model.outcomes import Conflict, Failure, Permanent, Throttled, Transient
from crm_adapters.transport import Call, Reply, judge, retry_after_s

DUPLICATE: Final = "DUPLICATE_VALUE"
LONG_WAIT_S: Final = 3600.0
"""The daily limit counts the last 24 hours, so a little of it comes back every hour."""
SHORT_WAIT_S: Final = 5.0
_LOCKED: Final = "UNABLE_TO_LOCK_ROW"
_LIMITED: Final = "REQUEST_LIMIT_EXCEEDED"


class ApiError(Struct, frozen=True, kw_only=True):
    """The first element of an error array."""

    code: str
    message: str
    field: str | None = None


def failure_of(call: Call, reply: Reply) -> Failure | None:
    """Return what an answer that is no success means; None for a success."""
    if reply.status == 300:
        return Permanent(code="MULTIPLE_CHOICES", message="several records carry the same external id: make it unique")
    judged = None if reply.status == 409 else judge(call, reply)
    if judged is not None or reply.ok:
        return judged
    return refusal_of(reply.status, reply.body, wait_s=_named_wait(reply))


def refusal_of(status: int, body: Any, *, wait_s: float | None = None) -> Failure:
    """Return what a complete refusal means; nothing was written. ``wait_s`` is what the answer asks to wait."""
    error = error_in(body) or ApiError(code=f"HTTP_{status}", message=f"answered {status} without an error code")
    if error.code == _LIMITED:
        concurrent = "concurrent" in error.message.lower()
        seconds = SHORT_WAIT_S if concurrent else LONG_WAIT_S
        return Throttled(retry_after_s=wait_s or seconds, reason=f"{error.code}: {error.message}")
    if error.code == _LOCKED or status in {409, 412}:
        return Conflict(reason=f"{error.code}: {error.message}")
    if status == 429 or status >= 500:
        return Transient(reason=f"{error.code}: {error.message}")
    return Permanent(code=error.code, message=error.message, field=error.field)


def error_in(body: Any) -> ApiError | None:
    """Return the first error of an error body."""
    match body:
        case [{"errorCode": str(code), "message": str(message), **others}, *_]:
            return ApiError(code=code, message=message, field=_first_field(others.get("fields")))
        case _:
            return None


def _first_field(fields: Any) -> str | None:
    match fields:
        case [str(first), *_]:
            return first
        case _:
            return None


def _named_wait(reply: Reply) -> float | None:
    return retry_after_s(reply.headers) if "retry-after" in reply.headers else None
