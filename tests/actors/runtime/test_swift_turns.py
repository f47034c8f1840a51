"""Turns in C and turns in Python leave the same rows, states and answers, whatever is sent in whatever order."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec import Struct

from actors.runtime.cells import Envelope, NotTaken, Taken
from actors.runtime.encoding import encode
from actors.runtime.engine import EngineSettings, TurnEngine
from actors.runtime.journal import Batch, BatchRefused, Loaded, Recovered, TurnRow
from actors.runtime.runs import Run
from actors.runtime.swift import PURE, swift_turns
from actors.runtime.turning import TAKEN
from actors.runtime.turns import Step

pytestmark = pytest.mark.skipif(swift_turns() is None, reason="the parts in C are not compiled or not wanted")

NOW = datetime(2026, 11, 30, tzinfo=UTC)


class Add(Struct, frozen=True, tag=True):
    amount: int


class Sum(Struct, frozen=True):
    total: int = 0


class Adding:
    """Adds quickly what is even, slowly what is odd, and fails at 14 when it is asked quickly, at 13 always."""

    kind = "sum"
    schema = 1
    state_type = Sum
    message_type = Add
    event_type = Add

    def initial(self, name: str) -> Sum:
        return Sum()

    def records(self, message: Any) -> bool:
        return True

    def fold(self, state: Sum, message: Add, events: tuple[Any, ...], at: datetime) -> Sum:
        return Sum(state.total + message.amount)

    def quick(self, state: Sum, message: Add) -> Sum | None:
        if message.amount == 14:
            raise ZeroDivisionError("planted")
        return None if message.amount % 2 else Sum(state.total + message.amount)

    def step(self, state: Sum, message: Add, now: datetime) -> Step[Sum]:
        if message.amount == 13:
            raise ZeroDivisionError("planted")
        return Step(self.fold(state, message, (), now))


class Still:
    """A clock that stands."""

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


class Memory:
    """A journal in memory, which refuses a message that it has, as the index does."""

    def __init__(self) -> None:
        self.rows: list[TurnRow] = []
        self.taken: set[tuple[str, str]] = set()

    def recover(self) -> Recovered:
        return Recovered(next_position=1, next_tell_id=1, next_outbox_id=1, tells=(), reminders=(), outbox=())

    def load(self, address: str) -> Loaded:
        return Loaded(snapshot=None, turns=self.turns(address))

    def turns(self, address: str, *, after: int = 0) -> Sequence[TurnRow]:
        return [row for row in self.rows if row.address == address]

    def has_turn(self, address: str, message_id: str) -> bool:
        return (address, message_id) in self.taken

    def commit(self, batch: Batch, done: Callable[[Exception | None], None]) -> None:
        keys = [(row.address, row.message_id) for row in batch.turns]
        error = BatchRefused("again") if len({*keys}) < len(keys) or self.taken.intersection(keys) else None
        if error is None:
            self.rows += batch.turns
            self.taken.update(keys)
        asyncio.get_running_loop().call_soon(done, error)


_IDS = st.one_of(
    st.builds("{}:{}".format, st.sampled_from(["a", "b", "a:b", "é", "\ud800", ""]), st.integers(0, 9)),
    st.sampled_from(["a:٣", "a:007", "a:", "#1", "x", "a:" + "9" * 18, "a:" + "9" * 19, "9", ":9", "a:-1", "a:1 "]),
)
_SENT = st.lists(st.tuples(st.sampled_from("pqr"), _IDS, st.sampled_from([2, 2, 4, 3, 14]), st.booleans()), max_size=12)


async def outcome(rounds: list[list[tuple[str, str, int, bool]]]) -> tuple[Any, ...]:
    journal = Memory()
    engine = TurnEngine(journal, Still(), EngineSettings(batch_turns=5))  # type: ignore[arg-type] # what it uses
    engine.add_kind(Adding())
    engine.start()
    answers: list[Any] = []
    for sent in rounds:
        for name, message_id, amount, packed in sent:
            message = Add(amount)
            body = encode(message) if packed else None
            engine.deliver(f"sum/{name}", message, message_id, lambda *told: answers.append(told), message_id, body)
        await engine.stop()
        engine._stopping = False  # noqa: SLF001 - it goes on after the pause
    read = [engine.read(f"sum/{name}") for name in "pqr"]
    return journal.rows, answers, read, dict(engine.counters())


@given(st.lists(_SENT, max_size=4))
@hypothesis_settings(max_examples=100, deadline=None)
def test_turns_in_c_and_in_python_are_alike(rounds: list[list[tuple[str, str, int, bool]]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        swiftly = asyncio.run(outcome(rounds))
        patch.setenv(PURE, "1")
        assert swiftly == asyncio.run(outcome(rounds))


def test_an_actor_that_fails_fails_alike() -> None:
    sent = [("p", "a:1", 2, True), ("q", "a:1", 13, True), ("p", "a:2", 13, False), ("q", "a:2", 14, True)]
    with pytest.MonkeyPatch.context() as patch:
        swiftly = asyncio.run(outcome([sent, sent]))
        patch.setenv(PURE, "1")
        assert swiftly == asyncio.run(outcome([sent, sent]))
    assert swiftly[3]["crashes"] > 0


def filled(messages: int) -> tuple[Any, TurnEngine, Any]:
    engine = TurnEngine(Memory(), Still())  # type: ignore[arg-type] # what it uses
    engine.add_kind(Adding())
    cell = engine._cell("sum/p")  # noqa: SLF001 - its turns are taken by hand
    cell.load(engine._journal)  # noqa: SLF001 - likewise
    swift = swift_turns()
    body = encode(Add(2))
    for _ in range(messages):
        swift.post(engine._ready, cell, None, "a:1", None, None, body)  # noqa: SLF001 - likewise
    return swift, engine, cell


def test_a_plain_message_is_taken_in_c() -> None:
    swift, engine, cell = filled(1)
    run = Run(1, NOW)
    assert swift.take(engine._ready, run, 8, 7) == 1  # noqa: SLF001 - as the pump does
    assert (cell.state, cell.turn, cell.top, cell.first, cell.waiting, cell.queued) == (Sum(2), 1, 1, None, 0, False)
    assert [(row.position, row.message_id) for row in run.batch.turns] == [(7, "a:1")]
    assert (run.turns, run.touched, run.former, len(run.processed)) == (1, [cell], [Sum()], 1)


def test_an_actor_with_more_mail_is_left_to_python() -> None:
    swift, engine, cell = filled(2)
    assert swift.take(engine._ready, Run(1, NOW), 8, 1) == 0  # noqa: SLF001 - as the pump does
    assert (cell.waiting, cell.turn, len(engine._ready)) == (2, 0, 1)  # noqa: SLF001 - likewise


def test_strange_arguments_are_refused() -> None:
    swift, engine, _ = filled(1)
    ready, run = engine._ready, Run(1, NOW)  # noqa: SLF001 - as the pump does
    for wrong in ((), (ready, None, 8, 1), (None, run, 8, 1), (ready, run, "8", 1), (["no cell"], run, 2**70, 1)):
        with pytest.raises((TypeError, OverflowError)):
            swift.take(*wrong)
    with pytest.raises(TypeError):
        swift.post(ready, Envelope(None), None, "", None, None, None)
    for wrong in ((), ([None], None, None), ((Envelope(None),), None, None)):
        with pytest.raises(TypeError):
            swift.settle(*wrong)
    with pytest.raises((AttributeError, TypeError)):
        swift.bind(Run, Run, Run, Run, Run, Run)
    assert swift.take(["no cell"], run, 8, 1) == 0


def test_a_module_of_other_sources_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert swift_turns() is not None
    monkeypatch.setattr("actors.runtime._turns.sources", "0" * 64)
    with structlog.testing.capture_logs() as lines:
        assert swift_turns() is None
    assert [line["event"] for line in lines] == ["parts_in_c_outdated"]


def test_a_sender_that_fails_keeps_nobody_from_the_answer() -> None:
    told: list[Any] = []

    def settle(token: Any, outcome: Any) -> None:
        if token == "bad":
            raise ZeroDivisionError(token)
        told.append((token, outcome))

    mails = [Envelope(None, token=token, settle=settle) for token in ("first", "bad", "last")]
    mails[2].outcome = NotTaken("failed", "why")
    failed: list[Any] = []
    swift_turns().settle([Envelope(None), *mails], "taken", lambda *both: failed.append(both))
    assert told == [("first", "taken"), ("last", NotTaken("failed", "why"))]
    ((envelope, error),) = failed
    assert (envelope, str(error), error.__traceback__.tb_frame.f_code.co_name) == (mails[1], "bad", "settle")


def test_an_end_of_the_program_goes_through() -> None:
    def settle(token: Any, outcome: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        swift_turns().settle([Envelope(None, settle=settle)], "taken", print)


def test_an_answer_that_nobody_takes_is_logged_alike() -> None:
    async def answered() -> list[Any]:
        engine = TurnEngine(Memory(), Still())  # type: ignore[arg-type] # what it uses
        engine.add_kind(Adding())
        engine.start()
        answers: list[Any] = []
        engine.deliver("sum/p", Add(2), "a:1", lambda *_: {}["nobody"], None)
        engine.deliver("sum/q", Add(2), "a:1", lambda *told: answers.append(told), "q")
        with structlog.testing.capture_logs() as lines:
            await engine.stop()
        return [answers, [(line["event"], line["actor"], type(line["exc_info"])) for line in lines]]

    with pytest.MonkeyPatch.context() as patch:
        swiftly = asyncio.run(answered())
        patch.setenv(PURE, "1")
        assert swiftly == asyncio.run(answered())
    assert swiftly == [[("q", Taken())], [("answer_not_taken", "sum/p", KeyError)]]


def test_nothing_is_kept_of_a_hundred_thousand_turns() -> None:
    swift, engine, cell = filled(0)
    body, ready = encode(Add(2)), engine._ready  # noqa: SLF001 - as the pump does

    def turns(start: int, count: int) -> None:
        for number in range(start, start + count):
            run = Run(number, NOW)
            swift.post(ready, cell, None, f"a:{number}", None, None, body)
            assert swift.take(ready, run, 8, number) == 1
            run.processed[0].settle = answer if number % 2 else refuse
            swift.settle(run.processed, TAKEN, answer)

    def answer(*_: Any) -> None:
        """Take it."""

    def refuse(*_: Any) -> None:
        raise ZeroDivisionError

    turns(1000, 1000)
    watched = (None, body, cell, cell.kind, cell.address, NOW, TAKEN, answer, refuse)
    before = sys.getallocatedblocks(), [sys.getrefcount(each) for each in watched]
    turns(10_000, 100_000)
    after = sys.getallocatedblocks(), [sys.getrefcount(each) for each in watched]
    assert abs(after[0] - before[0]) < 200
    assert all(abs(now - then) < 50 for now, then in zip(after[1], before[1], strict=True))
