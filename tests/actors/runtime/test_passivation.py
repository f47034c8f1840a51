"""An actor may give up its incarnation: its address and its mail stay, and mail brings it back."""

import asyncio
from random import Random
from typing import Any

import pytest

from actors.runtime import (
    Actor,
    ActorQuarantined,
    ActorRef,
    ActorStopped,
    ActorSystem,
    AskTimeout,
    Context,
    DeadReason,
    Directive,
    Kind,
    NameTaken,
    Overflow,
    ReceiveTimeout,
    StopReason,
    Supervision,
    Terminated,
)
from actors.testing import Probe, expect_dead_letters, virtual_time


class Disk:
    """What incarnations keep and find, and how that goes."""

    def __init__(self, **takes: Any) -> None:
        self.kept: dict[str, int] = {}
        self.diary: list[str] = []
        self.load_s: float | None = takes.get("load_s")
        self.keep_s: float | None = takes.get("keep_s")
        self.failures: list[Exception] = takes.get("failures", [])


class Tank(Actor[Any]):
    """Adds litres, keeps them at passivation and finds them at activation."""

    def __init__(self, ctx: Context, disk: Disk) -> None:
        self.name, self.disk, self.litres = ctx.name, disk, 0

    def started(self, ctx: Context) -> Any:
        self.disk.diary.append("started")
        return self.load() if self.disk.load_s is not None else self.fill()

    async def load(self) -> None:
        await asyncio.sleep(self.disk.load_s or 0)
        self.fill()

    def fill(self) -> None:
        if self.disk.failures:
            raise self.disk.failures.pop(0)
        self.litres = self.disk.kept.get(self.name, 0)

    def receive(self, ctx: Context, message: Any) -> Any:
        match message:
            case int():
                self.litres += message
            case "leave":
                ctx.passivate()
            case "promise":
                ctx.reply_later()
            case "child":
                ctx.spawn(QUIET, "child")
            case "stash":
                ctx.stash()
            case "again":
                ctx.start_timer("beat", 1, after_s=1, every_s=1)
            case ReceiveTimeout():
                self.disk.diary.append("silence")
            case _:
                raise ValueError(message)
        return self.litres

    def passivating(self, ctx: Context) -> Any:
        self.disk.diary.append("keeps")
        return self.keep() if self.disk.keep_s is not None else self.put()

    async def keep(self) -> None:
        await asyncio.sleep(self.disk.keep_s or 0)
        self.put()

    def put(self) -> None:
        if self.disk.failures:
            raise self.disk.failures.pop(0)
        self.disk.kept[self.name] = self.litres

    def stopped(self, ctx: Context) -> None:
        self.disk.diary.append("stopped")


class Quiet(Actor[Any]):
    def receive(self, ctx: Context, message: Any) -> None:
        """Hear nothing."""


QUIET = Kind(name="quiet", make=lambda _: Quiet())
ONE_LIFE = ["started", "keeps", "stopped"]


def tank(disk: Disk, **settings: Any) -> Kind[Any]:
    return Kind(name="tank", make=lambda ctx: Tank(ctx, disk), **settings)


def system() -> ActorSystem:
    return ActorSystem(chance=Random(1))


async def asleep(actors: ActorSystem, ref: ActorRef[Any]) -> None:
    await actors.settled()
    actors.passivate(ref)
    await actors.settled()


@virtual_time
async def test_an_idle_actor_is_passivated_and_its_next_message_brings_it_back_with_what_it_kept() -> None:
    disk = Disk()
    async with system() as actors:
        ref = actors.spawn(tank(disk, passivate_after_s=60), "t")
        ref.tell(5)
        await asyncio.sleep(59.9)
        assert disk.diary == ["started"]
        await asyncio.sleep(0.2)
        assert disk.diary == ONE_LIFE
        assert ref.alive
        assert actors.find("/t") is ref
        assert await ref.ask(2) == 7
        assert (actors.figures().kinds["tank"].passivated, actors.figures().kinds["tank"].activated) == (1, 1)


