"""The actor core against bare Python, a task with an asyncio.Queue an actor, and Pykka (a thread an actor).

Every job returns the CPU seconds of one message. A ratio is that of two jobs which take turns, in short runs and on the
same frozen heap: what a busy machine or the collector does, it does to both. The memory of an idle actor comes from a
process of its own.
"""

import asyncio
import gc
import importlib
import importlib.util
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextlib import AsyncExitStack, contextmanager
from random import Random
from typing import Any, Final

from actors.runtime import Actor, ActorSystem, Context, Kind

_ACTORS: Final = 1000
_CONCURRENT: Final = 100
_PYKKA_ACTORS: Final = 1000  # a thread each
_IDLE: Final = 1_000_000

Job = Callable[[int], Coroutine[None, None, float]]


class _Counter(Actor[int]):
    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def receive(self, ctx: Context | None, message: int) -> int:  # noqa: ARG002 - counts whatever comes
        self.count += 1
        return self.count


_COUNTER: Final = Kind(name="counter", make=lambda _ctx: _Counter())


async def bare(messages: int) -> float:
    """Append to a deque, pop, call a method: what no mailbox can beat."""
    queue: deque[int] = deque()
    counter = _Counter()
    began_s = time.process_time()
    for _ in range(messages):
        queue.append(1)
        counter.receive(None, queue.popleft())
    return (time.process_time() - began_s) / messages


class _Waiting(Actor[int]):
    __slots__ = ()

    async def receive(self, ctx: Context, message: int) -> None:
        """Finish at once."""


_WAITING: Final = Kind(name="waiting", make=lambda _ctx: _Waiting())


async def tell_async(messages: int) -> float:
    """Tell ``async def`` handlers that finish at once."""
    return await tell_round_robin(messages, _WAITING)


