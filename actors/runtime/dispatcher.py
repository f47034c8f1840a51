"""The heart of a system: one queue of actors with mail, worked off by one loop callback at a time."""

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from random import Random
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from actors.runtime import delivery, lifecycle, passivation, supervision
from actors.runtime.dead_letters import DeadLetters, DeadReason
from actors.runtime.errors import ActorFailed
from actors.runtime.kinds import Kind
from actors.runtime.lane import Lane, Turn
from actors.runtime.mailbox import BUSY, CLOSED, SINGLE
from actors.runtime.messages import INLINE, START, Envelope, is_tick
from actors.runtime.metering import KindMeter
from actors.runtime.replies import give
from actors.runtime.settings import SystemSettings
from actors.runtime.status import Status
from actors.runtime.wheel import Wheel

if TYPE_CHECKING:
    from actors.runtime.cell import Cell

CLOCK_EVERY = 32
"""Turns between two looks at the clock: a look costs as much as a quarter of a turn."""


class Dispatcher:
    """Runs turns. ``current`` is the actor at work: None for the outside, ``door`` for the outside while draining."""

    __slots__ = (
        "_asked",
        "_asker",
        "_budget",
        "_outside",
        "_settled",
        "at_s",
        "awake",
        "busy_s",
        "chance",
        "context",
        "current",
        "dead_letters",
        "door",
        "give_up",
        "keys",
        "lane",
        "letter",
        "loop",
        "meters",
        "monotonic",
        "pumps",
        "ready",
        "restarting",
        "root_gone",
        "slice_s",
        "tick_s",
        "wheel",
    )

    def __init__(
        self,
        settings: SystemSettings,
        monotonic: Callable[[], float],
        chance: Random,
        tasks: asyncio.TaskGroup,
        on_give_up: Callable[["Cell", BaseException], None],
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.context = contextvars.copy_context()
        self.monotonic = monotonic
        self.chance = chance
        self.tick_s = settings.tick_s
        self.slice_s = settings.slice_s
        self.ready: deque[Cell] = deque()
        self.awake = False
        self.current: Cell | None = None
        self.door: Cell | None = None
        self.letter: Any = None
        self.at_s = monotonic()
        self.pumps, self.busy_s, self.restarting, self.keys = 0, 0.0, 0, 0
        self.give_up = on_give_up
        self.root_gone: asyncio.Future[None] = self.loop.create_future()
        self.wheel = Wheel(monotonic, settings.tick_s, self.context)
        self.lane = Lane(self, tasks)
        self.dead_letters = DeadLetters(
            monotonic, samples_per_s=settings.dead_letter_samples_per_s, keep=settings.dead_letters_kept
        )
        self._outside: Cell | None = None
        self._budget = settings.message_budget
        self.meters: dict[int, KindMeter] = {}
        self._asked: Any = None
        self._asker: Cell | None = None
        self._settled: list[asyncio.Future[None]] = []

    # what cells ask for

    def wake(self) -> None:
        """Work off the queue soon."""
        self.awake = True
        self.loop.call_soon(self._pump, context=self.context)

    def enqueue(self, cell: "Cell") -> None:
        """Give an actor with mail its turn soon."""
        self.ready.append(cell)
        if not self.awake:
            self.wake()

    def meter_of(self, kind: Kind[Any]) -> KindMeter:
        """Return the counters of a kind."""
        meter = self.meters.get(id(kind))
        if meter is None:
            meter = self.meters[id(kind)] = KindMeter(kind)
        return meter

    @contextmanager
    def acting_as(self, cell: "Cell", letter: Any = None) -> Generator[None, None, None]:
        """Let ``cell`` be the sender of what is told meanwhile."""
        outer = self.enter(cell, letter)
        try:
            yield
        finally:
            self.leave(outer)

    def enter(self, cell: "Cell", letter: Any) -> tuple["Cell | None", Any]:
        """Make ``cell`` the current actor and return what ``leave`` needs."""
        outer = self.current, self.letter
        self.current, self.letter = cell, letter
        return outer

    def leave(self, outer: tuple["Cell | None", Any]) -> None:
        """Go back to who was at work before."""
        self.current, self.letter = outer[0] or self._outside, outer[1]

    # turns

    def _pump(self) -> None:
        monotonic, ready = self.monotonic, self.ready
        self.at_s = started_s = monotonic()
        ends_s = started_s + self.slice_s
        try:
            while ready and self.at_s < ends_s:
                self._take_turns(min(len(ready), CLOCK_EVERY))
                self.at_s = monotonic()
        finally:
            self.current, self.letter = self._outside, None
            self.pumps += 1
            self.busy_s += self.at_s - started_s
            self.awake = False
            if ready:
                self.wake()
            else:
                self._tell_settled()

    def _take_turns(self, turns: int) -> None:
        next_cell = self.ready.popleft
        result: Any
        for _ in range(turns):
            self.current = cell = next_cell()
            handled = 1
            try:
                if cell.mailbox is not SINGLE:
                    handled = self._work_off(cell)
                else:
                    cell.mailbox = BUSY
                    self.letter = letter = cell.first
                    cell.first = None
                    if letter.__class__ is not Envelope:
                        result = cell.actor.receive(cell, letter)  # type: ignore[union-attr]  # open cells have one
                    else:
                        result = self._open(cell, letter)
                    if result is not None and result.__class__ is CoroutineType:
                        self.wait_for(cell, letter, result)
                    else:
                        cell.meter.handled += 1
                        if cell.extras is None and cell.mailbox is BUSY:
                            cell.mailbox = None
                            continue
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - supervision judges what is raised
                supervision.fail(cell, self.letter, error)
            self._end_turn(cell, handled)

    def _work_off(self, cell: "Cell") -> int:
        """Handle what waits in a list or deque, within the budget; return how much that was."""
        handled, budget = 0, self._budget
        letter: Any = None
        result: Any
        try:
            while handled < budget:
                box = cell.mailbox
                if box.__class__ is list and box:
                    self.letter = letter = box.pop(0)
                elif box.__class__ is deque and box:
                    self.letter = letter = box.popleft()
                else:
                    break
                opened = letter.__class__ is Envelope
                result = self._open(cell, letter) if opened else cell.actor.receive(cell, letter)  # type: ignore[union-attr]  # open cells have one
                if result is not None and result.__class__ is CoroutineType:
                    self.wait_for(cell, letter, result)
                    break
                handled += 1
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - supervision judges what is raised
            supervision.fail(cell, letter, error)
        cell.meter.handled += handled
        return handled

    def _end_turn(self, cell: "Cell", handled: int) -> None:
        extras = cell.extras
        if extras is not None:
            if handled > extras.ticks:
                extras.active_at_s = self.at_s
            extras.ticks = 0
        if not cell.waits:
            self.current = self._outside
            self.settle(cell)

    def _open(self, cell: "Cell", envelope: Envelope) -> Any:
        """Handle what came in an envelope; return a coroutine that is still to be run, else None."""
        if envelope.expired():
            delivery.bury(cell, envelope, DeadReason.EXPIRED)
            return None
        if envelope.message is START:
            return lifecycle.start(cell)
        actor, timer = cell.actor, envelope.timer
        if actor is None:
            return None
        if timer is not None:
            if not timer.live:
                return None
            timer.delivered()
            cell.more().ticks += 1
        envelope.kept = False
        result = actor.receive(cell, envelope.message)
        if result.__class__ is CoroutineType:
            return result
        if not envelope.kept:
            give(cell, envelope, result)
        return None

    def run_inline(self, cell: "Cell", message: Any, sender: "Cell | None") -> Any:
        """Handle a question at once and return the answer, or its envelope when the answer comes later."""
        outer, outer_letter = self.current, self.letter
        self.current, self.letter = cell, INLINE
        self._asked, self._asker = message, sender
        cell.mailbox = BUSY
        try:
            result = self.context.run(cell.actor.receive, cell, message)  # type: ignore[union-attr]  # idle: it has one
            if result is not None and result.__class__ is CoroutineType:
                self.wait_for(cell, self._asked_envelope(), result)
            else:
                cell.meter.handled += 1
            letter = self.letter
        except (Exception, asyncio.CancelledError) as error:
            supervision.fail(cell, self.present_letter(), error)
            raise ActorFailed(cell.path, f"failed: {error!r}") from error
        finally:
            self.current, self.letter = outer or self._outside, outer_letter
            if cell.extras is None and cell.mailbox is BUSY:
                cell.mailbox = None
            else:
                self._end_inline(cell)
        return result if letter is INLINE or letter.reply is None else letter

    def present_letter(self) -> Any:
        """Return what is being handled; makes the envelope of an inline question, which starts without one."""
        if self.letter is INLINE:
            self.letter = Envelope(self._asked, self._asker, asked=True)
        return self.letter

    def _asked_envelope(self) -> Envelope:
        envelope: Envelope = self.present_letter()
        envelope.future(self.loop)
        return envelope

    def _end_inline(self, cell: "Cell") -> None:
        if cell.extras is not None:
            cell.extras.active_at_s = self.monotonic()
        if not cell.waits:
            self.settle(cell)

    def wait_for(
        self,
        cell: "Cell",
        letter: Any,
        coroutine: Coroutine[Any, Any, Any],
        then: lifecycle.Then | None = None,
    ) -> None:
        """Run a handler's or hook's coroutine in a task; the mailbox is not worked on meanwhile."""
        turn = cell.more().turn = Turn(self.lane, cell, letter, coroutine, then)
        self.lane.submit(turn)

    def turn_is_over(self, turn: Turn, result: Any, error: BaseException | None) -> None:
        """Take note of the end of a coroutine, whichever way it ended."""
        cell, extras = turn.cell, turn.cell.more()
        extras.turn = None
        if turn.then is not None:
            if error is not None:
                lifecycle.hook_failed(cell, error)
            turn.then(cell)
            self._tell_settled()
            return
        if error is None:
            self._answer_turn(turn, result)
        elif turn.cancelled:
            delivery.bury(cell, turn.letter, DeadReason.CANCELLED)
        else:
            supervision.fail(cell, turn.letter, error)
        self.settle(cell)

    def _answer_turn(self, turn: Turn, result: Any) -> None:
        letter = turn.letter
        turn.cell.meter.handled += 1
        if not is_tick(letter):
            turn.cell.more().active_at_s = self.monotonic()
        if letter.__class__ is Envelope and not letter.kept:
            give(turn.cell, letter, result)

    def settle(self, cell: "Cell") -> None:
        """Bring a cell that is not at work to where its mailbox says: idle, queued, held or ended."""
        box = cell.mailbox
        if box is BUSY:
            cell.mailbox = None
        elif box is CLOSED:
            lifecycle.finish_if_over(cell)
        elif box.__class__ is list or box.__class__ is deque:
            if box:
                self.enqueue(cell)
            else:
                cell.mailbox = None
        elif cell.status is Status.PASSIVATING:
            passivation.take_leave(cell)
        self._tell_settled()

    # coming to rest

    @property
    def quiet(self) -> bool:
        """Say whether no message is under way: none queued, no handler waits, no restart is due."""
        return not (self.ready or self.awake or self.lane.active or self.restarting)

    async def settled(self) -> None:
        """Wait until the system is quiet."""
        while not self.quiet:
            waiter = self.loop.create_future()
            self._settled.append(waiter)
            await waiter

    def _tell_settled(self) -> None:
        if self._settled and self.quiet:
            waiters, self._settled = self._settled, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    def close_door(self, root: "Cell") -> None:
        """Take nothing more from outside."""
        self.door = self._outside = root
        if self.current is None:
            self.current = root

    def root_is_gone(self) -> None:
        """Note that every actor has ended."""
        if not self.root_gone.done():
            self.root_gone.set_result(None)
