"""Printers that report as fast as they may, send again what was not acknowledged, and remember what was."""

import asyncio
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any, Final

import aiohttp
from msgspec import Struct

from actors.model.readings import Reading
from actors.model.secrets import Secret
from hub.demo.device import Acknowledged, Answer, Denied, Unanswered
from hub.demo.printer import HttpUplink
from hub.torture.books import Book
from hub.torture.premises import LOW_AT, OWNER, PROFILES

_PACE_S: Final = 0.01
_REBOOTS: Final = 0.002
_REPEATS: Final = 0.03
_MOST_PATIENCE: Final = 12


class Line:
    """The way to the hub, as the devices see it: where it is, while it is up."""

    def __init__(self) -> None:
        self.url = ""
        self.is_up = asyncio.Event()

    def connect(self, url: str) -> None:
        """The hub serves here now."""
        self.url = url
        self.is_up.set()

    def cut(self) -> None:
        """The hub is gone."""
        self.is_up.clear()


class Ledger:
    """What the devices know: the level of each message they sent, and which of them were acknowledged."""

    def __init__(self) -> None:
        self.book = Book()
        """What was sent; what was acknowledged is counted."""
        self.acknowledged = 0
        self.newest: dict[str, str] = {}
        """Thing -> its newest message that was acknowledged."""
        self.refused: list[str] = []
        self.not_known_again = 0
        """Messages sent once more after their acknowledgement that were not recognised."""

    def acknowledge(self, thing: str, name: str) -> None:
        """Take down that the hub said it has this message."""
        self.book.count(thing, name)
        self.acknowledged += 1
        self.newest[thing] = name


class Message(Struct, frozen=True, kw_only=True):
    """One report of a printer, the same bytes however often it is sent."""

    boot: str
    seq: int
    readings: tuple[Reading, ...]

    @property
    def name(self) -> str:
        """Boot and sequence number."""
        return f"{self.boot}:{self.seq}"


class Printer:
    """One printer: its ink falls, and is refilled some time after it was low."""

    def __init__(self, thing_id: str, dial: Callable[[str], HttpUplink], chance: Random, ledger: Ledger) -> None:
        self.thing_id = thing_id
        self._dial = dial
        self._boot = 1
        self._uplink = dial("b1")
        self._chance = chance
        self._ledger = ledger
        self._level = chance.uniform(20, 100)
        self._patience = chance.randint(1, _MOST_PATIENCE)
        self._pages = 0
        self._seq = 0
        self._pending: Message | None = None

    async def work(self, line: Line, ended: asyncio.Event) -> None:
        """Report until ``ended`` and the last message is acknowledged."""
        while self._pending is not None or not ended.is_set():
            await line.is_up.wait()
            if self._pending is None:
                self._pending = self._next()
            await self._deliver(line, self._pending)
            await asyncio.sleep(_PACE_S)

    async def _deliver(self, line: Line, message: Message) -> None:
        answer = await self._send(line, message)
        match answer:
            case Acknowledged():
                self._ledger.acknowledge(self.thing_id, message.name)
                self._pending = None
                if self._chance.random() < _REPEATS:
                    await self._repeat(line, message)
            case Denied(reason=reason):
                self._ledger.refused.append(f"{self.thing_id} {message.name}: {reason}")
                self._pending = None
            case Unanswered(retry_after_s=retry_after_s):
                await asyncio.sleep(retry_after_s)

    async def _repeat(self, line: Line, message: Message) -> None:
        answer = await self._send(line, message)
        if isinstance(answer, Acknowledged) and not answer.duplicate:
            self._ledger.not_known_again += 1

    async def _send(self, line: Line, message: Message) -> Answer:
        self._uplink.aim(line.url)
        return await self._uplink.send(message.seq, message.readings)

    def _next(self) -> Message:
        if self._chance.random() < _REBOOTS:
            self._reboot()
        self._seq += 1
        self._pages += self._chance.randint(1, 50)
        self._level = self._next_level()
        readings = (
            Reading(name="ink", value=self._level, unit="%"),
            Reading(name="pages", value=float(self._pages), unit="page"),
        )
        message = Message(boot=f"b{self._boot}", seq=self._seq, readings=readings)
        self._ledger.book.tell(self.thing_id, message.name, self._level)
        return message

    def _reboot(self) -> None:
        self._boot += 1
        self._seq = 0
        self._uplink = self._dial(f"b{self._boot}")

    def _next_level(self) -> float:
        if self._level <= LOW_AT:
            self._patience -= 1
        if self._patience > 0:
            return max(0.0, round(self._level - self._chance.uniform(3, 12), 3))
        self._patience = self._chance.randint(1, _MOST_PATIENCE)
        return round(self._chance.uniform(90, 100), 3)


def registrations(count: int) -> list[dict[str, Any]]:
    """Return what the owner's API is told to register this many printers, of two profiles in turn."""
    profiles = tuple(PROFILES)
    return [
        {
            "thing_id": f"printer-{number}",
            "owner_id": OWNER,
            "profile": profiles[number % len(profiles)],
            "serial": f"TP1-{number:04}",
            "connection": {"protocol": "http"},
            "shares": ["supplies", "prices"],
        }
        for number in range(count)
    ]


def fleet(session: aiohttp.ClientSession, tokens: dict[str, str], chance: Random, ledger: Ledger) -> list[Printer]:
    """Return the registered printers, each with its own token and its own chance."""
    return [
        Printer(thing_id, partial(HttpUplink, session, "", thing_id, Secret(token)), Random(chance.random()), ledger)
        for thing_id, token in tokens.items()
    ]
