"""The relay ``things``: brings commands to things by the protocol that each is connected by."""

import asyncio
from collections import Counter
from collections.abc import Mapping

import msgspec
import structlog

from actors.dialogue import CarryOut, CommandReported
from actors.model.commands import CommandFailure, CommandOutcome, NotCarried, ThingCommand
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

    Work comes before the protocol adapters are open: it waits for ``connect``.
    """

    def __init__(self, engine: Engine, registry: Registry, clock: Clock) -> None:
        self._engine = engine
        self._registry = registry
        self._clock = clock
        self._adapters: Mapping[str, ProtocolAdapter] = {}
        self._connected = asyncio.Event()
        self._work: asyncio.Queue[tuple[OutboxRow, bool]] = asyncio.Queue()
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
                row, recovered = await self._work.get()
                group.create_task(self._carry_out(row, again=recovered))

    async def _carry_out(self, row: OutboxRow, *, again: bool) -> None:
        command = self._decode(row.body).command
        outcome = await self._outcome(command, again=again)
        self._count(outcome)
        self._engine.complete(
            row.outbox_id, row.address, CommandReported(command_id=command.command_id, outcome=outcome)
        )

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
        return await adapter.carry_out(thing, command, again=again)

    def _count(self, outcome: CommandOutcome) -> None:
        if isinstance(outcome, NotCarried):
            self._counts["not_carried"] += 1
            self._counts[f"not_carried_{outcome.code}"] += 1
        else:
            self._counts["carried"] += 1
