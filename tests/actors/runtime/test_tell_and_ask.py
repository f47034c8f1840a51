import asyncio
import contextvars
from random import Random
from typing import Any

import pytest

from actors.runtime import (
    Actor,
    ActorError,
    ActorFailed,
    ActorStopped,
    ActorSystem,
    AskTimeout,
    Context,
    DeadReason,
    Kind,
    MailboxFull,
    Overflow,
    SystemSettings,
    SystemStopping,
)
from actors.testing import Probe, expect_dead_letters, virtual_time


def system(**settings: Any) -> ActorSystem:
    return ActorSystem(chance=Random(7), settings=SystemSettings(**settings))


class Tally(Actor[Any]):
    """Keeps what it is told; answers questions about it."""

    def __init__(self, ctx: Context) -> None:
        self.seen: list[Any] = []

    def receive(self, ctx: Context, message: Any) -> Any:
        match message:
            case "seen":
                return tuple(self.seen)
            case "who":
                return ctx.sender
            case "boom":
                raise ValueError("boom")
            case "stop":
                ctx.stop()
            case _:
                self.seen.append(message)
        return None


class Slow(Actor[Any]):
    """Waits as long as it is told, noting begin and end."""

    def __init__(self, ctx: Context) -> None:
        self.log: list[Any] = []

    async def receive(self, ctx: Context, message: Any) -> Any:
        if message == "log":
            return tuple(self.log)
        self.log.append(("begin", message))
        await asyncio.sleep(message)
        self.log.append(("end", message))
        return message


TALLY = Kind(name="tally", make=Tally)
SLOW = Kind(name="slow", make=Slow)


@virtual_time
async def test_messages_are_handled_in_the_order_they_were_told() -> None:
    async with system() as actors:
        tally = actors.spawn(TALLY)
        for number in range(200):
            assert tally.tell(number)
        assert await tally.ask("seen") == tuple(range(200))


@virtual_time
async def test_an_idle_actor_answers_without_a_detour_over_the_loop() -> None:
    async with system() as actors:
        question = actors.spawn(TALLY).ask("seen")
        with pytest.raises(StopIteration) as end:
            question.send(None)
        assert end.value.value == ()


@virtual_time
async def test_a_question_waits_its_turn_behind_earlier_messages() -> None:
    async with system() as actors:
        tally = actors.spawn(TALLY)
        tally.tell("first")
        assert await tally.ask("seen") == ("first",)


@virtual_time
async def test_a_handler_that_waits_takes_one_message_at_a_time() -> None:
    async with system() as actors:
        slow = actors.spawn(SLOW)
        slow.tell(2)
        slow.tell(1)
        expected = (("begin", 2), ("end", 2), ("begin", 1), ("end", 1))
        assert await slow.ask("log", timeout_s=10) == expected


@virtual_time
async def test_actors_that_wait_do_not_hold_up_each_other() -> None:
    loop = asyncio.get_running_loop()
    async with system() as actors:
        for _ in range(20):
            actors.spawn(SLOW).tell(5)
        await actors.settled()
        assert loop.time() == pytest.approx(5, abs=0.1)


@virtual_time
async def test_an_unanswered_question_ends_at_its_deadline_and_not_before() -> None:
    loop = asyncio.get_running_loop()
    async with system() as actors:
        with pytest.raises(AskTimeout, match=r"/\$1"):
            await actors.spawn(SLOW).ask(100, timeout_s=2)
        assert 2 <= loop.time() <= 2.02
        await actors.stop(drain_s=0)


@virtual_time
async def test_a_question_that_nobody_waits_for_any_more_is_not_handled() -> None:
    async with system() as actors:
        slow = actors.spawn(SLOW)
        slow.tell(10)
        with expect_dead_letters(actors, count=1, reason=DeadReason.EXPIRED, containing=3):
            with pytest.raises(AskTimeout):
                await slow.ask(3, timeout_s=1)
            await actors.settled()


@virtual_time
async def test_an_answer_that_comes_too_late_is_a_dead_letter() -> None:
    async with system() as actors:
        slow = actors.spawn(SLOW)
        with expect_dead_letters(actors, count=1, reason=DeadReason.LATE_ANSWER, containing=3):
            with pytest.raises(AskTimeout):
                await slow.ask(3, timeout_s=1)
            await actors.settled()


@pytest.mark.parametrize("busy", [False, True])
@virtual_time
async def test_an_actor_that_fails_answers_with_its_failure(busy: bool) -> None:
    async with system() as actors:
        tally = actors.spawn(TALLY)
        if busy:
            tally.tell("something")
        with pytest.raises(ActorFailed) as failed:
            await tally.ask("boom")
        assert isinstance(failed.value.__cause__, ValueError)


@pytest.mark.parametrize("message", ["x", 5])
@virtual_time
async def test_a_stopped_actor_answers_with_an_error(message: Any) -> None:
    async with system() as actors:
        tally = actors.spawn(TALLY)
        actors.stop_actor(tally)
        with pytest.raises(ActorStopped):
            await tally.ask(message)
        assert not tally.alive


