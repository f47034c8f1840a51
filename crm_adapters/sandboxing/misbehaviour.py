"""How a sandbox answers when a fault is played: cut, reset, malformed, dripping and huge answers."""

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator
from typing import Final

import msgspec
from aiohttp import web
from msgspec.structs import replace

from crm_adapters.sandboxing.faults import Fault, FaultAction

TOLD_BACK: Final = "{request}"
CUT: Final = 499
"""The log's status of a request that got no answer (as nginx writes it)."""
_AT_ONCE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER on, for no time at all: closing sends RST."""
_PIECES: Final = 100
_ON_ITS_WAY_S: Final = 0.02
"""A reset overtakes what was sent only just before."""
_HUGE_PIECE: Final = b" " * (64 * 1024)

WAITS_BEFORE: Final = frozenset({FaultAction.HANG_BEFORE, FaultAction.LATE_COMMIT, FaultAction.SLOW})
PROCESSES: Final = frozenset(FaultAction) - {
    FaultAction.DROP_BEFORE,
    FaultAction.RESET_BEFORE,
    FaultAction.SHUT_BEFORE,
    FaultAction.HANG_BEFORE,
    FaultAction.STATUS,
}
SHUTS: Final = frozenset({FaultAction.SHUT_BEFORE, FaultAction.SHUT_AFTER})


def faulty_answer(fault: Fault, request: web.Request, answer: web.StreamResponse | None) -> web.StreamResponse:
    """Return what the fault makes of an answer; ``answer`` is None where nothing was processed."""
    match fault.action:
        case FaultAction.STATUS | FaultAction.STATUS_AFTER:
            return _planned(fault, fault.status, fault.body)
        case FaultAction.GARBAGE_AFTER:
            return _planned(fault, 200, fault.body or '{"id": "0001", "sta')
        case FaultAction.SLOW | FaultAction.EXPIRE_TOKENS if answer is not None:
            return answer
        case FaultAction.TORN_AFTER if isinstance(answer, web.Response):
            return _torn(request, answer)
        case FaultAction.DRIP_AFTER if isinstance(answer, web.Response):
            return _dripping(fault, answer)
        case FaultAction.HUGE_AFTER:
            return web.Response(body=_huge(fault.size_bytes), content_type="application/json")
        case FaultAction.RESET_BEFORE | FaultAction.RESET_AFTER:
            return reset(request)
        case _:
            return cut(request)


def telling_back(fault: Fault, request: web.Request, content: bytes) -> Fault:
    """Return the fault with what the request carried, headers and body, for ``{request}`` in its answer."""
    text = "\n".join([*request.headers.values(), content.decode(errors="replace")])
    return replace(fault, body=fault.body.replace(TOLD_BACK, msgspec.json.encode(text).decode()[1:-1]))


def cut(request: web.Request) -> web.Response:
    """Close the connection; the response only tells the server that the request is over."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=CUT)


def reset(request: web.Request) -> web.Response:
    """Reset the connection."""
    transport = request.transport
    sock: socket.socket | None = None if transport is None else transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    return cut(request)


def _planned(fault: Fault, status: int, body: str) -> web.Response:
    headers = {"Content-Type": "application/json", **fault.headers}
    return web.Response(status=status, headers=headers, body=body.encode())


def _dripping(fault: Fault, answer: web.Response) -> web.Response:
    content = answer.body if isinstance(answer.body, bytes) else b""
    return web.Response(
        status=answer.status, body=_drip(content or b" ", fault.delay_s), content_type=answer.content_type
    )


def _torn(request: web.Request, answer: web.Response) -> web.Response:
    """Announce the whole body, send half of it, and reset."""
    content = answer.body if isinstance(answer.body, bytes) else b""
    headers = {"Content-Type": answer.content_type, "Content-Length": str(max(len(content), 2))}
    return web.Response(status=answer.status, headers=headers, body=_half(request, content or b"  "))


async def _half(request: web.Request, content: bytes) -> AsyncGenerator[bytes, None]:
    yield content[: len(content) // 2]
    await asyncio.sleep(_ON_ITS_WAY_S)
    reset(request)


async def _drip(content: bytes, delay_s: float) -> AsyncGenerator[bytes, None]:
    size = max(1, len(content) // _PIECES)
    pieces = [content[start : start + size] for start in range(0, len(content), size)]
    for piece in pieces:
        yield piece
        await asyncio.sleep(delay_s / len(pieces))


async def _huge(size: int) -> AsyncGenerator[bytes, None]:
    yield b'{"blanks": "'
    for _ in range(size // len(_HUGE_PIECE)):
        yield _HUGE_PIECE
    yield b'"}'
