"""The path of the benchmarks delays what passes and changes nothing of it."""

import asyncio
import time
from random import Random

from hub.bench.slow_path import slow_path

ROUND_TRIP_S = 0.2
SENT = Random(5).randbytes(300_000)


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


async def _there_and_back(port: int) -> tuple[bytes, float]:
    """Send much at once; return what came back, and when the first of it did."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent_at = time.monotonic()
    writer.write(SENT)
    first = await reader.read(1000)
    took_s = time.monotonic() - sent_at
    back = first + await reader.readexactly(len(SENT) - len(first))
    writer.close()
    return back, took_s


async def test_what_is_sent_comes_back_whole_and_a_round_trip_later() -> None:
    async with await asyncio.start_server(_echo, "127.0.0.1", 0) as server:
        path = slow_path(server.sockets[0].getsockname()[1], ROUND_TRIP_S)
        port = await asyncio.to_thread(path.__enter__)
        try:
            async with asyncio.timeout(30):
                back, took_s = await _there_and_back(port)
        finally:
            await asyncio.to_thread(path.__exit__, None, None, None)
    assert back == SENT
    assert took_s >= ROUND_TRIP_S
