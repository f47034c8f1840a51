"""Bodies of the machine interface in JSON and CBOR, and how its refusals look on the wire. Pure."""

import io
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import cbor2
import msgspec

from actors.model.machine import DeclineCode, Declined
from protocols.coap.replies import Rejected, Reply, ReplyCode

JSON: Final = 50
CBOR: Final = 60
_NAMES: Final = f"{JSON} (application/json) or {CBOR} (application/cbor)"
_MAX_DEPTH: Final = 8
_RETRY_S: Final = 5.0
_T = TypeVar("_T")

_CODES: Final[Mapping[DeclineCode, ReplyCode]] = {
    DeclineCode.FOREIGN_THING: ReplyCode.FORBIDDEN,
    DeclineCode.UNKNOWN_THING: ReplyCode.NOT_FOUND,
    DeclineCode.UNKNOWN_SUBJECT: ReplyCode.UNPROCESSABLE,
    DeclineCode.UNKNOWN_ITEM: ReplyCode.UNPROCESSABLE,
    DeclineCode.UNKNOWN_ORDER: ReplyCode.NOT_FOUND,
    DeclineCode.NOT_OPEN: ReplyCode.CONFLICT,
    DeclineCode.DISMISSED: ReplyCode.CONFLICT,
    DeclineCode.NO_COMMUNITY: ReplyCode.CONFLICT,
    DeclineCode.NO_EVIDENCE: ReplyCode.CONFLICT,
    DeclineCode.NOT_PERMITTED: ReplyCode.FORBIDDEN,
    DeclineCode.TOO_OFTEN: ReplyCode.TOO_MANY,
    DeclineCode.LATE: ReplyCode.UNAVAILABLE,
    DeclineCode.BUSY: ReplyCode.UNAVAILABLE,
    DeclineCode.STORAGE_DOWN: ReplyCode.UNAVAILABLE,
    DeclineCode.STOPPING: ReplyCode.UNAVAILABLE,
    DeclineCode.INTERNAL: ReplyCode.INTERNAL,
}


def decode_body(body: bytes, content_format: int | None, kind: type[_T]) -> _T:
    """Return what a body says.

    Raises:
        Rejected: 4.15 for another format, 4.00 for a body that cannot be read.
    """
    try:
        match content_format:
            case 50:
                return msgspec.json.decode(body, type=kind)
            case 60:
                return msgspec.convert(_from_cbor(body), type=kind)
            case _:
                got = "none" if content_format is None else str(content_format)
                text = f"Content-Format: expected {_NAMES}, got {got}"
                raise Rejected(ReplyCode.UNSUPPORTED_FORMAT, "unsupported", text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected(ReplyCode.BAD_REQUEST, "malformed", f"body: {error}") from None


def encode_body(value: object, accept: int | None) -> tuple[bytes, int]:
    """Return a body and its content format.

    Raises:
        Rejected: 4.06 for another format.
    """
    match accept:
        case None | 50:
            return msgspec.json.encode(value), JSON
        case 60:
            return cbor2.dumps(msgspec.to_builtins(value)), CBOR
        case other:
            raise Rejected(ReplyCode.NOT_ACCEPTABLE, "not_acceptable", f"Accept: expected {_NAMES}, got {other}")


def decline_reply(declined: Declined) -> Reply:
    """Return how a refusal of the machine interface looks on the wire."""
    code = _CODES[declined.code]
    text = f"{declined.code}: {declined.detail}" + (f"; {declined.next_step}" if declined.next_step else "")
    may_come_again = code in {ReplyCode.UNAVAILABLE, ReplyCode.TOO_MANY}
    retry_s = (declined.retry_after_s or _RETRY_S) if may_come_again else None
    return Rejected(code, str(declined.code), text, retry_s=retry_s).reply


def _from_cbor(body: bytes) -> Any:
    stream = io.BytesIO(body)
    try:
        decoded = cbor2.CBORDecoder(stream, max_depth=_MAX_DEPTH, allow_duplicate_keys=False).decode()
    except (cbor2.CBORError, ArithmeticError, ValueError, TypeError, RecursionError, MemoryError) as error:
        text = f"body, before byte {stream.tell()}: {error}"
        raise Rejected(ReplyCode.BAD_REQUEST, "malformed", text) from None
    if stream.tell() < len(body):
        raise Rejected(ReplyCode.BAD_REQUEST, "malformed", f"body, byte {stream.tell()}: expected the end, got more")
    return decoded
