"""The actor system: where actors live, and the one door to them."""

import asyncio
from collections.abc import Callable
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from structlog import get_logger

from actors.runtime import lifecycle, passivation, supervision
from actors.runtime.actor import Actor, ChildT, Context
from actors.runtime.cell import Cell, cell_of
from actors.runtime.dispatcher import Dispatcher
from actors.runtime.errors import SystemFailed
from actors.runtime.kinds import Kind
from actors.runtime.messages import StopReason
from actors.runtime.metering import Figures, KindFigures, add
from actors.runtime.ref import ActorRef
from actors.runtime.settings import SystemSettings

if TYPE_CHECKING:
    from actors.runtime.dead_letters import DeadLetters

log = get_logger(__name__)


class _Top(Actor[Any]):
    """The parent of the actors that have none. Nobody tells it anything."""

    __slots__ = ()

    def receive(self, ctx: Context, message: Any) -> None:
        """Ignore."""


def _top(_ctx: Context) -> Actor[Any]:
    return _Top()


class ActorSystem:
    """Actors on one event loop. They run inside ``async with``; leaving it drains and stops them.

    ``monotonic`` must follow the loop's clock, which is its default. When a failure is escalated beyond the top, the
    body is cancelled and ``SystemFailed`` leaves the ``async with``.
    """

    def __init__(
        self,
        *,
        chance: Random,
        monotonic: Callable[[], float] | None = None,
        settings: SystemSettings | None = None,
    ) -> None:
        self._chance = chance
        self._monotonic = monotonic
        self._settings = settings or SystemSettings()
        self._tasks = asyncio.TaskGroup()
        self._top: Cell | None = None
        self._owner: asyncio.Task[Any] | None = None
        self._failure: SystemFailed | None = None
        self._stopping = False

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._owner = asyncio.current_task()
        monotonic = self._monotonic or asyncio.get_running_loop().time
        dispatcher = Dispatcher(self._settings, monotonic, self._chance, self._tasks, self._give_up)
        root = Cell(dispatcher, None, "", dispatcher.meter_of(Kind(name="top", make=_top)))
        lifecycle.be_born(root)
        self._top = root
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.stop(drain_s=None if error is None and self._failure is None else 0.0)
        except asyncio.CancelledError:
            if self._failure is None:
                raise
            await self.stop(drain_s=0.0)
        finally:
            await self._tasks.__aexit__(None, None, None)
        if self._failure is not None and (error is None or isinstance(error, asyncio.CancelledError)):
            if self._owner is not None:
                self._owner.uncancel()
            raise self._failure

    def spawn(self, kind: Kind[ChildT], name: str | None = None) -> ActorRef[ChildT]:
        """Start an actor at the top of the tree. What its maker raises comes out here.

        Raises:
            NameTaken: an actor at the top has this name.
            ActorStopped: the system has stopped.
        """
        return (self._top or self._root).spawn(kind, name)

    def reach(self, kind: Kind[ChildT], name: str) -> ActorRef[ChildT]:
        """Return the actor of this name at the top; where there is none, a passive one: its first message activates it.

        Raises:
            NameTaken: the actor of this name is of another kind.
            ActorStopped: the system has stopped.
        """
        return self._root.reach(kind, name)

    def find(self, path: str) -> ActorRef[Any] | None:
        """Return the actor at a path such as ``/plant/pump-7``."""
        cell: Cell | None = self._root
        for name in path.strip("/").split("/"):
            key: str | int = int(name[1:]) if name[:1] == "$" and name[1:].isdecimal() else name
            cell = None if cell is None else (cell.more().children or {}).get(key)
        return cell

    def stop_actor(self, ref: ActorRef[Any]) -> None:
        """Stop one actor from outside: no more messages from now on; a handler that waits is cancelled."""
        lifecycle.stop(cell_of(ref))

    def passivate(self, ref: ActorRef[Any]) -> None:
        """Ask one actor to give up its incarnation; as ``Context.passivate``, which the actor calls itself."""
        passivation.request(cell_of(ref))

    def pardon(self, ref: ActorRef[Any]) -> bool:
        """Let a quarantined actor begin anew; False when it is not in quarantine."""
        return supervision.pardon(cell_of(ref))

    async def settled(self) -> None:
        """Wait until nothing is under way: mailboxes empty, no handler waits, no restart is due. Timers may be set."""
        await self._dispatcher.settled()

    async def stop(self, *, drain_s: float | None = None) -> None:
        """Take nothing more from outside, let the actors work off their mail for ``drain_s``, then stop them all."""
        dispatcher, root = self._dispatcher, self._root
        if not self._stopping:
            self._stopping = True
            dispatcher.close_door(root)
            await self._drain(self._settings.drain_s if drain_s is None else drain_s)
        lifecycle.stop(root, StopReason.SYSTEM_STOPPED)
        await asyncio.shield(dispatcher.root_gone)
        dispatcher.lane.close()
        dispatcher.wheel.close()

    @property
    def dead_letters(self) -> "DeadLetters":
        """Return the stream of messages that were not handled."""
        return self._dispatcher.dead_letters

    def figures(self) -> Figures:
        """Return what the system counted so far."""
        dispatcher = self._dispatcher
        kinds: dict[str, KindFigures] = {}
        for meter in dispatcher.meters.values():
            name, figures = meter.kind.name, meter.figures()
            kinds[name] = add(kinds[name], figures) if name in kinds else figures
        return Figures(
            kinds=kinds,
            dead_letters={reason.value: count for reason, count in dispatcher.dead_letters.counts.items()},
            pumps=dispatcher.pumps,
            busy_s=dispatcher.busy_s,
            ready=len(dispatcher.ready),
            waiting=dispatcher.lane.active,
        )

    async def _drain(self, drain_s: float) -> None:
        if drain_s <= 0:
            return
        try:
            async with asyncio.timeout(drain_s):
                await self._dispatcher.settled()
        except TimeoutError:
            figures = self.figures()
            log.warning("drain_incomplete", ready=figures.ready, waiting=figures.waiting, after_s=drain_s)

    def _give_up(self, cell: Cell, error: BaseException) -> None:
        log.error("actor_system_failed", actor=cell.path, error=repr(error))
        if self._failure is None and self._owner is not None:
            self._failure = SystemFailed(cell.path, f"escalated beyond the top: {error!r}")
            self._failure.__cause__ = error
            self._owner.cancel()

    @property
    def _dispatcher(self) -> Dispatcher:
        return self._root.dispatcher

    @property
    def _root(self) -> Cell:
        if self._top is None:
            raise RuntimeError("an actor system runs inside its 'async with'; it was not entered")
        return self._top
