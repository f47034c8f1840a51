"""Sending requests to one environment: headers, tokens, pages, batches."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from msgspec import Struct

from actors.model.outcomes import Ambiguous, Failure, Permanent, Transient
from crm_adapters.dynamics.batch import MalformedBatch, Operation, batch_content, json_bytes, read_batch
from crm_adapters.dynamics.config import DynamicsConfig
from crm_adapters.dynamics.failures import WireAnswer, failure_of
from crm_adapters.oauth import TokenKeeper
from crm_adapters.transport import Call, Reply

Row = Mapping[str, Any]
T = TypeVar("T")

_HEADERS: Final = {
    "Accept": "application/json",
    "OData-Version": "4.0",
    "OData-MaxVersion": "4.0",
    "If-None-Match": "null",
}
_CONTINUE: Final = {"Prefer": "odata.continue-on-error"}
_LARGEST_PAGES: Final = 50
_EXPIRED: Final = "0x80044352"
"""ExpiredVersionStamp: the link's version is no longer kept."""


class Written(Struct, frozen=True, kw_only=True):
    """The answers of one batch: to the preparing requests, to the changeset (its error) and to the reading.

    ``reading`` is None where the environment stopped before it, whatever we prefer.
    """

    prepared: list[WireAnswer]
    error: WireAnswer | None
    reading: WireAnswer | None


class Tracked(Struct, frozen=True, kw_only=True):
    """What a tracked query found, and the link that tells what changes from now on, relative to the root."""

    rows: list[Row]
    link: str


class _TrackedPage(Struct, frozen=True, kw_only=True):
    rows: list[Row]
    following: str
    delta: str


class DataverseClient:
    """One environment's Web API. It replays nothing; an expired token is renewed once."""

    def __init__(self, config: DynamicsConfig, keeper: TokenKeeper) -> None:
        self._config = config
        self._keeper = keeper
        self._paged = {"Prefer": f"odata.maxpagesize={config.page_size}"}
        self._tracked = {"Prefer": f"odata.track-changes,odata.maxpagesize={config.page_size}"}

    async def read(self, path: str) -> WireAnswer | Failure:
        """Read one row or one page; a row that is absent is an answer."""
        answer = await self._send(path, "GET", None, self._paged, writes=False)
        if not isinstance(answer, WireAnswer) or answer.is_absent:
            return answer
        return failure_of(answer, writes=False) or _with_json(answer)

    async def read_all(self, path: str) -> list[Row] | Failure:
        """Read every page of a query."""
        rows: list[Row] = []
        for _ in range(_LARGEST_PAGES):
            answer = await self.read(path)
            if not isinstance(answer, WireAnswer):
                return answer
            if not isinstance(answer.body.get("value"), list):
                return Transient(reason=f"GET {path.partition('?')[0]}: no list of rows")
            rows.extend(answer.body["value"])
            link = answer.body.get("@odata.nextLink")
            if not link:
                return rows
            if not str(link).startswith(self._config.root):
                return Permanent(code="foreign_next_link", message="the next page is on another host")
            path = str(link).removeprefix(self._config.root)
        return Permanent(code="too_many_pages", message=f"more than {_LARGEST_PAGES} pages of {path.partition('?')[0]}")

    async def read_tracked(self, path: str) -> Tracked | Failure | None:
        """Read every page of a tracked query, or of a delta link; None where the link has expired.

        Rows that are gone are left out.
        """
        rows: list[Row] = []
        for _ in range(_LARGEST_PAGES):
            page = await self._tracked_page(path)
            if not isinstance(page, _TrackedPage):
                return page
            rows += page.rows
            if page.delta:
                return Tracked(rows=rows, link=page.delta)
            path = page.following
        return Permanent(code="too_many_pages", message=f"more than {_LARGEST_PAGES} pages of {path.partition('?')[0]}")

    async def _tracked_page(self, path: str) -> _TrackedPage | Failure | None:
        answer = await self._send(path, "GET", None, self._tracked, writes=False)
        if not isinstance(answer, WireAnswer):
            return answer
        if answer.code == _EXPIRED or answer.status == 410:
            return None
        failure = failure_of(answer, writes=False)
        return failure or understood(lambda: _tracked_page(answer, self._config.root))

    async def write(self, operation: Operation) -> WireAnswer | Failure:
        """Carry out one writing request; any 4xx is an answer for the caller to judge."""
        answer = await self._send(operation.path, operation.method, operation.body, operation.headers, writes=True)
        if not isinstance(answer, WireAnswer) or 400 <= answer.status < 500:
            return answer
        return failure_of(answer, writes=True) or answer

    async def write_and_read(
        self, prepare: Sequence[Operation], changeset: Sequence[Operation], reading: Operation
    ) -> Written | Failure:
        """Carry out preparing requests each by itself, a changeset, and a reading, in one request.

        Each is carried out whether or not the former ones were accepted.
        """
        media_type, content = batch_content(self._config.root, prepare, changeset, [reading])
        call = Call(
            method="POST",
            url=f"{self._config.root}$batch",
            writes=True,
            headers={**_HEADERS, **_CONTINUE, "Content-Type": media_type},
            content=content,
            is_encoded=True,
        )
        reply = await self._keeper.exchange(call)
        return _read_written(reply, len(prepare)) if isinstance(reply, Reply) else reply

    async def _send(
        self, path: str, method: str, body: Row | None, headers: Mapping[str, str], *, writes: bool
    ) -> WireAnswer | Failure:
        typed = {} if body is None else {"Content-Type": "application/json"}
        call = Call(
            method=method,
            url=self._config.root + path,
            writes=writes,
            headers={**_HEADERS, **typed, **headers},
            content=None if body is None else json_bytes(body),
            is_encoded=True,
        )
        reply = await self._keeper.exchange(call)
        if not isinstance(reply, Reply):
            return reply
        if reply.ok and reply.malformed:
            reason = f"{method} {path.partition('?')[0]}: {reply.status} with a body that is no JSON"
            return Ambiguous(reason=reason) if writes else Transient(reason=reason)
        return WireAnswer(status=reply.status, headers=reply.headers, body=reply.body)


