"""The turn engine on the real SQLite journal: what is acknowledged is kept, what failed leaves no trace."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from actors.runtime.cells import NotTaken, Outcome, Taken
from actors.runtime.engine import AskFailed, EngineSettings, TurnEngine
from actors.runtime.journal import Batch, JournalUnavailable, OutboxRow, ReminderRow, TellRow
from actors.runtime.turns import Claim, Emit, Meter, Note, Put, Remind, Step, Tell
from hub.storage.sqlite import SqliteJournal, open_journal


class Add(Struct, frozen=True, kw_only=True, tag="add"):
    amount: int
    tell: str = ""
    remind_in_s: float | None = None
    emit: str = ""
    spend: int = 0
    claim: str = ""


class Ask(Struct, frozen=True, kw_only=True, tag="ask"):
    pass


class Break(Struct, frozen=True, kw_only=True, tag="break"):
    pass


class Added(Struct, frozen=True, kw_only=True, tag="added"):
    amount: int


class Sum(Struct, frozen=True, kw_only=True):
    total: int = 0


class SumCore:
    """Adds numbers; wants every kind of effect on request."""

    kind = "sum"
    schema = 1
    state_type = Sum
    message_type = Add | Ask | Break
    event_type = Added

    def initial(self, name: str) -> Sum:
        return Sum()

    def records(self, message: Any) -> bool:
        return False

    def fold(self, state: Sum, message: Any, events: tuple[Any, ...], at: datetime) -> Sum:
        return Sum(total=state.total + sum(event.amount for event in events))

    def step(self, state: Sum, message: Any, now: datetime) -> Step[Sum]:
        match message:
            case Ask():
                return Step(state, reply=state.total)
            case Break():
                raise ZeroDivisionError("planted")
            case _:
                return self._add(state, message, now)

    def _add(self, state: Sum, message: Add, now: datetime) -> Step[Sum]:
        effects: list[Any] = [Put("sum", "all", "", {"total": state.total + message.amount})]
        if message.tell:
            effects.append(Tell(message.tell, Add(amount=message.amount)))
        if message.remind_in_s is not None:
            due = now + timedelta(seconds=message.remind_in_s)
            effects.append(Remind("later", due, Add(amount=100)))
        if message.emit:
            effects.append(Emit(message.emit, {"amount": message.amount}))
        if message.spend:
            effects.append(Meter("budget", message.spend, 10))
        if message.claim:
            effects.append(Claim(message.claim, "me"))
        effects.append(Note("chain", "added", "added a number", {"amount": message.amount}))
        event = Added(amount=message.amount)
        return Step(self.fold(state, message, (event,), now), (event,), tuple(effects), reply="done")


class Wall:
    """The system's clock for these tests, moved on as told."""

    def __init__(self, ahead: timedelta = timedelta(0)) -> None:
        self._ahead = ahead

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead  # noqa: TID251 - a real engine on a real loop wants real time

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class Recorder:
    """A relay that keeps what it is given."""

    def __init__(self) -> None:
        self.rows: list[tuple[OutboxRow, bool]] = []

    def work(self, row: OutboxRow, *, recovered: bool) -> None:
        self.rows.append((row, recovered))


