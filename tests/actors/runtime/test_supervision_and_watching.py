import asyncio
from random import Random
from typing import Any

import pytest

from actors.runtime import (
    Actor,
    ActorFailed,
    ActorQuarantined,
    ActorRef,
    ActorStopped,
    ActorSystem,
    Context,
    DeadReason,
    Directive,
    Kind,
    NameTaken,
    StopReason,
    Supervision,
    SystemFailed,
    Terminated,
)
from actors.testing import Probe, expect_dead_letters, virtual_time


def system() -> ActorSystem:
    return ActorSystem(chance=Random(7))


def directed(directive: Directive, **limits: Any) -> Supervision:
    return Supervision(decide=lambda _error: directive, **limits)


class Diary:
    """What the incarnations of an actor went through."""

    def __init__(self) -> None:
        self.lines: list[Any] = []


class Fragile(Actor[Any]):
    """Counts its messages, breaks at ``boom`` and writes everything down."""

    def __init__(self, diary: Diary) -> None:
        self.diary = diary
        self.count = 0

    def started(self, ctx: Context) -> None:
        self.diary.lines.append("started")

    def stopped(self, ctx: Context) -> None:
        self.diary.lines.append("stopped")

    def receive(self, ctx: Context, message: Any) -> Any:
        if message == "boom":
            raise ValueError("boom")
        self.count += 1
        self.diary.lines.append(message)
        return self.count


def fragile(diary: Diary, supervision: Supervision, **more: Any) -> Kind[Any]:
    return Kind(name="fragile", make=lambda _: Fragile(diary), supervision=supervision, **more)


@virtual_time
async def test_a_restart_keeps_the_mailbox_and_drops_what_it_choked_on() -> None:
    diary = Diary()
    async with system() as actors:
        actor = actors.spawn(fragile(diary, directed(Directive.RESTART)))
        with expect_dead_letters(actors, count=1, reason=DeadReason.FAILED, containing="boom"):
            for message in ("a", "boom", "b", "c"):
                actor.tell(message)
            await actors.settled()
        assert diary.lines == ["started", "a", "stopped", "started", "b", "c"]
        assert await actor.ask("d") == 3


@virtual_time
async def test_resuming_keeps_the_state() -> None:
    diary = Diary()
    async with system() as actors:
        actor = actors.spawn(fragile(diary, directed(Directive.RESUME)))
        for message in ("a", "boom", "b"):
            actor.tell(message)
        assert await actor.ask("c") == 3
        assert diary.lines == ["started", "a", "b", "c"]


@virtual_time
async def test_restarts_back_off_with_a_cap_and_some_chance() -> None:
    delays: list[float] = []
    loop = asyncio.get_running_loop()
    supervision = directed(Directive.RESTART, max_restarts=9, backoff_first_s=1, backoff_cap_s=4, window_s=1000)
    async with system() as actors:
        actor = actors.spawn(fragile(Diary(), supervision))
        for _ in range(5):
            began_s = loop.time()
            actor.tell("boom")
            await actors.settled()
            delays.append(loop.time() - began_s)
    assert [full / 2 <= delay <= full + 0.02 for delay, full in zip(delays, (1, 2, 4, 4, 4), strict=True)] == [True] * 5
    assert delays[3] != delays[4]


@virtual_time
async def test_too_many_restarts_end_in_quarantine_until_pardoned() -> None:
    diary = Diary()
    async with system() as actors:
        probe, actor = Probe(actors), actors.spawn(fragile(diary, directed(Directive.RESTART, max_restarts=2)))
        probe.watch(actor)
        for message in ("boom", "boom", "boom", "never seen"):
            actor.tell(message)
        assert (await probe.expect(Terminated)).reason is StopReason.QUARANTINED
        with pytest.raises(ActorQuarantined):
            await actor.ask("x")
        assert actors.dead_letters.counts == {DeadReason.FAILED: 3, DeadReason.QUARANTINED: 2}
        assert actors.pardon(actor)
        assert await actor.ask("x") == 1
        assert diary.lines.count("started") == diary.lines.count("stopped") + 1 == 4


@virtual_time
async def test_old_failures_do_not_count() -> None:
    async with system() as actors:
        actor = actors.spawn(fragile(Diary(), directed(Directive.RESTART, max_restarts=1, window_s=10)))
        for _ in range(4):
            actor.tell("boom")
            await asyncio.sleep(11)
        assert await actor.ask("x") == 1


