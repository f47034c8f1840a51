"""What a wire is: how one system's requests reach the store, and how its answers and refusals look."""

import base64
import binascii
import hmac
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
from aiohttp import web

from actors.ports import Clock
from crm_adapters.rest.sandbox.vendors.definitions import Vendor
from crm_adapters.rest.sandbox.vendors.store import Refused, Store, Why
from crm_adapters.sandboxing.tables import Row

Answers = Callable[[web.Request], Awaitable[web.Response]]


class Wire(Protocol):
    """One system's HTTP API over the store."""

    def __init__(self, store: Store, credentials: Mapping[str, str]) -> None: ...

    def routes(self) -> Sequence[tuple[str, str, Answers]]:
        """Return method, path and what answers it."""
        ...

    def admits(self, request: web.Request) -> bool:
        """Say whether the request's credentials count."""
        ...

    def not_admitted(self) -> web.Response:
        """Return the answer to wrong credentials."""
        ...

    def refusal(self, refused: Refused) -> web.Response:
        """Return the answer to what the store refuses."""
        ...

    def message(self, table: str, row: Row, url: str) -> tuple[Mapping[str, str], bytes] | None:
        """Return headers and body of the message about a change to an address; None where the system sends none."""
        ...

    def throttled(self, retry_after_s: int) -> web.Response:
        """Return the answer to too many requests."""
        ...


class Gatekeeper:
    """Lets requests in: credentials first, then limits, and tells refusals as the wire does."""

    def __init__(self, wire: Wire, vendor: Vendor, clock: Clock) -> None:
        self._wire = wire
        self._vendor = vendor
        self._clock = clock
        self._seen: deque[float] = deque()

    def guarded(self, answers: Answers) -> Answers:
        """Return what answers only those who may enter, and not too often."""

        async def guard(request: web.Request) -> web.Response:
            if not self._wire.admits(request):
                return self._wire.not_admitted()
            wait_s = self._wait_s()
            if wait_s:
                return self._wire.throttled(wait_s)
            try:
                return await answers(request)
            except Refused as refused:
                return self._wire.refusal(refused)

        return guard

    def _wait_s(self) -> int:
        now = self._clock.monotonic()
        while self._seen and self._seen[0] <= now - self._vendor.window_s:
            self._seen.popleft()
        if len(self._seen) >= self._vendor.requests_per_window:
            return max(1, round(self._seen[0] + self._vendor.window_s - now))
        self._seen.append(now)
        return 0


def answer(value: Any, status: int = 200, **headers: str) -> web.Response:
    """Return an answer in JSON."""
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json", headers=headers
    )


async def object_of(request: web.Request) -> dict[str, Any]:
    """Return the JSON object that a request carries.

    Raises:
        Refused: it carries none.
    """
    try:
        return msgspec.json.decode(await request.read() or b"{}", type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise Refused(Why.MALFORMED, f"the body is no JSON object: {error}") from error


def json_of(text: str, wanted: Any) -> Any:
    """Return the JSON value in a parameter.

    Raises:
        Refused: there is none of this kind.
    """
    try:
        return msgspec.json.decode(text, type=wanted)
    except msgspec.DecodeError as error:
        raise Refused(Why.MALFORMED, f"{text!r:.80} is not what is expected: {error}") from error


def number_of(request: web.Request, name: str, default: int) -> int:
    """Return a whole number of the query.

    Raises:
        Refused: it is none.
    """
    text = request.query.get(name) or str(default)
    if not text.isascii() or not text.isdigit():
        raise Refused(Why.MALFORMED, f"{name}: {text!r} is no whole number", column=name)
    return int(text)


def shows(request: web.Request, *expected: str) -> bool:
    """Say whether the request's Authorization header is one of these."""
    shown = request.headers.get("Authorization", "")
    return any(hmac.compare_digest(shown.encode(), each.encode()) for each in expected)


def basic_of(request: web.Request) -> str:
    """Return ``user:password`` of HTTP Basic, empty where there is none."""
    scheme, _, coded = request.headers.get("Authorization", "").partition(" ")
    try:
        return base64.b64decode(coded, validate=True).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        return ""
