"""The test kit: virtual time, probes, expectations on dead letters, trials of durable cores."""

import asyncio
import functools
import math
import selectors
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, ParamSpec, TypeVar, TypeVarTuple, Unpack, cast, overload

import msgspec

from actors.runtime import Actor, ActorRef, ActorSystem, Context, DeadLetter, DeadReason, Kind
from actors.runtime.encoding import encode
from actors.runtime.turns import Core, Effect

P = ParamSpec("P")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""When virtual and fixed clocks begin unless told otherwise."""


_RESOLUTION_S: Final = 1e-9


class Deadlock(RuntimeError):
    """Nothing is ready and no timer is set: what the test waits for will never come."""


class _JumpingSelector(selectors.DefaultSelector):
    """Looks at the sockets without waiting and moves the loop's time on by what it would have waited."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.threads = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready now; if nothing is, let time jump."""
        # A thread works in real time: nothing jumps before it is back.
        ready = super().select(None if self.threads and timeout != 0 else 0)
        if ready or timeout == 0 or self.threads:
            return ready
        if timeout is None:
            raise Deadlock("nothing is ready and no timer is set")
        self.now_s += timeout
        # The loop calls a timer only when its time is past by the clock's resolution, which large floats swallow.
        if self.now_s + _RESOLUTION_S == self.now_s:
            self.now_s = math.nextafter(self.now_s, math.inf)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer when nothing is ready.

    Threads of the executor are waited for in real time; sockets of other processes are not.

    Raises (out of ``run_until_complete``):
        Deadlock: nothing is ready, no timer is set, no thread works.
    """

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return virtual seconds since the loop was made."""
        return self._jumping.now_s

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> "asyncio.Future[T]":
        """Run in a thread; time stands still until it is back."""
        future = super().run_in_executor(executor, func, *args)
        self._jumping.threads += 1
        future.add_done_callback(self._thread_is_back)
        return future

    async def shutdown_default_executor(self, *args: Any) -> None:
        """Wait for the executor's threads in real time."""
        self._jumping.threads += 1
        try:
            await super().shutdown_default_executor(*args)
        finally:
            self._jumping.threads -= 1

    def _thread_is_back(self, _future: object) -> None:
        self._jumping.threads -= 1


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time, on a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


