"""Commands for things that fetch them: they wait here until the thing acknowledges, or the hub gives them up."""

import asyncio
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from typing import Annotated, Final, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from actors.model.base import Value
from actors.model.commands import Carried, CommandFailure, CommandOutcome, NotCarried, ThingCommand
from actors.model.ids import CommandId, ThingId
from actors.model.machine import Sentence
from actors.model.readings import Reported
from actors.model.routes import operation
from protocols.http.config import HttpConfig
from protocols.http.door import Door, check_json, decoded, json_response
from protocols.http.mapping import Rejected
from protocols.recalling import RECALLED

_MOST_KNOWN: Final = 1000


class Acknowledgement(Value, frozen=True, kw_only=True):
    """What a thing says about a command. Without ``ok``: ``rejected`` before it did anything, or ``failed``."""

    ok: bool
    code: Literal["rejected", "failed"] = "failed"
    detail: Sentence = ""
    results: Annotated[dict[str, Reported], Meta(max_length=100)] = {}


class Waiting(Value, frozen=True, kw_only=True):
    """The commands that wait for a thing, oldest first."""

    commands: tuple[ThingCommand, ...]


class CommandBoard:
    """The commands under way, by thing. They come anew from the hub after a restart: nothing is kept here."""

    def __init__(self) -> None:
        self._waiting: dict[ThingId, dict[CommandId, tuple[ThingCommand, asyncio.Future[CommandOutcome]]]] = (
            defaultdict(dict)
        )
        self._watchers: dict[ThingId, list[Callable[[ThingCommand], None]]] = defaultdict(list)
        self._given: set[CommandId] = set()
        """Those that wait still and may have reached their thing."""
        self._acknowledged: OrderedDict[tuple[ThingId, CommandId], None] = OrderedDict()

    def has_waiting(self, thing_id: ThingId) -> bool:
        """Say whether anything waits for a thing."""
        return thing_id in self._waiting

    def fetch(self, thing_id: ThingId) -> Sequence[ThingCommand]:
        """Return what waits for a thing, oldest first, to be given to it now."""
        commands = [command for command, _ in self._waiting.get(thing_id, {}).values()]
        self._given.update(command.command_id for command in commands)
        return commands

    def recall(self, command_id: CommandId) -> bool:
        """Take a command back that was not given to its thing; one that was may be under way there."""
        held = next((mine[command_id] for mine in self._waiting.values() if command_id in mine), None)
        if held is None or command_id in self._given or held[1].done():
            return False
        held[1].set_result(RECALLED)
        return True

    async def put(self, command: ThingCommand) -> CommandOutcome:
        """Let a command wait, and return what its thing said; cancelled, it waits no more."""
        thing_id, command_id = command.thing_id, command.command_id
        outcome: asyncio.Future[CommandOutcome] = asyncio.get_running_loop().create_future()
        mine = self._waiting[thing_id]
        mine[command_id] = (command, outcome)
        for told in tuple(self._watchers.get(thing_id, ())):
            told(command)
        try:
            return await outcome
        finally:
            mine.pop(command_id, None)
            self._given.discard(command_id)
            if not mine:
                self._waiting.pop(thing_id, None)

    def acknowledge(self, thing_id: ThingId, command_id: CommandId, outcome: CommandOutcome) -> bool:
        """Take a thing's word; False when no such command waits, nor was acknowledged before."""
        if (thing_id, command_id) in self._acknowledged:
            return True
        held = self._waiting.get(thing_id, {}).get(command_id)
        if held is None or held[1].done():
            return False
        held[1].set_result(outcome)
        self._acknowledged[thing_id, command_id] = None
        if len(self._acknowledged) > _MOST_KNOWN:
            self._acknowledged.popitem(last=False)
        return True

    def give_to(self, thing_id: ThingId, take: Callable[[ThingCommand], None]) -> Callable[[], None]:
        """Give each new command for a thing to ``take``, which brings it there; the answer ends that."""

        def give(command: ThingCommand) -> None:
            self._given.add(command.command_id)
            take(command)

        return self.watch(thing_id, give)

    def watch(self, thing_id: ThingId, told: Callable[[ThingCommand], None]) -> Callable[[], None]:
        """Call ``told`` with each new command for a thing; the answer ends that."""
        watchers = self._watchers[thing_id]
        watchers.append(told)

        def leave() -> None:
            watchers.remove(told)
            if not watchers:
                self._watchers.pop(thing_id, None)

        return leave


class CommandRoutes:
    """The routes by which a thing fetches its commands and acknowledges them."""

    def __init__(self, config: HttpConfig, door: Door, board: CommandBoard) -> None:
        self._config = config
        self._door = door
        self._board = board
        self._polling: Counter[ThingId] = Counter()

    @property
    def polls(self) -> int:
        """How many wait at the moment."""
        return self._polling.total()

    @operation(reply=Waiting, query={"wait": "whole seconds to wait for one"})
    async def poll(self, request: web.Request) -> web.Response:
        """Return the commands that wait; with ``?wait=SECONDS`` as soon as there is one."""
        _, thing = self._door.sender(request)
        wait_s = min(self._wait(request), self._config.longest_wait_s)
        if wait_s > 0 and not self._board.has_waiting(thing.thing_id):
            await self._wait_for_one(thing.thing_id, wait_s)
        return json_response(Waiting(commands=tuple(self._board.fetch(thing.thing_id))))

    @operation(body=Acknowledgement)
    async def acknowledge(self, request: web.Request) -> web.Response:
        """Take what the thing says about a command."""
        _, thing = self._door.sender(request)
        check_json(request)
        body = await self._door.body(request)
        told = decoded(body, _ACKNOWLEDGEMENT)
        command_id = CommandId(request.match_info["command_id"])
        if not self._board.acknowledge(thing.thing_id, command_id, _outcome(told)):
            raise Rejected("unknown_command", f"no command {command_id} waits for {thing.thing_id}")
        return json_response({"command_id": command_id, "acknowledged": True})

    def _wait(self, request: web.Request) -> float:
        told = request.query.get("wait", "0")
        if not told.isascii() or not told.isdecimal() or len(told) > 6:
            raise Rejected("malformed", f"query wait: expected whole seconds, got {told[:20]!r}")
        return float(told)

    async def _wait_for_one(self, thing_id: ThingId, wait_s: float) -> None:
        self._door.check_room(self._polling, thing_id, "polls wait already")
        came = asyncio.Event()
        leave = self._board.watch(thing_id, lambda _: came.set())
        self._polling[thing_id] += 1
        try:
            async with asyncio.timeout(wait_s):
                await came.wait()
        except TimeoutError:
            return
        finally:
            self._polling -= Counter({thing_id: 1})
            leave()


def _outcome(told: Acknowledgement) -> CommandOutcome:
    if told.ok:
        return Carried(detail=told.detail, results=told.results)
    return NotCarried(code=CommandFailure(told.code), detail=told.detail or "the thing says so")


_ACKNOWLEDGEMENT: Final = msgspec.json.Decoder(Acknowledgement)
