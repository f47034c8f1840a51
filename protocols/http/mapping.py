"""Between HTTP and the vocabulary: media types, identities, and problems (RFC 9457). Pure."""

import re
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from actors.model.errors import HubError
from actors.model.machine import RETRYABLE_DECLINES, DeclineCode, Declined
from actors.model.readings import ReadingRefusal, Refused
from protocols.payloads import Format, Payload, content_id, digest

PROBLEM_TYPE: Final = "application/problem+json"
FORMATS: Final[Mapping[str, Format]] = {form.media_type: form for form in Format}
_KEY: Final = re.compile(r'"?([!#-~]{1,100})"?')


class ItemProblem(Struct, frozen=True, kw_only=True):
    """What is wrong with one message of a batch; ``index`` counts from 0."""

    index: int
    code: str
    detail: str


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of an error: what happened, and what the device should do next."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    next_step: str
    items: tuple[ItemProblem, ...] = ()
    """The messages of a batch that were not stored; all others were."""


class _Case(Struct, frozen=True):
    status: int
    title: str
    next_step: str


_SEND_AGAIN: Final = "Send the same message again, with the same identity, after the time in Retry-After."
_CORRECT_NAMES: Final = "Correct the device or its thing profile: names, units and ranges must agree."
_CASES: Final[Mapping[str, _Case]] = {
    "malformed": _Case(
        400, "The body cannot be read", "Correct the body at the named place; it is the same when repeated."
    ),
    "unauthenticated": _Case(401, "No valid credential", "Send 'Authorization: Bearer' with the thing's own token."),
    "body_late": _Case(408, "The body did not come in time", "Send the same message again on a better connection."),
    "too_large": _Case(413, "The body is too large", "Send the readings in several smaller messages."),
    "unsupported": _Case(
        415, "The body's form is not supported", "Use one of the media types named, without encoding."
    ),
    "key_reused": _Case(422, "The key was used for another body", "Use a new Idempotency-Key for what is new."),
    "in_flight": _Case(409, "The same request is under way", "Send it again after the time in Retry-After."),
    "unknown_command": _Case(
        404, "No such command waits", "Its deadline is over, or another acknowledgement was first: do nothing."
    ),
    "unknown_hook": _Case(404, "No such hook", "Let the operator add the table [protocols.http.hooks.NAME]."),
    "not_proved": _Case(
        401, "The message does not prove who sent it", "Sign it now with the hook's secret, and send it again."
    ),
    "foreign_origin": _Case(
        403, "Not an allowed origin", "Let the operator add it to the hook's 'origins', then ask again."
    ),
    "too_many_messages": _Case(429, "More than the hook may push", _SEND_AGAIN),
    "too_many_streams": _Case(503, "Too many things listen", "Connect again after the time in Retry-After."),
    "not_stored_yet": _Case(503, "Not stored in time", _SEND_AGAIN),
    ReadingRefusal.FOREIGN_THING: _Case(
        403, "Not for this thing", "Post to the thing that the token belongs to, or use the other thing's token."
    ),
    ReadingRefusal.UNKNOWN_THING: _Case(404, "No such thing", "Let the owner register the thing, then send again."),
    ReadingRefusal.RETIRED_THING: _Case(
        404, "The thing is retired", "Stop sending, or let the owner register it anew."
    ),
    ReadingRefusal.EMPTY: _Case(400, "The message holds no reading", "Send at least one reading."),
    ReadingRefusal.UNKNOWN_PROPERTY: _Case(422, "No such property", _CORRECT_NAMES),
    ReadingRefusal.WRONG_UNIT: _Case(422, "The unit does not fit the property", _CORRECT_NAMES),
    ReadingRefusal.WRONG_TYPE: _Case(422, "The value's type does not fit the property", _CORRECT_NAMES),
    ReadingRefusal.OUT_OF_RANGE: _Case(422, "The value is out of range", _CORRECT_NAMES),
    ReadingRefusal.BUSY: _Case(503, "The hub is busy", _SEND_AGAIN),
    ReadingRefusal.STORAGE_DOWN: _Case(503, "The hub cannot store at the moment", _SEND_AGAIN),
    ReadingRefusal.INTERNAL: _Case(
        500, "The hub failed on this message", "Do not send it again: the hub keeps it for a person to look at."
    ),
    ReadingRefusal.STOPPING: _Case(503, "The hub is stopping", _SEND_AGAIN),
}
_DECLINES: Final[Mapping[DeclineCode, tuple[int, str]]] = {
    DeclineCode.FOREIGN_THING: (403, "Not for this thing"),
    DeclineCode.UNKNOWN_THING: (404, "No such thing"),
    DeclineCode.UNKNOWN_SUBJECT: (422, "No such slot, component or fault"),
    DeclineCode.UNKNOWN_ITEM: (422, "No such product for it"),
    DeclineCode.UNKNOWN_ORDER: (404, "No such order"),
    DeclineCode.NOT_OPEN: (409, "Nothing is open"),
    DeclineCode.DISMISSED: (409, "A person ended the last one"),
    DeclineCode.NO_COMMUNITY: (409, "No community to ask"),
    DeclineCode.NO_EVIDENCE: (409, "Too little is known yet"),
    DeclineCode.NOT_PERMITTED: (403, "The owner's rules do not allow it"),
    DeclineCode.TOO_OFTEN: (429, "Too often"),
    DeclineCode.LATE: (503, "No answer in time"),
    DeclineCode.BUSY: (503, "The hub is busy"),
    DeclineCode.STORAGE_DOWN: (503, "The hub cannot store at the moment"),
    DeclineCode.STOPPING: (503, "The hub is stopping"),
    DeclineCode.INTERNAL: (500, "The hub failed on this request"),
}


