"""Engine, SQLite journal, cores and a desk in one process, without sockets; it can crash at any commit."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from fake_crm import FakeCrm
from firm import INSTALLATION, PROFILES, settings

from actors.community.core import CommunityCore
from actors.connection.core import ConnectionCore, ConnectionSettings
from actors.desk.desk import Desk, DeskSettings
from actors.device.core import DeviceCore
from actors.device.inquiring import InquirySettings
from actors.dialogue import COMPUTE_RELAY, AdviceGiven, ComputeAdvice, ComputeJob, desk_relay
from actors.model.advice import Abstention
from actors.owner.core import OwnerCore
from actors.purchasing.core import OrderCore
from actors.purchasing.view import OrderView
from actors.runtime.cells import NotTaken, Taken
from actors.runtime.contract import Engine, EngineSettings
from actors.runtime.journal import Batch, JournalUnavailable, OutboxRow
from actors.thing.asking import NoModels
from actors.thing.core import ThingCore
from hub.sharding import whole_engine, whole_journal
from hub.storage.shards import open_shards
from hub.storage.sqlite import SqliteJournal

DESK = DeskSettings(again_s=0.001, probe_base_s=0.001, probe_cap_s=0.002, request_s=1.0, turn_grace_s=0.05)


class RunningClock:
    """The system's clock, for an engine on a real loop; ``behind`` makes what it writes that old."""

    def __init__(self, behind: timedelta = timedelta(0)) -> None:
        self._behind = behind

    def now(self) -> datetime:
        return datetime.now(UTC) - self._behind  # noqa: TID251 - a real engine on a real loop wants real time

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class Fate:
    """When this process dies: at its so-manieth commit in whatever journal, before or after writing it."""

    def __init__(self, dies_at: int = 0, *, writes_last: bool = True) -> None:
        self.dies_at = dies_at
        self.writes_last = writes_last
        self.commits = 0
        self.died = asyncio.Event()


class MortalJournal:
    """A journal in a process that may die, on a disk that is full for the next ``failures`` commits."""

    def __init__(self, journal: SqliteJournal, fate: Fate) -> None:
        self._journal = journal
        self._fate = fate
        self.failures = 0
        self.under_way = 0
        """Batches of which the engine has not heard yet: they may be written already."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    def commit(self, batch: Batch, done: Callable[[Exception | None], None]) -> None:
        fate = self._fate
        fate.commits += 1
        if fate.died.is_set():
            return
        if self.failures:
            self.failures -= 1
            asyncio.get_running_loop().call_soon(done, JournalUnavailable("the disk is full"))
        elif fate.commits != fate.dies_at:
            self.under_way += 1
            self._journal.commit(batch, lambda error: self._written(error, done))
        elif fate.writes_last:
            self._journal.commit(batch, lambda _error: fate.died.set())
        else:
            fate.died.set()

    def _written(self, error: Exception | None, done: Callable[[Exception | None], None]) -> None:
        self.under_way -= 1
        if not self._fate.died.is_set():
            done(error)


class SilentPeers:
    """The computing relay of a community that knows nothing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def work(self, row: OutboxRow, *, recovered: bool) -> None:
        job: ComputeJob = msgspec.msgpack.decode(row.body, type=ComputeJob)
        if not isinstance(job, ComputeAdvice):
            self._engine.discard(row.outbox_id)
            return
        question = job.question
        advice = Abstention(
            correlation_id=question.correlation_id,
            topic=question.topic,
            subject=question.subject,
            reason="no_evidence",
            sentence="nobody has used one up yet",
            answered_at=question.asked_at + timedelta(seconds=1),
        )
        self._engine.complete(row.outbox_id, job.reply_to, AdviceGiven(advice=advice))


class SmallHub:
    """A hub between two crashes."""

    def __init__(self, engine: Engine, journals: Sequence[SqliteJournal], fate: Fate) -> None:
        self.engine = engine
        self.journal: Any = whole_journal(journals)
        self.fate = fate
        self._journals = journals

    async def until(self, condition: Callable[[], bool], within_s: float = 30.0) -> bool:
        """Wait for a condition; False when the hub died first."""
        async with asyncio.timeout(within_s):
            while not condition():
                if self.fate.died.is_set():
                    return False
                await asyncio.sleep(0.001)
        return True

    async def acknowledged(self, address: str, message: Any, message_id: str = "") -> bool:
        """Hand in a message and say whether it was acknowledged before the hub died."""
        outcomes: list[Taken | NotTaken] = []
        self.engine.submit(address, message, outcomes.append, message_id)
        return await self.until(lambda: bool(outcomes)) and isinstance(outcomes[0], Taken)

    def meter(self, name: str) -> tuple[int, int] | None:
        """Return a bounded counter's value and cap, in whatever shard it is."""
        return next((found for journal in self._journals if (found := journal.meter(name))), None)

    def orders(self) -> list[OrderView]:
        """Return the orders as owners see them."""
        rows = self.journal.records("order")
        return [msgspec.json.decode(row.body, type=OrderView) for row in rows]


@asynccontextmanager
async def small_hub(
    path: Path,
    crm: FakeCrm,
    fate: Fate | None = None,
    *,
    batch_turns: int = 2048,
    shards: int = 1,
    behind: timedelta = timedelta(0),
) -> AsyncIterator[SmallHub]:
    """Open the hub on a data directory; leaving the context is a crash: nothing is drained."""
    clock, fate = RunningClock(behind), fate or Fate()
    with open_shards(path, shards) as journals:
        mortal: Any = [MortalJournal(journal, fate) for journal in journals]
        engine = whole_engine(mortal, clock, EngineSettings(batch_turns=batch_turns, snapshot_every=3))
        engine.add_kind(ThingCore(PROFILES, NoModels(), INSTALLATION))
        engine.add_kind(OwnerCore())
        engine.add_kind(CommunityCore())
        engine.add_kind(DeviceCore(InquirySettings(sellers=("shop",))))
        engine.add_kind(OrderCore(settings(connections={"shop": crm.capabilities})))
        engine.add_kind(ConnectionCore({"shop": ConnectionSettings(can=crm.capabilities, changes_s=1.0)}))
        desk = Desk("shop", crm, engine, clock, Random(1), DESK)
        engine.add_relay(desk_relay("shop"), desk)
        engine.add_relay(COMPUTE_RELAY, SilentPeers(engine))
        async with asyncio.TaskGroup() as group:
            running = group.create_task(desk.run())
            engine.start()
            try:
                yield SmallHub(engine, journals, fate)
            finally:
                fate.died.set()
                running.cancel()
                await engine.stop(within_s=0.0)
