"""Webhooks: an execution context for each row that was made or changed, as the platform's event framework writes it."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from crm_adapters.dynamics.sandbox.environment import MADE, Environment
from crm_adapters.dynamics.sandbox.tables import TABLES
from crm_adapters.dynamics.sandbox.view import JUDGED
from crm_adapters.sandboxing import Outgoing, SandboxOptions

_VERSION = "versionnumber"
_NOBODY = "00000000-0000-0000-0000-000000000000"


class Webhooks:
    """The service endpoints of one environment; each gets a message for every change of a judged row."""

    def __init__(self, environment: Environment, options: SandboxOptions) -> None:
        self._environment = environment
        self._clock = options.clock
        self._key = options.credentials["webhook_key"]
        self._urls: list[str] = []
        self._told = 0

    def subscribe(self, url: str) -> None:
        """Send messages about what changes from now on."""
        self._told = max([self._told, *(version for version, *_ in self._changes(since=0))])
        self._urls.append(url)

    def take_messages(self) -> Sequence[Outgoing]:
        """Return the messages about what changed since the last call, oldest first."""
        if not self._urls:
            return ()
        changes = sorted(self._changes(since=self._told), key=lambda change: change[0])
        self._told = max([self._told, *(version for version, *_ in changes)])
        return [self._message(url, table, row) for _, table, row in changes for url in self._urls]

    def _changes(self, *, since: int) -> list[tuple[int, str, Mapping[str, Any]]]:
        return [
            (int(row[_VERSION]), table, row)
            for table in JUDGED
            for row in self._environment.rows(table)
            if int(row[_VERSION]) > since
        ]

    def _message(self, url: str, table: str, row: Mapping[str, Any]) -> Outgoing:
        name = "Create" if row[MADE] == row[_VERSION] else "Update"
        milliseconds = int(self._clock.now().timestamp() * 1000)
        context: dict[str, Any] = {
            "MessageName": name,
            "PrimaryEntityName": table,
            "PrimaryEntityId": str(row[TABLES[table].primary_id]),
            "OperationCreatedOn": f"/Date({milliseconds}+0000)/",
            "CorrelationId": _NOBODY,
            "InitiatingUserId": _NOBODY,
            "Depth": 1,
            "Stage": 40,
            "Mode": 1,
            "InputParameters": [],
            "PostEntityImages": [],
        }
        headers = {"Content-Type": "application/json", "x-ms-dynamics-entity-name": table}
        address = f"{url}?code={quote(self._key, safe='')}"
        return Outgoing(url=address, headers=headers, body=msgspec.json.encode(context))
