"""A till in three schemas of itself: what its first release journalled, the third one must still read."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec import Struct

from actors.runtime.cells import Kind, Outcome
from actors.runtime.engine import EngineSettings, TurnEngine
from actors.runtime.turns import Remind, StateUpcasters, Step, Upcasters
from hub.storage.sqlite import SqliteJournal, open_journal


class Pay1(Struct, frozen=True, tag="pay"):
    cents: int


class Paid1(Struct, frozen=True, tag="paid"):
    cents: int


class Till1(Struct, frozen=True):
    cents: int = 0


class Pay2(Struct, frozen=True, tag="pay"):
    minor: int


class Paid2(Struct, frozen=True, tag="paid"):
    minor: int


class Till2(Struct, frozen=True):
    minor: int = 0


class Pay3(Struct, frozen=True, tag="pay"):
    minor: int
    currency: str


class Booked3(Struct, frozen=True, tag="booked"):
    minor: int
    currency: str


class Till3(Struct, frozen=True):
    minor: dict[str, int] = {}


class TillCore:
    """Counts what was paid: even amounts as events, odd ones by their message alone. Large ones may be refunded."""

    kind = "till"

    def __init__(self, schema: int) -> None:
        self.schema = schema
        self.message_type: Any = (Pay1, Pay2, Pay3)[schema - 1]
        self.event_type: Any = (Paid1, Paid2, Booked3)[schema - 1]
        self.state_type: Any = (Till1, Till2, Till3)[schema - 1]

    def initial(self, name: str) -> Any:
        return self.state_type()

    def records(self, message: Any) -> bool:
        return True

    def step(self, state: Any, message: Any, now: datetime) -> Step[Any]:
        told = [getattr(message, name) for name in message.__struct_fields__]
        events = () if told[0] % 2 else (self.event_type(*told),)
        refund = (Remind("refund", now + timedelta(days=14), message),) if told[0] >= 1000 else ()
        return Step(self.fold(state, message, events, now), events, refund)

    def fold(self, state: Any, message: Any, events: tuple[Any, ...], at: datetime) -> Any:
        what = events[0] if events else message
        if self.schema == 1:
            return Till1(state.cents + what.cents)
        if self.schema == 2:
            return Till2(state.minor + what.minor)
        return Till3(state.minor | {what.currency: state.minor.get(what.currency, 0) + what.minor})


def renamed(told: dict[str, Any]) -> dict[str, Any]:
    """Cents became minor units."""
    return {name: value for name, value in told.items() if name != "cents"} | {"minor": told["cents"]}


UPCASTERS: Upcasters = {
    (1, "pay"): renamed,
    (1, "paid"): renamed,
    (2, "pay"): lambda told: told | {"currency": "EUR"},
    (2, "paid"): lambda told: told | {"type": "booked", "currency": "EUR"},
}
STATE_UPCASTERS: StateUpcasters = {1: renamed, 2: lambda told: {"minor": {"EUR": told["minor"]}}}


def till(schema: int, *, lifts_states: bool = True) -> Kind:
    """Return the till as a release of this schema knows it."""
    return Kind(TillCore(schema), UPCASTERS, STATE_UPCASTERS if lifts_states else None)


class Shop:
    """One release on a journal: a shop with tills."""

    def __init__(self, engine: TurnEngine, core: TillCore, journal: SqliteJournal) -> None:
        self.engine = engine
        self.journal = journal
        self.core = core

    async def pay(self, *amounts: int, till: str = "a") -> None:
        """Pay amounts at a till, and wait until they are safe."""
        more = ("EUR",) if self.core.schema == 3 else ()
        left = asyncio.Event()
        open_ = len(amounts)

        def done(_outcome: Outcome) -> None:
            nonlocal open_
            open_ -= 1
            if not open_:
                left.set()

        for amount in amounts:
            self.engine.submit(f"till/{till}", self.core.message_type(amount, *more), done)
        async with asyncio.timeout(30):
            await left.wait()

    def state(self, till: str = "a") -> Any:
        """Return a till's state."""
        return self.engine.read(f"till/{till}")


class WallClock:
    """The system's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - a real engine on a real loop wants real time

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


@asynccontextmanager
async def shop(path: Path, schema: int, *, lifts_states: bool = True, snapshot_every: int = 3) -> AsyncIterator[Shop]:
    """Run a release of this schema on a data directory."""
    with open_journal(path) as journal:
        engine = TurnEngine(journal, WallClock(), EngineSettings(snapshot_every=snapshot_every))
        core = TillCore(schema)
        engine.add_kind(core, UPCASTERS, STATE_UPCASTERS if lifts_states else None)
        engine.start()
        yield Shop(engine, core, journal)
        assert await engine.stop()
