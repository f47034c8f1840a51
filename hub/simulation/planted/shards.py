"""Faults in how shards talk to each other."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from actors.runtime.engine import TurnEngine
from actors.runtime.journal import OutboxRow
from actors.runtime.shards import GateCore, ShardHost
from actors.runtime.shards.courier import Courier
from actors.runtime.shards.gate import GateState
from actors.runtime.turns import Step
from hub.simulation.parts import Parts


class _OpenGate(GateCore):
    """A gate that has always taken nothing before."""

    def step(self, state: GateState, message: Any, now: datetime) -> Step[GateState]:
        del state
        return super().step(GateState(), message, now)


class _OpenHost(ShardHost):
    def _gate(self) -> GateCore:
        return _OpenGate(self._kinds)


class _Sharded(Parts):
    shards = 4


class LettersDoubled(_Sharded):
    """What another shard sends again is taken again."""

    def whole(self, engines: Sequence[TurnEngine], shard_of: Callable[[str], int]) -> ShardHost:
        return _OpenHost(engines, shard_of)


class _HastyCourier(Courier):
    def work(self, row: OutboxRow, *, recovered: bool) -> None:
        super().work(row, recovered=recovered)
        self._discard(row.outbox_id)


class _HastyHost(ShardHost):
    def _courier(self, shard: int) -> Courier:
        return _HastyCourier(shard, self._shard_of, self._engines, self._engines[shard].discard)


class LettersForgotten(_Sharded):
    """A letter leaves the outbox when it is sent, not when it is durable where it goes."""

    def whole(self, engines: Sequence[TurnEngine], shard_of: Callable[[str], int]) -> ShardHost:
        return _HastyHost(engines, shard_of)