@virtual_time
async def test_messages_put_passivation_off_and_timers_and_silence_do_not() -> None:
    disk = Disk()
    async with system() as actors:
        ref = actors.spawn(tank(disk, passivate_after_s=10, receive_timeout_s=4), "t")
        ref.tell("again")
        await asyncio.sleep(9)
        ref.tell(1)
        await asyncio.sleep(9)
        assert disk.diary == ["started", "silence", "silence", "silence", "silence"]
        await asyncio.sleep(2)
        assert disk.diary[-2:] == ["keeps", "stopped"]
        await asyncio.sleep(100)
        assert disk.diary[-1] == "stopped"


@virtual_time
async def test_both_clocks_of_silence_run_again_in_the_next_incarnation() -> None:
    disk = Disk()
    async with system() as actors:
        ref = actors.spawn(tank(disk, passivate_after_s=10, receive_timeout_s=6), "t")
        for _ in range(3):
            await asyncio.sleep(100)
            ref.tell(1)
        await asyncio.sleep(100)
    assert disk.diary == ["started", "silence", "keeps", "stopped"] * 4


@pytest.mark.parametrize("asked_from", ["inside", "outside", "inline"])
@virtual_time
async def test_an_actor_is_passivated_on_request_and_takes_nothing_meanwhile(asked_from: str) -> None:
    disk = Disk(keep_s=5)
    async with system() as actors:
        ref = actors.spawn(tank(disk, capacity=3), "t")
        ref.tell(1)
        await actors.settled()
        match asked_from:
            case "inside":
                ref.tell("leave")
            case "inline":
                await ref.ask("leave")
            case _:
                actors.passivate(ref)
        await asyncio.sleep(1)
        assert [ref.tell(litres) for litres in (2, 3, 4, 5)] == [True, True, True, False]
        assert disk.diary == ["started", "keeps"]
        await asyncio.sleep(5)
        assert disk.diary == [*ONE_LIFE, "started"]
        assert await ref.ask(0) == 10


@virtual_time
async def test_mail_that_waits_when_leave_is_asked_for_waits_for_the_next_incarnation() -> None:
    disk = Disk()
    async with system() as actors:
        ref = actors.spawn(tank(disk), "t")
        for message in (1, "leave", 2, "leave", 4):
            ref.tell(message)
        assert await ref.ask(8) == 15
        assert disk.diary == [*ONE_LIFE, *ONE_LIFE, "started"]


@pytest.mark.parametrize("reason", ["child", "stash", "promise"])
@virtual_time
async def test_an_actor_that_is_needed_stays_awake(reason: str) -> None:
    disk = Disk()
    async with system() as actors:
        ref = actors.spawn(tank(disk, passivate_after_s=5), "t")
        async with asyncio.TaskGroup() as group:
            question = group.create_task(_refused(ref, reason))
            await asyncio.sleep(11)
            ref.tell("leave")
            await actors.settled()
            assert disk.diary == ["started"]
            assert await ref.ask(1) == 1
            actors.stop_actor(ref)
            await question


async def _refused(ref: ActorRef[Any], message: str) -> None:
    if message == "child":
        assert await ref.ask(message) == 0
    else:
        with pytest.raises(ActorStopped):
            await ref.ask(message, timeout_s=100)


@virtual_time
async def test_a_passive_actor_is_one_and_activated_once_however_many_reach_it() -> None:
    disk = Disk(load_s=3)
    kind = tank(disk)
    async with system() as actors:
        refs = [actors.reach(kind, "t") for _ in range(10)]
        assert disk.diary == []
        async with asyncio.TaskGroup() as group:
            answers = [group.create_task(ref.ask(1)) for ref in refs]
        assert sorted(task.result() for task in answers) == list(range(1, 11))
        assert disk.diary == ["started"]
        with pytest.raises(NameTaken, match="'tank'"):
            actors.reach(QUIET, "t")


