"""The lane of ``async def`` handlers: each runs inside a real task, and a task serves many that do not wait."""

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actors.runtime.cell import Cell
    from actors.runtime.dispatcher import Dispatcher
    from actors.runtime.lifecycle import Then


class Turn:
    """One coroutine of one actor: a handler with its letter, or a hook with what follows it."""

    __slots__ = ("_lane", "cancelled", "cell", "coroutine", "letter", "over", "task", "then", "waited")

    def __init__(
        self, lane: "Lane", cell: "Cell", letter: Any, coroutine: Coroutine[Any, Any, Any], then: "Then | None"
    ) -> None:
        self._lane = lane
        self.cell = cell
        self.letter = letter
        self.coroutine = coroutine
        self.then = then
        self.task: asyncio.Task[None] | None = None
        self.waited = self.cancelled = self.over = False

    def cancel(self) -> None:
        """Cancel the handler. A hook that releases things is left to finish."""
        if self.cancelled or self.then is not None:
            return
        self.cancelled = True
        if self.task is not None:
            self.task.cancel()
        else:
            self.coroutine.close()
            self._lane.finish(self, None, asyncio.CancelledError())


class _Steps:
    """Drives a turn's coroutine inside the present task; between its steps the actor is not the current one."""

    __slots__ = ("_dispatcher", "_lane", "_turn")

    def __init__(self, lane: "Lane", dispatcher: "Dispatcher", turn: Turn) -> None:
        self._lane = lane
        self._dispatcher = dispatcher
        self._turn = turn

    def __await__(self) -> Generator[Any, Any, Any]:
        dispatcher, turn, coroutine = self._dispatcher, self._turn, self._turn.coroutine
        step: Callable[[], Any] = partial(coroutine.send, None)
        while True:
            outer = dispatcher.enter(turn.cell, turn.letter)
            try:
                awaited = step()
            except StopIteration as end:
                return end.value
            finally:
                dispatcher.leave(outer)
            self._lane.gave_way(turn)
            try:
                sent = yield awaited
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as error:  # noqa: BLE001 - whatever the task is told goes to the handler
                step = partial(coroutine.throw, error)
            else:
                step = partial(coroutine.send, sent)


class Lane:
    """Turns that need a task. A worker goes from turn to turn until one waits; then another worker takes over."""

    def __init__(self, dispatcher: "Dispatcher", tasks: asyncio.TaskGroup) -> None:
        self._dispatcher = dispatcher
        self._tasks = tasks
        self._waiting: deque[Turn] = deque()
        self._busy = False
        self._closing = False
        self._parked: asyncio.Future[None] | None = None
        self._slice_ends_s = 0.0
        self.active = 0

    def submit(self, turn: Turn) -> None:
        """Run a turn soon."""
        self._waiting.append(turn)
        self.active += 1
        self._call_worker()

    def gave_way(self, turn: Turn) -> None:
        """Note that a turn waits for something: its worker is no longer at hand."""
        if not turn.waited:
            turn.waited = True
            self._busy = False
            self._call_worker()

    def finish(self, turn: Turn, result: Any, error: BaseException | None) -> None:
        """Report the end of a turn, once."""
        if not turn.over:
            turn.over = True
            self.active -= 1
            self._dispatcher.turn_is_over(turn, result, error)

    def close(self) -> None:
        """Let the idle worker end."""
        self._closing = True
        if self._parked is not None and not self._parked.done():
            self._parked.set_result(None)

    def _call_worker(self) -> None:
        if self._busy or not self._waiting:
            return
        self._busy = True
        if self._parked is not None and not self._parked.done():
            self._parked.set_result(None)
        else:
            self._tasks.create_task(self._work(), context=self._dispatcher.context.copy())

    async def _work(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine of a TaskGroup runs in a task
        untouched = contextvars.copy_context()
        self._new_slice()
        turn: Turn | None = None
        try:
            while (turn := await self._next()) is not None:
                await self._run(turn, task)
                if turn.waited or task.cancelling() or contextvars.copy_context() != untouched:
                    break
        finally:
            if turn is not None and not turn.waited:
                self._busy = False
            self._call_worker()

    async def _next(self) -> Turn | None:
        while True:
            if not self._waiting:
                self._busy = False
                if self._closing or self._parked is not None:
                    return None
                await self._park()
            elif self._dispatcher.monotonic() >= self._slice_ends_s:
                await asyncio.sleep(0)
                self._new_slice()
            else:
                return self._waiting.popleft()

    async def _park(self) -> None:
        self._parked = self._dispatcher.loop.create_future()
        try:
            await self._parked
        finally:
            self._parked = None
        self._new_slice()

    def _new_slice(self) -> None:
        self._slice_ends_s = self._dispatcher.monotonic() + self._dispatcher.slice_s

    async def _run(self, turn: Turn, task: "asyncio.Task[None]") -> None:
        if turn.over:
            return
        turn.task = task
        try:
            result = await _Steps(self, self._dispatcher, turn)
        except asyncio.CancelledError as error:
            turn.cancelled = turn.cancelled or task.cancelling() > 0
            self.finish(turn, None, error)
            if turn.cancelled:
                raise
        except Exception as error:  # noqa: BLE001 - a handler may raise anything; supervision judges it
            self.finish(turn, None, error)
        else:
            self.finish(turn, result, None)
