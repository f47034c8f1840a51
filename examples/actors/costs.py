"""What the actor core costs, as ratios to what plain Python does on the same machine in the same run.

Run it: ``python examples/actors/costs.py`` (some seconds). The unit is one append to a deque, one popleft and one call
of a method: no actor can be cheaper. Ratios are medians of interleaved rounds, in CPU time.
"""

import asyncio
import gc
import resource
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Coroutine
from random import Random

from actors.runtime import Actor, ActorSystem, Context, Kind

ACTORS = 1000
CONCURRENT = 100


class Counter(Actor[int]):
    """Counts: the least a handler can do."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def receive(self, ctx: Context, message: int) -> None:  # noqa: ARG002 - counts whatever comes
        """Count one message."""
        self.count += 1


class Waiting(Actor[int]):
    """The same as a coroutine."""

    async def receive(self, ctx: Context, message: int) -> None:
        """Do nothing, asynchronously."""


COUNTER = Kind(name="counter", make=lambda _ctx: Counter())
WAITING = Kind(name="waiting", make=lambda _ctx: Waiting())


class Called:
    """What the unit calls."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def receive(self, _ctx: object, _message: int) -> None:
        """Count one message."""
        self.count += 1


async def bare(messages: int) -> float:
    """Append, pop and call."""
    queue: deque[int] = deque()
    called = Called()
    began_s = time.process_time()
    for _ in range(messages):
        queue.append(1)
        called.receive(None, queue.popleft())
    return time.process_time() - began_s


async def tell_round_robin(messages: int, kind: Kind[int] = COUNTER) -> float:
    """Tell one message to each of 1000 idle actors, again and again."""
    async with ActorSystem(chance=Random(1)) as system:
        refs = [system.spawn(kind) for _ in range(ACTORS)]
        began_s = time.process_time()
        for _ in range(messages // ACTORS):
            for ref in refs:
                ref.tell(1)
            await system.settled()
        return time.process_time() - began_s


async def tell_async_handlers(messages: int) -> float:
    """Do the same to ``async def`` handlers that finish at once."""
    return await tell_round_robin(messages, WAITING)


async def ask_inline(messages: int) -> float:
    """Ask one idle actor."""
    async with ActorSystem(chance=Random(1)) as system:
        ref = system.spawn(COUNTER)
        began_s = time.process_time()
        for _ in range(messages):
            await ref.ask(1)
        return time.process_time() - began_s


async def ask_concurrently(messages: int) -> float:
    """Ask 100 actors from a task each."""
    async with ActorSystem(chance=Random(1)) as system:
        refs = [system.spawn(COUNTER) for _ in range(CONCURRENT)]
        began_s = time.process_time()
        for _ in range(messages // CONCURRENT):
            async with asyncio.TaskGroup() as group:
                for ref in refs:
                    group.create_task(ref.ask(1))
        return time.process_time() - began_s


def seconds_each(job: Callable[[int], Coroutine[None, None, float]], messages: int) -> float:
    """Return the CPU seconds of one message, set-up apart."""
    gc.collect()
    return asyncio.run(job(messages)) / messages


async def idle_bytes(actors: int) -> float:
    """Return the memory of one idle actor: growth of the process over the number of actors."""
    async with ActorSystem(chance=Random(1)) as system:
        before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(actors):
            system.spawn(COUNTER)
        return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib) * 1024 / actors


def main(messages: int = 100_000, actors: int = 200_000, rounds: int = 5) -> None:
    """Print one line a figure."""
    idle = asyncio.run(idle_bytes(actors))
    jobs = (tell_round_robin, ask_inline, ask_concurrently, tell_async_handlers)
    ratios: dict[str, list[float]] = {job.__name__: [] for job in jobs}
    for _ in range(rounds):
        unit_s = seconds_each(bare, messages)
        for job in jobs:
            ratios[job.__name__].append(unit_s / seconds_each(job, messages))
    for name, values in ratios.items():
        print(f"{name:20} {statistics.median(values):6.3f} of the unit's rate [{min(values):.3f}-{max(values):.3f}]")
    print(f"{'idle actor':20} {idle:6.0f} bytes")


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
