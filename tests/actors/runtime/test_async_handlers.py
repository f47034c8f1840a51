"""Handlers that wait live in real tasks: timeouts, task groups, cancellation and context are asyncio's own."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from random import Random
from typing import Any

import pytest

from actors.runtime import Actor, ActorFailed, ActorRef, ActorStopped, ActorSystem, Context, DeadReason, Kind
from actors.testing import expect_dead_letters, virtual_time

Work = Callable[[Context], Coroutine[Any, Any, Any]]
WHO: ContextVar[str] = ContextVar("WHO", default="nobody")


class Worker(Actor[Work]):
    """Does what it is told, as its own handler."""

    async def receive(self, ctx: Context, message: Work) -> Any:
        return await message(ctx)


WORKER = Kind(name="worker", make=lambda _: Worker())


def system() -> ActorSystem:
    return ActorSystem(chance=Random(1))


async def quick(_ctx: Context) -> str:
    return "quick"


@virtual_time
async def test_an_expired_timeout_cancels_nothing_but_its_block() -> None:
    async def patient(_ctx: Context) -> tuple[str, int]:
        try:
            async with asyncio.timeout(1):
                await asyncio.sleep(100)
        except TimeoutError:
            await asyncio.sleep(1)
        task = asyncio.current_task()
        return "went on", -1 if task is None else task.cancelling()

    async with system() as actors:
        refs = [actors.spawn(WORKER) for _ in range(3)]
        for _ in range(2):
            async with asyncio.TaskGroup() as group:
                answers = [group.create_task(ref.ask(patient)) for ref in refs]
            assert [task.result() for task in answers] == [("went on", 0)] * 3
        assert await refs[0].ask(quick) == "quick"


@virtual_time
async def test_a_failing_task_group_is_one_failure_of_its_handler() -> None:
    ended: list[str] = []

    async def fail() -> None:
        await asyncio.sleep(1)
        raise OSError("broken")

    async def linger() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            ended.append("sibling")

    async def both(_ctx: Context) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(linger())
            group.create_task(fail())

    async with system() as actors:
        ref = actors.spawn(WORKER)
        with pytest.raises(ActorFailed) as raised:
            await ref.ask(both)
        assert isinstance(raised.value.__cause__, ExceptionGroup)
        assert ended == ["sibling"]
        assert await ref.ask(quick) == "quick"


@virtual_time
async def test_a_stop_cancels_the_handler_which_cleans_up_before_the_actor_is_gone() -> None:
    diary: list[str] = []

    class Tidy(Worker):
        def stopped(self, ctx: Context) -> None:
            diary.append("stopped")

    async def untidy(_ctx: Context) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(2)
            diary.append("cleaned")

    async with system() as actors:
        ref = actors.spawn(Kind(name="tidy", make=lambda _: Tidy()))
        with expect_dead_letters(actors, count=1, reason=DeadReason.CANCELLED):
            async with asyncio.TaskGroup() as group:
                group.create_task(_refused(ref, untidy))
                await asyncio.sleep(1)
                actors.stop_actor(ref)
            await actors.settled()
    assert diary == ["cleaned", "stopped"]


async def _refused(ref: ActorRef[Work], work: Work) -> None:
    with pytest.raises(ActorStopped):
        await ref.ask(work, timeout_s=1000)


@virtual_time
async def test_an_asker_that_is_cancelled_leaves_the_handler_alone() -> None:
    ended: list[str] = []

    async def work(_ctx: Context) -> None:
        await asyncio.sleep(10)
        ended.append("to its end")

    async with system() as actors:
        ref = actors.spawn(WORKER)
        with expect_dead_letters(actors, count=0, reason=DeadReason.FAILED):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await ref.ask(work, timeout_s=100)
            await actors.settled()
    assert ended == ["to its end"]


@virtual_time
async def test_context_variables_stay_with_their_handler_over_every_wait() -> None:
    async def claim(ctx: Context) -> tuple[str, str, str]:
        before = WHO.get()
        WHO.set(ctx.name)
        await asyncio.sleep(0)
        return before, WHO.get(), await _seen_by_a_task()

    async with system() as actors:
        refs = [actors.spawn(WORKER, name) for name in ("a", "b", "c")]
        for _ in range(2):
            async with asyncio.TaskGroup() as group:
                answers = [group.create_task(ref.ask(claim)) for ref in refs]
            assert [task.result() for task in answers] == [("nobody", name, name) for name in "abc"]
    assert WHO.get() == "nobody"


async def _seen_by_a_task() -> str:
    async def look() -> str:
        await asyncio.sleep(1)
        return WHO.get()

    async with asyncio.TaskGroup() as group:
        return await group.create_task(look())


@virtual_time
async def test_a_drain_waits_for_handlers_and_then_for_no_longer_than_its_deadline() -> None:
    ended: list[str] = []

    async def work(_ctx: Context) -> None:
        await asyncio.sleep(3)
        ended.append("worked")

    async def hang(_ctx: Context) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append("cancelled")

    async with system() as actors:
        actors.spawn(WORKER).tell(work)
        actors.spawn(WORKER).tell(hang)
        began_s = asyncio.get_running_loop().time()
        await actors.stop(drain_s=5)
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(5)
    assert ended == ["worked", "cancelled"]
