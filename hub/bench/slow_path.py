"""A path with a delay, a process of its own: ``python -m hub.bench.slow_path PORT ROUND_TRIP_S``.

It prints the port at which it passes connections on to PORT of this machine, each byte half a round trip later; as much
as comes may be under way. It ends with its input.
"""

import asyncio
import subprocess
import sys
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

_AT_ONCE: Final = 65536


@contextmanager
def slow_path(port: int, round_trip_s: float) -> Generator[int]:
    """Give a port of this machine from which it takes this long to ``port`` and back."""
    command = [sys.executable, "-m", "hub.bench.slow_path", str(port), str(round_trip_s)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as path:  # noqa: S603 - our own
        stdin, stdout = path.stdin, path.stdout
        assert stdin is not None  # noqa: S101 - for the type checkers
        assert stdout is not None  # noqa: S101 - as above
        try:
            yield int(stdout.readline())
        finally:
            stdin.close()


async def _serve(port: int, delay_s: float) -> None:
    async def passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        exit_reader, exit_writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.TaskGroup() as group:
            group.create_task(_pass_on(reader, exit_writer, delay_s))
            group.create_task(_pass_on(exit_reader, writer, delay_s))

    async with await asyncio.start_server(passed_on, "127.0.0.1", 0) as server:
        print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - read by the benchmark
        await asyncio.to_thread(sys.stdin.read)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    """Write what is read a while later, in its order; the end too."""
    loop, waiting = asyncio.get_running_loop(), deque[bytes]()

    def write_next() -> None:
        data = waiting.popleft()
        if data:
            writer.write(data)
        else:
            writer.close()

    data = b"begun"
    while data:
        try:
            data = await reader.read(_AT_ONCE)
        except ConnectionError:
            data = b""
        waiting.append(data)
        loop.call_later(delay_s, write_next)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2]) / 2))
