"""Silent durable actors leave memory and lose nothing by it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec import Struct

from actors.runtime.cells import Outcome, Taken
from actors.runtime.engine import EngineSettings, TurnEngine
from actors.runtime.journal import Batch, JournalUnavailable
from actors.runtime.turns import Step, Tell
from hub.clock import SystemClock
from hub.storage.sqlite import SqliteJournal, open_journal


class Fill(Struct, frozen=True, kw_only=True, tag="fill"):
    litres: int
    pass_on_to: str = ""


class Read(Struct, frozen=True, kw_only=True, tag="read"):
    pass


class TankCore:
    """Adds up litres; may pass the same on to another tank."""

    kind = "tank"
    schema = 1
    state_type = int
    message_type = Fill | Read
    event_type = Fill

    def initial(self, name: str) -> int:
        return 0

    def records(self, message: Any) -> bool:
        return isinstance(message, Fill)

    def fold(self, state: int, message: Any, events: tuple[Any, ...], at: datetime) -> int:
        return state + message.litres if isinstance(message, Fill) else state

    def step(self, state: int, message: Any, now: datetime) -> Step[int]:
        if isinstance(message, Read):
            return Step(state, reply=state)
        told = (Tell(f"tank/{message.pass_on_to}", Fill(litres=message.litres)),) if message.pass_on_to else ()
        return Step(self.fold(state, message, (), now), (), told)


class Moody:
    """A journal whose commits fail now and then."""

    def __init__(self, journal: SqliteJournal, chance: Random) -> None:
        self._journal = journal
        self._chance = chance

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    def commit(self, batch: Batch, done: Callable[[Exception | None], None]) -> None:
        if self._chance.random() < 0.1:
            asyncio.get_running_loop().call_later(0.003, done, JournalUnavailable("planted"))
        else:
            self._journal.commit(batch, done)


@asynccontextmanager
async def tanks(path: Path, seed: int = 0, snapshot_every: int = 48) -> AsyncIterator[TurnEngine]:
    settings = EngineSettings(
        passivate_after_s=0.002, storage_retry_s=0.001, storage_retry_cap_s=0.002, snapshot_every=snapshot_every
    )
    with open_journal(path) as journal:
        engine = TurnEngine(Moody(journal, Random(seed)) if seed else journal, SystemClock(), settings)
        engine.add_kind(TankCore())
        engine.start()
        yield engine
        await engine.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the engine offers no event for it
            await asyncio.sleep(0.001)


async def test_silent_actors_leave_memory_and_come_back_as_they_were(tmp_path: Path) -> None:
    async with tanks(tmp_path) as engine:
        for number in range(5):
            await engine.ask(f"tank/{number}", Fill(litres=number), message_id="b:1")
        await until(lambda: engine.counters()["resident"] == 0)
        assert engine.counters()["passivated"] == 5
        assert [await engine.ask(f"tank/{number}", Read()) for number in range(5)] == [0, 1, 2, 3, 4]


async def test_what_an_actor_consumed_before_it_left_stays_consumed(tmp_path: Path) -> None:
    outcomes: list[Outcome] = []
    async with tanks(tmp_path) as engine:
        await engine.ask("tank/a", Fill(litres=7), message_id="b:1")
        await until(lambda: engine.counters()["resident"] == 0)
        engine.submit("tank/a", Fill(litres=7), outcomes.append, message_id="b:1")
        assert await engine.ask("tank/a", Read()) == 7
        assert outcomes == [Taken(duplicate=True)]


async def test_a_state_that_no_snapshot_can_hold_is_folded_from_its_turns(tmp_path: Path) -> None:
    async with tanks(tmp_path, snapshot_every=1) as engine:
        for number in range(2):
            await engine.ask("tank/a", Fill(litres=2**63), message_id=f"b:{number}")
        await until(lambda: engine.counters()["resident"] == 0)
        assert engine.read("tank/a") == 2**64


@pytest.mark.parametrize("seed", range(1, 5))
async def test_passivation_between_failing_commits_loses_and_doubles_nothing(tmp_path: Path, seed: int) -> None:
    chance, wanted, taken = Random(seed), dict.fromkeys("abcd", 0), list[Outcome]()
    async with tanks(tmp_path, seed) as engine:
        for number in range(60):
            name, other, litres = *chance.sample("abcd", 2), chance.randint(1, 9)
            message = Fill(litres=litres, pass_on_to=other)
            await until(lambda: not engine.storage_down)
            engine.submit(f"tank/{name}", message, taken.append, message_id=f"b:{number}")
            wanted[name] += litres
            wanted[other] += litres
            await asyncio.sleep(chance.choice((0, 0, 0.001, 0.006)))
        await until(lambda: len(taken) == 60 and not engine.counters()["waiting"])
        assert all(isinstance(outcome, Taken) for outcome in taken)
        await until(lambda: engine.counters()["resident"] == 0)
        assert {name: engine.read(f"tank/{name}") for name in wanted} == wanted
        assert engine.counters()["passivated"] > 4
