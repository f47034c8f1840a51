"""What the servers of benchmarks share: each is a process of its own.

It prints its port, then its CPU seconds for each line it reads, and ends with its input.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from importlib.util import find_spec

from hub.interpreter import tune_interpreter

Opened = Callable[[int], AbstractAsyncContextManager[int]]
"""Opens a server for so many things, and gives its port."""


def run(kinds: Mapping[str, Opened], *, without_uvloop: frozenset[str] = frozenset()) -> None:
    """Serve the kind that the command line names until the input ends."""
    kind, things = sys.argv[1:]
    loop = None if kind in without_uvloop else fast_loop()
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(_serve(kinds[kind], int(things)))


def fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's where it can be had."""
    if find_spec("uvloop") is None:
        return None
    import uvloop  # noqa: PLC0415 - optional

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def _serve(opened: Opened, things: int) -> None:
    async with opened(things) as port:
        tune_interpreter()  # as the hub does
        print(port, flush=True)  # noqa: T201 - read by the benchmark
        while await asyncio.to_thread(sys.stdin.readline):
            print(time.process_time(), flush=True)  # noqa: T201 - as above