class Rejected(HubError):
    """A request is not taken. ``headers`` go out beside the problem."""

    def __init__(self, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.problem = problem(code, detail)
        self.headers = dict(headers or {})

    def with_items(self, items: Sequence[ItemProblem]) -> "Rejected":
        """Return it for a batch, with what is wrong with each of its messages."""
        self.problem = replace(self.problem, items=tuple(items))
        return self

    @classmethod
    def declined(cls, declined: Declined) -> "Rejected":
        """Return what a no of the machine interface becomes on the wire."""
        rejected = cls("malformed", declined.detail)
        status, title = _DECLINES[declined.code]
        rejected.problem = Problem(
            type=f"urn:iot2crm:problem:{declined.code}",
            title=title,
            status=status,
            detail=declined.detail,
            code=declined.code,
            next_step=declined.next_step,
        )
        if declined.code in RETRYABLE_DECLINES:
            rejected.headers = {"Retry-After": str(max(1, ceil(declined.retry_after_s or 5.0)))}
        return rejected


def problem(code: str, detail: str) -> Problem:
    """Return the problem for one of our codes."""
    case = _CASES[code]
    return Problem(
        type=f"urn:iot2crm:problem:{code}",
        title=case.title,
        status=case.status,
        detail=detail,
        code=str(code),
        next_step=case.next_step,
    )


def rejection(refused: Refused, *, default_retry_s: float) -> Rejected:
    """Return what a refusal of the inside becomes on the wire."""
    retry_s = default_retry_s if refused.retry_after_s is None else refused.retry_after_s
    is_temporary = _CASES[refused.code].status == 503
    return Rejected(refused.code, refused.detail, {"Retry-After": str(max(1, ceil(retry_s)))} if is_temporary else None)


def bearer(header: str | None) -> str | None:
    """Return the token of an ``Authorization`` header (RFC 6750 section 2.1)."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def message_id(payload: Payload, key: str | None, *, form: Format, body: bytes, arrival: str) -> str:
    """Return the identity under which a message is stored once.

    In this order: ``boot:seq`` of the body; the ``Idempotency-Key``; a digest of the body when every reading has an
    absolute time. Without any of them two equal bodies may be two reports (the level is still 41 %), so the digest
    takes in the ``arrival``, which no other message shares: such a message is delivered at least once.

    Raises:
        Rejected: The key is not 1 to 100 visible ASCII characters.
    """
    if payload.own_id is not None:
        return payload.own_id
    if key is not None:
        return f"key:{bare_key(key)}"
    if payload.timed:
        return content_id(form, body)
    return f"http:{digest(form.media_type.encode(), body, arrival.encode())}"


def bare_key(key: str) -> str:
    """Return the key that a header ``Idempotency-Key`` holds, with or without the quotes of the IETF draft.

    Raises:
        Rejected: it is not 1 to 100 visible ASCII characters.
    """
    matched = _KEY.fullmatch(key)
    if matched is None:
        raise Rejected("malformed", "header Idempotency-Key: expected 1 to 100 visible ASCII characters")
    return matched[1]
