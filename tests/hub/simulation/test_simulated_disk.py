"""The journal in memory refuses and keeps what the one in SQLite does."""

import asyncio
from pathlib import Path
from random import Random
from typing import Any

from actors.runtime.journal import Batch, MeterDelta, OutboxRow, RecordRow, ReminderRow, TellRow, TurnRow
from hub.simulation.disk import Disk, DiskJournal
from hub.simulation.scenery import Chronicle
from hub.storage.sqlite import open_journal


def some_batch(chance: Random, number: int) -> Batch:
    """Return a batch that often meets something written before."""

    def some() -> list[int]:
        return [chance.randrange(12)] if chance.random() < 0.4 else []

    return Batch(
        turns=[
            TurnRow(position=number, address=f"thing/{n % 3}", turn=1, schema=1, message_id=f"m{chance.randrange(9)}",
                    at=0.0, message=b"m", events=b"")
            for n in some()
        ],
        tells_added=[TellRow(tell_id=n, address="a/b", message=b"t") for n in some()],
        tells_consumed=some(),
        outbox_added=[OutboxRow(outbox_id=n, relay="r", address="a/b", body=b"o", created_at=0.0) for n in some()],
        outbox_done=some(),
        reminders_set=[ReminderRow(address="a/b", name=f"r{n}", due=1.0, message=b"r") for n in some()],
        reminders_cleared=[("a/b", f"r{n}") for n in some()],
        records=[
            RecordRow(kind=kind, key=f"{n}", owner="o", body=chance.choice((b"x", None)), at=chance.choice((1.5, 2.5)))
            for n in some() for kind in ("k", "order")
        ],
        claims=[(f"c{n % 4}", chance.choice(("h", None))) for n in some()],
        meters=[MeterDelta(name=f"b{n % 2}", delta=chance.choice((-20, 10, 40)), cap=chance.choice((50, 100)))
                for n in some()],
    )  # fmt: skip


async def committed(journal: Any, batch: Batch) -> str:
    done: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    journal.commit(batch, done.set_result)
    return type(await done).__name__


async def test_the_disk_in_memory_decides_as_sqlite_does(tmp_path: Path) -> None:
    chance, disk = Random(5), Disk()
    memory = DiskJournal(disk, Chronicle(asyncio.get_running_loop()), Random(1), slowness_s=0.0)
    batches = [some_batch(chance, number) for number in range(1, 200)]
    with open_journal(tmp_path) as sqlite:
        told = [(await committed(sqlite, batch), await committed(memory, batch)) for batch in batches]
        assert [a for a, _ in told] == [b for _, b in told]
        assert {a for a, _ in told} == {"NoneType", "BatchRefused"}
        assert sqlite.counts() == memory.counts()
        assert sqlite.recover() == memory.recover()
        assert {name: sqlite.meter(name) for name in disk.meters} == disk.meters
        assert list(sqlite.records("k")) == memory.records("k")
        assert list(sqlite.records("k", "o", after="2", limit=3)) == memory.records("k", "o", after="2", limit=3)
        assert sqlite.latest("order", limit=20) == memory.latest("order", limit=20)
        older = {"before": (2.5, "2"), "limit": 4}
        assert sqlite.latest("order", "o", **older) == memory.latest("order", "o", **older)
        assert sqlite.owners("k") == memory.owners("k")
