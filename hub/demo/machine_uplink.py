"""Machines that tell over HTTP what happens to them, each message until it is acknowledged, on a fast clock."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import aiohttp
import msgspec

from actors.model.secrets import Secret
from actors.ports import Clock

_DAY_H: Final = 24.0
_AGAIN_S: Final = 0.2
_TELL_EVERY: Final = 500

Meter = list[tuple[datetime, float]]
"""When a machine's hour meter was acknowledged to show what."""


class Told(NamedTuple):
    """Something that a machine tells at an hour; sorts by the hour."""

    at_h: float
    name: str
    value: str | float


class Pace(NamedTuple):
    """From which hour on a day takes ``day_s`` (what is before is told at once), and where hour meters are zero."""

    start_h: float
    day_s: float
    zero_h: float


class Line(NamedTuple):
    """The way to the hub, and each machine's token."""

    session: aiohttp.ClientSession
    url: str
    tokens: Mapping[str, Secret]


async def tell_all(
    line: Line, lives: Mapping[str, Sequence[Told]], pace: Pace, *, clock: Clock, say: Callable[[str], None]
) -> dict[str, Meter]:
    """Let all machines live side by side; return their hour meters, in the hours of ``lives``."""
    began = clock.monotonic()
    meters: dict[str, Meter] = {name: [] for name in lives}
    sent = 0

    async def live(name: str) -> None:
        nonlocal sent
        for seq, told in enumerate(lives[name]):
            wait_s = began + (told.at_h - pace.start_h) / _DAY_H * pace.day_s - clock.monotonic()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            await _tell(line, name, (seq, told._replace(at_h=told.at_h - pace.zero_h)))
            meters[name].append((clock.now(), told.at_h))
            sent += 1
            if sent % _TELL_EVERY == 0:
                say(f"{sent} messages acknowledged, day {(told.at_h - pace.start_h) / _DAY_H:.0f}")

    async with asyncio.TaskGroup() as group:
        for name in lives:
            group.create_task(live(name))
    return meters


async def _tell(line: Line, name: str, message: tuple[int, Told]) -> None:
    """Post one message until the hub has acknowledged it. Raises: RuntimeError when it never will."""
    seq, told = message
    readings = [{"name": "hours", "value": told.at_h}, {"name": told.name, "value": told.value}]
    body = msgspec.json.encode({"boot": "replay", "seq": seq, "readings": readings})
    headers = {"Authorization": f"Bearer {line.tokens[name].reveal()}", "Content-Type": "application/json"}
    while True:
        try:
            async with line.session.post(f"{line.url}/things/{name}/readings", data=body, headers=headers) as reply:
                if reply.status == 204:
                    return
                text = await reply.text()
                if reply.status < 500 and reply.status != 429:
                    raise RuntimeError(f"{name}: {reply.status} {text}")
        except aiohttp.ClientConnectionError:
            pass
        await asyncio.sleep(_AGAIN_S)