@virtual_time
async def test_the_mailbox_is_the_stash_of_an_activation_and_keeps_its_bound() -> None:
    disk = Disk(load_s=3)
    async with system() as actors:
        ref = actors.reach(tank(disk, capacity=2, overflow=Overflow.DROP_OLDEST), "t")
        with expect_dead_letters(actors, count=1, reason=DeadReason.OVERFLOW, containing=1):
            assert [ref.tell(litres) for litres in (1, 2, 4)] == [True, True, True]
        await asyncio.sleep(1)
        with expect_dead_letters(actors, count=1, reason=DeadReason.OVERFLOW, containing=2):
            ref.tell(8)
        await actors.settled()
        assert await ref.ask(0) == 12


@pytest.mark.parametrize("load_s", [None, 1.0])
@virtual_time
async def test_an_activation_that_fails_is_supervised_and_the_mail_waits(load_s: float | None) -> None:
    disk = Disk(load_s=load_s, failures=[OSError("no disk"), OSError("no disk")])
    async with system() as actors:
        ref = actors.reach(tank(disk), "t")
        assert await ref.ask(5) == 5
        figures = actors.figures().kinds["tank"]
        assert (figures.failed, figures.restarted, figures.activated) == (2, 2, 1)
        assert actors.dead_letters.total == 0


@virtual_time
async def test_a_maker_that_fails_at_an_activation_is_supervised_too() -> None:
    makers = [OSError("no plan"), OSError("no plan")]

    def make(ctx: Context) -> Actor[Any]:
        if makers:
            raise makers.pop()
        return Tank(ctx, Disk())

    async with system() as actors:
        assert await actors.reach(Kind(name="tank", make=make), "t").ask(5) == 5
        assert actors.figures().kinds["tank"].failed == 2


@virtual_time
async def test_an_activation_that_keeps_failing_ends_in_quarantine_and_answers() -> None:
    disk = Disk(failures=[OSError("no disk")] * 9)
    async with system() as actors:
        ref = actors.reach(tank(disk, supervision=Supervision(max_restarts=2)), "t")
        ref.tell(1)
        with pytest.raises(ActorQuarantined):
            await ref.ask(2)
        assert actors.dead_letters.counts == {DeadReason.QUARANTINED: 2}


@virtual_time
async def test_an_actor_whose_activation_stops_it_leaves_its_name_free() -> None:
    disk = Disk(failures=[OSError("no disk")])
    kind = tank(disk, supervision=Supervision(decide=lambda _error: Directive.STOP))
    async with system() as actors:
        with pytest.raises(ActorStopped):
            await actors.reach(kind, "t").ask(1)
        assert await actors.reach(kind, "t").ask(2) == 2


@pytest.mark.parametrize("keep_s", [None, 1.0])
@virtual_time
async def test_an_actor_that_cannot_keep_what_it_has_stays_awake_and_is_asked_again(keep_s: float | None) -> None:
    disk = Disk(keep_s=keep_s)
    async with system() as actors:
        ref = actors.spawn(tank(disk, passivate_after_s=10), "t")
        ref.tell(5)
        await asyncio.sleep(9)
        disk.failures.append(OSError("disk full"))
        await asyncio.sleep(4)
        assert disk.diary == ["started", "keeps"]
        await asyncio.sleep(15)
        assert disk.diary == ["started", "keeps", "keeps", "stopped"]
        assert await ref.ask(1) == 6


@virtual_time
async def test_a_handler_that_asks_for_leave_and_fails_is_restarted_like_any_other() -> None:
    class Torn(Quiet):
        def receive(self, ctx: Context, message: Any) -> None:
            ctx.passivate()
            raise ValueError(message)

    async with system() as actors:
        ref = actors.spawn(Kind(name="torn", make=lambda _: Torn(), supervision=Supervision(max_restarts=1)))
        with expect_dead_letters(actors, count=2, reason=DeadReason.FAILED):
            ref.tell(1), ref.tell(2)
            await actors.settled()
        assert not ref.alive
        assert actors.figures().kinds["torn"].passivated == 0