@virtual_time
async def test_stopping_answers_the_questions_that_wait() -> None:
    async with system() as actors, asyncio.TaskGroup() as group:
        slow = actors.spawn(SLOW)
        asks = [group.create_task(_outcome(slow.ask(n, timeout_s=60))) for n in (50, 51)]
        await asyncio.sleep(1)
        actors.stop_actor(slow)
        assert [await ask for ask in asks] == [ActorStopped, ActorStopped]


async def _outcome(question: Any) -> type[ActorError] | None:
    try:
        await question
    except ActorError as error:
        return type(error)
    return None


@virtual_time
async def test_a_cycle_of_questions_ends_by_deadline() -> None:
    class Circular(Actor[Any]):
        async def receive(self, ctx: Context, message: Any) -> Any:
            return await ctx.ref.ask(message, timeout_s=1)

    async with system() as actors:
        with pytest.raises(ActorFailed) as failed:
            await actors.spawn(Kind(name="circular", make=lambda _: Circular())).ask("x", timeout_s=60)
        assert isinstance(failed.value.__cause__, AskTimeout)


@virtual_time
async def test_a_later_reply_answers_after_the_handler_returned() -> None:
    class Later(Actor[Any]):
        def receive(self, ctx: Context, message: Any) -> Any:
            if message == "now":
                self.reply.send("answered")
            else:
                self.reply = ctx.reply_later()

    async with system() as actors, asyncio.TaskGroup() as group:
        later = actors.spawn(Kind(name="later", make=lambda _: Later()))
        answer = group.create_task(later.ask("question"))
        await asyncio.sleep(1)
        later.tell("now")
        assert await answer == "answered"


@virtual_time
async def test_a_stop_answers_for_replies_that_were_promised() -> None:
    class Promising(Actor[Any]):
        def receive(self, ctx: Context, message: Any) -> Any:
            ctx.reply_later()

    async with system() as actors, asyncio.TaskGroup() as group:
        promising = actors.spawn(Kind(name="promising", make=lambda _: Promising()))
        answer = group.create_task(_outcome(promising.ask("question")))
        await asyncio.sleep(1)
        actors.stop_actor(promising)
        assert await answer is ActorStopped


@virtual_time
async def test_timeouts_and_task_groups_work_inside_a_handler() -> None:
    class Grouping(Actor[Any]):
        async def receive(self, ctx: Context, message: Any) -> Any:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(asyncio.sleep(n, n)) for n in (1, 2)]
            try:
                async with asyncio.timeout(1):
                    await asyncio.sleep(50)
            except TimeoutError:
                return [task.result() for task in tasks]

    async with system() as actors:
        grouping = actors.spawn(Kind(name="grouping", make=lambda _: Grouping()))
        for _ in range(3):
            assert await grouping.ask("go", timeout_s=10) == [1, 2]


@virtual_time
async def test_context_variables_do_not_leak_from_one_handler_to_the_next() -> None:
    tone: contextvars.ContextVar[str] = contextvars.ContextVar("tone", default="clean")

    class Leaky(Actor[Any]):
        async def receive(self, ctx: Context, message: Any) -> Any:
            before = tone.get()
            tone.set("dirty")
            if message == "wait":
                await asyncio.sleep(1)
            return before

    async with system() as actors:
        kind = Kind(name="leaky", make=lambda _: Leaky())
        refs = [actors.spawn(kind) for _ in range(3)]
        answers = [await ref.ask(message) for ref in refs for message in ("quick", "wait", "quick")]
        assert answers == ["clean"] * 9
        assert tone.get() == "clean"


@virtual_time
async def test_inline_and_queued_handlers_see_the_same_context() -> None:
    tone: contextvars.ContextVar[str] = contextvars.ContextVar("tone", default="none")

    class Seeing(Actor[Any]):
        def receive(self, ctx: Context, message: Any) -> Any:
            return tone.get()

    async with system() as actors:
        tone.set("asker's")
        seeing = actors.spawn(Kind(name="seeing", make=lambda _: Seeing()))
        inline = await seeing.ask("inline")
        seeing.tell("make it busy")
        assert (inline, await seeing.ask("queued")) == ("none", "none")


@virtual_time
async def test_an_actor_knows_which_actor_told_it() -> None:
    class Relay(Actor[Any]):
        async def receive(self, ctx: Context, message: Any) -> Any:
            await asyncio.sleep(1)
            message.tell(ctx.ref)
            return await message.ask("who")

    async with system() as actors:
        relay = actors.spawn(Kind(name="relay", make=lambda _: Relay()), "relay")
        assert await relay.ask(actors.spawn(TALLY)) is relay
        assert await actors.spawn(TALLY).ask("who") is None


