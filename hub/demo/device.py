"""What the demo's devices share: a level that falls, messages sent until they are acknowledged, and a log of those."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final, Protocol, final

from msgspec import Struct, structs

from actors.model.base import Instant
from actors.model.readings import Reading
from actors.ports import Clock
from protocols.backoff import next_delay_s

RETRY_CAP_S: Final = 1.0


class Acknowledged(Struct, frozen=True, kw_only=True):
    """The hub said that the message is stored, under this id."""

    message_id: str
    duplicate: bool | None = None
    """Whether it had been stored before; None where the protocol does not say."""


class Denied(Struct, frozen=True, kw_only=True):
    """The hub will never take this message."""

    reason: str


class Unanswered(Struct, frozen=True, kw_only=True):
    """Nobody knows whether the hub has it: send the same again. ``retry_after_s`` is the hub's wish."""

    reason: str
    retry_after_s: float = 0.0


Answer = Acknowledged | Denied | Unanswered


class Uplink(Protocol):
    """A device's way to the hub."""

    async def send(self, seq: int, readings: tuple[Reading, ...]) -> Answer:
        """Send one message once. The same ``seq`` comes with the same readings and makes the same bytes."""
        ...

    def aim(self, url: str) -> None:
        """Use another address of the hub from the next message on."""
        ...


class Measured(Struct, frozen=True, kw_only=True):
    """A property that the device reports."""

    name: str
    unit: str


class Model(Struct, frozen=True, kw_only=True):
    """What kind of device this is: ``uses`` is a running count, where there is one."""

    level: Measured
    uses: Measured | None = None


class Report(Struct, frozen=True, kw_only=True, tag_field="do", tag="report", forbid_unknown_fields=True):
    """Send one message. What is not given is as it was."""

    level: float | None = None
    pages: int | None = None
    at: Instant | None = None
    ref: str | None = None


class Stream(Struct, frozen=True, kw_only=True, tag_field="do", tag="stream", forbid_unknown_fields=True):
    """Use and report ``count`` times."""

    count: int
    every_s: float = 0.0
    drop: float = 1.0
    pages: int = 0
    start: Instant | None = None
    step_s: float = 1.0
    ref: str | None = None


class Log(Struct, frozen=True, kw_only=True, tag_field="do", tag="log", forbid_unknown_fields=True):
    """Answer with everything acknowledged and refused so far."""

    ref: str | None = None


class Aim(Struct, frozen=True, kw_only=True, tag_field="do", tag="aim", forbid_unknown_fields=True):
    """Send to another address from now on."""

    url: str
    ref: str | None = None


Command = Report | Stream | Log | Aim


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message that got its answer."""

    seq: int
    level: float
    at: Instant
    attempts: int
    pages: int | None = None
    id: str = ""
    duplicate: bool | None = None
    refused: str = ""


@final
class Device:
    """Sends one message at a time, each until it is acknowledged or refused for good."""

    def __init__(self, model: Model, uplink: Uplink, clock: Clock, chance: Random, *, level: float) -> None:
        self._model = model
        self._uplink = uplink
        self._clock = clock
        self._chance = chance
        self._level = level
        self._pages = 0
        self._seq = 0
        self._turn = asyncio.Lock()
        self._log: list[Entry] = []

    async def obey(self, command: Command) -> Mapping[str, Any]:
        """Do one command and return its answer.

        Raises:
            ValueError: The command does not fit this device.
        """
        match command:
            case Report():
                return self._answer([await self._report(command.level, command.pages, command.at)])
            case Stream():
                return self._answer(await self._stream(command))
            case Log():
                return self._answer(self._log) | {"log": self._log}
            case Aim():
                self._uplink.aim(command.url)
                return {"ok": True}

    async def _stream(self, stream: Stream) -> list[Entry]:
        entries: list[Entry] = []
        for number in range(stream.count):
            if number and stream.every_s:
                await asyncio.sleep(stream.every_s)
            at = None if stream.start is None else stream.start + timedelta(seconds=number * stream.step_s)
            pages = self._pages + stream.pages if stream.pages else None
            entries.append(await self._report(max(0.0, round(self._level - stream.drop, 6)), pages, at))
        return entries

    async def _report(self, level: float | None, pages: int | None, at: datetime | None) -> Entry:
        if pages is not None and self._model.uses is None:
            raise ValueError("this device counts no pages")
        async with self._turn:
            self._level = self._level if level is None else level
            self._pages = self._pages if pages is None else pages
            self._seq += 1
            entry = await self._deliver(self._seq, at or self._clock.now())
            self._log.append(entry)
            return entry

    async def _deliver(self, seq: int, at: datetime) -> Entry:
        readings = self._readings(at)
        pages = None if self._model.uses is None else self._pages
        attempts = 0
        while True:
            attempts += 1
            entry = Entry(seq=seq, level=self._level, pages=pages, at=at, attempts=attempts)
            match await self._uplink.send(seq, readings):
                case Acknowledged(message_id=message_id, duplicate=duplicate):
                    return structs.replace(entry, id=message_id, duplicate=duplicate)
                case Denied(reason=reason):
                    return structs.replace(entry, refused=reason)
                case Unanswered(retry_after_s=retry_after_s):
                    wait_s = next_delay_s(attempts, cap_s=RETRY_CAP_S, chance=self._chance)
                    await asyncio.sleep(retry_after_s + wait_s)

    def _readings(self, at: datetime) -> tuple[Reading, ...]:
        level, uses = self._model.level, self._model.uses
        readings = (Reading(name=level.name, value=self._level, unit=level.unit, observed_at=at),)
        if uses is None:
            return readings
        return (*readings, Reading(name=uses.name, value=float(self._pages), unit=uses.unit, observed_at=at))

    def _answer(self, entries: list[Entry]) -> dict[str, Any]:
        refused = [{"seq": entry.seq, "reason": entry.refused} for entry in entries if entry.refused]
        state = {"level": self._level} | ({} if self._model.uses is None else {"pages": self._pages})
        acknowledged = [entry.id for entry in entries if not entry.refused]
        return {"ok": not refused, "acknowledged": acknowledged, "refused": refused, **state}