@virtual_time
async def test_a_stop_on_failure_tells_the_watchers_why() -> None:
    diary = Diary()
    async with system() as actors:
        probe, actor = Probe(actors), actors.spawn(fragile(diary, directed(Directive.STOP)), "pump")
        probe.watch(actor)
        actor.tell("boom")
        actor.tell("after")
        assert await probe.expect(Terminated) == Terminated(
            ref=actor, reason=StopReason.FAILED, detail="ValueError('boom')"
        )
        assert actors.dead_letters.counts == {DeadReason.FAILED: 1, DeadReason.STOPPED: 1}
        assert diary.lines[-1] == "stopped"
        assert actors.find("/pump") is None


class Parent(Actor[Any]):
    """Has one child of the given kind; knows how often it was made itself."""

    def __init__(self, ctx: Context, child: Kind[Any], made: list[Any]) -> None:
        made.append(self)
        self.child: ActorRef[Any] = ctx.spawn(child, "child")

    def receive(self, ctx: Context, message: Any) -> Any:
        return self.child


@pytest.mark.parametrize(
    ("directive", "parents", "child_lines"),
    [
        (Directive.RESUME, 1, ["started", "a", "b"]),
        (Directive.RESTART, 2, ["started", "a", "stopped", "started"]),
        (Directive.STOP, 1, ["started", "a", "stopped"]),
    ],
)
@virtual_time
async def test_an_escalated_failure_is_judged_by_the_parents_rule(
    directive: Directive, parents: int, child_lines: list[str]
) -> None:
    diary, made = Diary(), list[Any]()
    child = fragile(diary, directed(Directive.ESCALATE))
    async with system() as actors:
        kind = Kind(name="parent", make=lambda ctx: Parent(ctx, child, made), supervision=directed(directive))
        ref = await actors.spawn(kind).ask("child")
        for message in ("a", "boom", "b"):
            ref.tell(message)
        await actors.settled()
        assert (len(made), diary.lines) == (parents, child_lines)


async def test_an_escalation_beyond_the_top_cancels_the_body_and_says_why() -> None:
    async def run() -> None:
        async with system() as actors:
            actors.spawn(fragile(Diary(), directed(Directive.ESCALATE)), "fragile").tell("boom")
            await asyncio.get_running_loop().create_future()

    with pytest.raises(SystemFailed, match="/fragile") as failed:
        await run()
    assert isinstance(failed.value.__cause__, ValueError)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_an_error_of_the_body_comes_out_and_stops_the_actors() -> None:
    diary = Diary()

    async def run() -> None:
        async with system() as actors:
            await actors.spawn(fragile(diary, Supervision())).ask("a")
            raise KeyError("body")

    with pytest.raises(KeyError):
        await run()
    assert diary.lines == ["started", "a", "stopped"]


@virtual_time
async def test_an_actor_that_cannot_start_is_restarted_and_then_quarantined() -> None:
    attempts: list[int] = []

    class Stillborn(Actor[Any]):
        def started(self, ctx: Context) -> None:
            attempts.append(1)
            raise OSError("no link")

        def receive(self, ctx: Context, message: Any) -> None:
            """Never reached."""

    async with system() as actors:
        kind = Kind(name="stillborn", make=lambda _: Stillborn(), supervision=Supervision(max_restarts=3))
        with pytest.raises(ActorQuarantined):
            await actors.spawn(kind).ask("x", timeout_s=60)
        assert len(attempts) == 4
        assert actors.dead_letters.counts == {DeadReason.QUARANTINED: 1}


@virtual_time
async def test_a_maker_that_raises_at_a_restart_is_one_more_failure() -> None:
    made: list[int] = []

    def make(_ctx: Context) -> Actor[Any]:
        made.append(1)
        if len(made) in (2, 3):
            raise OSError("not yet")
        return Fragile(Diary())

    async with system() as actors:
        actor = actors.spawn(Kind(name="late", make=make))
        actor.tell("boom")
        assert await actor.ask("x", timeout_s=60) == 1
        assert len(made) == 4


@virtual_time
async def test_what_a_maker_raises_at_spawn_goes_to_the_spawner_and_frees_the_name() -> None:
    def broken(_ctx: Context) -> Actor[Any]:
        raise OSError("no")

    async with system() as actors:
        with pytest.raises(OSError, match="no"):
            actors.spawn(Kind(name="broken", make=broken), "same")
        actors.spawn(fragile(Diary(), Supervision()), "same")
        with pytest.raises(NameTaken):
            actors.spawn(fragile(Diary(), Supervision()), "same")


