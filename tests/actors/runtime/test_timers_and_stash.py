import asyncio
from random import Random
from typing import Any

import pytest

from actors.runtime import (
    Actor,
    ActorSystem,
    Context,
    DeadLetters,
    DeadReason,
    Kind,
    ReceiveTimeout,
    Supervision,
    SystemSettings,
)
from actors.testing import Probe, expect_dead_letters, virtual_time


def system() -> ActorSystem:
    return ActorSystem(chance=Random(7), settings=SystemSettings(tick_s=0.05))


class Timed(Actor[Any]):
    """Notes what came when, and does what it is told with timers."""

    def __init__(self, log: list[tuple[float, Any]]) -> None:
        self.log = log

    def receive(self, ctx: Context, message: Any) -> Any:
        match message:
            case ("once", name, after_s):
                ctx.start_timer(name, name, after_s=after_s)
            case ("every", name, every_s):
                ctx.start_timer(name, name, after_s=every_s, every_s=every_s)
            case ("cancel", name):
                ctx.cancel_timer(name)
            case "boom":
                raise ValueError(message)
            case _:
                self.log.append((round(asyncio.get_running_loop().time(), 2), message))


def timed(log: list[tuple[float, Any]], **more: Any) -> Kind[Any]:
    return Kind(name="timed", make=lambda _: Timed(log), **more)


@virtual_time
async def test_timers_are_never_early_and_at_most_a_tick_late() -> None:
    log: list[tuple[float, Any]] = []
    async with system() as actors:
        actor = actors.spawn(timed(log))
        for after_s in (1.0, 0.33, 2.51):
            actor.tell(("once", str(after_s), after_s))
        await asyncio.sleep(5)
    assert [name for _at, name in log] == ["0.33", "1.0", "2.51"]
    assert all(float(name) <= at <= float(name) + 0.06 for at, name in log)


@virtual_time
async def test_a_repeating_timer_keeps_its_beat() -> None:
    log: list[tuple[float, Any]] = []
    async with system() as actors:
        actor = actors.spawn(timed(log))
        actor.tell(("every", "beat", 0.12))
        await asyncio.sleep(12.1)
    assert len(log) == 100


@virtual_time
async def test_a_timer_of_the_same_name_replaces_the_former() -> None:
    log: list[tuple[float, Any]] = []
    async with system() as actors:
        actor = actors.spawn(timed(log))
        actor.tell(("once", "x", 1))
        actor.tell(("once", "x", 2))
        await asyncio.sleep(5)
    assert log == [(2.0, "x")]


@virtual_time
async def test_a_cancelled_timer_says_nothing_even_when_its_message_waits() -> None:
    log: list[tuple[float, Any]] = []

    class Busy(Timed):
        async def wait(self) -> None:
            await asyncio.sleep(2)

        def receive(self, ctx: Context, message: Any) -> Any:
            return self.wait() if message == "wait" else super().receive(ctx, message)

    async with system() as actors:
        actor = actors.spawn(Kind(name="busy", make=lambda _: Busy(log)))
        for message in (("once", "x", 1), "wait", ("cancel", "x")):
            actor.tell(message)
        await asyncio.sleep(5)
        assert (log, actors.dead_letters.total) == ([], 0)


@virtual_time
async def test_timers_end_with_the_incarnation() -> None:
    log: list[tuple[float, Any]] = []
    async with system() as actors:
        actor = actors.spawn(timed(log))
        actor.tell(("every", "beat", 1))
        actor.tell("boom")
        await asyncio.sleep(10)
    assert log == []


@virtual_time
async def test_a_receive_timeout_comes_each_time_nothing_came_for_a_while() -> None:
    log: list[tuple[float, Any]] = []
    async with system() as actors:
        actor = actors.spawn(timed(log, receive_timeout_s=2))
        await asyncio.sleep(1.5)
        actor.tell("hello")
        await asyncio.sleep(5)
    timeout = ReceiveTimeout(after_s=2)
    assert [message for _at, message in log] == ["hello", timeout, timeout]
    assert log[1][0] == pytest.approx(3.5, abs=0.1)


@virtual_time
async def test_timers_do_not_count_as_something_that_came() -> None:
    log: list[tuple[float, Any]] = []
    async with system() as actors:
        actor = actors.spawn(timed(log, receive_timeout_s=2))
        actor.tell(("every", "beat", 0.5))
        await asyncio.sleep(2.2)
    assert (2.0, ReceiveTimeout(after_s=2)) in log


