"""One HTTP session a connection: deadlines, body cap, and what a failure says about the request.

The rule: whatever goes wrong before the first byte leaves is ``Transient``; whatever is no well-formed final answer
afterwards is ``Ambiguous`` for a request that writes, and ``Transient`` for one that reads.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Protocol

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver
from aiohttp.client_middlewares import ClientHandlerType
from msgspec import Struct
from msgspec.structs import replace
from yarl import URL

from actors.model.outcomes import Ambiguous, Failure, Permanent, Throttled, Transient

Query = Mapping[str, str] | Sequence[tuple[str, str]]

_RETRY_AFTER_DEFAULT_S: Final = 5.0
_RETRY_AFTER_CAP_S: Final = 3600.0
_IDLE_S: Final = 15.0
"""Shorter than servers keep an idle connection, so that a request does not leave into one that just closed."""
_SENT_ONCE: Final = frozenset({"POST", "PATCH"})
"""What aiohttp never sends again by itself, so that nothing has to keep it from that."""


class TransportSettings(Struct, frozen=True, kw_only=True):
    """Deadlines of one exchange, and the largest body that is read. ``tls`` None is the system's trust store."""

    connect_s: float = 5.0
    read_s: float = 20.0
    total_s: float = 30.0
    body_cap: int = 4 * 1024 * 1024
    connections: int = 100
    """As many as a desk may ever have under way: it sets the pace, and nothing is to wait here for a connection."""
    tls: ssl.SSLContext | None = None


class Call(Struct, frozen=True, kw_only=True):
    """One HTTP request. ``url`` is absolute and percent-encoded where ``is_encoded``. Give at most one kind of body."""

    method: str
    url: str
    writes: bool
    query: Query = ()
    headers: Mapping[str, str] = {}
    json: Any = None
    form: Mapping[str, str] | None = None
    content: bytes | None = None
    is_encoded: bool = False

    def __repr__(self) -> str:
        """Show neither headers nor bodies: they may hold secrets."""
        return f"Call({_place(self)})"


