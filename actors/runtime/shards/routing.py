"""A kind of actor in one shard of several: what it tells actors elsewhere becomes letters."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from actors.runtime.shards.letters import SHARD_RELAY, Letter
from actors.runtime.turns import Core, Effect, Emit, StateUpcasters, Step, Tell, Upcasters


class RoutedCore:
    """Wraps a core; decisions, states and events are the core's own, only the way of its tells differs."""

    def __init__(self, core: Core[Any], is_here: Callable[[str], bool], schema_of: Callable[[str], int]) -> None:
        self.kind = core.kind
        self.schema = core.schema
        self.state_type = core.state_type
        self.message_type = core.message_type
        self.event_type = core.event_type
        self.upcasters: Upcasters = getattr(core, "upcasters", {})
        self.state_upcasters: StateUpcasters = getattr(core, "state_upcasters", {})
        self._core = core
        self._is_here = is_here
        self._schema_of = schema_of

    def initial(self, name: str) -> Any:
        """Return the state before the first message."""
        return self._core.initial(name)

    def records(self, message: Any) -> bool:
        """Say whether the core keeps this message."""
        return self._core.records(message)

    def fold(self, state: Any, message: Any, events: tuple[Any, ...], at: datetime) -> Any:
        """Return the state after a recorded turn."""
        return self._core.fold(state, message, events, at)

    def step(self, state: Any, message: Any, now: datetime) -> Step[Any]:
        """Let the core decide; tells to other shards leave through the outbox."""
        step = self._core.step(state, message, now)
        if not any(self._leaves(effect) for effect in step.effects):
            return step
        return Step(step.state, step.events, tuple(self._routed(effect) for effect in step.effects), step.reply)

    def _leaves(self, effect: Effect) -> bool:
        return isinstance(effect, Tell) and not self._is_here(effect.address)

    def _routed(self, effect: Effect) -> Effect:
        if isinstance(effect, Tell) and self._leaves(effect):
            return Emit(SHARD_RELAY, Letter(effect.address, effect.message, self._schema_of(effect.address)))
        return effect
