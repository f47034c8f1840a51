"""Shards on real journals in one process, with actors that count what they hear; the process can die at any commit."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from small_hub import Fate, MortalJournal, RunningClock

from actors.runtime.cells import Outcome, Taken
from actors.runtime.contract import EngineSettings
from actors.runtime.engine import TurnEngine
from actors.runtime.journal import OutboxRow
from actors.runtime.shards import ShardHost
from actors.runtime.turns import Emit, Step, Tell
from hub.storage.sqlite import JournalSettings, open_journal

UNSYNCED = JournalSettings(synchronous="normal")
"""Processes die here, machines do not: it saves the syncs."""


class Spread(Struct, frozen=True, kw_only=True, tag=True):
    """Say these numbers to each of these actors, one after the other."""

    numbers: tuple[int, ...]
    to: tuple[str, ...]
    reply_to: str = ""
    by_relay: bool = False


class Said(Struct, frozen=True, kw_only=True, tag=True):
    """A number, and who is to hear it from an echo."""

    number: int
    reply_to: str = ""


class Heard(Struct, frozen=True, kw_only=True, tag=True):
    """An event."""

    number: int


class Heardings(Struct, frozen=True):
    """All numbers, as often and in the order as they came."""

    numbers: tuple[int, ...] = ()


class Begun(Struct, frozen=True, kw_only=True, tag=True):
    """An event."""


class ListenerCore:
    """Says numbers, and keeps every number that it hears: it knows no duplicates."""

    kind = "listener"
    schema = 1
    state_type = Heardings
    message_type = Spread | Said
    event_type = Heard | Begun

    def initial(self, name: str) -> Heardings:
        return Heardings()

    def records(self, message: Any) -> bool:
        return False

    def fold(self, state: Heardings, message: Any, events: tuple[Any, ...], at: datetime) -> Heardings:
        return Heardings((*state.numbers, *(event.number for event in events if isinstance(event, Heard))))

    def step(self, state: Heardings, message: Any, now: datetime) -> Step[Heardings]:
        if isinstance(message, Said):
            events = (Heard(number=message.number),)
            return Step(self.fold(state, message, events, now), events)
        return Step(state, (Begun(),), tuple(self._said(message)), "begun")

    def _said(self, spread: Spread) -> Any:
        for number in spread.numbers:
            for to in spread.to:
                if spread.by_relay:
                    yield Emit("post", {"to": to, "number": number})
                else:
                    yield Tell(to, Said(number=number, reply_to=spread.reply_to))


class EchoCore(ListenerCore):
    """Sends every number on, and keeps nothing: its turns leave no row behind, so only the gate can know a resend."""

    kind = "echo"

    def step(self, state: Heardings, message: Any, now: datetime) -> Step[Heardings]:
        return Step(state, effects=(Tell(message.reply_to, Said(number=message.number)),))


class Post:
    """A relay whose outcomes go to actors of whatever shard."""

    def __init__(self, host: ShardHost) -> None:
        self._host = host

    def work(self, row: OutboxRow, *, recovered: bool) -> None:
        job = msgspec.msgpack.decode(row.body)
        self._host.complete(row.outbox_id, job["to"], Said(number=job["number"]))


class Yard:
    """All shards between two crashes."""

    def __init__(self, host: ShardHost, shards: list[TurnEngine], journals: list[MortalJournal], fate: Fate) -> None:
        self.host = host
        self.shards = shards
        self.journals = journals
        self.fate = fate

    async def until(self, condition: Callable[[], bool], within_s: float = 30.0) -> bool:
        """Wait for a condition; False when the process died first."""
        async with asyncio.timeout(within_s):
            while not condition():
                if self.fate.died.is_set():
                    return False
                await asyncio.sleep(0.001)
        return True

    async def said(self, address: str, message: Any, message_id: str) -> bool:
        """Hand in a message and say whether it was acknowledged before the process died."""
        outcomes: list[Outcome] = []
        self.host.submit(address, message, outcomes.append, message_id)
        return await self.until(lambda: bool(outcomes)) and isinstance(outcomes[0], Taken)

    def is_quiet(self) -> bool:
        """Say whether nothing is on its way any more, and what was written last is known to those who can be asked."""
        counts = [journal.counts() for journal in self.journals]
        written = not any(count["outbox"] or count["tell"] for count in counts)
        return written and not any(journal.under_way for journal in self.journals)

    def heard(self, address: str) -> tuple[int, ...]:
        """Return what an actor has heard."""
        state: Heardings = self.host.read(address)
        return state.numbers


def shard_in_name(address: str) -> int:
    """Place actors by the number at the end of their names."""
    return int(address.rpartition("-")[2])


@asynccontextmanager
async def shard_yard(
    path: Path, shards: int = 2, fate: Fate | None = None, upcasters: Any = None, **settings: Any
) -> AsyncIterator[Yard]:
    """Open the shards on a data directory; leaving the context is a crash: nothing is drained."""
    fate = fate or Fate()
    with ExitStack() as opened:
        files = [opened.enter_context(open_journal(path / str(shard), UNSYNCED)) for shard in range(shards)]
        journals = [MortalJournal(journal, fate) for journal in files]
        limits = EngineSettings(snapshot_every=3, storage_retry_s=0.005, **settings)
        engines = [TurnEngine(journal, RunningClock(), limits) for journal in journals]
        host = ShardHost(engines, shard_in_name)
        host.add_kind(ListenerCore(), upcasters)
        host.add_kind(EchoCore())
        host.add_relay("post", Post(host))
        host.start()
        try:
            yield Yard(host, engines, journals, fate)
        finally:
            fate.died.set()
            await host.stop(within_s=0.0)
