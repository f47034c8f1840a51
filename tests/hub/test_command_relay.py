"""Commands reach the adapter of the thing's protocol; what hinders them becomes a reason."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actors.dialogue import CarryOut
from actors.model.commands import Carried, CommandFailure, CommandOutcome, NotCarried
from actors.model.ids import CommandId, OwnerId, ThingId
from actors.model.things import Connection, ThingRecord
from actors.ports import ConnectedThing, RefusesCommands
from actors.runtime.encoding import encode
from actors.runtime.journal import OutboxRow
from hub.commands import CommandRelay
from protocols.recalling import Recalled, Recalls
from protocols.testing import OWNER, TANK, ManualClock, sample_command, sample_thing

Answer = Callable[[bool], Awaitable[CommandOutcome]]


class Office:
    """What of the engine is used: outcomes come here."""

    def __init__(self) -> None:
        self.outcomes: asyncio.Queue[CommandOutcome] = asyncio.Queue()

    def complete(self, _outbox_id: int, address: str, message: Any) -> None:
        assert address == f"device/{TANK}"
        self.outcomes.put_nowait(message.outcome)


class Things:
    """A registry with the tank, connected by ``protocol``."""

    def __init__(self, protocol: str = "fake", *, known: bool = True) -> None:
        self._thing = sample_thing()
        self._protocol = protocol
        self._known = known

    def find(self, _thing_id: str) -> ConnectedThing | None:
        return self._thing if self._known else None

    def record(self, _thing_id: str) -> ThingRecord:
        connection = Connection(protocol=self._protocol)
        return ThingRecord(thing_id=TANK, owner_id=self._thing.owner_id, profile="p", connection=connection)


class Adapter(RefusesCommands):
    """An adapter that answers by a function."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def carry_out(self, thing: ConnectedThing, command: Any, *, again: bool) -> CommandOutcome:
        return await self._answer(again)


async def carried(_again: bool) -> CommandOutcome:
    return Carried(detail="done")


async def broken(_again: bool) -> CommandOutcome:
    raise ValueError("a defect")


async def silent(_again: bool) -> CommandOutcome:
    await asyncio.Event().wait()
    raise AssertionError


@asynccontextmanager
async def relay(
    adapter: Any = None, things: Any = None, clock: Any = None, *, is_off: bool = False
) -> AsyncIterator[tuple[CommandRelay, Office]]:
    office: Any = Office()
    it = CommandRelay(office, things or Things(), clock or ManualClock(), lambda _owner, _thing: is_off)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(it.run())
        it.connect({"fake": adapter or Adapter(carried)})
        yield it, office
        running.cancel()


def work(within_s: float = 60.0, *, by_itself: bool = False) -> OutboxRow:
    body = encode(CarryOut(command=sample_command(within_s=within_s), by_itself=by_itself))
    return OutboxRow(outbox_id=1, address=f"device/{TANK}", relay="things", body=body, created_at=0.0)


async def outcome_of(it: CommandRelay, office: Office, row: OutboxRow, *, recovered: bool = False) -> CommandOutcome:
    it.work(row, recovered=recovered)
    async with asyncio.timeout(30):
        return await office.outcomes.get()


async def failure(it: CommandRelay, office: Office, row: OutboxRow) -> CommandFailure:
    outcome = await outcome_of(it, office, row)
    assert isinstance(outcome, NotCarried)
    return outcome.code


async def test_the_adapters_word_is_the_outcome() -> None:
    async with relay() as (it, office):
        assert await outcome_of(it, office, work()) == Carried(detail="done")
        assert it.counters()["carried"] == 1


async def test_an_adapter_is_told_that_a_former_process_may_have_sent_it() -> None:
    async def tells(again: bool) -> CommandOutcome:
        return Carried(detail=str(again))

    async with relay(Adapter(tells)) as (it, office):
        assert await outcome_of(it, office, work(), recovered=True) == Carried(detail="True")


@pytest.mark.parametrize(
    ("adapter", "things", "code"),
    [
        (Adapter(broken), Things(), CommandFailure.DOUBTFUL),
        (RefusesCommands(), Things(), CommandFailure.UNSUPPORTED),
        (Adapter(carried), Things("gone"), CommandFailure.UNREACHABLE),
        (Adapter(carried), Things(known=False), CommandFailure.UNREACHABLE),
    ],
)
async def test_what_hinders_a_command_is_its_reason(adapter: Any, things: Any, code: CommandFailure) -> None:
    async with relay(adapter, things) as (it, office):
        assert await failure(it, office, work()) is code


async def test_a_silent_thing_is_waited_for_until_the_deadline() -> None:
    async with relay(Adapter(silent)) as (it, office):
        assert await failure(it, office, work(within_s=0.02)) is CommandFailure.LATE


async def test_what_waited_past_its_deadline_is_not_sent() -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=1))
    async with relay(clock=clock) as (it, office):
        assert await failure(it, office, work()) is CommandFailure.LATE
        assert it.counters()["sent"] == 0


class Queue(RefusesCommands):
    """An adapter in which commands wait for ever, unless they are taken back."""

    def __init__(self, *, left: bool = False) -> None:
        self._left = left
        self._recalls = Recalls()

    async def carry_out(self, thing: ConnectedThing, command: Any, *, again: bool) -> CommandOutcome:
        try:
            await self._recalls.wait(command.command_id, asyncio.Event().wait())
        except Recalled as recalled:
            return recalled.outcome
        raise AssertionError

    def recall(self, command_id: CommandId) -> bool:
        return not self._left and self._recalls.recall(command_id)


@pytest.mark.parametrize(("again", "code"), [(False, CommandFailure.RECALLED), (True, CommandFailure.DOUBTFUL)])
async def test_what_waits_for_a_thing_that_is_switched_off_is_taken_back(again: bool, code: CommandFailure) -> None:
    async with relay(Queue()) as (it, office):
        it.work(work(), recovered=again)
        await it.take_back(OWNER, TANK)
        outcome = await office.outcomes.get()
        assert isinstance(outcome, NotCarried)
        assert outcome.code is code


@pytest.mark.parametrize(
    ("owner_id", "thing_id", "left"), [(OWNER, None, True), (OwnerId("x"), None, False), (OWNER, ThingId("x"), False)]
)
async def test_what_left_and_what_is_anothers_stays_under_way(owner_id: OwnerId, thing_id: Any, left: bool) -> None:
    async with relay(Queue(left=left)) as (it, office):
        it.work(work(), recovered=False)
        await it.take_back(owner_id, thing_id)
        assert office.outcomes.empty()


async def test_what_the_hub_wants_by_itself_does_not_leave_for_a_thing_that_is_off() -> None:
    async with relay(is_off=True) as (it, office):
        assert await failure(it, office, work(by_itself=True)) is CommandFailure.RECALLED
        assert await outcome_of(it, office, work()) == Carried(detail="done")
