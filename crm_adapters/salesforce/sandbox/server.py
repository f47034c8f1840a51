"""The sandbox on the web: tokens, sessions, limits, and the REST API behind them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

from actors.model.outcomes import RecordStatus
from crm_adapters.salesforce.sandbox import judge
from crm_adapters.salesforce.sandbox.api import Api, Request
from crm_adapters.salesforce.sandbox.collections import answer_collection
from crm_adapters.salesforce.sandbox.composite import answer_composite, answer_graphs
from crm_adapters.salesforce.sandbox.errors import SESSION_INVALID, Refusal, Reply, bad_request
from crm_adapters.salesforce.sandbox.ids import ORGANISATION_ID
from crm_adapters.salesforce.sandbox.limits import ApiLimits, Usage
from crm_adapters.salesforce.sandbox.login import Login
from crm_adapters.salesforce.sandbox.model import Model
from crm_adapters.salesforce.sandbox.organisation import Organisation
from crm_adapters.salesforce.sandbox.seed import seed
from crm_adapters.salesforce.sandbox.store import Store
from crm_adapters.salesforce.sandbox.tooling import answer_tooling
from crm_adapters.sandboxing import SandboxOptions, SandboxRecord, Tables, TokenDesk

_WRITING: Final = frozenset({"POST", "PATCH", "PUT"})


class SalesforceSandbox:
    """One organisation behind its REST API."""

    name = "salesforce"

    def __init__(self, options: SandboxOptions, *, limits: ApiLimits | None = None) -> None:
        self._tables = Tables(options.data_file)
        store = Store(options.clock.now, self._tables, Model(self._tables, options.lacks))
        self._organisation = Organisation(store)
        self._usage = Usage(limits or ApiLimits(), options.clock)
        self._api = Api(Organisation(store, restricted=True), self._usage)
        self._tokens = TokenDesk(options.clock, options.token_life_s, prefix=ORGANISATION_ID[:15])
        self._login = Login(options, self._tokens)
        seed(self._organisation, options)

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the vendor's routes."""
        return [
            *self._login.routes(),
            web.route("*", "/services/data{tail:.*}", self._data),
        ]

    def records(self) -> Sequence[SandboxRecord]:
        """Return all orders, service requests and appointments, in the order they were made."""
        return judge.judged(self._organisation.store)

    def advance(self, record_id: str, status: RecordStatus) -> None:
        """Change a record's status as a person in the CRM would."""
        judge.advance(self._organisation, record_id, status)

    def expire_tokens(self) -> None:
        """Forget every access token that was given out."""
        self._tokens.expire_all()

    def close(self) -> None:
        """Close files."""
        self._tables.close()

    async def _data(self, request: web.Request) -> web.Response:
        path = request.rel_url.raw_path
        try:
            if path.strip("/") == "services/data":  # the list of versions is open to all
                reply = self._answer(request, path, await request.read())
            else:
                self._admit(request.headers.get("Authorization", ""))
                reply = await self._counted(request, path)
        except Refusal as refusal:
            reply = refusal.reply()
        return _json(reply, {**reply.headers, **self._usage.header()})

    async def _counted(self, request: web.Request, path: str) -> Reply:
        number = self._usage.enter()
        try:
            return self._answer(request, path, await request.read())
        finally:
            self._usage.leave(number)

    def _admit(self, authorization: str) -> None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() not in {"bearer", "oauth"} or not self._tokens.is_valid(token.strip()):
            raise Refusal(401, SESSION_INVALID, "Session expired or invalid")

    def _answer(self, request: web.Request, path: str, content: bytes) -> Reply:
        body = _decoded(request, content)
        headers = {name.lower(): value for name, value in request.headers.items()}
        query = request.rel_url.raw_query_string
        asked = Request.to(request.method, f"{path}?{query}" if query else path, body=body, headers=headers)
        if request.method == "POST" and asked.segments[1:] == ("composite",):
            return answer_composite(self._api, body)
        if request.method == "POST" and asked.segments[1:] == ("composite", "graph"):
            return answer_graphs(self._api, body)
        if asked.segments[1:2] == ("tooling",):
            return answer_tooling(self._api, asked.method, asked.segments[2:], body)
        if asked.segments[1:2] == ("composite",):
            return answer_collection(self._api, asked)
        return self._api.answer(asked)


def _decoded(request: web.Request, content: bytes) -> Any:
    if request.method not in _WRITING or not content.strip():
        return None
    if request.content_type != "application/json":
        raise Refusal(415, "UNSUPPORTED_MEDIA_TYPE", f"Content-Type '{request.content_type}' is not supported")
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError as error:
        raise bad_request("JSON_PARSER_ERROR", str(error)) from error


def _json(reply: Reply, headers: Mapping[str, str] | None = None) -> web.Response:
    if reply.body is None:
        return web.Response(status=reply.status, headers=headers)
    content = msgspec.json.encode(reply.body)
    return web.Response(status=reply.status, headers=headers, body=content, content_type="application/json")
