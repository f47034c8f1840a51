"""A past for the hub under torture: things that have reported for long, and shops that know their orders.

Everything goes the usual way (actors, desks, journal); only the sockets of the devices are left out, and the journal
waits for the disk at its checkpoints alone. So the file is like one that has grown for months.
"""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Final

import msgspec
from msgspec import Struct

from actors.dialogue import GrantMandate, RegisterThing, owner_address, thing_address
from actors.model.errors import HubError
from actors.model.ids import OwnerId, ThingId
from actors.model.mandates import Mandate
from actors.model.readings import DeviceMessage, Reading
from actors.model.things import Connection, ThingRecord
from actors.runtime.cells import Outcome, Taken
from hub.bootstrap import RunningHub, open_hub
from hub.config import HubConfig
from hub.storage.connection import JournalSettings
from hub.torture.books import Book
from hub.torture.premises import PROFILES, mandate

VETERANS: Final = OwnerId("veterans")
_BOOT: Final = "h"
_MESSAGES_EACH: Final = 100
_NEEDY: Final = 100
"""One thing in so many runs low with its last message."""
_EMPTY: Final = 10.0
_AT_ONCE: Final = 4_000
_BUDGET_MINOR: Final = 10**9


class HistorySettings(Struct, frozen=True, kw_only=True):
    """How long the past is."""

    messages: int

    @property
    def things(self) -> int:
        """How many things tell them, a hundred messages each."""
        return -(-self.messages // _MESSAGES_EACH)


Told = Callable[[int], bool]
"""Called with the number of messages journalled so far; answers whether to go on."""


async def write_history(config: HubConfig, settings: HistorySettings, book: Book, told: Told) -> int:
    """Let a hub live through its past on an existing data directory; return the number of its messages.

    What they told, and that they were acknowledged, goes into ``book``.
    """
    if settings.messages <= 0:
        return 0
    async with open_hub(config, disk=JournalSettings(synchronous="normal")) as running:
        past = _Past(running, settings, book)
        await past.register()
        return await past.report(told)


class _Past:
    def __init__(self, running: RunningHub, settings: HistorySettings, book: Book) -> None:
        self._engine = running.hub.engine
        self._clock = running.hub.clock
        self._settings = settings
        self._book = book
        self._names = [ThingId(f"veteran-{number:05}") for number in range(settings.things)]

    async def register(self) -> None:
        """Register all things, and allow them to buy."""
        terms = mandate(VETERANS, _BUDGET_MINOR) | {"valid_from": datetime(2026, 1, 1, tzinfo=UTC)}
        await self._engine.ask(owner_address(VETERANS), GrantMandate(mandate=msgspec.convert(terms, Mandate)))
        for start in range(0, len(self._names), _AT_ONCE):
            async with asyncio.TaskGroup() as group:
                for number in range(start, min(start + _AT_ONCE, len(self._names))):
                    group.create_task(self._register(number))

    async def _register(self, number: int) -> None:
        profile = tuple(PROFILES)[number % len(PROFILES)]
        record = ThingRecord(
            thing_id=self._names[number],
            owner_id=VETERANS,
            profile=profile,
            serial=f"V-{number:05}",
            connection=Connection(protocol="http"),
        )
        message = RegisterThing(record=record, profile=f"{profile}@1")
        await self._engine.ask(thing_address(record.thing_id), message, timeout_s=120.0)

    async def report(self, told: Told) -> int:
        """Let the things report in turn; return how many messages were taken."""
        done = 0
        rounds = self._rounds()
        while (chunk := list(islice(rounds, _AT_ONCE))) and told(done):
            await self._hand_in(chunk)
            done += len(chunk)
        told(done)
        return done

    def _rounds(self) -> Iterator[tuple[int, int]]:
        """Yield (thing, number of its message)."""
        for position in range(self._settings.messages):
            yield position % len(self._names), 1 + position // len(self._names)

    async def _hand_in(self, chunk: list[tuple[int, int]]) -> None:
        finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        left = len(chunk)

        def answered(outcome: Outcome) -> None:
            nonlocal left
            left -= 1
            if finished.done():
                return
            if not isinstance(outcome, Taken):
                finished.set_exception(HubError(f"a message of the past was refused: {outcome}"))
            elif not left:
                finished.set_result(None)

        now = self._clock.now()
        for thing, number in chunk:
            message = self._message(thing, number, now)
            self._engine.submit(thing_address(message.thing_id), message, answered, message.message_id)
        await finished
        for thing, number in chunk:
            self._book.count(self._names[thing], f"{_BOOT}:{number}")

    def _message(self, thing: int, number: int, now: datetime) -> DeviceMessage:
        level = self._level(thing, number)
        self._book.tell(self._names[thing], f"{_BOOT}:{number}", level)
        readings = (
            Reading(name="ink", value=level, unit="%"),
            Reading(name="pages", value=float(25 * number), unit="page"),
        )
        return DeviceMessage(
            thing_id=self._names[thing],
            message_id=f"{_BOOT}:{number}",
            received_at=now,
            readings=readings,
            protocol="http",
        )

    def _level(self, thing: int, number: int) -> float:
        if thing % _NEEDY == 0 and number == _MESSAGES_EACH:
            return _EMPTY
        return 100.0 - 0.5 * number
