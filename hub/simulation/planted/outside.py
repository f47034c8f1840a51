"""Faults in how CRMs are dealt with: adapters and the desk."""

from collections.abc import Callable
from random import Random
from typing import Any

from msgspec.structs import replace

from actors.desk.desk import Desk
from actors.desk.office import Office
from actors.model.orders import PurchaseOrder, RecordKind, ServiceRequest
from actors.model.outcomes import Ambiguous, Capabilities, Created, CrmRecord, Duplicate, Found, Permanent, Transient
from actors.ports import Clock, CrmAdapter
from actors.runtime.journal import OutboxRow
from hub.simulation.crm import SimCrm
from hub.simulation.parts import DESK, Parts
from hub.simulation.planted.wrapping import Wrapped


class _Changed(Wrapped):
    """An adapter whose answers to placing, or to everything, are changed."""

    def __init__(self, real: CrmAdapter, change: Callable[[Any], Any]) -> None:
        super().__init__(real)
        self._change = change

    async def place_order(self, order: PurchaseOrder) -> Any:
        return self._change(await self._real.place_order(order))

    async def request_service(self, request: ServiceRequest) -> Any:
        return self._change(await self._real.request_service(request))

    async def find_by_key(self, key: Any, kind: RecordKind) -> Any:
        return self._change(await self._real.find_by_key(key, kind))


class LostAnswerIsFinal(Parts):
    """A 5xx or a lost answer is taken for a refusal."""

    def adapter(self, adapter: CrmAdapter) -> Any:
        return _Changed(adapter, _final)


def _final(outcome: Any) -> Any:
    return Permanent(code="http_502", message=outcome.reason) if isinstance(outcome, Ambiguous) else outcome


class LostAnswerIsNotSent(Parts):
    """A lost answer is taken for a request that never left."""

    def adapter(self, adapter: CrmAdapter) -> Any:
        return _Changed(adapter, _unsent)


def _unsent(outcome: Any) -> Any:
    return Transient(reason=outcome.reason) if isinstance(outcome, Ambiguous) else outcome


class FingerprintIgnored(Parts):
    """Whatever record has our key is taken for ours."""

    def adapter(self, adapter: CrmAdapter) -> Any:
        return _Trusting(adapter)


class _Trusting(Wrapped):
    def __init__(self, real: CrmAdapter) -> None:
        super().__init__(real)
        self._expected: dict[str, str] = {}

    async def place_order(self, order: PurchaseOrder) -> Any:
        self._expected[order.key] = order.fingerprint
        return self._trusted(await self._real.place_order(order))

    async def find_by_key(self, key: Any, kind: RecordKind) -> Any:
        return self._trusted(await self._real.find_by_key(key, kind))

    def _trusted(self, outcome: Any) -> Any:
        if not isinstance(outcome, Created | Duplicate | Found):
            return outcome
        record: CrmRecord = outcome.record
        fingerprint = self._expected.get(record.key, record.fingerprint)
        return replace(outcome, record=replace(record, fingerprint=fingerprint))


class _NewKeys(Wrapped):
    def __init__(self, real: CrmAdapter) -> None:
        super().__init__(real)
        self._attempts = 0

    async def place_order(self, order: PurchaseOrder) -> Any:
        self._attempts += 1
        key = order.key if self._attempts % 2 else f"{order.key}R{self._attempts}"
        return _rekeyed(await self._real.place_order(replace(order, key=key)), order.key)


def _rekeyed(outcome: Any, key: str) -> Any:
    return replace(outcome, record=replace(outcome.record, key=key)) if isinstance(outcome, Created) else outcome


class NewKeyPerAttempt(Parts):
    """An attempt may have a key of its own."""

    def adapter(self, adapter: CrmAdapter) -> Any:
        return _NewKeys(adapter)


class _Impatient(Wrapped):
    @property
    def capabilities(self) -> Capabilities:
        declared: Capabilities = self._real.capabilities
        return replace(declared, settle_s=0.0)


class NoSettling(Parts):
    """An absent record counts as proof at once, though the CRM may write it late."""

    def adapter(self, adapter: CrmAdapter) -> Any:
        return _Impatient(adapter)


class PlainCreate(Parts):
    """The adapter posts without the unique key that it says the CRM checks."""

    def adapter(self, adapter: CrmAdapter) -> Any:
        if isinstance(adapter, SimCrm):
            adapter.checks_keys = False
        return adapter


class _Eager(Desk):
    def work(self, row: OutboxRow, *, recovered: bool) -> None:
        del recovered
        super().work(row, recovered=False)


class RestartSendsAgain(Parts):
    """A restart takes what was being placed for not sent."""

    def desk(self, connection: str, adapter: CrmAdapter, office: Office, clock: Clock, chance: Random) -> Desk:
        return _Eager(connection, adapter, office, clock, chance, DESK)