async def tell_round_robin(messages: int, kind: Kind[int] = _COUNTER) -> float:
    """Tell 1000 idle supervised, metered actors one message each, again and again."""
    async with ActorSystem(chance=Random(1)) as system:
        refs = [system.spawn(kind) for _ in range(_ACTORS)]
        began_s = time.process_time()
        for _ in range(messages // _ACTORS):
            for ref in refs:
                ref.tell(1)
            await system.settled()
        return (time.process_time() - began_s) / messages


async def ask_inline(messages: int) -> float:
    """Ask one idle actor."""
    async with ActorSystem(chance=Random(1)) as system:
        ref = system.spawn(_COUNTER)
        began_s = time.process_time()
        for _ in range(messages):
            await ref.ask(1)
        return (time.process_time() - began_s) / messages


async def ask_concurrently(messages: int) -> float:
    """Ask 100 actors at once, from a task each."""
    async with ActorSystem(chance=Random(1)) as system:
        refs = [system.spawn(_COUNTER) for _ in range(_CONCURRENT)]
        began_s = time.process_time()
        for _ in range(messages // _CONCURRENT):
            async with asyncio.TaskGroup() as group:
                for ref in refs:
                    group.create_task(ref.ask(1))
        return (time.process_time() - began_s) / messages


async def spawn(actors: int) -> float:
    """Spawn actors that then idle."""
    async with ActorSystem(chance=Random(1)) as system:
        began_s = time.process_time()
        for _ in range(actors):
            system.spawn(_COUNTER)
        return (time.process_time() - began_s) / actors


class _TaskActor:
    """The usual way: a task that reads an asyncio.Queue."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[tuple[int, asyncio.Future[int] | None]] = asyncio.Queue()
        self.count = 0

    async def run(self) -> None:
        while True:
            _, answer = await self.queue.get()
            self.count += 1
            if answer is not None:
                answer.set_result(self.count)

    async def ask(self) -> int:
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.queue.put_nowait((1, answer))
        return await answer


class _Done(Exception):
    """Ends the tasks of the peer."""


async def _with_task_actors(count: int, job: Callable[[list[_TaskActor]], Coroutine[None, None, float]]) -> float:
    actors = [_TaskActor() for _ in range(count)]
    took_s = 0.0
    try:
        async with asyncio.TaskGroup() as group:
            for actor in actors:
                group.create_task(actor.run())
            took_s = await job(actors)
            raise _Done  # noqa: TRY301 - it ends the tasks
    except* _Done:
        gc.collect()
    return took_s


async def task_queue_tell(messages: int) -> float:
    """Tell 1000 task actors one message each."""

    async def job(actors: list[_TaskActor]) -> float:
        began_s = time.process_time()
        for turn in range(1, messages // _ACTORS + 1):
            for actor in actors:
                actor.queue.put_nowait((1, None))
            while actors[-1].count < turn:  # noqa: ASYNC110 - the peer has nothing to wait for
                await asyncio.sleep(0)
        return (time.process_time() - began_s) / messages

    return await _with_task_actors(_ACTORS, job)


async def task_queue_ask(messages: int) -> float:
    """Ask 100 task actors at once, from a task each."""

    async def job(actors: list[_TaskActor]) -> float:
        began_s = time.process_time()
        for _ in range(messages // _CONCURRENT):
            async with asyncio.TaskGroup() as group:
                for actor in actors:
                    group.create_task(actor.ask())
        return (time.process_time() - began_s) / messages

    return await _with_task_actors(_CONCURRENT, job)


async def task_queue_spawn(actors: int) -> float:
    """Start task actors until each waits for its queue."""
    began_s = time.process_time()

    async def job(_actors: list[_TaskActor]) -> float:
        await asyncio.sleep(0)
        return (time.process_time() - began_s) / actors

    return await _with_task_actors(actors, job)


async def pykka_tell(messages: int) -> float:
    """Tell Pykka actors one message each, until all are handled.

    Raises:
        ModuleNotFoundError: Pykka (extra ``bench``) is not installed.
    """
    pykka: Any = importlib.import_module("pykka")

    class Counting(pykka.ThreadingActor):  # type: ignore[misc]
        """Counts."""

        def on_receive(self, message: int) -> int:
            """Count one message."""
            return message

    async with AsyncExitStack() as stack:
        refs = [Counting.start() for _ in range(_PYKKA_ACTORS)]
        stack.callback(pykka.ActorRegistry.stop_all)
        began_s = time.process_time()
        for _ in range(messages // _PYKKA_ACTORS):
            for ref in refs:
                ref.tell(1)
        for ref in refs:
            ref.ask(1)
        return (time.process_time() - began_s) / messages


def idle_bytes(actors: int = _IDLE) -> float:
    """Return the memory of one idle actor among a million, measured in a process of its own."""
    code = f"from hub.bench.actors import print_idle_bytes; print_idle_bytes({actors})"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)  # noqa: S603 - ourselves
    return float(run.stdout)


def print_idle_bytes(actors: int) -> None:
    """Print the growth of this process's resident memory for each of ``actors`` idle actors."""

    async def measure() -> float:
        async with ActorSystem(chance=Random(1)) as system:
            before = _resident_bytes()
            for _ in range(actors):
                system.spawn(_COUNTER)
            return (_resident_bytes() - before) / actors

    print(asyncio.run(measure()))  # noqa: T201 - the answer to the process that asked


def _resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - a pseudo file
        return int(file.read().split()[1]) * 4096


_PAIRS: Final[tuple[tuple[str, Job, Job, int], ...]] = (
    ("actors.tell_rr_vs_bare", tell_round_robin, bare, 100_000),
    ("actors.tell_rr_vs_task_queue", tell_round_robin, task_queue_tell, 100_000),
    ("actors.tell_rr_vs_pykka", tell_round_robin, pykka_tell, 20_000),
    ("actors.tell_async_vs_bare", tell_async, bare, 20_000),
    ("actors.ask_inline_vs_bare", ask_inline, bare, 100_000),
    ("actors.ask_async_vs_task_queue", ask_concurrently, task_queue_ask, 20_000),
    ("actors.spawn_vs_task_queue", spawn, task_queue_spawn, 20_000),
)
"""Key, ours, the peer, and how many messages (or actors) in one run."""

_TURNS: Final = 3


def measure_round(scale: float) -> dict[str, float]:
    """Return one round's ratios: rates of ours over rates of the peer."""
    with _frozen_heap():
        return {
            key: _ratio(ours, peer, int(messages * scale))
            for key, ours, peer, messages in _PAIRS
            if peer is not pykka_tell or importlib.util.find_spec("pykka") is not None
        }


def run(say: Callable[[str], None], *, rounds: int, scale: float) -> dict[str, float]:
    """Return the medians of some rounds, and the memory of an idle actor."""
    found: dict[str, list[float]] = {}
    for number in range(1, rounds + 1):
        for key, value in measure_round(scale).items():
            found.setdefault(key, []).append(value)
        say(f"round {number} of {rounds}")
    medians = {key: round(statistics.median(values), 4) for key, values in found.items()}
    return medians | {"actors.idle_bytes": round(idle_bytes(int(_IDLE * scale)), 1)}


def _ratio(ours: Job, peer: Job, messages: int) -> float:
    ours_s = peer_s = 0.0
    for _ in range(_TURNS):
        ours_s += _seconds(ours, messages)
        peer_s += _seconds(peer, messages)
    return peer_s / ours_s


def _seconds(job: Job, messages: int) -> float:
    gc.collect()
    return asyncio.run(job(messages))


@contextmanager
def _frozen_heap() -> Generator[None, None, None]:
    """Hide from the collector what the process holds already: how often it runs depends on how much that is."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
