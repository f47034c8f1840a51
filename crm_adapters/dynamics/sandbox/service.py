"""The sandbox on HTTP: Entra's token endpoint and the Web API behind it."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from aiohttp import web

from actors.model.outcomes import RecordStatus
from crm_adapters.dynamics.sandbox.batch import Batch
from crm_adapters.dynamics.sandbox.environment import Environment
from crm_adapters.dynamics.sandbox.errors import DataverseError
from crm_adapters.dynamics.sandbox.limits import ServiceLimits, ServiceProtection
from crm_adapters.dynamics.sandbox.seed import seed
from crm_adapters.dynamics.sandbox.view import advance, records_of
from crm_adapters.dynamics.sandbox.webapi import Answer, Operation, WebApi, error_answer
from crm_adapters.sandboxing import SandboxOptions, SandboxRecord, Tables, TokenDesk

_BATCH: Final = "$batch"
_METHODS: Final = "*"


class DynamicsSandbox:
    """A Dynamics 365 environment with sales, service and field service, and the tenant that gives tokens for it."""

    def __init__(self, options: SandboxOptions, *, limits: ServiceLimits | None = None, strict: bool = True) -> None:
        self._options = options
        self._tables = Tables(options.data_file)
        self._tokens = TokenDesk(options.clock, options.token_life_s, "dataverse")
        self._protection = ServiceProtection(limits or ServiceLimits(), options.clock)
        self._environment = Environment(self._tables, options.clock)
        self._api = WebApi(self._environment, strict=strict)
        self._batch = Batch(self._api, self._environment)
        seed(self._environment, options.catalog, options.accounts)

    @property
    def name(self) -> str:
        """The vendor's name, as in the entry point."""
        return "dynamics"

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the token endpoint and the Web API."""
        return [
            web.post("/{tenant}/oauth2/v2.0/token", self._post_token),
            web.route(_METHODS, "/api/data/{version:v9\\.\\d+}/{path:.*}", self._serve),
        ]

    def records(self) -> Sequence[SandboxRecord]:
        """Return all orders, service requests and appointments, in the order they were made."""
        return records_of(self._environment)

    def advance(self, record_id: str, status: RecordStatus) -> None:
        """Change a record's status as a person in the CRM would.

        Raises:
            UnknownRecord: there is no such record.
            ValueError: Dynamics has no such step; the text says why.
        """
        advance(self._environment, record_id, status)

    def expire_tokens(self) -> None:
        """Forget every access token that was given out."""
        self._tokens.expire_all()

    def close(self) -> None:
        """Close the data file."""
        self._tables.close()

    async def _post_token(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        refusal = self._token_refusal(request.match_info["tenant"], form, f"{request.scheme}://{request.host}")
        if refusal is not None:
            return refusal
        life_s = int(self._options.token_life_s)
        body = {
            "token_type": "Bearer",
            "expires_in": life_s,
            "ext_expires_in": life_s,
            "access_token": self._tokens.issue(),
        }
        return _json(200, body)

    def _token_refusal(self, tenant: str, form: Mapping[str, str], origin: str) -> web.Response | None:
        known = self._options.credentials
        if tenant != known["tenant"]:
            return self._aadsts(400, "invalid_request", 90002, f"Tenant '{tenant}' not found.")
        if form.get("grant_type") != "client_credentials":
            return self._aadsts(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
        if form.get("client_id") != known["client_id"]:
            text = f"Application with identifier '{form.get('client_id', '')}' was not found in the directory."
            return self._aadsts(400, "unauthorized_client", 700016, text)
        if form.get("client_secret") != known["client_secret"]:
            return self._aadsts(401, "invalid_client", 7000215, "Invalid client secret provided.")
        if form.get("scope", "").rstrip("/") not in {f"{origin}/.default", f"{origin}//.default"}:
            return self._aadsts(
                400, "invalid_scope", 70011, f"The provided value for scope {form.get('scope')} is not valid."
            )
        return None

    def _aadsts(self, status: int, error: str, number: int, text: str) -> web.Response:
        body = {
            "error": error,
            "error_description": f"AADSTS{number}: {text}",
            "error_codes": [number],
            "timestamp": self._options.clock.now().strftime("%Y-%m-%d %H:%M:%SZ"),
            "trace_id": "00000000-0000-0000-0000-000000000000",
            "correlation_id": "00000000-0000-0000-0000-000000000000",
        }
        return _json(status, body)

    async def _serve(self, request: web.Request) -> web.Response:
        if not self._tokens.is_valid(request.headers.get("Authorization", "").removeprefix("Bearer ")):
            return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
        try:
            began = self._protection.enter()
        except DataverseError as error:
            return self._http(error_answer(error))
        try:
            return self._http(self._perform(request, await request.read()))
        finally:
            self._protection.leave(began)

    def _perform(self, request: web.Request, content: bytes) -> Answer:
        root = f"{request.scheme}://{request.host}/api/data/{request.match_info['version']}"
        operation = Operation(
            method=request.method,
            address=request.raw_path,
            headers={name.lower(): value for name, value in request.headers.items()},
            content=content,
            root=root,
        )
        if request.match_info["path"] == _BATCH and request.method == "POST":
            return self._batch.perform(operation)
        return self._api.perform(operation)

    def _http(self, answer: Answer) -> web.Response:
        headers = {**answer.headers, **self._protection.headers(), "OData-Version": "4.0"}
        return web.Response(status=answer.status, headers=headers, body=answer.content or None)


def _json(status: int, body: object) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")