@virtual_time
async def test_hooks_may_wait_and_messages_wait_for_them() -> None:
    lines: list[Any] = []

    class Linked(Actor[Any]):
        async def started(self, ctx: Context) -> None:
            await asyncio.sleep(1)
            lines.append("linked")

        async def stopped(self, ctx: Context) -> None:
            await asyncio.sleep(1)
            lines.append("released")

        def receive(self, ctx: Context, message: Any) -> None:
            lines.append(message)
            if message == "boom":
                raise ValueError(message)

    async with system() as actors:
        linked = actors.spawn(Kind(name="linked", make=lambda _: Linked()))
        for message in ("a", "boom", "b"):
            linked.tell(message)
        await actors.settled()
    assert lines == ["linked", "a", "boom", "released", "linked", "b", "released"]


@virtual_time
async def test_a_parent_ends_after_its_children() -> None:
    diary, made = Diary(), list[Any]()

    class Slowly(Actor[Any]):
        async def receive(self, ctx: Context, message: Any) -> None:
            try:
                await asyncio.sleep(100)
            finally:
                await asyncio.sleep(3)
                diary.lines.append("child cleaned up")

    async with system() as actors:
        kind = Kind(name="parent", make=lambda ctx: Parent(ctx, Kind(name="slowly", make=lambda _: Slowly()), made))
        parent, probe = actors.spawn(kind), Probe(actors)
        (await parent.ask("child")).tell("work")
        probe.watch(parent)
        await asyncio.sleep(1)
        actors.stop_actor(parent)
        await probe.expect(Terminated, within_s=5)
        assert diary.lines == ["child cleaned up"]


@virtual_time
async def test_watching_the_dead_tells_at_once_and_only_once() -> None:
    async with system() as actors:
        probe, actor = Probe(actors), actors.spawn(fragile(Diary(), Supervision()))
        actors.stop_actor(actor)
        probe.watch(actor)
        assert (await probe.expect(Terminated)).reason is StopReason.STOPPED
        await probe.expect_none(for_s=5)


@virtual_time
async def test_unwatching_and_dying_watchers_are_not_told() -> None:
    class Fickle(Actor[Any]):
        def receive(self, ctx: Context, message: Any) -> None:
            if isinstance(message, Terminated):
                raise TypeError("not wanted")
            ctx.watch(message)
            ctx.unwatch(message)

    async with system() as actors:
        fickle = actors.spawn(Kind(name="fickle", make=lambda _: Fickle()))
        actor, probe = actors.spawn(fragile(Diary(), Supervision())), Probe(actors)
        fickle.tell(actor)
        probe.watch(actor)
        await actors.settled()
        actors.stop_actor(probe.ref)
        actors.stop_actor(actor)
        await actors.settled()
        assert actors.dead_letters.total == 0
        assert actors.figures().kinds["fickle"].failed == 0


@virtual_time
async def test_stopping_oneself_lets_the_present_handler_finish() -> None:
    lines: list[str] = []

    class Leaving(Actor[Any]):
        async def receive(self, ctx: Context, message: Any) -> Any:
            ctx.stop()
            await asyncio.sleep(1)
            lines.append("finished")
            return "bye"

    async with system() as actors:
        leaving = actors.spawn(Kind(name="leaving", make=lambda _: Leaving()))
        assert await leaving.ask("go") == "bye"
        assert lines == ["finished"]
        with pytest.raises(ActorStopped):
            await leaving.ask("again")


@virtual_time
async def test_a_failing_async_handler_is_supervised_like_any_other() -> None:
    class Breaking(Actor[Any]):
        async def receive(self, ctx: Context, message: Any) -> Any:
            await asyncio.sleep(message)
            raise ValueError(message)

    async with system() as actors:
        breaking = actors.spawn(Kind(name="breaking", make=lambda _: Breaking()))
        for wait_s in (0, 1):
            with pytest.raises(ActorFailed):
                await breaking.ask(wait_s, timeout_s=60)
            await actors.settled()
        figures = actors.figures().kinds["breaking"]
        assert (figures.failed, figures.restarted, figures.live) == (2, 2, 1)


@virtual_time
async def test_a_handler_cancelled_by_nobody_is_a_failure() -> None:
    class Cancelling(Actor[Any]):
        async def receive(self, ctx: Context, message: Any) -> Any:
            gone = asyncio.get_running_loop().create_future()
            gone.cancel()
            await gone

    async with system() as actors:
        with pytest.raises(ActorFailed):
            await actors.spawn(Kind(name="cancelling", make=lambda _: Cancelling())).ask("x")
