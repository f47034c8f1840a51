"""Placing: search where the CRM has no key, create once, and do or finish the steps that follow.

Nothing of it is kept here. What is done already is read from the CRM, so that work cut off in the middle is taken up by
placing again under the same key, also by another process.
"""

import asyncio
from collections.abc import Mapping
from typing import Any
from weakref import WeakValueDictionary

from msgspec import Struct
from msgspec.structs import replace

from actors.model.ids import OrderKey
from actors.model.orders import AppointmentBooking, PurchaseOrder, RecordKind, ServiceRequest
from actors.model.outcomes import (
    Absent,
    Ambiguous,
    Created,
    CrmRecord,
    Duplicate,
    Failure,
    FindOutcome,
    Found,
    Permanent,
    PlaceOutcome,
    RecordStatus,
    Unsupported,
)
from crm_adapters.rest import answers, mapping
from crm_adapters.rest.answers import Answer
from crm_adapters.rest.expressions import ExpressionError, plain
from crm_adapters.rest.manifest import Idempotency, Meaning
from crm_adapters.rest.program import CompiledAfter, CompiledOperation, Program
from crm_adapters.rest.running import Context, Runner
from crm_adapters.transport import Call

Placed = PurchaseOrder | ServiceRequest | AppointmentBooking


class Seen(Struct, frozen=True, kw_only=True):
    """A record as the CRM showed it, and as we read it."""

    raw: Any
    record: CrmRecord
    is_complete: bool


