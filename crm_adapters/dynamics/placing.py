"""Placing a record once: prepare, write and read back in one round trip, and judge the answers."""

from typing import Any

from actors.model.ids import OrderKey
from actors.model.outcomes import (
    Absent,
    Ambiguous,
    Conflict,
    Created,
    Duplicate,
    Failure,
    FindOutcome,
    Found,
    PlaceOutcome,
    Transient,
)
from crm_adapters.dynamics.batch import Operation
from crm_adapters.dynamics.client import DataverseClient, Row, Written, understood
from crm_adapters.dynamics.config import DynamicsConfig
from crm_adapters.dynamics.directory import Introduction, Introductions
from crm_adapters.dynamics.failures import WireAnswer, failure_of
from crm_adapters.dynamics.records import RecordTable, keyed_read, read_options, read_record

_NO_SUCH_KEY = "0x80060891"
"""Customers, assets and work orders are bound by alternate key; all else is bound by id and fails otherwise."""


class Register:
    """Places and finds the records of one environment."""

    def __init__(self, client: DataverseClient, config: DynamicsConfig) -> None:
        self._client = client
        self._config = config
        self.introductions = Introductions(config)
        self._asked: dict[str, str] = {}

    async def place(
        self, table: RecordTable, key: OrderKey, introduction: Introduction, changeset: list[Operation]
    ) -> PlaceOutcome:
        """Make the record, unless one is there already under the key."""
        reading = self._reading(table, key)
        written = await self._client.write_and_read(introduction.operations, changeset, reading)
        if not isinstance(written, Written):
            return written
        self.introductions.learn(introduction, written.prepared)
        found = await self._read_back(table, key, written)
        if isinstance(found, Found):
            return Created(record=found.record) if written.error is None else Duplicate(record=found.record)
        if written.error is None:
            return Ambiguous(reason=f"accepted, and not to be read back: {found}")
        return self._refusal(introduction, written, written.error, found)

    async def change(self, table: RecordTable, key: OrderKey, changeset: list[Operation]) -> FindOutcome:
        """Change a record in one transaction and return it as it stands then."""
        written = await self._client.write_and_read((), changeset, self._reading(table, key))
        if not isinstance(written, Written):
            return written
        if written.error is not None:
            return failure_of(written.error, writes=True) or Transient(reason=written.error.message)
        return await self._read_back(table, key, written)

    async def find(self, table: RecordTable, key: OrderKey) -> FindOutcome:
        """Look the record up by its key."""
        row = await self.row(table, key)
        if row is None:
            return Absent()
        return self._found(table, row) if isinstance(row, dict) else row

    async def row(self, table: RecordTable, key: OrderKey) -> dict[str, Any] | Failure | None:
        """Return the record as the environment holds it, None where there is none."""
        answer = await self._client.read(self._reading(table, key).path)
        if not isinstance(answer, WireAnswer):
            return answer
        return None if answer.is_absent else dict(answer.body)

    def _reading(self, table: RecordTable, key: OrderKey) -> Operation:
        """Return ``keyed_read`` of a table, whose columns are written down once."""
        asked = self._asked.get(table.logical_name)
        if asked is None:
            asked = self._asked[table.logical_name] = read_options(table, self._config)
        return keyed_read(table, key, self._config, asked)

    async def _read_back(self, table: RecordTable, key: OrderKey, written: Written) -> FindOutcome:
        reading = written.reading
        if reading is not None and reading.ok and reading.body is not None:
            return self._found(table, reading.body)
        if reading is not None and reading.is_absent:
            return Absent()
        return await self.find(table, key)

    def _refusal(
        self, introduction: Introduction, written: Written, error: WireAnswer, found: Absent | Failure
    ) -> Failure:
        """Return why a changeset failed whose record is not to be found."""
        for answer in written.prepared:
            if not answer.ok and not answer.is_duplicate:  # without its customer no order can be made
                return failure_of(answer, writes=True) or Transient(reason=answer.message)
        if error.is_duplicate:
            return Conflict(reason=f"{error.message} It is gone again.") if isinstance(found, Absent) else found
        if error.code == _NO_SUCH_KEY and introduction.known:
            self.introductions.forget()
            return Conflict(reason=f"a customer or asset that was known is gone: {error.message}")
        return failure_of(error, writes=True) or Transient(reason=error.message)

    def _found(self, table: RecordTable, row: Row) -> Found | Transient:
        return understood(lambda: Found(record=read_record(table, row, self._config)))
