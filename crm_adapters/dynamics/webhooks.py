"""Webhooks of Dataverse: who sends proves it by the shared key, what is sent is a hint, and the row is read again.

Source: Microsoft Learn, "Use webhooks to create external handlers for server events".
"""

import hmac
from typing import Any, Final

import msgspec

from actors.model.orders import RecordKind
from actors.model.outcomes import Failure, Heard, HeardOutcome, Permanent
from actors.ports import Webhook
from crm_adapters.dynamics.addresses import by_id, is_guid, with_options
from crm_adapters.dynamics.client import DataverseClient, understood
from crm_adapters.dynamics.config import DynamicsConfig
from crm_adapters.dynamics.failures import WireAnswer
from crm_adapters.dynamics.records import RecordTable, read_record, record_options, table_of

HEADER: Final = "x-webhook-key"
"""Where the key stands when the endpoint's authentication is HttpHeader; with WebhookKey it is the query's ``code``."""
_NOT_THEIRS: Final = Permanent(code="not_authentic", message="the message does not carry the webhook's key")


class WebhookReader:
    """Reads what webhooks are about."""

    def __init__(self, client: DataverseClient, config: DynamicsConfig, key: str) -> None:
        self._client = client
        self._config = config
        self._key = key.encode()
        self._tables = {table.logical_name: table for table in map(self._table, RecordKind)}

    def doubt(self, message: Webhook) -> Permanent | None:
        """Return why a message is not the environment's: it does not carry the key."""
        given = message.query.get("code") or message.headers.get(HEADER, "")
        return None if hmac.compare_digest(given.encode(), self._key) else _NOT_THEIRS

    async def take(self, message: Webhook) -> HeardOutcome:
        """Return our record as it is now; none where the message is about another's, or one that is gone."""
        doubt = self.doubt(message)
        if doubt is not None:
            return doubt
        about = _about(message.body)
        if isinstance(about, Permanent):
            return about
        name, guid = about
        table = self._tables.get(name)
        return Heard(records=()) if table is None else await self._read(table, guid)

    async def _read(self, table: RecordTable, guid: str) -> HeardOutcome:
        path = with_options(by_id(table.entity_set, guid), **record_options(table, self._config))
        answer = await self._client.read(path)
        if not isinstance(answer, WireAnswer):
            return answer
        if answer.is_absent or answer.body.get(self._config.columns.key) is None:
            return Heard(records=())
        record = understood(lambda: read_record(table, answer.body, self._config))
        return record if isinstance(record, Failure) else Heard(records=(record,))

    def _table(self, kind: RecordKind) -> RecordTable:
        return table_of(kind, self._config)


def _about(body: bytes) -> tuple[str, str] | Permanent:
    """Return the table and the id of the row that an execution context is about."""
    try:
        context: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Permanent(code="unreadable", message=f"the message is no JSON: {type(error).__name__}")
    match context:
        case {"PrimaryEntityName": str(name), "PrimaryEntityId": str(guid)} if is_guid(guid):
            return name, guid
        case _:
            return Permanent(code="unreadable", message="the message names no PrimaryEntityName and PrimaryEntityId")
