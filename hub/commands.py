"""The relay ``things``: brings commands to things by the protocol that each is connected by."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping

import msgspec
import structlog

from actors.dialogue import CarryOut, CommandReported
from actors.model.commands import CommandFailure, CommandOutcome, NotCarried, TellOrder, ThingCommand
from actors.model.ids import CommandId, OwnerId, ThingId
from actors.ports import Clock, ProtocolAdapter
from actors.runtime.contract import Engine
from actors.runtime.journal import JournalUnavailable, OutboxRow
from hub.registry import Registry

log = structlog.get_logger(__name__)

_LATE = NotCarried(
    code=CommandFailure.LATE, detail="no acknowledgement until the deadline; it may have been carried out"
)


class CommandRelay:
    """Implements ``Relay``. Run ``run`` in a task group for as long as the hub lives.

    Work comes before the protocol adapters are open: it waits for ``connect``. ``is_off`` says whether a thing of an
    owner is switched off: nothing leaves for it then that nobody asked for but the hub itself.
    """

    def __init__(
        self, engine: Engine, registry: Registry, clock: Clock, is_off: Callable[[OwnerId, ThingId], bool]
    ) -> None:
        self._engine = engine
        self._registry = registry
        self._clock = clock
        self._is_off = is_off
        self._adapters: Mapping[str, ProtocolAdapter] = {}
        self._connected = asyncio.Event()
        self._work: asyncio.Queue[tuple[OutboxRow, bool] | asyncio.Future[None]] = asyncio.Queue()
        self._under_way: dict[CommandId, tuple[ThingCommand, ProtocolAdapter]] = {}
        self._decode = msgspec.msgpack.Decoder(CarryOut).decode
        self._counts = Counter(sent=0, carried=0, not_carried=0)

    def work(self, row: OutboxRow, *, recovered: bool) -> None:
        """Take a command from the outbox."""
        self._work.put_nowait((row, recovered))

    def connect(self, adapters: Mapping[str, ProtocolAdapter]) -> None:
        """Let commands go out: these adapters, by protocol, are open."""
        self._adapters = adapters
        self._connected.set()

    def counters(self) -> Mapping[str, int]:
        """Return counts since start: ``sent``, ``carried``, ``not_carried`` and ``not_carried_...`` by reason."""
        return dict(self._counts)

    async def run(self) -> None:
        """Work until cancelled; things are commanded side by side."""
        await self._connected.wait()
        async with asyncio.TaskGroup() as group:
            while True:
                work = await self._work.get()
                if isinstance(work, asyncio.Future):
                    asyncio.get_running_loop().call_soon(_reached, work)  # behind the first steps of what was begun
                    continue
                row, recovered = work
                group.create_task(self._carry_out(row, again=recovered))

    async def take_back(self, owner_id: OwnerId, thing_id: ThingId | None) -> None:
        """Take back what waits in an adapter for a thing that was switched off, or for all of its owner's.

        What may have left stays under way; news of orders are let through. Without adapters nothing can have left: what
        waits for them is judged by the switch when it goes.
        """
        if not self._connected.is_set():
            return
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._work.put_nowait(reached)
        await reached
        for command, adapter in tuple(self._under_way.values()):
            if command.owner_id != owner_id or thing_id not in {None, command.thing_id}:
                continue
            if not isinstance(command.body, TellOrder) and adapter.recall(command.command_id):
                log.info("command_recalled", thing_id=command.thing_id, command_id=command.command_id)

    async def _carry_out(self, row: OutboxRow, *, again: bool) -> None:
        work = self._decode(row.body)
        command = work.command
        outcome = self._held_back(work, again=again) or await self._outcome(command, again=again)
        self._count(outcome)
        self._engine.complete(
            row.outbox_id, row.address, CommandReported(command_id=command.command_id, outcome=outcome)
        )

    def _held_back(self, work: CarryOut, *, again: bool) -> NotCarried | None:
        """Return why what the hub wants by itself does not leave: its thing is off."""
        command = work.command
        if not work.by_itself or isinstance(command.body, TellOrder):
            return None
        try:
            is_off = self._is_off(command.owner_id, command.thing_id)
        except JournalUnavailable:
            return NotCarried(code=CommandFailure.UNREACHABLE, detail="the hub could not read whether it is off")
        return _recalled(again=again) if is_off else None

    async def _outcome(self, command: ThingCommand, *, again: bool) -> CommandOutcome:
        left_s = (command.deadline - self._clock.now()).total_seconds()
        if left_s <= 0:
            return _LATE
        self._counts["sent"] += 1
        try:
            async with asyncio.timeout(left_s):
                return await self._sent(command, again=again)
        except TimeoutError:
            return _LATE
        except JournalUnavailable:
            return NotCarried(code=CommandFailure.UNREACHABLE, detail="the hub could not read which thing it is for")
        except Exception as error:
            log.exception("command_failed", thing_id=command.thing_id, command_id=command.command_id)
            return NotCarried(code=CommandFailure.DOUBTFUL, detail=f"the adapter failed: {type(error).__name__}")

    async def _sent(self, command: ThingCommand, *, again: bool) -> CommandOutcome:
        record, thing = self._registry.record(command.thing_id), self._registry.find(command.thing_id)
        if record is None or thing is None:
            detail = f"{command.thing_id} is retired, or its profile is gone"
            return NotCarried(code=CommandFailure.UNREACHABLE, detail=detail)
        adapter = self._adapters.get(record.connection.protocol)
        if adapter is None:
            detail = f"the protocol {record.connection.protocol} is not configured any more"
            return NotCarried(code=CommandFailure.UNREACHABLE, detail=detail)
        self._under_way[command.command_id] = (command, adapter)
        try:
            outcome = await adapter.carry_out(thing, command, again=again)
        finally:
            self._under_way.pop(command.command_id, None)
        is_recalled = isinstance(outcome, NotCarried) and outcome.code is CommandFailure.RECALLED
        return _recalled(again=again) if is_recalled else outcome

    def _count(self, outcome: CommandOutcome) -> None:
        if isinstance(outcome, NotCarried):
            self._counts["not_carried"] += 1
            self._counts[f"not_carried_{outcome.code}"] += 1
        else:
            self._counts["carried"] += 1


def _recalled(*, again: bool) -> NotCarried:
    if again:
        detail = "its thing was switched off; the hub was restarted before, and it may have been sent then"
        return NotCarried(code=CommandFailure.DOUBTFUL, detail=detail)
    return NotCarried(code=CommandFailure.RECALLED, detail="its thing was switched off before it left")


def _reached(place: "asyncio.Future[None]") -> None:
    if not place.done():
        place.set_result(None)