class Placer:
    """Places the records of one connection, each key by one task at a time."""

    def __init__(self, program: Program, runner: Runner) -> None:
        self._program = program
        self._runner = runner
        self._locks: WeakValueDictionary[OrderKey, asyncio.Lock] = WeakValueDictionary()

    async def place(self, operation: CompiledOperation, kind: RecordKind, value: Placed) -> PlaceOutcome:
        """Create the record once, and complete it."""
        lock = self._locks.setdefault(value.key, asyncio.Lock())
        async with lock:
            if operation.idempotency is Idempotency.SEARCH_FIRST:
                seen = await self.look(value.key, kind)
                if not isinstance(seen, Absent):
                    return await self._taken_up(operation, kind, value, seen)
            return await self._create(operation, kind, value)

    async def find(self, key: OrderKey, kind: RecordKind) -> FindOutcome:
        """Look up a record; one that is not complete does not count: placing again under its key completes it."""
        seen = await self.look(key, kind)
        if not isinstance(seen, Seen):
            return seen
        return Found(record=seen.record) if seen.is_complete else Absent(unfinished=True)

    async def look(self, key: OrderKey, kind: RecordKind) -> Seen | Absent | Failure:
        """Look up whatever stands under a key."""
        operation = self._program.finds.get(kind)
        if operation is None:
            return Unsupported(capability="search_by_key")
        context = self._runner.context({"key": key, "kind": kind})
        call, answer = await self._runner.ask(operation, context, writes=False)
        return self.seen(operation, call, answer, key, kind)

    async def read_again(self, kind: RecordKind, record_id: str) -> FindOutcome:
        """Look up a record by the CRM's own id; one without a key of ours is absent."""
        operation = self._program.finds_by_id.get(kind)
        if operation is None:
            return Unsupported(capability="find_by_id")
        context = self._runner.context({"record_id": record_id, "kind": kind})
        call, answer = await self._runner.ask(operation, context, writes=False)
        if not isinstance(answer, Answer):
            return answer
        try:
            raw = answers.found(operation.record, answer, of_record=True)
            key = None if raw is None else mapping.key_of(self._program, kind, raw, answer.context)
        except ExpressionError as error:
            return answers.unreadable(call, error)
        seen = Absent() if key is None else self.seen(operation, call, answer, key, kind)
        return Found(record=seen.record) if isinstance(seen, Seen) else seen

    def seen(
        self, operation: CompiledOperation, call: Call, answer: Answer | Failure, key: OrderKey, kind: RecordKind
    ) -> Seen | Absent | Failure:
        """Return the record that an answer shows, which must stand under ``key``."""
        if not isinstance(answer, Answer):
            return answer
        try:
            raw = answers.found(operation.record, answer, of_record=True)
            if raw is None:
                return Absent()
            record = mapping.record_under(key, self._program, kind, raw, answer.context)
            complete = mapping.is_complete(self._program, kind, raw, answer.context)
        except ExpressionError as error:
            return answers.unreadable(call, error)
        return Seen(raw=raw, record=record, is_complete=complete)

    async def _create(self, operation: CompiledOperation, kind: RecordKind, value: Placed) -> PlaceOutcome:
        ready = await self._runner.prepared(operation, self._runner.context(value))
        if not isinstance(ready, Mapping):
            return ready
        call, answer = await self._runner.send(operation.request, ready, writes=True)
        if not isinstance(answer, Answer):
            return answer
        is_new = answer.meaning is Meaning.SUCCESS
        seen = Absent() if operation.reread else self.seen(operation, call, answer, value.key, kind)
        if operation.reread or (not is_new and not isinstance(seen, Seen)):
            seen = await self.look(value.key, kind)  # the answer does not show what is there
        if not isinstance(seen, Seen):
            return _not_shown(call, seen)
        if not is_new and seen.record.fingerprint != value.fingerprint:
            return Duplicate(record=seen.record)  # somebody else's: not ours to complete
        return await self._completed(operation, kind, value, seen, ready, is_new=is_new)

    async def _taken_up(
        self, operation: CompiledOperation, kind: RecordKind, value: Placed, seen: Seen | Failure
    ) -> PlaceOutcome:
        """Complete a record that is there already."""
        if not isinstance(seen, Seen):
            return seen
        if seen.is_complete or seen.record.fingerprint != value.fingerprint:
            return Duplicate(record=seen.record)
        ready = await self._runner.prepared(operation, self._runner.context(value))
        if isinstance(ready, Permanent):
            return replace(ready, leaves_record=True)
        if not isinstance(ready, Mapping):
            return ready
        return await self._completed(operation, kind, value, seen, ready, is_new=False)

    async def _completed(
        self,
        operation: CompiledOperation,
        kind: RecordKind,
        value: Placed,
        seen: Seen,
        context: Context,
        *,
        is_new: bool,
    ) -> PlaceOutcome:
        """Do what is not done yet. Whatever goes wrong is ambiguous: the record is there, and not complete."""
        for step in operation.after if not seen.is_complete or is_new else ():
            following = await self._step(step, kind, value, seen, context)
            if isinstance(following, Permanent):
                return await self._undone(kind, value, following)
            if not isinstance(following, Seen):
                return Ambiguous(reason=f"the record is there, but not {step.name}: {_why(following)}")
            seen = following
        if not seen.is_complete:
            return Ambiguous(reason="the record is there, but the CRM does not show it as complete")
        return Created(record=seen.record) if is_new else Duplicate(record=seen.record)

    async def _step(
        self, step: CompiledAfter, kind: RecordKind, value: Placed, seen: Seen, context: Context
    ) -> Seen | Absent | Failure:
        context = {**context, "record": plain(seen.record), "raw": seen.raw}
        try:
            items = [None] if step.foreach is None else step.foreach.value(context) or []
        except ExpressionError as error:
            return Permanent(code="mapping", message=f"{step.name}: {error}")
        shown: Seen | Absent = seen
        for index, item in enumerate(items):
            answer = await self._once(step, kind, value, {**context, "item": item, "index": index})
            if not isinstance(answer, Seen | Absent | None):
                return answer
            shown = shown if answer is None else answer
        return shown if isinstance(shown, Seen) else await self.look(value.key, kind)

    async def _once(
        self, step: CompiledAfter, kind: RecordKind, value: Placed, context: Context
    ) -> Seen | Absent | Failure | None:
        """Do a step for one item; None when it was done before, absent when the answer does not show the record."""
        try:
            if step.done is not None and step.done.value(context):
                return None
            done = await self._checked(step, context)
            if done is not False:
                return None if done is True else done
            _, answer = await self._runner.send(step.request, context, writes=True)
            if not isinstance(answer, Answer):
                return answer
            raw = None if step.record is None else step.record.value(answer.context)
            if raw is None:
                return Absent()
            record = mapping.record_under(value.key, self._program, kind, raw, answer.context)
            complete = mapping.is_complete(self._program, kind, raw, answer.context)
        except ExpressionError as error:
            return Ambiguous(reason=f"the answer does not fit the manifest: {error}")
        return Seen(raw=raw, record=record, is_complete=complete)

    async def _checked(self, step: CompiledAfter, context: Context) -> bool | Failure:
        """Look whether a step is done."""
        if step.check is None or step.check_value is None:
            return False
        _, answer = await self._runner.send(step.check, context, writes=False)
        if not isinstance(answer, Answer):
            return answer
        return answers.found(step.check_value, answer) is not None

    async def _undone(self, kind: RecordKind, value: Placed, refused: Permanent) -> PlaceOutcome:
        """Leave no half of what the CRM refuses to complete; where it refuses that as well, say so."""
        reason = f"it could not be completed: {refused.message}"
        gone = await self._removed(kind, value.key, reason)
        left = await self.cancel(value.key, kind, reason) if gone is None else gone
        match left:
            case Found(record=record) if record.status is RecordStatus.CANCELLED:
                told = f"record {record.number or record.record_id} was cancelled"
            case Absent():
                told = "what there was of the record is removed"
            case _:
                told = "the record is left unfinished in the CRM and should be finished or removed by a person"
                return replace(refused, message=f"{refused.message}; {told}", leaves_record=True)
        return replace(refused, message=f"{refused.message}; {told}")

    async def _removed(self, kind: RecordKind, key: OrderKey, reason: str) -> FindOutcome | None:
        """Remove a record by the operation for that, None where the manifest has none."""
        operation = self._program.undoes.get(kind)
        if operation is None:
            return None
        context = self._runner.context({"key": key, "kind": kind, "reason": reason})
        _, answer = await self._runner.ask(operation, context, writes=True)
        return await self._as_it_is(key, kind) if isinstance(answer, Answer) else answer

    async def _as_it_is(self, key: OrderKey, kind: RecordKind) -> FindOutcome:
        """Look up a record, complete or not."""
        seen = await self.look(key, kind)
        return Found(record=seen.record) if isinstance(seen, Seen) else seen

    async def cancel(self, key: OrderKey, kind: RecordKind, reason: str) -> FindOutcome:
        """Cancel what stands under a key, complete or not."""
        operation = self._program.cancels.get(kind)
        if operation is None:
            return Unsupported(capability="cancel")
        context = self._runner.context({"key": key, "kind": kind, "reason": reason})
        if operation.needs_record:
            seen = await self.look(key, kind)
            if not isinstance(seen, Seen):
                return seen
            if seen.record.status.value == "cancelled":
                return Found(record=seen.record)
            context = {**context, "record": plain(seen.record), "raw": seen.raw}
        call, answer = await self._runner.ask(operation, context, writes=True)
        if operation.reread and isinstance(answer, Answer) and answer.meaning is not Meaning.ABSENT:
            left = await self.look(key, kind)
        else:
            left = self.seen(operation, call, answer, key, kind)
        return Found(record=left.record) if isinstance(left, Seen) else left


def _not_shown(call: Call, outcome: Absent | Failure) -> Failure:
    """Return what it means that the CRM took or has the record and does not show it."""
    if isinstance(outcome, Absent):
        return Ambiguous(reason=f"{call.method}: the CRM says that the record is there, but does not show it")
    if isinstance(outcome, Permanent):
        return Ambiguous(reason=f"{call.method}: the CRM has the record, but does not show it ({outcome.message})")
    return Ambiguous(reason=f"the record may be there, but was not shown: {_why(outcome)}")


def _why(outcome: Absent | Failure) -> str:
    match outcome:
        case Absent():
            return "it is not shown any more"
        case Permanent(message=message):
            return message
        case Unsupported(capability=capability):
            return f"the manifest has no {capability}"
        case _:
            return outcome.reason