@pytest.mark.parametrize(
    ("overflow", "kept", "told"),
    [
        (Overflow.REJECT, (0, 1, 2), [True, True, True, False, False]),
        (Overflow.DROP_NEWEST, (0, 1, 2), [True] * 5),
        (Overflow.DROP_OLDEST, (2, 3, 4), [True] * 5),
        (Overflow.COALESCE, (2, 3, 4), [True] * 5),
    ],
)
@virtual_time
async def test_a_full_mailbox_does_what_its_policy_says(overflow: Overflow, kept: Any, told: Any) -> None:
    async with system() as actors:
        tally = actors.spawn(Kind(name="tally", make=Tally, capacity=3, overflow=overflow))
        with expect_dead_letters(actors, count=2):
            assert [tally.tell(number) for number in range(5)] == told
        await actors.settled()
        assert await tally.ask("seen") == kept


@virtual_time
async def test_coalescing_keeps_the_latest_of_each_key() -> None:
    async with system() as actors:
        kind = Kind(
            name="tally", make=Tally, capacity=2, overflow=Overflow.COALESCE, coalesce_key=lambda message: message[0]
        )
        tally = actors.spawn(kind)
        accepted = [tally.tell(message) for message in (("a", 1), ("b", 1), ("a", 2), ("c", 1))]
        await actors.settled()
        assert accepted == [True, True, True, False]
        assert await tally.ask("seen") == (("b", 1), ("a", 2))


@virtual_time
async def test_a_question_to_a_full_mailbox_is_refused_and_an_answer_is_not() -> None:
    async with system() as actors:
        slow = actors.spawn(Kind(name="slow", make=Slow, capacity=1))
        slow.tell(5)
        await asyncio.sleep(1)
        slow.tell(1)
        with pytest.raises(MailboxFull):
            await slow.ask(1)
        assert slow.answer(2)
        await actors.settled()
        assert ("end", 2) in await slow.ask("log")


@virtual_time
async def test_an_overflow_drops_no_answer() -> None:
    async with system() as actors:
        tally = actors.spawn(Kind(name="tally", make=Tally, capacity=2, overflow=Overflow.DROP_OLDEST))
        tally.answer("answer")
        for number in range(4):
            tally.tell(number)
        await actors.settled()
        assert await tally.ask("seen") == ("answer", 3)


@virtual_time
async def test_leaving_drains_the_mailboxes_first() -> None:
    seen: list[int] = []

    class Late(Actor[int]):
        async def receive(self, ctx: Context, message: int) -> None:
            await asyncio.sleep(1)
            seen.append(message)

    async with system() as actors:
        late = actors.spawn(Kind(name="late", make=lambda _: Late()))
        for number in range(5):
            late.tell(number)
    assert seen == [0, 1, 2, 3, 4]


@virtual_time
async def test_a_drain_ends_at_its_deadline_and_what_waits_goes_to_dead_letters() -> None:
    loop = asyncio.get_running_loop()
    async with system(drain_s=3) as actors:
        slow = actors.spawn(SLOW)
        slow.tell(100)
        slow.tell(1)
        await asyncio.sleep(1)
    assert loop.time() == pytest.approx(4)
    assert actors.dead_letters.counts == {DeadReason.STOPPED: 1, DeadReason.CANCELLED: 1}


@virtual_time
async def test_a_draining_system_takes_nothing_from_outside() -> None:
    async with system() as actors, asyncio.TaskGroup() as group:
        slow = actors.spawn(SLOW)
        slow.tell(5)
        stop = group.create_task(actors.stop())
        await asyncio.sleep(1)
        assert not slow.tell(1)
        with pytest.raises(SystemStopping):
            await slow.ask(1)
        await stop


@virtual_time
async def test_a_turn_ends_for_others_after_its_message_budget() -> None:
    order: list[str] = []

    class Noting(Actor[Any]):
        def receive(self, ctx: Context, message: Any) -> None:
            order.append(message)

    async with system(message_budget=2) as actors:
        one, other = (actors.spawn(Kind(name="noting", make=lambda _: Noting())) for _ in range(2))
        for _ in range(4):
            one.tell("one")
        other.tell("other")
        await actors.settled()
    assert order == ["one", "one", "other", "one", "one"]


@virtual_time
async def test_an_actor_may_answer_at_once_or_wait_from_the_same_handler() -> None:
    class Mixed(Actor[Any]):
        def receive(self, ctx: Context, message: Any) -> Any:
            return self.slowly() if message == "slow" else "quick"

        async def slowly(self) -> str:
            await asyncio.sleep(1)
            return "slow"

    async with system() as actors:
        mixed = actors.spawn(Kind(name="mixed", make=lambda _: Mixed()))
        assert [await mixed.ask(message) for message in ("slow", "quick")] == ["slow", "quick"]


@virtual_time
async def test_a_probe_expects_fishes_and_expects_none() -> None:
    async with system() as actors:
        probe = Probe(actors)
        for message in (1, "two", 3.0, "four"):
            probe.ref.tell(message)
        assert await probe.expect(1) == 1
        assert await probe.expect(str) == "two"
        assert await probe.fish(lambda message: message == "four") == "four"
        await probe.expect_none(for_s=10)
