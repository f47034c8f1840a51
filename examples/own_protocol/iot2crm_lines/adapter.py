"""Listens for things that speak in lines. Each answers for itself by its token; ``STORED`` is said after the commit."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from actors.model.commands import Carried, CommandFailure, CommandOutcome, NotCarried, ThingCommand
from actors.model.errors import MalformedPayload
from actors.model.ids import CommandId, ThingId
from actors.model.readings import Principal, PrincipalKind, ReadingRefusal, Receipt, Refused
from actors.ports import ConnectedThing, LinkStatus, ProtocolDeps
from iot2crm_lines.config import LinesConfig
from iot2crm_lines.mapping import answer, device_message, number_of, order

_LONGEST_LINE = 4096


@asynccontextmanager
async def open_lines(config: LinesConfig, deps: ProtocolDeps) -> AsyncGenerator["LinesAdapter"]:
    """Listen while the context lasts; its end closes every connection."""
    adapter = LinesAdapter(deps)
    server = await asyncio.start_server(adapter.serve, config.host, config.port, limit=_LONGEST_LINE)
    adapter.listens_at(server.sockets[0].getsockname())
    try:
        yield adapter
    finally:
        server.close()
        await adapter.close()
        await server.wait_closed()


class LinesAdapter:
    """A ``ProtocolAdapter`` with a TCP socket of its own."""

    http_routes: Sequence[Any] = ()

    def __init__(self, deps: ProtocolDeps) -> None:
        self._deps = deps
        self._counts = Counter(accepted=0, refused=0, malformed=0)
        self._urls: tuple[str, ...] = ()
        self._writers: dict[ThingId, asyncio.StreamWriter] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._orders: dict[tuple[ThingId, str], asyncio.Future[CommandOutcome]] = {}

    @property
    def urls(self) -> Sequence[str]:
        """Where things connect."""
        return self._urls

    def links(self) -> Sequence[LinkStatus]:
        """None: things come and go."""
        return ()

    def counters(self) -> Mapping[str, int]:
        """Return accepted, refused and malformed."""
        return dict(self._counts)

    def listens_at(self, address: tuple[Any, ...]) -> None:
        """Take down the address."""
        self._urls = (f"tcp://{address[0]}:{address[1]}",)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk with one thing until it leaves."""
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            principal = self._welcomed(await reader.readline(), writer)
            if principal is not None and principal.thing_id is not None:
                self._writers[principal.thing_id] = writer
                while line := await reader.readline():
                    self._take(principal, principal.thing_id, line.decode(errors="replace").strip(), writer)
                    await writer.drain()
        except (ConnectionError, ValueError):  # it left, or a line has no end
            return
        finally:
            self._left(writer)

    async def carry_out(self, thing: ConnectedThing, command: ThingCommand, *, again: bool) -> CommandOutcome:
        """Send the line for a command and wait for what the thing says. It knows by the id what it has done."""
        del again
        line, writer = order(command), self._writers.get(thing.thing_id)
        if line is None:
            return NotCarried(code=CommandFailure.UNSUPPORTED, detail="there is no line for this")
        if writer is None:
            return NotCarried(code=CommandFailure.UNREACHABLE, detail=f"{thing.thing_id} is not connected")
        key = (thing.thing_id, str(command.command_id))
        said = self._orders[key] = asyncio.get_running_loop().create_future()
        try:
            _say(writer, line)
            return await said
        finally:
            self._orders.pop(key, None)

    def recall(self, command_id: CommandId) -> bool:
        """Take nothing back: a line is sent at once, or not at all."""
        del command_id
        return False

    async def close(self) -> None:
        """End all conversations."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _welcomed(self, line: bytes, writer: asyncio.StreamWriter) -> Principal | None:
        word, _, token = line.decode(errors="replace").strip().partition(" ")
        principal = self._deps.authenticator.by_bearer(token) if word == "HELLO" else None
        if principal is None or principal.kind is not PrincipalKind.THING:
            _say(writer, "REFUSED ? unauthenticated expected: HELLO and a thing's token")
            return None
        _say(writer, f"WELCOME {principal.thing_id}")
        return principal

    def _take(self, principal: Principal, thing_id: ThingId, line: str, writer: asyncio.StreamWriter) -> None:
        word, _, rest = line.partition(" ")
        if word in {"DONE", "FAILED"}:
            self._ended(thing_id, word, rest)
            return
        try:
            message = device_message(line, thing_id, self._deps.clock.now())
        except (MalformedPayload, ValueError) as error:
            self._counts["malformed"] += 1
            malformed = Refused(code=ReadingRefusal.EMPTY, detail=str(error))
            _say(writer, answer(number_of(line), malformed))
            return
        number = number_of(line)

        def done(receipt: Receipt) -> None:
            self._counts["refused" if isinstance(receipt, Refused) else "accepted"] += 1
            _say(writer, answer(number, receipt))

        self._deps.sink.accept(principal, message, done)

    def _ended(self, thing_id: ThingId, word: str, rest: str) -> None:
        command_id, _, detail = rest.partition(" ")
        said = self._orders.get((thing_id, command_id))
        if said is not None and not said.done():
            done = Carried(detail=detail)
            failed = NotCarried(code=CommandFailure.FAILED, detail=detail or "the thing says so")
            said.set_result(done if word == "DONE" else failed)

    def _left(self, writer: asyncio.StreamWriter) -> None:
        for thing_id, held in tuple(self._writers.items()):
            if held is writer:
                del self._writers[thing_id]
        writer.close()


def _say(writer: asyncio.StreamWriter, line: str) -> None:
    if not writer.is_closing():
        writer.write(line.encode() + b"\n")