def virtual_time(test: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Make a plain test function of an ``async def`` one that runs in virtual time."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        return run_virtual(test(*args, **kwargs))

    return run


class FixedClock:
    """A clock (``actors.ports.Clock``) that moves only when told."""

    def __init__(self, start: datetime = EPOCH) -> None:
        self._start = start
        self._elapsed = timedelta()

    def now(self) -> datetime:
        """Return the present, aware and in UTC."""
        return self._start + self._elapsed

    def monotonic(self) -> float:
        """Return the seconds advanced so far."""
        return self._elapsed.total_seconds()

    def advance(self, seconds: float) -> datetime:
        """Move on, never back, and return the new present."""
        if seconds < 0:
            raise ValueError(f"a clock does not go back: {seconds} s")
        self._elapsed += timedelta(seconds=seconds)
        return self.now()


class VirtualClock:
    """A clock (``actors.ports.Clock``) that follows the running loop, virtual or real."""

    def __init__(self, start: datetime = EPOCH) -> None:
        self._loop = asyncio.get_running_loop()
        self._start = start
        self._start_s = self._loop.time()

    def now(self) -> datetime:
        """Return the present, aware and in UTC."""
        return self._start + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Return the loop's seconds since the clock was made."""
        return self._loop.time() - self._start_s


class _Inbox(Actor[Any]):
    """Keeps what it is told and wakes whoever expects something."""

    def __init__(self, messages: deque[Any], arrived: asyncio.Event) -> None:
        self._messages = messages
        self._arrived = arrived

    def receive(self, ctx: Context, message: Any) -> None:
        """Keep one message, or watch when asked to by the probe."""
        if isinstance(message, _Watch):
            ctx.watch(message.ref)
            return
        self._messages.append(message)
        self._arrived.set()


class _Watch:
    def __init__(self, ref: ActorRef[Any]) -> None:
        self.ref = ref


class Probe:
    """An actor that stands in for a partner in a test: hand out ``ref`` and expect what it is told."""

    def __init__(self, system: ActorSystem, name: str | None = None) -> None:
        self._messages: deque[Any] = deque()
        self._arrived = asyncio.Event()
        kind = Kind(name="probe", capacity=100_000, make=lambda _ctx: _Inbox(self._messages, self._arrived))
        self.ref: ActorRef[Any] = system.spawn(kind, name)

    def watch(self, ref: ActorRef[Any]) -> None:
        """Let the probe be told ``Terminated`` when an actor is gone."""
        self.ref.tell(_Watch(ref))

    @overload
    async def expect(self, expected: type[T], *, within_s: float = ...) -> T: ...
    @overload
    async def expect(self, expected: T, *, within_s: float = ...) -> T: ...

    async def expect(self, expected: Any, *, within_s: float = 3.0) -> Any:
        """Return the next message, which must equal ``expected`` or be of that type."""
        message = await self._next(within_s, f"expected {expected!r}")
        if isinstance(expected, type):
            matches = isinstance(message, cast("type[Any]", expected))
        else:
            matches = bool(message == expected)
        assert matches, f"expected {expected!r}, got {message!r}"
        return message

    async def expect_none(self, *, for_s: float = 0.1) -> None:
        """Fail when anything comes within ``for_s``."""
        try:
            message = await self._next(for_s, "")
        except AssertionError:
            return
        raise AssertionError(f"expected nothing for {for_s} s, got {message!r}")

    async def fish(self, wanted: Callable[[Any], bool], *, within_s: float = 3.0) -> Any:
        """Return the first message that is ``wanted``; those before it are thrown back."""
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + within_s
        while not wanted(message := await self._next(ends_s - loop.time(), "fished for a message")):
            continue
        return message

    async def _next(self, within_s: float, aim: str) -> Any:
        try:
            async with asyncio.timeout(within_s):
                while not self._messages:
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            raise AssertionError(f"{aim}, got nothing within {within_s} s") from None
        return self._messages.popleft()


@contextmanager
def expect_dead_letters(
    system: ActorSystem, *, count: int, reason: DeadReason | None = None, containing: Any = None
) -> Generator[Sequence[DeadLetter], None, None]:
    """Fail unless exactly ``count`` dead letters (of that reason, with that message) come within the block."""
    found: list[DeadLetter] = []

    def look(letter: DeadLetter) -> None:
        if reason in (None, letter.reason) and containing in (None, letter.message):
            found.append(letter)

    unsubscribe = system.dead_letters.subscribe(look)
    try:
        yield found
    finally:
        unsubscribe()
    assert len(found) == count, f"expected {count} dead letters, got {len(found)}: {found!r}"


class CoreTrial(Generic[T]):
    """One durable actor without an engine or a disk. Each turn is held to the laws that its journal relies on."""

    def __init__(self, core: Core[T], name: str = "trial", clock: FixedClock | None = None) -> None:
        self.core = core
        self.clock = clock or FixedClock()
        self.state: T = core.initial(name)
        self.effects: list[Effect] = []
        """All that the turns so far wanted."""

    def turn(self, message: Any) -> Any:
        """Let the core take a message, and return its reply.

        Fails when a restart would lead elsewhere: a change without an event, a fold that is not the step, or something
        that does not come back from the journal as it went in.
        """
        core, before, now = self.core, self.state, self.clock.now()
        message = self._stored(message, core.message_type)
        step = core.step(before, message, now)
        if step.events or core.records(message):
            events = self._stored(step.events, tuple.__class_getitem__((core.event_type, ...)))
            folded = core.fold(before, message, events, now)
            assert folded == step.state, f"the fold leads to {folded!r}, the step to {step.state!r}"
        else:
            assert step.state == before, f"nothing is recorded, yet the state became {step.state!r}"
        self.state = self._stored(step.state, core.state_type)
        self.effects += step.effects
        return step.reply

    def _stored(self, value: Any, kind: Any) -> Any:
        found = msgspec.msgpack.decode(encode(value), type=kind)
        assert found == value, f"{value!r} comes back from the journal as {found!r}"
        return found
