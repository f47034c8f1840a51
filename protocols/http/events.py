"""Server-sent events for things: what becomes of their orders, and commands, as they happen.

A stream that begins without a place to go on from, or with one that is not known any more, first tells how things
stand: every order, and every command that waits. So nothing is missed, however long a thing was away.
"""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

from actors.model.ids import ThingId
from actors.model.machine import Declined
from actors.model.readings import Principal
from actors.model.routes import operation
from actors.ports import MachineInterface, ProtocolDeps
from protocols.http.commands import CommandBoard
from protocols.http.config import HttpConfig
from protocols.http.door import Door
from protocols.http.mapping import Rejected

_KEPT_EVENTS: Final = 100
_KEPT_FOR_S: Final = 300.0
_MOST_BEHIND: Final = 64
_HEADERS: Final = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # a proxy must not hold events back
}


class Channel:
    """The latest events of one thing, numbered, and who listens to them."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._number = 0
        self._events: deque[tuple[int, bytes]] = deque(maxlen=_KEPT_EVENTS)
        self._listeners: list[asyncio.Queue[bytes]] = []
        self.idle_since = 0.0
        self.leave: Sequence[Callable[[], None]] = ()

    @property
    def is_heard(self) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners)

    def tell(self, kind: str, value: Any) -> None:
        """Number an event, keep it, and hand it to all who listen; who is too far behind is let go."""
        self._number += 1
        event = self.written(kind, value, self._number)
        self._events.append((self._number, event))
        for queue in tuple(self._listeners):
            if queue.full():
                self._listeners.remove(queue)
                queue.get_nowait()
                queue.put_nowait(b"")
            else:
                queue.put_nowait(event)

    def end(self) -> None:
        """Let all go who listen."""
        for queue in self._listeners:
            if not queue.full():
                queue.put_nowait(b"")

    def written(self, kind: str, value: Any, number: int | None = None) -> bytes:
        """Return an event as it goes over the wire, with its place in the stream."""
        place = self._number if number is None else number
        return b"id: %s-%d\nevent: %s\ndata: %s\n\n" % (
            self._name.encode(),
            place,
            kind.encode(),
            msgspec.json.encode(value),
        )

    def behind(self, last_id: str) -> Sequence[bytes] | None:
        """Return the events after a place; None when it is not this channel's, or too long ago."""
        name, _, told = last_id.rpartition("-")
        if name != self._name or not told.isdecimal() or len(told) > 15:
            return None
        place = int(told)
        oldest = self._events[0][0] if self._events else self._number + 1
        if not oldest - 1 <= place <= self._number:
            return None
        return [event for number, event in self._events if number > place]

    @contextlib.contextmanager
    def listening(self) -> Any:
        """Give a queue of events for as long as the context lasts; an empty one says that it overflowed."""
        queue: asyncio.Queue[bytes] = asyncio.Queue(_MOST_BEHIND)
        self._listeners.append(queue)
        try:
            yield queue
        finally:
            if queue in self._listeners:
                self._listeners.remove(queue)


class EventStreams:
    """The route for events, and the channels behind it."""

    def __init__(self, config: HttpConfig, deps: ProtocolDeps, door: Door, board: CommandBoard) -> None:
        self._config = config
        self._deps = deps
        self._door = door
        self._board = board
        self._machine: MachineInterface = deps.machine
        self._channels: dict[ThingId, Channel] = {}
        self._open: Counter[ThingId] = Counter()
        self._closing = asyncio.Event()

    @property
    def streams(self) -> int:
        """How many are open at the moment."""
        return self._open.total()

    def close(self) -> None:
        """End all streams."""
        self._closing.set()
        for channel in self._channels.values():
            channel.end()
            for leave in channel.leave:
                leave()
        self._channels.clear()

    @operation(reply_media="text/event-stream")
    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Send events until the thing leaves."""
        principal, thing = self._door.sender(request)
        self._door.check_room(self._open, thing.thing_id, "streams are open")
        self._open[thing.thing_id] += 1
        channel = self._channel(thing.thing_id)
        try:
            with channel.listening() as queue:
                first = self._first(principal, channel, request.headers.get("Last-Event-ID", ""))
                response = web.StreamResponse(headers=_HEADERS)
                await response.prepare(request)
                with contextlib.suppress(ConnectionError):  # it left
                    await self._write(request, response, b"retry: 3000\n\n" + b"".join(first))
                    async for event in self._events(queue):
                        await self._write(request, response, event)
                return response
        finally:
            self._open -= Counter({thing.thing_id: 1})
            channel.idle_since = self._deps.clock.monotonic()

    async def _write(self, request: web.Request, response: web.StreamResponse, event: bytes) -> None:
        """Write an event; a reader that takes nothing for too long is cut off, as if it had left.

        Raises:
            ConnectionError: it left, or was cut off.
        """
        try:
            async with asyncio.timeout(self._config.reader_within_s):
                await response.write(event)
        except TimeoutError:
            self._door.counts["stalled_readers"] += 1
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError("the reader took nothing") from None

    def _first(self, principal: Principal, channel: Channel, last_id: str) -> Sequence[bytes]:
        """Return what was missed, or how everything stands."""
        missed = channel.behind(last_id) if last_id else None
        if missed is not None:
            return missed
        orders = self._machine.orders(principal)
        if isinstance(orders, Declined):
            raise Rejected.declined(orders)
        told = [channel.written("order", order) for order in orders]
        commands = self._board.fetch(principal.thing_id) if principal.thing_id else ()
        return [*told, *(channel.written("command", command) for command in commands)]

    async def _events(self, queue: asyncio.Queue[bytes]) -> AsyncIterator[bytes]:
        """Yield events as they come, and a comment while there are none; ends when the hub does or too many wait."""
        while not self._closing.is_set():
            try:
                async with asyncio.timeout(self._config.heartbeat_s):
                    event = await queue.get()
            except TimeoutError:
                yield b": alive\n\n"
                continue
            if not event:
                return
            yield event

    def _channel(self, thing_id: ThingId) -> Channel:
        self._forget_silent()
        channel = self._channels.get(thing_id)
        if channel is None:
            channel = Channel(f"{self._deps.chance.getrandbits(48):012x}")
            heard = channel
            channel.leave = (
                self._machine.watch_orders(thing_id, lambda order: heard.tell("order", order)),
                self._board.give_to(thing_id, lambda command: heard.tell("command", command)),
            )
            self._channels[thing_id] = channel
        return channel

    def _forget_silent(self) -> None:
        now = self._deps.clock.monotonic()
        silent = [
            thing_id
            for thing_id, channel in self._channels.items()
            if not channel.is_heard and now - channel.idle_since > _KEPT_FOR_S
        ]
        for thing_id in silent:
            for leave in self._channels.pop(thing_id).leave:
                leave()
