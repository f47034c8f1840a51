"""Records under our keys: looked up, and what a transaction that should have made one came to."""

from actors.model.ids import OrderKey
from actors.model.orders import RecordKind
from actors.model.outcomes import (
    Absent,
    Ambiguous,
    Conflict,
    Created,
    CrmRecord,
    Duplicate,
    Failure,
    FindOutcome,
    Found,
    Permanent,
    PlaceOutcome,
    Transient,
)
from crm_adapters.salesforce.classification import DUPLICATE, error_in, refusal_of
from crm_adapters.salesforce.config import SalesforceConfig
from crm_adapters.salesforce.mapping import ACCOUNT, ASSET, RECORD, REQUEST
from crm_adapters.salesforce.records import object_of, record_fields, record_of
from crm_adapters.salesforce.soql import select, text
from crm_adapters.salesforce.wire import Done, Refused, Row, Wire

UNREADABLE = (ArithmeticError, KeyError, TypeError, ValueError)
"""What mapping raises for rows that are not as the API describes them."""


class Register:
    """The records of one organisation that are ours."""

    def __init__(self, wire: Wire, config: SalesforceConfig) -> None:
        self._wire = wire
        self._config = config

    async def find(self, key: OrderKey, kind: RecordKind) -> FindOutcome:
        """Look up what carries our key. A query, because a look-up by address answers 404 for a missing field too."""
        fields = record_fields(kind, self._config)
        condition = f"{self._config.fields.key} = {text(key)}"
        rows = await self._wire.query(select(fields, object_of(kind, self._config), (condition,)))
        if not isinstance(rows, list):
            return rows
        if len(rows) > 1:
            said = f"{len(rows)} records carry the key {key}: make {self._config.fields.key} unique"
            return Permanent(code="KEY_NOT_UNIQUE", message=said, field=self._config.fields.key)
        if not rows:
            return Absent()
        record = self.record(kind, rows[0])
        return Found(record=record) if isinstance(record, CrmRecord) else record

    def record(self, kind: RecordKind, row: Row) -> CrmRecord | Transient:
        """Return a row as a record, a failure where it cannot be read."""
        try:
            return record_of(kind, row, self._config, self._wire.instance_url)
        except UNREADABLE as error:
            return Transient(reason=unreadable(kind, error))

    async def placed(self, key: OrderKey, kind: RecordKind, answer: Done | Refused | Failure) -> PlaceOutcome:
        """Return what a transaction that should have made a record came to."""
        if isinstance(answer, Refused):
            return await self._refused(key, kind, answer)
        if not isinstance(answer, Done):
            return answer
        record = self.record(kind, answer.bodies[RECORD])
        return Created(record=record) if isinstance(record, CrmRecord) else Ambiguous(reason=record.reason)

    async def _refused(self, key: OrderKey, kind: RecordKind, refused: Refused) -> PlaceOutcome:
        """Our own key in use is a success of an earlier try; somebody else's new account or asset a lost race."""
        error = error_in(refused.body)
        if error is None or error.code != DUPLICATE:
            return refusal_of(refused.status, refused.body)
        if refused.reference in {ACCOUNT, ASSET}:
            return Conflict(reason=f"{error.code}: {error.message}")
        if refused.reference != REQUEST or self._config.fields.key.lower() not in error.message.lower():
            return Permanent(code=error.code, message=error.message, field=error.field)
        found = await self.find(key, kind)
        match found:
            case Found(record=record):
                return Duplicate(record=record)
            case Absent():
                said = f"{error.message}; but the integration user cannot read that record"
                return Permanent(code=error.code, message=said, field=self._config.fields.key)
            case _:
                return Ambiguous(reason=f"{key} is in use and could not be read: {found!r}")


def unreadable(what: str, error: Exception) -> str:
    """Return in words what could not be read."""
    return f"Salesforce's {what} cannot be read: {type(error).__name__}: {error}"