class Reply(Struct, frozen=True, kw_only=True):
    """A complete HTTP answer; header names are lower case. ``body`` is the decoded JSON, None where there is none."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    body: Any = None
    malformed: bool = False
    """The content is there and is no JSON."""
    cookies: Mapping[str, str] = {}

    @property
    def ok(self) -> bool:
        """Say whether the status is 2xx."""
        return 200 <= self.status < 300


class ReplyLost(aiohttp.ClientError):
    """The connection broke after the request began to leave."""


class Exchange(Protocol):
    """Whatever sends calls: a transport, or one that adds credentials or checks."""

    async def exchange(self, call: Call) -> Reply | Failure:
        """Send one call; any complete answer is a reply."""
        ...


class Transport:
    """Sends calls and never replays one. Open it with ``open_transport``."""

    def __init__(self, session: aiohttp.ClientSession, settings: TransportSettings) -> None:
        self._session = session
        self._settings = settings

    async def exchange(self, call: Call) -> Reply | Failure:
        """Send one request; any complete answer is a ``Reply``, whatever its status and media type."""
        try:
            async with asyncio.timeout(self._settings.total_s):
                return await self._exchange(call)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:  # never left
            return Transient(reason=f"{_host(call)}: no connection ({_why(error)})")
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, ValueError) as error:  # never left
            return Permanent(code="invalid_request", message=f"{_place(call)}: cannot be sent ({type(error).__name__})")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:  # may have arrived
            return lost(call, _why(error))

    async def send(self, call: Call) -> Reply | Failure:
        """Send one request whose answer is JSON; what is no final well-formed answer is a failure.

        The caller judges 2xx and 4xx but 408 and 429, and finds ``body`` decoded; a 4xx may carry any media type.
        """
        reply = await self.exchange(call)
        if not isinstance(reply, Reply):
            return reply
        return judge(call, reply) or reply

    async def _exchange(self, call: Call) -> Reply | Failure:
        headers, data = _body_of(call)
        async with self._session.request(
            call.method,
            URL(call.url, encoded=call.is_encoded),
            params=call.query or None,
            headers=headers,
            data=data,
            allow_redirects=False,
            middlewares=() if call.method in _SENT_ONCE else None,
        ) as response:
            content = await _read_capped(response, self._settings.body_cap)
            if content is None:
                return lost(call, f"answer {response.status} is larger than {self._settings.body_cap} bytes")
            return _reply(response, content)


@asynccontextmanager
async def open_transport(
    settings: TransportSettings, *, resolver: AbstractResolver | None = None
) -> AsyncGenerator[Transport, None]:
    """Open the session of one connection: no redirects, no cookies, no proxies from the environment, TLS verified.

    The connection goes to the addresses that ``resolver`` returns and to no others (None: the system's).
    """
    connector = aiohttp.TCPConnector(
        limit=settings.connections,
        keepalive_timeout=_IDLE_S,
        ssl=True if settings.tls is None else settings.tls,
        resolver=resolver,
    )
    timeout = aiohttp.ClientTimeout(
        total=None,  # aiohttp's own loses a cancellation that comes with it: who was to end would go on
        connect=settings.connect_s,
        sock_connect=settings.connect_s,
        sock_read=settings.read_s if settings.read_s < settings.total_s else None,  # else the total comes first
    )
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        middlewares=(_never_replay,),
    ) as session:
        yield Transport(session, settings)


def judge(call: Call, reply: Reply) -> Failure | None:
    """Return what a complete answer says by itself, or None where the adapter has to read it."""
    if reply.status == 429:
        return Throttled(retry_after_s=retry_after_s(reply.headers), reason=f"{_host(call)}: 429 Too Many Requests")
    if reply.status >= 500 or reply.status == 408 or not 200 <= reply.status < 500 or 300 <= reply.status < 400:
        return lost(call, f"answered {reply.status}")
    if reply.ok and reply.malformed:
        return lost(call, f"answered {reply.status} with a body that is no JSON")
    return None


def lost(call: Call, why: str) -> Ambiguous | Transient:
    """Return what it means that a call which left got no final answer."""
    reason = f"{_host(call)}: {why}"
    return Ambiguous(reason=reason) if call.writes else Transient(reason=reason)


def retry_after_s(headers: Mapping[str, str], *, default_s: float = _RETRY_AFTER_DEFAULT_S) -> float:
    """Return the seconds of Retry-After (RFC 9110 section 10.2.3): a number or a date, between 0 and one hour.

    A date is compared with the answer's own Date, so that the two clocks need not agree.
    """
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        seconds = _seconds_until(text, headers.get("date", ""), default_s)
    return min(max(seconds, 0.0), _RETRY_AFTER_CAP_S) if seconds == seconds else default_s  # noqa: PLR0124 -- NaN


def _seconds_until(text: str, sent: str, default_s: float) -> float:
    then, now = _http_date(text), _http_date(sent)
    return default_s if then is None or now is None else (then - now).total_seconds()


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


async def _never_replay(request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a PUT or DELETE again by itself when a kept-alive connection breaks."""
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise ReplyLost(_why(error)) from error


async def _read_capped(response: aiohttp.ClientResponse, cap: int) -> bytes | None:
    content = bytearray()
    stream = response.content
    while not stream.at_eof():
        content += await stream.readany()
        if len(content) > cap:
            response.close()
            return None
    error = stream.exception()
    if error is not None:
        raise error
    return bytes(content)


def _reply(response: aiohttp.ClientResponse, content: bytes) -> Reply:
    headers = {name.lower(): value for name, value in response.headers.items()}
    cookies = {name: morsel.value for name, morsel in response.cookies.items()} if "set-cookie" in headers else {}
    body, malformed = _decoded(content)
    return Reply(
        status=response.status, headers=headers, content=content, body=body, malformed=malformed, cookies=cookies
    )


def with_content(reply: Reply, content: bytes) -> Reply:
    """Return an answer with another content, decoded."""
    body, malformed = _decoded(content)
    return replace(reply, content=content, body=body, malformed=malformed)


def _decoded(content: bytes) -> tuple[Any, bool]:
    """Return the JSON of a content, and whether it is there and none."""
    try:
        return (msgspec.json.decode(content) if content.strip() else None), False
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # the last: nested too deep
        return None, True


def _body_of(call: Call) -> tuple[Mapping[str, str], Any]:
    """Return headers and body; JSON is bytes at once, and says that it is JSON where the call does not say more."""
    if call.json is None:
        return call.headers, call.form if call.content is None else call.content
    content = msgspec.json.encode(call.json)
    if any(name.lower() == "content-type" for name in call.headers):
        return call.headers, content
    return {**call.headers, "Content-Type": "application/json"}, content


def _place(call: Call) -> str:
    """Name the call without its query, user and body: they may hold what nobody should read in a log."""
    url = URL(call.url, encoded=True)
    return f"{call.method} {url.host or '?'}{url.path}"


def _host(call: Call) -> str:
    """Name the CRM alone: a reason may be shown to everybody who waits for it, whoever's call it came from."""
    url = URL(call.url, encoded=True)
    return f"{url.host or '?'}:{url.port}" if url.explicit_port else url.host or "?"


_IN_WORDS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (aiohttp.ServerDisconnectedError, "it closed the connection without an answer"),
    (aiohttp.ClientPayloadError, "its answer was cut off"),
    (TimeoutError, "timed out"),
    (aiohttp.ClientOSError, "the connection broke"),
)


def _why(error: Exception) -> str:
    if isinstance(error, ReplyLost):
        return str(error)
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"{type(error).__name__}: {error.strerror or error.os_error}"
    return next((words for kind, words in _IN_WORDS if isinstance(error, kind)), type(error).__name__)
