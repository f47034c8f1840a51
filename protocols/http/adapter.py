"""The HTTP adapter: devices' routes in the hub's own HTTP application."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import final

from aiohttp import web

from actors.model.commands import CommandOutcome, ThingCommand
from actors.model.ids import CommandId
from actors.ports import ConnectedThing, LinkStatus, ProtocolDeps
from protocols.http.commands import CommandBoard, CommandRoutes
from protocols.http.config import HttpConfig
from protocols.http.door import Door
from protocols.http.events import EventStreams
from protocols.http.hooks import Hooks
from protocols.http.intake import Intake
from protocols.http.machine import MachineRoutes
from protocols.http.storing import Storing


@asynccontextmanager
async def open_http(config: HttpConfig, deps: ProtocolDeps) -> AsyncGenerator["HttpAdapter"]:
    """Run the adapter; it has no socket of its own."""
    adapter = HttpAdapter(config, deps)
    try:
        yield adapter
    finally:
        adapter.close()


@final
class HttpAdapter:
    """A ``ProtocolAdapter`` whose routes run in the hub's HTTP application."""

    def __init__(self, config: HttpConfig, deps: ProtocolDeps) -> None:
        self._door = door = Door(config, deps)
        self._board = CommandBoard()
        self._storing = storing = Storing(config, deps, door)
        self._intake = Intake(door, storing)
        self._hooks = Hooks(config.hooks, deps, door, storing)
        self._machine = MachineRoutes(deps.machine, door)
        self._commands = CommandRoutes(config, door, self._board)
        self._events = EventStreams(config, deps, door, self._board)

    @property
    def http_routes(self) -> Sequence[web.RouteDef]:
        """The routes of devices, and of the clouds that speak for some."""
        guarded, machine, commands = self._door.guarded, self._machine, self._commands
        return (
            web.post("/things/{thing_id}/readings", guarded(self._intake.post_readings)),
            web.post("/things/{thing_id}/advice", guarded(machine.ask_peers)),
            web.post("/things/{thing_id}/offers", guarded(machine.search_offers)),
            web.post("/things/{thing_id}/requests", guarded(machine.request_supply)),
            web.post("/things/{thing_id}/requests/end", guarded(machine.end_request)),
            web.get("/things/{thing_id}/orders", guarded(machine.list_orders)),
            web.get("/things/{thing_id}/orders/{key}", guarded(machine.show_order)),
            web.get("/things/{thing_id}/commands", guarded(commands.poll)),
            web.post("/things/{thing_id}/commands/{command_id}/outcome", guarded(commands.acknowledge)),
            web.get("/things/{thing_id}/events", guarded(self._events.stream)),
            web.post("/hooks/{hook}", guarded(self._hooks.receive)),
            web.options("/hooks/{hook}", guarded(self._hooks.agree)),
        )

    @property
    def urls(self) -> Sequence[str]:
        """None: the hub's own address serves."""
        return ()

    def links(self) -> Sequence[LinkStatus]:
        """Return the clouds that may push; devices come and go."""
        return self._hooks.links()

    def counters(self) -> Mapping[str, int]:
        """Return accepted (``duplicates`` among them), malformed, refused, ``refused_...`` by code, and who waits."""
        return {**self._door.counts, "waiting": self._commands.polls, "streams": self._events.streams}

    async def carry_out(self, thing: ConnectedThing, command: ThingCommand, *, again: bool) -> CommandOutcome:
        """Let the command wait until the thing fetches and acknowledges it; it knows by the id what it has done."""
        del thing, again
        return await self._board.put(command)

    def recall(self, command_id: CommandId) -> bool:
        """Take back a command that its thing has not fetched, and was not told by its stream."""
        return self._board.recall(command_id)

    def close(self) -> None:
        """End the event streams; commands that wait stay the hub's."""
        self._events.close()
        self._storing.close()
