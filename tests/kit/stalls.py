"""A market on one journal: stalls are things, whose messages may be pruned, and tills, whose turns are kept."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw
from tills import STATE_UPCASTERS, UPCASTERS, Till1, TillCore

from actors.runtime.cells import Kind, NotTaken, Outcome
from actors.runtime.engine import EngineSettings, TurnEngine
from hub.storage.housekeeping import Housekeeping, Retention
from hub.storage.sqlite import FILE_NAME, JournalSettings, SqliteJournal, open_journal

START = datetime(2026, 1, 1, tzinfo=UTC)
FAST = JournalSettings(segment_rows=10, synchronous="normal")


class StallCore(TillCore):
    """A till that is a thing."""

    kind = "thing"


def market_kinds(schema: int = 1, *, lifts_states: bool = True) -> Mapping[str, Kind]:
    """Return the kinds of a market as a release of this schema knows them."""
    lifts = STATE_UPCASTERS if lifts_states else None
    return {core.kind: Kind(core, UPCASTERS, lifts) for core in (StallCore(schema), TillCore(schema))}


STALL_KINDS = market_kinds()


class Calendar:
    """A clock of days."""

    def __init__(self) -> None:
        self.day = 0.0

    def now(self) -> datetime:
        return START + timedelta(days=self.day)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class Market:
    """A running market."""

    def __init__(self, engine: TurnEngine, journal: SqliteJournal, clock: Calendar, keep: timedelta | None) -> None:
        self.engine = engine
        self.journal = journal
        self.clock = clock
        retention = Retention(keep=keep, tail_segments=2, rest=0.0)
        self.housekeeping = Housekeeping(journal, market_kinds(), clock, retention)

    async def pay(self, address: str, amount: int, message_id: str = "") -> bool:
        """Pay once; say whether the message was known already."""
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        core: Any = market_kinds()[address.partition("/")[0]].core
        self.engine.submit(address, core.message_type(amount), answer.set_result, message_id)
        async with asyncio.timeout(30):
            outcome = await answer
        assert not isinstance(outcome, NotTaken), outcome
        return outcome.duplicate

    async def noted(self) -> None:
        """Wait until what was sealed is noted."""
        with_rest = "SELECT count(*) FROM segment WHERE noted = 0"
        file = self.journal.look()
        async with asyncio.timeout(30):
            while file.execute(with_rest).get > 1:  # noqa: ASYNC110 - a thread notes
                await asyncio.sleep(0.001)
        file.close()


@asynccontextmanager
async def market(
    folder: Path, *, keep_days: float | None = None, day: float = 0.0, settings: JournalSettings = FAST
) -> AsyncIterator[Market]:
    """Open a market on a data directory."""
    clock = Calendar()
    clock.day = day
    with open_journal(folder, settings) as journal:
        engine = TurnEngine(journal, clock, EngineSettings(snapshot_every=4))
        for kind in market_kinds().values():
            engine.add_kind(kind.core)
        engine.start()
        yield Market(engine, journal, clock, None if keep_days is None else timedelta(days=keep_days))
        assert await engine.stop()


STALLS = ("thing/a", "thing/b", "thing/c")
PAID = 60


async def a_month(folder: Path, keep_days: float | None = None) -> None:
    """Live thirty days: two messages of stalls a day, and a till's payment every third."""
    async with market(folder, keep_days=keep_days) as now:
        for number in range(PAID):
            now.clock.day = number / 2
            await now.pay(STALLS[number % 3], number, f"b:{number}")
            if number % 6 == 0:
                await now.pay("till/one", number, f"key-{number}")
        await now.noted()


def states(now: Market) -> dict[str, Any]:
    return {address: now.engine.read(address) for address in (*STALLS, "till/one")}


def stalls_paid() -> dict[str, Any]:
    wanted = {name: Till1(sum(range(n, PAID, 3))) for n, name in enumerate(STALLS)}
    return wanted | {"till/one": Till1(sum(range(0, PAID, 6)))}


def asked(folder: Path, query: str) -> Any:
    file = apsw.Connection(str(folder / FILE_NAME))
    try:
        return file.execute(query).get
    finally:
        file.close()
