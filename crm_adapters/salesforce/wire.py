"""One organisation over the wire: token, instance address, queries page by page, composites read apart."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from msgspec import Struct

from actors.model.outcomes import AuthFailed, Failure
from crm_adapters.oauth import Token, TokenKeeper
from crm_adapters.salesforce.classification import error_in, failure_of, refusal_of
from crm_adapters.salesforce.config import SalesforceConfig
from crm_adapters.salesforce.mapping import Part
from crm_adapters.salesforce.soql import query_path
from crm_adapters.transport import Call, Reply, lost

log = structlog.get_logger()

Row = Mapping[str, Any]
MOST_IN_COMPOSITE: Final = 25
MOST_PARTS: Final = 500
"""Of a graph, which is one transaction as well."""
_GRAPH: Final = "request"
_HALTED: Final = "PROCESSING_HALTED"
_QUOTA_LOW: Final = 0.8


class Done(Struct, frozen=True, kw_only=True):
    """Every part of a composite succeeded: their bodies by reference."""

    bodies: Mapping[str, Any]


class Refused(Struct, frozen=True, kw_only=True):
    """One part failed, and with it the whole: nothing was written."""

    reference: str
    status: int
    body: Any


class _PartReply(Struct, frozen=True, kw_only=True):
    reference: str
    status: int
    body: Any


class Wire:
    """Sends requests to the organisation's instance."""

    def __init__(self, keeper: TokenKeeper, config: SalesforceConfig) -> None:
        self._keeper = keeper
        self._config = config
        self._root = f"/services/data/v{config.api_version}"
        self._quota_was_low = False
        self.instance_url = config.login_url.rstrip("/")

    async def send(self, method: str, path: str, *, writes: bool, body: Any = None) -> Any | Failure:
        """Send one request to a path below the version and return the body of its success."""
        return await self._send(method, self._root + path, writes=writes, body=body)

    async def query(self, query: str) -> list[Row] | Failure:
        """Return all rows of a query."""
        page = await self.send("GET", query_path(query), writes=False)
        return await self._all_pages(page)

    async def queries(self, *queries: str) -> tuple[list[Row], ...] | Failure:
        """Return the rows of several queries that together cost one request of the daily limit."""
        parts = [
            Part(reference=f"query{number}", method="GET", path=query_path(query))
            for number, query in enumerate(queries)
        ]
        answer = await self.composite(parts, writes=False)
        if isinstance(answer, Refused):
            return refusal_of(answer.status, answer.body)
        if not isinstance(answer, Done):
            return answer
        results: list[list[Row]] = []
        for part in parts:
            rows = await self._all_pages(answer.bodies[part.reference])
            if not isinstance(rows, list):
                return rows
            results.append(rows)
        return tuple(results)

    async def composite(self, parts: Sequence[Part], *, writes: bool) -> Done | Refused | Failure:
        """Send all parts in one transaction: a composite, or a graph where they are more than a composite takes."""
        path, body = request_for(parts, self._root)
        answer = await self.send("POST", path, writes=writes, body=body)
        if isinstance(answer, Failure):
            return answer
        replies = _part_replies(answer)
        if [reply.reference for reply in replies] != [part.reference for part in parts]:
            return lost(self._call("POST", self._root + path, writes), "the composite reply is malformed")
        return _judged(replies)

    async def change(self, parts: Sequence[Part]) -> Failure | None:
        """Make changes in one transaction; None when they are made."""
        answer = await self.composite(parts, writes=True)
        if isinstance(answer, Refused):
            return refusal_of(answer.status, answer.body)
        return None if isinstance(answer, Done) else answer

    def address_of(self, path: str) -> str:
        """Return the address of a path below the version."""
        return self.instance_url + self._root + path

    async def user_id(self) -> str | Failure:
        """Return the id of the user that the token acts as: the last part of its identity address."""
        token = await self._keeper.token()
        return str(token.fields.get("id", "")).rpartition("/")[2] if isinstance(token, Token) else token

    async def _all_pages(self, page: Any) -> list[Row] | Failure:
        rows: list[Row] = []
        while not isinstance(page, Failure):
            read = _page(page)
            if read is None:
                return lost(self._call("GET", f"{self._root}/query", writes=False), "the query reply is malformed")
            rows += read.rows
            if read.next_url is None:
                return rows
            page = await self._send("GET", read.next_url, writes=False)
        return page

    async def _send(self, method: str, path: str, *, writes: bool, body: Any = None) -> Any | Failure:
        unready = await self._find_instance()
        if unready is not None:
            return unready
        call = self._call(method, path, writes, body)
        reply = await self._keeper.exchange(call)
        if not isinstance(reply, Reply):
            return reply
        self._watch_quota(reply.headers.get("sforce-limit-info", ""))
        return failure_of(call, reply) or reply.body

    async def _find_instance(self) -> Failure | None:
        token = await self._keeper.token()
        if not isinstance(token, Token):
            return token
        named = str(token.fields.get("instance_url") or self._config.login_url).rstrip("/")
        if urlsplit(named).scheme != urlsplit(self._config.login_url).scheme:
            return AuthFailed(reason=f"the token's instance_url {named} is less protected than login_url")
        self.instance_url = named
        return None

    def _call(self, method: str, path: str, writes: bool, body: Any = None) -> Call:  # noqa: FBT001 -- as in Call
        return Call(method=method, url=self.instance_url + path, writes=writes, json=body, is_encoded=True)

    def _watch_quota(self, header: str) -> None:
        share = quota_share(header)
        low = share is not None and share >= _QUOTA_LOW
        if low and not self._quota_was_low:
            log.warning("api_quota_low", host=urlsplit(self.instance_url).hostname, used_share=share)
        self._quota_was_low = low