class Waiting(Actor[Any]):
    """Puts everything aside until it is opened."""

    def __init__(self, log: list[Any]) -> None:
        self.log = log
        self.open = False

    def receive(self, ctx: Context, message: Any) -> Any:
        if message == "open":
            self.open = True
            ctx.unstash()
        elif message == "boom":
            raise ValueError(message)
        elif not self.open:
            ctx.stash()
        else:
            self.log.append(message)
            return message
        return None


@pytest.mark.parametrize("newer", [1, 100])
@virtual_time
async def test_stashed_messages_come_back_in_order_before_newer_ones(newer: int) -> None:
    log: list[Any] = []
    async with system() as actors:
        waiting = actors.spawn(Kind(name="waiting", make=lambda _: Waiting(log)))
        for message in (1, 2, 3, "open", *range(4, 4 + newer)):
            waiting.tell(message)
        await actors.settled()
    assert log == list(range(1, 4 + newer))


@virtual_time
async def test_a_stashed_question_is_answered_when_it_comes_back() -> None:
    async with system() as actors, asyncio.TaskGroup() as group:
        waiting = actors.spawn(Kind(name="waiting", make=lambda _: Waiting([])))
        inline = group.create_task(waiting.ask("inline"))
        await asyncio.sleep(0.1)
        waiting.tell("queued first")
        queued = group.create_task(waiting.ask("queued"))
        await asyncio.sleep(0.1)
        waiting.tell("open")
        assert (await inline, await queued) == ("inline", "queued")


@virtual_time
async def test_a_full_stash_fails_the_handler_and_the_restart_keeps_the_stash() -> None:
    log: list[Any] = []
    async with system() as actors:
        waiting = actors.spawn(Kind(name="waiting", make=lambda _: Waiting(log), stash_capacity=2))
        with expect_dead_letters(actors, count=1, reason=DeadReason.FAILED, containing=3):
            for message in (1, 2, 3):
                waiting.tell(message)
            await actors.settled()
        waiting.tell("open")
        await actors.settled()
    assert log == [1, 2]


@virtual_time
async def test_a_stop_sends_the_stash_to_dead_letters() -> None:
    async with system() as actors:
        waiting = actors.spawn(Kind(name="waiting", make=lambda _: Waiting([])))
        waiting.tell(1)
        await actors.settled()
        with expect_dead_letters(actors, count=1, reason=DeadReason.STOPPED, containing=1):
            actors.stop_actor(waiting)


@virtual_time
async def test_a_dead_letter_names_recipient_origin_and_failure() -> None:
    class Sender(Actor[Any]):
        def receive(self, ctx: Context, message: Any) -> None:
            message.tell("boom")

    async with system() as actors:
        kind = Kind(name="waiting", make=lambda _: Waiting([]), supervision=Supervision(max_restarts=1))
        actors.spawn(Kind(name="sender", make=lambda _: Sender()), "sender").tell(actors.spawn(kind, "waiting"))
        await actors.settled()
        letter = actors.dead_letters.recent[-1]
        assert (letter.recipient, letter.origin, letter.detail) == ("/waiting", "/sender", "ValueError('boom')")


def test_dead_letters_are_all_counted_and_sampled_by_the_second() -> None:
    now = [0.0]
    letters = DeadLetters(lambda: now[0], samples_per_s=3, keep=4)
    shown: list[Any] = []
    unsubscribe = letters.subscribe(lambda letter: shown.append(letter.message))
    for second in range(2):
        now[0] = float(second)
        for number in range(5):
            letters.put((second, number), recipient="/r", reason=DeadReason.OVERFLOW, origin="outside")
    unsubscribe()
    assert (letters.total, letters.counts) == (10, {DeadReason.OVERFLOW: 10})
    assert shown == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert [letter.message for letter in letters.recent] == shown[2:]


@virtual_time
async def test_figures_count_by_kind_and_forget_who_stopped() -> None:
    async with system() as actors:
        kind = timed([])
        refs = [actors.spawn(kind) for _ in range(3)]
        for ref in refs:
            ref.tell("x")
        await actors.settled()
        actors.stop_actor(refs[0])
        figures = actors.figures().kinds["timed"]
        assert (figures.live, figures.handled, figures.failed) == (2, 3, 0)
        assert Probe(actors, "probe").ref.path == "/probe"
