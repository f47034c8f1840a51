"""The OPC UA adapter: one link for each configured server."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog

from actors.model.commands import CommandFailure, CommandOutcome, NotCarried, ThingCommand
from actors.model.ids import CommandId, ThingId
from actors.ports import ConnectedThing, LinkStatus, ProtocolAdapter, ProtocolDeps
from protocols.opcua.addressing import PROTOCOL
from protocols.opcua.commands import CannotDo, target_of
from protocols.opcua.config import OpcUaConfig
from protocols.opcua.supervision import Link
from protocols.opcua.wanted import without_endpoint

_log = structlog.get_logger()
_BEFORE_DEADLINE_S = 0.5
"""A command that never left says so a little before its deadline, when the hub would have to call it doubtful."""
_ALWAYS_COUNTED = ("accepted", "refused", "malformed")


class OpcUaAdapter:
    """A client of OPC UA servers; it listens nowhere itself."""

    def __init__(self, config: OpcUaConfig, deps: ProtocolDeps) -> None:
        self._config = config
        self._deps = deps
        self._links = [Link(name, endpoint, deps) for name, endpoint in config.endpoints.items()]
        self._unserved: dict[ThingId, str] = {}

    @property
    def http_routes(self) -> Sequence[Any]:
        """None: devices do not call this adapter."""
        return ()

    @property
    def urls(self) -> Sequence[str]:
        """None: it listens nowhere."""
        return ()

    def links(self) -> Sequence[LinkStatus]:
        """Return the state of every link."""
        return [link.status for link in self._links]

    def counters(self) -> Mapping[str, int]:
        """Return the counts of all links together."""
        total: dict[str, int] = dict.fromkeys(_ALWAYS_COUNTED, 0)
        for link in self._links:
            for name, count in link.counts.items():
                total[name] = total.get(name, 0) + count
        total["things_unserved"] = len(self._unserved)
        return total

    async def carry_out(self, thing: ConnectedThing, command: ThingCommand, *, again: bool) -> CommandOutcome:
        """Write or call at the thing's server. A method is not called twice: nobody knows what that would do."""
        endpoint = thing.options.get("endpoint", "")
        link = next((each for each in self._links if each.name == f"{PROTOCOL}:{endpoint}"), None)
        if link is None:
            detail = f"connection option endpoint: there is no endpoint {endpoint!r}"
            return NotCarried(code=CommandFailure.UNSUPPORTED, detail=detail)
        try:
            target = target_of(thing, command)
        except CannotDo as refused:
            return refused.outcome
        if again and not target.is_repeatable:
            detail = f"{target.node}: it may have been called before the hub was restarted"
            return NotCarried(code=CommandFailure.DOUBTFUL, detail=detail)
        left_s = (command.deadline - self._deps.clock.now()).total_seconds()
        return await link.carry_out(target, max(0.0, left_s - _BEFORE_DEADLINE_S), command.command_id)

    def recall(self, command_id: CommandId) -> bool:
        """Take back a command that waits for its link."""
        return any(link.recall(command_id) for link in self._links)

    def start(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Start a task for each link."""
        return [group.create_task(link.run(), name=link.name) for link in self._links]

    def look_for_unserved(self, among: Sequence[ThingId] | None = None) -> None:
        """Tell, once each, which things name an endpoint that is not configured: of all, or of those that changed."""
        unserved = without_endpoint(self._config.endpoints, self._deps.things.connected_by(PROTOCOL, among))
        for thing_id, reason in unserved.items():
            if self._unserved.get(thing_id) != reason:
                _log.warning("thing_unserved", thing_id=thing_id, reason=reason)
        for thing_id in tuple(self._unserved) if among is None else among:
            self._unserved.pop(thing_id, None)
        self._unserved.update(unserved)


@asynccontextmanager
async def open_opcua(config: OpcUaConfig, deps: ProtocolDeps) -> AsyncGenerator[ProtocolAdapter]:
    """Keep the links while the context lasts; within a second after its end they are closed."""
    adapter = OpcUaAdapter(config, deps)
    adapter.look_for_unserved()
    ignore_changes = deps.things.on_change(adapter.look_for_unserved)
    failure: Exception | None = None
    async with asyncio.TaskGroup() as group:
        tasks = adapter.start(group)
        try:
            yield adapter
        except Exception as error:  # noqa: BLE001 - handed on below: the group would wrap it
            failure = error
        finally:
            ignore_changes()
            for task in tasks:
                task.cancel()
    if failure is not None:
        raise failure
