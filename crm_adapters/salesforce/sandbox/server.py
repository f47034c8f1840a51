"""The sandbox on the web: tokens, sessions, limits, and the REST API behind them."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote_plus

import msgspec
from aiohttp import web

from actors.model.outcomes import RecordStatus
from crm_adapters.salesforce.sandbox import judge
from crm_adapters.salesforce.sandbox.api import DAILY_REQUESTS, Api, Request
from crm_adapters.salesforce.sandbox.composite import answer_composite
from crm_adapters.salesforce.sandbox.errors import SESSION_INVALID, Refusal, Reply, bad_request
from crm_adapters.salesforce.sandbox.ids import ORGANISATION_ID, numbered_id
from crm_adapters.salesforce.sandbox.organisation import Organisation
from crm_adapters.salesforce.sandbox.seed import seed
from crm_adapters.salesforce.sandbox.store import Store
from crm_adapters.sandboxing import SandboxOptions, SandboxRecord, Tables, TokenDesk

TOKEN_PATH: Final = "/services/oauth2/token"  # noqa: S105 -- a path
_WRITING: Final = frozenset({"POST", "PATCH", "PUT"})
_USER: Final = numbered_id("005", 1)


class SalesforceSandbox:
    """One organisation behind its REST API."""

    name = "salesforce"

    def __init__(self, options: SandboxOptions) -> None:
        self._options = options
        self._tables = Tables(options.data_file)
        store = Store(options.clock.now, self._tables)
        self._organisation = Organisation(store)
        self._api = Api(self._organisation)
        self._tokens = TokenDesk(options.clock, options.token_life_s, prefix=ORGANISATION_ID[:15])
        seed(self._organisation, options)

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the vendor's routes."""
        return [
            web.post(TOKEN_PATH, self._token),
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

    async def _token(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        client = _basic(request.headers.get("Authorization", "")) or (
            form.get("client_id", ""),
            form.get("client_secret", ""),
        )
        if form.get("grant_type") != "client_credentials":
            return _token_error("unsupported_grant_type", "grant type not supported")
        known = self._options.credentials
        if client[0] != known["client_id"]:
            return _token_error("invalid_client_id", "client identifier invalid")
        if client[1] != known["client_secret"]:
            return _token_error("invalid_client", "invalid client credentials")
        return _json(Reply(status=200, body=self._token_body(f"{request.scheme}://{request.host}")))

    def _token_body(self, instance_url: str) -> dict[str, str]:
        issued_ms = int(self._options.clock.now().timestamp() * 1000)
        return {
            "access_token": self._tokens.issue(),
            "signature": base64.b64encode(b"sandbox").decode(),
            "scope": "api",
            "instance_url": instance_url,
            "id": f"{instance_url}/id/{ORGANISATION_ID}/{_USER}",
            "token_type": "Bearer",
            "issued_at": str(issued_ms),
        }

    async def _data(self, request: web.Request) -> web.Response:
        content = await request.read()
        path = request.rel_url.raw_path
        try:
            if path.strip("/") != "services/data":  # the list of versions is open to all
                self._admit(request.headers.get("Authorization", ""))
            reply = self._answer(request, request.rel_url.raw_path, content)
        except Refusal as refusal:
            reply = refusal.reply()
        usage = f"api-usage={self._api.used_requests}/{DAILY_REQUESTS}"
        return _json(reply, {**reply.headers, "Sforce-Limit-Info": usage})

    def _admit(self, authorization: str) -> None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() not in {"bearer", "oauth"} or not self._tokens.is_valid(token.strip()):
            raise Refusal(401, SESSION_INVALID, "Session expired or invalid")
        if self._api.used_requests >= DAILY_REQUESTS:
            raise Refusal(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        self._api.used_requests += 1

    def _answer(self, request: web.Request, path: str, content: bytes) -> Reply:
        body = _decoded(request, content)
        headers = {name.lower(): value for name, value in request.headers.items()}
        query = request.rel_url.raw_query_string
        asked = Request.to(request.method, f"{path}?{query}" if query else path, body=body, headers=headers)
        if request.method == "POST" and asked.segments[1:] == ("composite",):
            return answer_composite(self._api, body)
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


def _basic(authorization: str) -> tuple[str, str] | None:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return unquote_plus(name), unquote_plus(secret)


def _token_error(code: str, description: str) -> web.Response:
    return _json(Reply(status=400, body={"error": code, "error_description": description}))


def _json(reply: Reply, headers: Mapping[str, str] | None = None) -> web.Response:
    if reply.body is None:
        return web.Response(status=reply.status, headers=headers)
    content = msgspec.json.encode(reply.body)
    return web.Response(status=reply.status, headers=headers, body=content, content_type="application/json")