@virtual_time
async def test_an_incarnation_that_has_not_started_keeps_nothing_and_stays() -> None:
    disk = Disk()
    disk.kept["t"] = 7
    async with system() as actors:
        ref = actors.spawn(tank(disk), "t")
        actors.passivate(ref)
        await actors.settled()
        assert disk.diary == ["started"]
        assert await ref.ask(0) == 7


@virtual_time
async def test_a_stop_during_the_handshake_ends_the_actor_and_answers_who_waits() -> None:
    disk = Disk(keep_s=5)
    async with system() as actors:
        probe, ref = Probe(actors), actors.spawn(tank(disk), "t")
        probe.watch(ref)
        await actors.settled()
        actors.passivate(ref)
        async with asyncio.TaskGroup() as group:
            group.create_task(_refused(ref, "stash"))
            await asyncio.sleep(1)
            actors.stop_actor(ref)
        await probe.expect(Terminated(ref=ref, reason=StopReason.STOPPED), within_s=10)
    assert disk.diary == ONE_LIFE
    assert disk.kept == {"t": 0}


@virtual_time
async def test_a_passive_actor_can_be_stopped_watched_and_told_of_ends() -> None:
    disk = Disk()
    async with system() as actors:
        probe, ref = Probe(actors), actors.spawn(tank(disk), "t")
        probe.watch(ref)
        await asleep(actors, ref)
        await probe.expect_none(for_s=10)
        actors.stop_actor(ref)
        await probe.expect(Terminated)
        assert actors.find("/t") is None
        assert actors.figures().kinds["tank"].live == 0


@virtual_time
async def test_a_question_to_a_passive_actor_ends_at_its_deadline() -> None:
    disk = Disk(load_s=100)
    async with system() as actors:
        ref = actors.reach(tank(disk), "t")
        with pytest.raises(AskTimeout):
            await ref.ask(1, timeout_s=2)
        await actors.settled()
        assert actors.dead_letters.counts == {DeadReason.EXPIRED: 1}


@virtual_time
async def test_timers_end_with_the_incarnation_that_is_given_up() -> None:
    disk = Disk()
    async with system() as actors:
        ref = actors.spawn(tank(disk), "t")
        ref.tell("again")
        await asleep(actors, ref)
        await asyncio.sleep(100)
        assert disk.diary == ONE_LIFE
        assert await ref.ask(0) == 0


@virtual_time
async def test_an_actor_that_takes_its_leave_starts_no_child() -> None:
    class Leaving(Quiet):
        def passivating(self, ctx: Context) -> None:
            with pytest.raises(ActorStopped, match="passivating"):
                ctx.spawn(QUIET)
            refused.append(ctx.name)

    refused: list[str] = []
    async with system() as actors:
        await asleep(actors, actors.spawn(Kind(name="leaving", make=lambda _: Leaving()), "t"))
        assert refused == ["t"]


@virtual_time
async def test_leaving_the_system_ends_passive_actors_without_waking_them() -> None:
    disk = Disk()
    async with system() as actors:
        actors.reach(tank(disk), "never-woken")
        await asleep(actors, actors.spawn(tank(disk), "t"))
    assert disk.diary == ONE_LIFE


def test_a_clock_of_no_silence_is_refused() -> None:
    with pytest.raises(ValueError, match=r"passivate after 0 s"):
        tank(Disk(), passivate_after_s=0)


@virtual_time
async def test_a_silence_shorter_than_a_tick_is_told_once_a_tick() -> None:
    disk = Disk()
    async with system() as actors:
        actors.spawn(tank(disk, receive_timeout_s=1e-6), "t")
        await asyncio.sleep(0.1)
    assert 5 <= disk.diary.count("silence") <= 11
