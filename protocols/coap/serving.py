"""What our resources have in common as aiocoap serves them: who asks, how a refusal looks, how blocks are let in."""

from hashlib import sha256
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from aiocoap import Message
from aiocoap.error import RenderableError
from aiocoap.numbers.codes import Code
from aiocoap.resource import Resource

from protocols.coap.echo import EchoGate
from protocols.coap.identity import Sender
from protocols.coap.intake import Intake
from protocols.coap.replies import Rejected, Reply, ReplyCode

_HEAD_BYTES: Final = 4
_LARGEST_BLOCK: Final = 1024
_DTLS_PORT: Final = 5684


class Served(Resource):  # type: ignore[misc] # aiocoap has no types
    """A resource whose methods are ``answered_get`` and so on; they raise ``Rejected`` for what they do not do."""

    def __init__(self, intake: Intake, gate: EchoGate) -> None:
        super().__init__()
        self._intake = intake
        self._gate = gate

    async def needs_blockwise_assembly(self, request: Any) -> Literal[True]:
        """Let blocks be put together for those who may speak, up to the size that is taken."""
        admit_body(request, self._intake)
        return True

    async def render(self, request: Any) -> Any:
        """Answer one whole request."""
        method = getattr(self, f"answered_{request.code.name.lower()}", None)
        if method is None:
            text = f"{request.code.name} is not served here"
            return message_of(self._intake.counted(Reply(code=ReplyCode.NOT_ALLOWED, reason="not_allowed", text=text)))
        try:
            response = await method(request)
        except Rejected as rejected:
            return message_of(self._intake.counted(rejected.reply))
        return self._challenge(request, response) or confirmed(response, request)

    def _challenge(self, request: Any, response: Any) -> Any:
        """Return 4.01 with an Echo value when the answer would be much larger than the request."""
        block = request.opt.block2
        largest = _LARGEST_BLOCK if block is None else min(block.size, _LARGEST_BLOCK)
        echo = self._gate.challenge(
            sender_of(request),
            request.opt.echo,
            asked=request_size(request),
            answered=min(len(response.payload), largest) + _HEAD_BYTES,
        )
        if echo is None:
            return None
        text = "send this again with the Echo option of this answer, or ask in smaller blocks"
        refusal = message_of(self._intake.counted(Reply(code=ReplyCode.UNAUTHORIZED, reason="echo", text=text)))
        refusal.payload = b""  # not a larger answer than the request either
        refusal.opt.echo = echo
        return refusal


class Refusal(RenderableError):  # type: ignore[misc] # aiocoap has no types
    """A reply on its way through aiocoap as an exception."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self._reply = reply

    def to_message(self) -> Any:
        """Return the response."""
        return message_of(self._reply)


def admit_body(request: Any, intake: Intake) -> None:
    """Say before blocks are put together whether their sender may speak and their size is taken.

    Raises:
        Refusal: 4.01 or 4.13.
    """
    block = request.opt.block1
    try:
        intake.admit(sender_of(request))
        start = 0 if block is None else block.start
        intake.check_size(max(start + len(request.payload), request.opt.size1 or 0))
    except Rejected as rejected:
        raise Refusal(intake.counted(rejected.reply)) from None


def sender_of(request: Any) -> Sender:
    """Return who sent a request."""
    remote = getattr(request.remote, "underlying_address", request.remote)
    claims = tuple(str(claim) for claim in request.remote.authenticated_claims)
    sockaddr = getattr(remote, "sockaddr", None)
    if sockaddr is None:  # of DTLS, which only tells it as text
        parts = urlsplit(f"//{remote.hostinfo}")
        return Sender(host=parts.hostname or "", port=parts.port or _DTLS_PORT, claims=claims)
    return Sender(host=sockaddr[0], port=sockaddr[1], claims=claims)


def message_of(reply: Reply) -> Any:
    """Return a reply as aiocoap's message."""
    response = Message(code=Code(int(reply.code)), payload=reply.payload)
    if reply.max_age_s is not None:
        response.opt.max_age = reply.max_age_s
    return response


def confirmed(response: Any, request: Any) -> Any:
    """Name the state that was read by its ETag, and say no more to who has it already (RFC 7252 section 5.10.6)."""
    if request.code is not Code.GET or response.code is not Code.CONTENT:
        return response
    response.opt.etag = tag = sha256(response.payload).digest()[:8]
    return Message(code=Code.VALID, etag=tag) if tag in request.opt.etags else response


def sliced(response: Any, request: Any) -> Any:
    """Return the block of a response that was asked for, the first one when none was (RFC 7959 section 2.4).

    Nothing is kept between blocks: the ETag tells a client whose blocks are of different states.
    """
    asked = request.opt.block2
    exponent, number = (6, 0) if asked is None else (min(asked.size_exponent, 6), asked.block_number)
    body, size = response.payload, 16 << exponent
    if len(body) <= size and number == 0:
        return response
    start = number * size
    if start >= len(body):
        text = f"Block2: expected a block of {len(body)} bytes, got number {number} of {size} bytes"
        return message_of(Reply(code=ReplyCode.BAD_REQUEST, reason="malformed", text=text))
    response.payload = body[start : start + size]
    response.opt.block2 = (number, start + size < len(body), exponent)
    return response


def request_size(request: Any) -> int:
    """Return about how many bytes a request had: what aiocoap stripped of its path is counted again."""
    stripped = getattr(request, "_original_request_uri", "").partition("://")[2].partition("/")[2]
    return _HEAD_BYTES + len(request.token) + len(request.opt.encode()) + len(stripped) + len(request.payload)