def understood(read: Callable[[], T]) -> T | Transient:
    """Return what ``read`` makes of an answer, or a failure where the answer is not of the shape that was asked for."""
    try:
        return read()
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        return Transient(reason=f"an answer of unexpected shape: {type(error).__name__} {error}"[:200])


def _tracked_page(answer: WireAnswer, root: str) -> _TrackedPage:
    """Return one page of a tracked query.

    Raises:
        KeyError: it has no rows, or no link to what follows.
        ValueError: a link leads to another host.
    """
    delta = str(answer.body.get("@odata.deltaLink") or "")
    following = "" if delta else str(answer.body["@odata.nextLink"])
    if not (delta or following).startswith(root):
        raise ValueError("a link to another host")
    rows = [row for row in answer.body["value"] if "reason" not in row]
    return _TrackedPage(rows=rows, following=following.removeprefix(root), delta=delta.removeprefix(root))


def _with_json(answer: WireAnswer) -> WireAnswer | Failure:
    if isinstance(answer.body, dict):
        return answer
    return Transient(reason=f"{answer.status} without a JSON object")


def _read_written(reply: Reply, prepared: int) -> Written | Failure:
    """Read a batch reply. Where it is none the whole request failed, or what became of it is unknown."""
    try:
        answers = read_batch(reply.headers.get("content-type", ""), reply.content)
    except MalformedBatch as malformed:
        answer = WireAnswer(status=reply.status, headers=reply.headers, body=reply.body)
        return failure_of(answer, writes=True) or Ambiguous(reason=f"$batch: {reply.status}, {malformed}")
    before = [answer for answer in answers[:prepared] if isinstance(answer, WireAnswer)]
    match answers[prepared:]:
        case [[*_], WireAnswer() as reading]:
            return Written(prepared=before, error=None, reading=reading)
        case [WireAnswer() as error, WireAnswer() as reading]:
            return Written(prepared=before, error=error, reading=reading)
        case [WireAnswer() as error]:
            return Written(prepared=before, error=error, reading=None)
        case [] if before and not before[-1].ok:
            return Written(prepared=before, error=before[-1], reading=None)
        case _:
            return Ambiguous(reason=f"$batch: {reply.status} with other answers than were asked for")
