"""A running desk with its CRM and an office that keeps what it reports, in virtual time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from buying import Buying, service
from fake_crm import FakeCrm

from actors.desk.desk import Desk, DeskSettings
from actors.dialogue import BookTime, DeskWaits, PlaceRequest
from actors.runtime.cells import encode
from actors.runtime.journal import OutboxRow
from actors.testing import VirtualClock

PLACE: PlaceRequest = Buying().placing().world.job(PlaceRequest).body
BOOK: BookTime = service().booking().world.job(BookTime).body
KEY = PLACE.request.key


class Office:
    """Keeps what a desk reports, with the time."""

    def __init__(self) -> None:
        self.reports: list[tuple[str, Any]] = []
        self.waits: list[tuple[str, DeskWaits]] = []
        self.times: list[float] = []
        self.discarded: list[int] = []

    def complete(self, outbox_id: int, address: str, message: Any) -> None:
        self.reports.append((address, message))
        self.times.append(asyncio.get_running_loop().time())

    def submit(self, address: str, message: Any, done: Callable[[Any], None], message_id: str = "") -> None:
        self.waits.append((address, message))

    def discard(self, outbox_id: int) -> None:
        self.discarded.append(outbox_id)


class Work:
    """A running desk with its CRM and its office."""

    def __init__(self, crm: FakeCrm, settings: DeskSettings) -> None:
        self.crm = crm
        self.office = Office()
        self.clock = VirtualClock()
        self.desk = Desk("shop", crm, self.office, self.clock, Random(1), settings)
        self._ids = iter(range(1, 1000))

    def give(self, job: Any, address: str = "order/a", *, recovered: bool = False) -> None:
        row = OutboxRow(outbox_id=next(self._ids), relay="desk:shop", address=address, body=encode(job), created_at=0)
        self.desk.work(row, recovered=recovered)

    async def reports(self, count: int = 1, within_s: float = 10_000.0) -> list[Any]:
        async with asyncio.timeout(within_s):
            while len(self.office.reports) < count:  # noqa: ASYNC110 - time is virtual: polling costs nothing
                await asyncio.sleep(0.5)
        return [message for _, message in self.office.reports]

    async def outcome(self, job: Any, *, recovered: bool = False) -> Any:
        self.give(job, recovered=recovered)
        return (await self.reports())[-1].outcome


@asynccontextmanager
async def working(crm: FakeCrm | None = None, **settings: Any) -> AsyncIterator[Work]:
    work = Work(crm or FakeCrm(), DeskSettings(**settings))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(work.desk.run())
        await asyncio.sleep(0)
        yield work
        running.cancel()