class Beginner(Recorder):
    """A relay that takes new work as what it is."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[tuple[OutboxRow, Any]] = []

    def begin(self, row: OutboxRow, job: Any) -> None:
        self.begun.append((row, job))


class Faulty:
    """A journal whose next commits fail as told."""

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal
        self.failures: list[Exception] = []
        self.unreadable = 0

    def load(self, address: str) -> Any:
        if self.unreadable:
            self.unreadable -= 1
            raise JournalUnavailable("the disk cannot be read")
        return self._journal.load(address)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    def commit(self, batch: Batch, done: Callable[[Exception | None], None]) -> None:
        if self.failures:
            asyncio.get_running_loop().call_soon(done, self.failures.pop(0))
            return
        self._journal.commit(batch, done)


@asynccontextmanager
async def running(
    path: Path, relay: Recorder | None = None, *, ahead: timedelta = timedelta(0), **settings: Any
) -> AsyncIterator[tuple[TurnEngine, Faulty]]:
    with open_journal(path) as journal:
        faulty = Faulty(journal)
        engine = TurnEngine(faulty, Wall(ahead), EngineSettings(storage_retry_s=0.01, **settings))
        engine.add_kind(SumCore())
        engine.add_relay("desk", relay or Recorder())
        engine.start()
        yield engine, faulty
        await engine.stop(within_s=0.2)


async def total(engine: TurnEngine, name: str) -> int:
    return int(await engine.ask(f"sum/{name}", Ask()))


async def until(condition: Callable[[], bool], within_s: float = 30.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - the engine under test offers no event to wait for
            await asyncio.sleep(0.005)


async def test_what_was_acknowledged_is_there_after_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path, snapshot_every=3) as (engine, _):
        for number in range(1, 11):
            await engine.ask("sum/a", Add(amount=number))
    async with running(tmp_path, snapshot_every=3) as (engine, _):
        assert await total(engine, "a") == 55


async def test_a_repeated_message_id_is_answered_and_changes_nothing(tmp_path: Path) -> None:
    outcomes: list[Outcome] = []
    async with running(tmp_path) as (engine, _):
        for _repeat in range(2):
            engine.submit("sum/a", Add(amount=5), outcomes.append, message_id="boot:1")
        assert await total(engine, "a") == 5
        assert outcomes == [Taken(duplicate=False, reply="done"), Taken(duplicate=True)]
    async with running(tmp_path) as (engine, _):
        engine.submit("sum/a", Add(amount=5), outcomes.append, message_id="boot:1")
        assert await total(engine, "a") == 5
        assert outcomes[-1] == Taken(duplicate=True)


async def test_nothing_is_visible_before_the_commit(tmp_path: Path) -> None:
    relay = Recorder()
    outcomes: list[Outcome] = []
    async with running(tmp_path, relay) as (engine, journal):
        engine.read("sum/a")
        journal.failures.append(JournalUnavailable("disk full"))
        engine.submit("sum/a", Add(amount=5, emit="desk"), outcomes.append)
        await until(lambda: engine.storage_down)
        assert (outcomes, relay.rows, engine.read("sum/a").total) == ([], [], 0)
        await until(lambda: bool(outcomes))
        assert (len(relay.rows), engine.read("sum/a").total) == (1, 5)


async def test_a_full_disk_refuses_new_messages_and_loses_none(tmp_path: Path) -> None:
    outcomes: list[Outcome] = []
    async with running(tmp_path) as (engine, journal):
        journal.failures += [JournalUnavailable("disk full")] * 3
        for number in range(5):
            engine.submit("sum/a", Add(amount=1), outcomes.append, message_id=f"b:{number}")
        await until(lambda: engine.storage_down)
        engine.submit("sum/a", Add(amount=1), outcomes.append)
        assert isinstance(outcomes[0], NotTaken)
        assert outcomes[0].code == "storage_down"
        await until(lambda: len(outcomes) == 6)
        assert await total(engine, "a") == 5


async def test_a_message_that_breaks_a_constraint_is_refused_alone(tmp_path: Path) -> None:
    outcomes: dict[str, Outcome] = {}
    async with running(tmp_path) as (engine, _):
        for name, spend in (("a", 6), ("b", 6), ("c", 4)):
            engine.submit(f"sum/{name}", Add(amount=1, spend=spend), lambda o, name=name: outcomes.update({name: o}))
        await until(lambda: len(outcomes) == 3)
        assert isinstance(outcomes["b"], NotTaken)
        assert [await total(engine, name) for name in "abc"] == [1, 0, 1]


async def test_a_name_is_claimed_once(tmp_path: Path) -> None:
    async with running(tmp_path) as (engine, journal):
        await engine.ask("sum/a", Add(amount=1, claim="the-one"))
        with pytest.raises(AskFailed, match="refused"):
            await engine.ask("sum/b", Add(amount=1, claim="the-one"))
        assert await total(engine, "b") == 0
        assert journal.counts()["dead_letter"] == 1


async def test_a_crashing_turn_goes_to_the_dead_letters_and_the_actor_lives_on(tmp_path: Path) -> None:
    async with running(tmp_path) as (engine, journal):
        await engine.ask("sum/a", Add(amount=2))
        with pytest.raises(AskFailed, match="failed"):
            await engine.ask("sum/a", Break())
        assert await total(engine, "a") == 2
        assert "planted" in journal.dead_letters()[0][2]


async def test_an_actor_that_keeps_crashing_is_quarantined(tmp_path: Path) -> None:
    async with running(tmp_path) as (engine, _):
        for _repeat in range(3):
            with pytest.raises(AskFailed, match="failed"):
                await engine.ask("sum/a", Break())
        with pytest.raises(AskFailed, match="quarantined"):
            await engine.ask("sum/a", Add(amount=1))


async def test_a_tell_that_was_not_consumed_survives(tmp_path: Path) -> None:
    async with running(tmp_path, batch_turns=1) as (engine, journal):
        die = lambda _outcome: journal.failures.extend([JournalUnavailable("dead")] * 99)  # noqa: E731 - one call
        engine.submit("sum/a", Add(amount=7, tell="sum/b"), die)
        await until(lambda: engine.storage_down)
        assert journal.counts()["tell"] == 1
    async with running(tmp_path) as (engine, journal):
        assert await total(engine, "b") == 7
        await until(lambda: journal.counts()["tell"] == 0)


async def test_what_nobody_can_read_any_more_stops_no_start_and_is_kept_for_people(tmp_path: Path) -> None:
    rows = [TellRow(tell_id=1, address="sum/a", message=b"\xc1")]
    due = [ReminderRow(address="sum/a", name="old", due=1.0, message=b"\xc1")]
    async with running(tmp_path) as (_, journal):
        written = asyncio.Event()
        journal.commit(Batch(tells_added=rows, reminders_set=due), lambda _error: written.set())
        await written.wait()
    async with running(tmp_path) as (engine, journal):
        await until(lambda: journal.counts()["dead_letter"] == 2)
        assert (journal.counts()["tell"], journal.counts()["reminder"]) == (0, 0)
        await engine.ask("sum/a", Add(amount=2))
        assert await total(engine, "a") == 2


async def test_a_reminder_fires_once_also_after_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as (engine, _):
        await engine.ask("sum/a", Add(amount=1, remind_in_s=3600.0))
    async with running(tmp_path) as (engine, journal):
        assert await total(engine, "a") == 1
    async with running(tmp_path, ahead=timedelta(hours=1, seconds=-0.3)) as (engine, journal):
        await until(lambda: engine.read("sum/a").total == 101)
        await until(lambda: journal.counts()["reminder"] == 0)
    async with running(tmp_path, ahead=timedelta(hours=2)) as (engine, _):
        assert await total(engine, "a") == 101


async def test_work_is_handed_out_again_until_its_outcome_is_consumed(tmp_path: Path) -> None:
    relay = Recorder()
    async with running(tmp_path, relay) as (engine, _):
        await engine.ask("sum/a", Add(amount=1, emit="desk"))
    async with running(tmp_path, relay) as (engine, _):
        (first, fresh), (again, recovered) = relay.rows
        assert (first.outbox_id == again.outbox_id, fresh, recovered) == (True, False, True)
        engine.complete(again.outbox_id, again.address, Add(amount=10))
        assert await total(engine, "a") == 11
    async with running(tmp_path, relay):
        assert len(relay.rows) == 2


async def test_a_relay_that_can_begin_gets_new_work_as_it_was_decided_and_recovered_work_as_bytes(
    tmp_path: Path,
) -> None:
    relay = Beginner()
    async with running(tmp_path, relay) as (engine, _):
        await engine.ask("sum/a", Add(amount=7, emit="desk"))
        await until(lambda: bool(relay.begun))
    async with running(tmp_path, relay):
        await until(lambda: bool(relay.rows))
    ((row, job),) = relay.begun
    assert (job, msgspec.msgpack.decode(row.body)) == ({"amount": 7}, {"amount": 7})
    assert relay.rows == [(row, True)]


async def test_messages_of_one_sender_keep_their_order_through_failed_commits(tmp_path: Path) -> None:
    order: list[int] = []
    async with running(tmp_path, batch_turns=3) as (engine, journal):
        journal.failures += [JournalUnavailable("disk full")]
        for number in range(20):
            done = lambda _outcome, number=number: order.append(number)  # noqa: E731 - binds the number
            engine.submit("sum/a", Add(amount=number), done)
        await until(lambda: len(order) == 20)
        assert order == list(range(20))
        assert [row.position for row in journal.turns("sum/a")] == sorted(
            row.position for row in journal.turns("sum/a")
        )


async def test_the_chain_of_notes_reads_back_in_order(tmp_path: Path) -> None:
    async with running(tmp_path) as (engine, journal):
        for number in range(3):
            await engine.ask("sum/a", Add(amount=number))
        assert [note.body for note in journal.notes("chain")] == [
            b'{"sentence":"added a number","amount":%d}' % number for number in range(3)
        ]


async def test_a_second_process_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path):
        with pytest.raises(Exception, match="another hub runs"), open_journal(tmp_path):
            raise AssertionError("opened twice")


async def test_a_number_that_came_out_of_order_is_still_known_after_a_restart(tmp_path: Path) -> None:
    outcomes: list[Outcome] = []
    async with running(tmp_path, snapshot_every=2) as (engine, _):
        for number in (1, 9, 5):
            engine.submit("sum/a", Add(amount=number), outcomes.append, message_id=f"b:{number}")
            await until(lambda: not engine.counters()["waiting"])
        assert await total(engine, "a") == 15
    async with running(tmp_path, snapshot_every=2) as (engine, journal):
        await total(engine, "a")
        engine.submit("sum/a", Add(amount=9), outcomes.append, message_id="b:9")
        await until(lambda: len(outcomes) == 4)
        assert outcomes[-1] == Taken(duplicate=True)
        assert (await total(engine, "a"), journal.counts()["dead_letter"]) == (15, 0)


async def test_an_outsiders_id_is_never_taken_for_one_of_the_engines_own(tmp_path: Path) -> None:
    outcomes: list[Outcome] = []
    async with running(tmp_path) as (engine, journal):
        await engine.ask("sum/a", Add(amount=1))
        for number in (1, 2, 3, 4):
            engine.submit("sum/a", Add(amount=10), outcomes.append, message_id=f"#{number}")
        await engine.ask("sum/a", Add(amount=1))
        assert await total(engine, "a") == 42
        assert journal.counts()["dead_letter"] == 0


async def test_what_the_store_cannot_hold_is_refused_alone_and_the_writer_goes_on(tmp_path: Path) -> None:
    outcomes: dict[str, Outcome] = {}
    async with running(tmp_path) as (engine, _):
        for name, spend in (("a", 1), ("b", 2**63), ("c", 1)):
            engine.submit(f"sum/{name}", Add(amount=1, spend=spend), lambda o, name=name: outcomes.update({name: o}))
        await until(lambda: len(outcomes) == 3)
        assert isinstance(outcomes["b"], NotTaken)
        assert [await total(engine, name) for name in "abc"] == [1, 0, 1]


async def test_a_message_that_cannot_be_encoded_is_buried_and_the_hub_lives_on(tmp_path: Path) -> None:
    async with running(tmp_path) as (engine, journal):
        with pytest.raises(AskFailed, match="failed"):
            await engine.ask("sum/a", Add(amount=2**70))
        await engine.ask("sum/a", Add(amount=1))
        assert (await total(engine, "a"), journal.counts()["dead_letter"]) == (1, 1)


async def test_looking_at_what_does_not_exist_keeps_nothing_in_memory(tmp_path: Path) -> None:
    async with running(tmp_path) as (engine, _):
        await engine.ask("sum/a", Add(amount=1))
        for number in range(50):
            assert engine.read(f"sum/nobody-{number}").total == 0
        assert (engine.counters()["resident"], engine.read("sum/a").total) == (1, 1)


async def test_a_disk_that_cannot_be_read_blames_no_message(tmp_path: Path) -> None:
    outcomes: list[Outcome] = []
    async with running(tmp_path) as (engine, journal):
        await engine.ask("sum/a", Add(amount=1))
        journal.unreadable = 2
        for name in "abc":
            engine.submit(f"sum/{name}", Add(amount=5, tell="sum/d"), outcomes.append)
        await until(lambda: len(outcomes) == 3)
        assert all(isinstance(outcome, Taken) for outcome in outcomes)
        assert [await total(engine, name) for name in "abcd"] == [6, 5, 5, 15]
        assert journal.counts()["dead_letter"] == 0


async def test_a_disk_that_can_be_read_again_is_trusted_though_nothing_was_to_be_written(tmp_path: Path) -> None:
    async with running(tmp_path) as (engine, journal):
        journal.unreadable = 1
        assert await total(engine, "a") == 0
        assert not engine.storage_down
        assert await engine.ask("sum/a", Add(amount=1)) == "done"


async def test_what_is_urged_goes_first_also_before_what_a_full_disk_put_back(tmp_path: Path) -> None:
    async with running(tmp_path) as (engine, journal):
        order: list[str] = []
        journal.failures += [JournalUnavailable("disk full")] * 2
        engine.submit("sum/a", Add(amount=1), lambda _outcome: order.append("usual"))
        await until(lambda: engine.storage_down)
        engine.submit("sum/a", Add(amount=5), lambda outcome: order.append(getattr(outcome, "code", "")))
        engine.urge(
            "sum/a", Ask(), lambda outcome: order.append(f"urged: {outcome.reply}"), lambda: order.append("stalled")
        )  # type: ignore[union-attr]
        engine.urge(
            "sum/a", Ask(), lambda outcome: order.append(f"second: {outcome.reply}"), lambda: order.append("stalled")
        )  # type: ignore[union-attr]
        assert order == ["storage_down", "stalled", "stalled"]
        await until(lambda: len(order) == 6)
        assert order[3:] == ["urged: 0", "second: 0", "usual"]


async def test_what_is_urged_while_the_disk_is_taken_for_good_is_kept_when_it_is_not(tmp_path: Path) -> None:
    async with running(tmp_path) as (engine, journal):
        order: list[str] = []
        journal.failures += [JournalUnavailable("disk full")]
        engine.urge("sum/a", Add(amount=3), lambda _outcome: order.append("written"), lambda: order.append("stalled"))
        await until(lambda: len(order) == 2)
        assert (order, await total(engine, "a")) == (["stalled", "written"], 3)