def request_for(parts: Sequence[Part], root: str) -> tuple[str, dict[str, Any]]:
    """Return path and body of one transaction: a composite, or a graph where the parts are more than it takes."""
    path = "/composite" if len(parts) <= MOST_IN_COMPOSITE else "/composite/graph"
    return path, _transaction([_subrequest(part, root) for part in parts])


def quota_share(header: str) -> float | None:
    """Return the used share of the daily limit that ``Sforce-Limit-Info`` tells, None where it tells none."""
    _, found, rest = header.partition("api-usage=")
    used, _, most = rest.partition(";")[0].partition("/")
    if not found or not used.strip().isdigit() or not most.strip().isdigit() or int(most) == 0:
        return None
    return int(used) / int(most)


def _transaction(listed: list[dict[str, Any]]) -> dict[str, Any]:
    if len(listed) <= MOST_IN_COMPOSITE:
        return {"allOrNone": True, "collateSubrequests": False, "compositeRequest": listed}
    return {"graphs": [{"graphId": _GRAPH, "compositeRequest": listed}]}


def _subrequest(part: Part, root: str) -> dict[str, Any]:
    named = {"method": part.method, "url": root + part.path, "referenceId": part.reference}
    return named if part.body is None else {**named, "body": part.body}


def _part_replies(body: Any) -> list[_PartReply]:
    match body:
        case {"compositeResponse": [*items]}:
            replies = [_part_reply(item) for item in items]
            return [reply for reply in replies if reply is not None]
        case {"graphs": [{"graphId": graph, "graphResponse": inner}]} if graph == _GRAPH:
            return _part_replies(inner)
        case _:
            return []


def _part_reply(item: Any) -> _PartReply | None:
    match item:
        case {"referenceId": str(reference), "httpStatusCode": int(status), **others}:
            return _PartReply(reference=reference, status=status, body=others.get("body"))
        case _:
            return None


def _judged(replies: list[_PartReply]) -> Done | Refused:
    failed = [reply for reply in replies if not 200 <= reply.status < 300]
    if not failed:
        return Done(bodies={reply.reference: reply.body for reply in replies})
    culprit = next((reply for reply in failed if not _is_halted(reply)), failed[0])
    return Refused(reference=culprit.reference, status=culprit.status, body=culprit.body)


def _is_halted(reply: _PartReply) -> bool:
    error = error_in(reply.body)
    return error is not None and error.code == _HALTED


class _Page(Struct, frozen=True, kw_only=True):
    rows: list[Row]
    next_url: str | None


def _page(body: Any) -> _Page | None:
    match body:
        case {"done": True, "records": [*rows]}:
            return _Page(rows=rows, next_url=None)
        case {"done": False, "records": [*rows], "nextRecordsUrl": str(url)} if url.startswith("/"):
            return _Page(rows=rows, next_url=url)
        case _:
            return None
