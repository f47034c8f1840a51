"""Passivation loses nothing: no message, no order, no state, whatever comes when, and whatever fails meanwhile."""

import asyncio
from random import Random
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.runtime import (
    Actor,
    ActorError,
    ActorRef,
    ActorSystem,
    Context,
    DeadLetter,
    DeadReason,
    Directive,
    Kind,
    Overflow,
    Supervision,
    SystemSettings,
)
from actors.testing import run_virtual


class Item(NamedTuple):
    """One message: who sent it, its number, and what it does to its handler."""

    sender: int
    number: int
    does: str


class Schedule(NamedTuple):
    """What comes when, and how long (None: at once) and how often in vain an incarnation loads and keeps its state."""

    plan: list[tuple[int, str, float | None]]
    capacity: int
    overflow: Overflow
    load_s: float | None
    keep_s: float | None
    bad_loads: list[bool]
    bad_keeps: list[bool]


class World:
    """The disk, and everything that happened."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.bad_loads, self.bad_keeps = list(schedule.bad_loads), list(schedule.bad_keeps)
        self.kept: tuple[int, ...] = ()
        self.begun: list[Item] = []
        self.told: list[Item] = []
        self.dead: list[DeadLetter] = []
        self.most_waiting = self.lives = 0
        self.phase = "away"
        self.overlaps: list[str] = []

    def goes(self, before: str, now: str) -> None:
        if self.phase != before:  # raised here it would be one more failure of an actor
            self.overlaps.append(f"{now} while {self.phase}, expected {before}")
        self.phase = now

    def note_waiting(self) -> None:
        gone = len(self.begun) + sum(letter.reason is not DeadReason.FAILED for letter in self.dead)
        self.most_waiting = max(self.most_waiting, len(self.told) - gone)


class Keeper(Actor[Item]):
    """Notes every item in its state, which only its own keeping and loading carry from life to life."""

    def __init__(self, world: World) -> None:
        self.world, self.notes = world, (-1,)

    async def started(self, ctx: Context) -> None:
        self.world.goes("away", "loading")
        try:
            await _take(self.world.schedule.load_s, self.world.bad_loads)
        except OSError:
            self.world.phase = "failed"
            raise
        self.world.goes("loading", "awake")
        self.world.lives += 1
        self.notes = self.world.kept

    def receive(self, ctx: Context, message: Item) -> Any:
        self.world.goes("awake", "at work")
        self.world.begun.append(message)
        self.notes += (message.number,)
        if message.does == "leave":
            ctx.passivate()
        if message.does == "wait":
            return self.linger(message)
        self.world.goes("at work", "awake")
        if message.does == "boom":
            raise ValueError(message)
        return message.number

    async def linger(self, message: Item) -> int:
        await asyncio.sleep(1)
        self.world.goes("at work", "awake")
        return message.number

    async def passivating(self, ctx: Context) -> None:
        self.world.goes("awake", "keeping")
        try:
            await _take(self.world.schedule.keep_s, self.world.bad_keeps)
        except OSError:
            self.world.goes("keeping", "awake")
            raise
        self.world.kept = self.notes
        self.world.goes("keeping", "leaving")

    def stopped(self, ctx: Context) -> None:
        self.world.goes("failed" if self.world.phase == "failed" else "leaving", "away")


async def _take(seconds: float | None, faults: list[bool]) -> None:
    if seconds is not None:
        await asyncio.sleep(seconds)
    if faults and faults.pop():
        raise OSError("no disk")


def resume(_error: Exception) -> Directive:
    return Directive.RESUME


async def play(schedule: Schedule) -> World:
    world = World(schedule)
    kind = Kind(
        name="keeper",
        make=lambda _: Keeper(world),
        capacity=schedule.capacity,
        overflow=schedule.overflow,
        passivate_after_s=2,
        supervision=Supervision(decide=resume, max_restarts=10_000),
    )
    tuned = SystemSettings(message_budget=3, dead_letter_samples_per_s=10_000, drain_s=1000)
    async with ActorSystem(chance=Random(1), settings=tuned) as actors, asyncio.TaskGroup() as askers:
        actors.dead_letters.subscribe(world.dead.append)
        ref = actors.spawn(kind, "keeper")
        for number, (sender, does, pause_s) in enumerate(schedule.plan):
            if pause_s is not None:
                await asyncio.sleep(pause_s)
            if does == "passivate":
                actors.passivate(ref)
                continue
            assert actors.reach(kind, "keeper") is ref
            item = Item(sender, number, does)
            world.told.append(item)
            if sender:
                askers.create_task(_ask(ref, item))
                await asyncio.sleep(0)
            else:
                ref.tell(item)
            world.note_waiting()
        await actors.settled()
        await asyncio.sleep(1000)
    return world


async def _ask(ref: ActorRef[Item], item: Item) -> None:
    try:
        assert await ref.ask(item, timeout_s=1000) == item.number
    except ActorError:
        return


PAUSES = st.sampled_from([None, None, None, None, 0.0, 0.3, 1.9, 2.1, 5.0])
DEEDS = st.sampled_from(["note", "note", "boom", "wait", "leave", "passivate"])
TAKES = st.sampled_from([None, 0.0, 0.4, 3.0])
FAULTS = st.lists(st.booleans(), max_size=12)
SCHEDULES = st.builds(
    Schedule,
    plan=st.lists(st.tuples(st.integers(0, 1), DEEDS, PAUSES), max_size=50),
    capacity=st.integers(1, 40),
    overflow=st.sampled_from(Overflow),
    load_s=TAKES,
    keep_s=TAKES,
    bad_loads=FAULTS,
    bad_keeps=FAULTS,
)


@settings(max_examples=300, deadline=None)
@given(SCHEDULES)
def test_passivation_loses_nothing(schedule: Schedule) -> None:
    world = run_virtual(play(schedule))
    not_begun = [letter.message for letter in world.dead if letter.reason is not DeadReason.FAILED]
    assert sorted(world.begun + not_begun) == sorted(world.told)
    assert {letter.reason for letter in world.dead} <= {DeadReason.FAILED, DeadReason.OVERFLOW, DeadReason.COALESCED}
    assert world.kept == tuple(item.number for item in world.begun), "an incarnation did not find what was kept"
    assert (world.phase, world.overlaps) == ("away", [])


@settings(max_examples=150, deadline=None)
@given(SCHEDULES)
def test_passivation_keeps_order_and_bound(schedule: Schedule) -> None:
    world = run_virtual(play(schedule))
    for sender in range(2):
        numbers = [item.number for item in world.begun if item.sender == sender]
        assert numbers == sorted(numbers)
    assert world.most_waiting <= schedule.capacity


def test_the_schedules_do_passivate() -> None:
    plan = [(0, "note", None), (1, "leave", None), (0, "wait", None), (0, "passivate", 5.0), (0, "note", 5.0)]
    world = run_virtual(play(Schedule(plan, 9, Overflow.REJECT, 0.4, 0.4, [True], [True])))
    assert (world.lives, len(world.begun)) == (2, 4)
    world = run_virtual(play(Schedule(plan, 9, Overflow.REJECT, None, None, [], [])))
    assert (world.lives, len(world.begun)) == (3, 4)
