"""The sandbox on HTTP: the tenant that gives tokens, and the Web API behind it."""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from actors.model.outcomes import RecordStatus
from crm_adapters.dynamics.sandbox.batch import Batch
from crm_adapters.dynamics.sandbox.environment import Environment
from crm_adapters.dynamics.sandbox.errors import DataverseError
from crm_adapters.dynamics.sandbox.limits import ServiceLimits, ServiceProtection
from crm_adapters.dynamics.sandbox.model import Model
from crm_adapters.dynamics.sandbox.seed import seed
from crm_adapters.dynamics.sandbox.tenant import Tenant
from crm_adapters.dynamics.sandbox.view import advance, records_of
from crm_adapters.dynamics.sandbox.webapi import Answer, Operation, WebApi, error_answer
from crm_adapters.dynamics.sandbox.webhooks import Webhooks
from crm_adapters.sandboxing import Outgoing, SandboxOptions, SandboxRecord, Tables, TokenDesk

_BATCH: Final = "$batch"
_METHODS: Final = "*"


class DynamicsSandbox:
    """A Dynamics 365 environment with sales, service and field service, and the tenant that gives tokens for it."""

    def __init__(self, options: SandboxOptions, *, limits: ServiceLimits | None = None, strict: bool = True) -> None:
        self._tables = Tables(options.data_file)
        self._tokens = TokenDesk(options.clock, options.token_life_s, "dataverse")
        self._tenant = Tenant(options, self._tokens)
        self._protection = ServiceProtection(limits or ServiceLimits(), options.clock)
        self._environment = Environment(self._tables, options.clock, Model(self._tables, options.lacks))
        self._api = WebApi(self._environment, strict=strict)
        self._batch = Batch(self._api, self._environment)
        self._hooks = Webhooks(self._environment, options)
        seed(self._environment, options.catalog, options.accounts)

    @property
    def name(self) -> str:
        """The vendor's name, as in the entry point."""
        return "dynamics"

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the tenant's endpoints and the Web API."""
        return [
            *self._tenant.routes(),
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

    def subscribe(self, url: str) -> None:
        """Register a webhook for all messages, with the environment's key (authentication WebhookKey)."""
        self._hooks.subscribe(url)

    def take_messages(self) -> Sequence[Outgoing]:
        """Return the messages about rows that were made or changed since the last call."""
        return self._hooks.take_messages()

    def close(self) -> None:
        """Close the data file."""
        self._tables.close()

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
