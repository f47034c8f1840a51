"""One process that hosts all shards: to everybody outside it is one engine."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from actors.runtime.cells import Done, Kind, Settle
from actors.runtime.contract import JobRelay, Relay
from actors.runtime.engine import TurnEngine
from actors.runtime.journal import OutboxRow, RecordRow
from actors.runtime.shards.courier import Courier
from actors.runtime.shards.gate import GateCore
from actors.runtime.shards.letters import SHARD_RELAY, Forward, gate_address, is_gate
from actors.runtime.shards.routing import RoutedCore
from actors.runtime.turns import Core, StateUpcasters, Upcasters


class ShardHost:
    """Implements ``Engine`` on several: each actor lives in the one that ``shard_of`` names for its address.

    Relays serve all shards. They see numbers of work that are unique among them, and give those back.
    """

    def __init__(self, engines: Sequence[TurnEngine], shard_of: Callable[[str], int]) -> None:
        self._engines = tuple(engines)
        self._shard_of = shard_of
        self._kinds: dict[str, Kind] = {}
        self._couriers = [self._courier(shard) for shard in range(len(self._engines))]
        for engine, courier in zip(self._engines, self._couriers, strict=True):
            engine.add_relay(SHARD_RELAY, courier)
        self.add_kind(self._gate())

    def _gate(self) -> GateCore:
        return GateCore(self._kinds)

    def _courier(self, shard: int) -> Courier:
        return Courier(shard, self._shard_of, self._engines, self._engines[shard].discard)

    # Composition.

    def add_kind(
        self, core: Core[Any], upcasters: Upcasters | None = None, state_upcasters: StateUpcasters | None = None
    ) -> None:
        """Register a kind of actor in every shard."""
        self._kinds[core.kind] = Kind(core, upcasters, state_upcasters)
        for shard, engine in enumerate(self._engines):
            engine.add_kind(RoutedCore(core, self._is_in(shard), self._schema_of), upcasters, state_upcasters)

    def add_relay(self, name: str, relay: Relay) -> None:
        """Register who executes the outbox rows of this relay name, of all shards."""
        for shard, engine in enumerate(self._engines):
            engine.add_relay(name, _Door(relay, shard, len(self._engines)))

    def on_records(self, watcher: Callable[[Sequence[RecordRow]], None]) -> None:
        """Call ``watcher`` with the read models of each commit of any shard."""
        for engine in self._engines:
            engine.on_records(watcher)

    def start(self) -> None:
        """Recover every shard; letters are carried once all of them are up."""
        for engine in self._engines:
            engine.start()

    async def stop(self, *, within_s: float = 5.0) -> bool:
        """Stop every shard; letters that were not carried yet stay in their outboxes."""
        for courier in self._couriers:
            courier.stop()
        async with asyncio.TaskGroup() as group:
            ends = [group.create_task(engine.stop(within_s=within_s)) for engine in self._engines]
        return all(end.result() for end in ends)

    # Messages from outside.

    def submit(self, address: str, message: Any, done: Done, message_id: str = "") -> None:
        """Hand in a message; see ``Engine.submit``."""
        self._engine_of(address).submit(address, message, done, message_id)

    def deliver(
        self, address: str, message: Any, message_id: str, settle: Settle, token: Any, packed: bytes | None = None
    ) -> bool:
        """Hand in a message; see ``Engine.deliver``."""
        return self._engine_of(address).deliver(address, message, message_id, settle, token, packed)

    def urge(self, address: str, message: Any, done: Done, stalled: Callable[[], None]) -> None:
        """Hand in what must be heard at once; see ``Engine.urge``."""
        self._engine_of(address).urge(address, message, done, stalled)

    async def ask(self, address: str, message: Any, *, timeout_s: float = 10.0, message_id: str = "") -> Any:
        """Hand in a message and return the core's reply once it is durable.

        Raises:
            AskFailed: refused, crashed, or no answer in time (it may still be carried out then).
        """
        return await self._engine_of(address).ask(address, message, timeout_s=timeout_s, message_id=message_id)

    def complete(self, outbox_id: int, address: str, message: Any) -> None:
        """Tell an actor, wherever it lives, the outcome of work from the outbox."""
        number, shard = divmod(outbox_id, len(self._engines))
        engine = self._engines[shard]
        if not address or self._shard_of(address) == shard:
            engine.complete(number, address, message)
        else:
            engine.complete(number, gate_address(shard), Forward(address, message))

    def discard(self, outbox_id: int) -> None:
        """Forget work from the outbox that needs no answer."""
        self.complete(outbox_id, "", None)

    def read(self, address: str) -> Any:
        """Return an actor's committed state; for people, never for deciding: it may have changed meanwhile."""
        return self._engine_of(address).read(address)

    def counters(self) -> Mapping[str, int]:
        """Return the sums over all shards, and the letters between them."""
        total: Counter[str] = Counter()
        for engine, courier in zip(self._engines, self._couriers, strict=True):
            total.update(engine.counters())
            total.update(courier.counters())
        return dict(total)

    @property
    def storage_down(self) -> bool:
        """Whether the journal of any shard refuses writes at the moment."""
        return any(engine.storage_down for engine in self._engines)

    def _engine_of(self, address: str) -> TurnEngine:
        return self._engines[self._shard_of(address)]

    def _schema_of(self, address: str) -> int:
        return self._kinds[address.partition("/")[0]].schema

    def _is_in(self, shard: int) -> Callable[[str], bool]:
        return lambda address: is_gate(address) or self._shard_of(address) == shard


class _Door:
    """How a relay gets the work of one shard: under a number that is unique among all of them."""

    def __init__(self, relay: Relay, shard: int, shards: int) -> None:
        self._relay = relay
        self._beginner = relay if isinstance(relay, JobRelay) else None
        self._shard = shard
        self._shards = shards

    def work(self, row: OutboxRow, *, recovered: bool) -> None:
        self._relay.work(self._numbered(row), recovered=recovered)

    def begin(self, row: OutboxRow, job: Any) -> None:
        if self._beginner is None:
            self._relay.work(self._numbered(row), recovered=False)
        else:
            self._beginner.begin(self._numbered(row), job)

    def _numbered(self, row: OutboxRow) -> OutboxRow:
        return replace(row, outbox_id=row.outbox_id * self._shards + self._shard)
