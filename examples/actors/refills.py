"""A durable actor of your own: a tank that orders its refill once, and what it knows outlives the process.

Run it: ``python examples/actors/refills.py``
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from actors.runtime.engine import TurnEngine
from actors.runtime.journal import OutboxRow
from actors.runtime.turns import Emit, Step
from hub.clock import SystemClock
from hub.storage.sqlite import open_journal

LOW_LITRES = 20


class Drained(Struct, frozen=True, kw_only=True, tag="drained"):
    """Some litres left the tank."""

    litres: int


class Refilled(Struct, frozen=True, kw_only=True, tag="refilled"):
    """The supplier came."""

    litres: int


class HowMuch(Struct, frozen=True, kw_only=True, tag="how-much"):
    """A question: how many litres are left."""


class Changed(Struct, frozen=True, kw_only=True, tag="changed"):
    """The level changed by so much."""

    litres: int


class Ordered(Struct, frozen=True, kw_only=True, tag="ordered"):
    """A refill was ordered, and none is until it came."""


class Tank(Struct, frozen=True, kw_only=True):
    """What a tank knows."""

    litres: int = 100
    is_ordering: bool = False


class TankCore:
    """Rules alone: no clock, no chance, no I/O. The journal keeps messages and events; a restart folds them again."""

    kind = "tank"
    schema = 1
    state_type = Tank
    message_type = Drained | Refilled | HowMuch
    event_type = Changed | Ordered

    def initial(self, name: str) -> Tank:  # noqa: ARG002 - all tanks begin alike
        """Return a full tank."""
        return Tank()

    def records(self, message: Any) -> bool:  # noqa: ARG002 - what changes a tank has events
        """Keep no message for its own sake."""
        return False

    def step(self, state: Tank, message: Drained | Refilled | HowMuch, now: datetime) -> Step[Tank]:
        """Decide what a message changes, and what is to be done about it."""
        match message:
            case HowMuch():
                return Step(state, reply=state.litres)
            case Refilled():
                events: tuple[Changed | Ordered, ...] = (Changed(litres=message.litres),)
            case Drained():
                events = (Changed(litres=-message.litres),)
                if state.litres - message.litres < LOW_LITRES and not state.is_ordering:
                    events = (*events, Ordered())
        after = self.fold(state, message, events, now)
        wants = tuple(
            Emit("supplier", {"litres": 100 - after.litres}) for event in events if isinstance(event, Ordered)
        )
        return Step(after, events, wants, reply=after.litres)

    def fold(self, state: Tank, message: Any, events: tuple[Any, ...], at: datetime) -> Tank:  # noqa: ARG002 - of the protocol
        """Return the tank after these events."""
        litres, is_ordering = state.litres, state.is_ordering and not isinstance(message, Refilled)
        for event in events:
            match event:
                case Changed():
                    litres += event.litres
                case Ordered():
                    is_ordering = True
        return Tank(litres=litres, is_ordering=is_ordering)


class Supplier:
    """A relay: gets work after its commit, and gets it again after a crash until its outcome was taken."""

    def __init__(self, engine: TurnEngine, *, answers: bool) -> None:
        self._engine = engine
        self._answers = answers

    def work(self, row: OutboxRow, *, recovered: bool) -> None:
        """Deliver, or be out of reach."""
        print("the supplier is asked", "once more" if recovered else "for the first time")
        if self._answers:
            self._engine.complete(row.outbox_id, row.address, Refilled(litres=90))


@asynccontextmanager
async def life(folder: Path, *, supplier_answers: bool) -> AsyncIterator[TurnEngine]:
    """Run an engine on the journal in ``folder``; its end is a crash: nothing is said goodbye to."""
    with open_journal(folder) as journal:
        engine = TurnEngine(journal, SystemClock())
        engine.add_kind(TankCore())
        engine.add_relay("supplier", Supplier(engine, answers=supplier_answers))
        engine.start()
        yield engine


async def main(folder: Path) -> None:
    """Drain a tank, crash, and go on."""
    async with life(folder, supplier_answers=False) as engine:
        for number in (1, 2, 3):
            left = await engine.ask("tank/7", Drained(litres=30), message_id=f"pump:{number}")
            print("on disk, litres left:", left)
        await engine.ask("tank/7", Drained(litres=30), message_id="pump:3")
        print("told twice, counted once:", await engine.ask("tank/7", HowMuch()))

    async with life(folder, supplier_answers=True) as engine:
        await engine.stop()
        print("after the crash and the refill:", engine.read("tank/7"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(main(Path(name)))
