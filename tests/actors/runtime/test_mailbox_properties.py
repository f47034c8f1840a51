"""What holds for whatever is told, in whatever order, by whoever, to whatever kind of handler."""

import asyncio
from random import Random
from typing import Any, NamedTuple

from hypothesis import example, given, settings
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


class Handler(Actor[Item]):
    """Notes what it begins and ends; some items wait, fail, or are put aside once."""

    def __init__(self, world: "World") -> None:
        self.world = world

    def receive(self, ctx: Context, message: Item) -> Any:
        if message.does == "stash" and message not in self.world.stashed:
            self.world.stashed.add(message)
            ctx.stash()
            return None
        self.world.begun.append(message)
        if message.does == "boom":
            raise ValueError(message)
        ctx.unstash()
        if message.does in ("wait", "quick"):
            return self.linger(message)
        self.world.ended.append(message)
        return message.number

    async def linger(self, message: Item) -> int:
        self.world.at_work += 1
        assert self.world.at_work == 1, "two turns of one actor overlap"
        try:
            if message.does == "wait":
                await asyncio.sleep(1)
        finally:
            self.world.at_work -= 1
        self.world.ended.append(message)
        return message.number


class Forwarder(Actor[Item]):
    def __init__(self, to: ActorRef[Item]) -> None:
        self.to = to

    def receive(self, ctx: Context, message: Item) -> None:
        self.to.tell(message)


class World:
    """A system with one actor under test, and everything that happened to its messages."""

    def __init__(self) -> None:
        self.begun: list[Item] = []
        self.ended: list[Item] = []
        self.told: list[Item] = []
        self.stashed: set[Item] = set()
        self.dead: list[DeadLetter] = []
        self.at_work = 0
        self.most_waiting = 0

    def note_waiting(self) -> None:
        gone = len(self.begun) + sum(1 for letter in self.dead if letter.reason is not DeadReason.FAILED)
        self.most_waiting = max(self.most_waiting, len(self.told) - gone - len(self.stashed - set(self.begun)))


Plan = list[tuple[int, str, float | None]]
"""(sender: 0 outside, 1 and 2 actors, 3 an asker; what the item does; seconds to wait before, None: in one go)."""

PAUSES = st.sampled_from([None, None, None, None, 0.0, 0.3, 5.0])


def plans(*does: str) -> st.SearchStrategy[Plan]:
    return st.lists(st.tuples(st.integers(0, 3), st.sampled_from(does), PAUSES), max_size=60)


async def play(plan: Plan, *, capacity: int, overflow: Overflow, directive: Directive, stop_at: int | None) -> World:
    world = World()
    supervision = Supervision(decide=lambda _error: directive, max_restarts=10_000)
    kind = Kind(
        name="handler",
        make=lambda _: Handler(world),
        capacity=capacity,
        overflow=overflow,
        supervision=supervision,
    )
    tuned = SystemSettings(message_budget=3, dead_letter_samples_per_s=10_000)
    async with ActorSystem(chance=Random(1), settings=tuned) as actors, asyncio.TaskGroup() as askers:
        actors.dead_letters.subscribe(world.dead.append)
        actor = actors.spawn(kind)
        forward = Kind(name="forward", capacity=10_000, make=lambda _: Forwarder(actor))
        senders = [actor, actors.spawn(forward), actors.spawn(forward)]
        for number, (sender, does, pause_s) in enumerate(plan):
            if pause_s is not None:
                await asyncio.sleep(pause_s)
            if number == stop_at:
                actors.stop_actor(actor)
            item = Item(sender, number, does)
            world.told.append(item)
            if sender == 3:
                askers.create_task(_ask(actor, item))
                await asyncio.sleep(0)
            else:
                senders[sender].tell(item)
            world.note_waiting()
        await actors.settled()
    return world


async def _ask(actor: ActorRef[Item], item: Item) -> None:
    try:
        assert await actor.ask(item, timeout_s=1000) == item.number
    except ActorError:
        return


@settings(max_examples=150, deadline=None)
@given(
    plan=plans("note", "boom", "wait", "quick", "stash"),
    capacity=st.integers(1, 40),
    overflow=st.sampled_from(Overflow),
    directive=st.sampled_from([Directive.RESUME, Directive.RESTART, Directive.STOP]),
    stop_at=st.none() | st.integers(0, 60),
)
@example(  # stopped while a handler waits
    plan=[(0, "wait", None), (0, "note", 0.3), (0, "note", None)],
    capacity=9,
    overflow=Overflow.REJECT,
    directive=Directive.RESUME,
    stop_at=2,
)
def test_every_message_is_handled_once_or_a_dead_letter(
    plan: Plan, capacity: int, overflow: Overflow, directive: Directive, stop_at: int | None
) -> None:
    world = run_virtual(play(plan, capacity=capacity, overflow=overflow, directive=directive, stop_at=stop_at))
    not_begun = [
        letter.message for letter in world.dead if letter.reason not in (DeadReason.FAILED, DeadReason.CANCELLED)
    ]
    assert sorted(world.begun + not_begun) == sorted(world.told)
    failed = [letter.message for letter in world.dead if letter.reason is DeadReason.FAILED]
    assert failed == [item for item in world.begun if item.does == "boom"]
    cancelled = [letter.message for letter in world.dead if letter.reason is DeadReason.CANCELLED]
    assert sorted(world.ended + failed + cancelled) == sorted(world.begun)


@settings(max_examples=100, deadline=None)
@given(plan=plans("note", "boom", "wait", "quick"), capacity=st.integers(1, 40), overflow=st.sampled_from(Overflow))
def test_messages_of_one_sender_keep_their_order(plan: Plan, capacity: int, overflow: Overflow) -> None:
    world = run_virtual(play(plan, capacity=capacity, overflow=overflow, directive=Directive.RESTART, stop_at=None))
    for sender in range(4):
        numbers = [item.number for item in world.begun if item.sender == sender]
        assert numbers == sorted(numbers)


@settings(max_examples=100, deadline=None)
@given(plan=plans("note", "boom", "wait", "quick"), capacity=st.integers(1, 40), overflow=st.sampled_from(Overflow))
def test_a_mailbox_never_holds_more_than_its_bound(plan: Plan, capacity: int, overflow: Overflow) -> None:
    direct = [(0 if sender != 3 else 3, does, pause_s) for sender, does, pause_s in plan]
    world = run_virtual(play(direct, capacity=capacity, overflow=overflow, directive=Directive.RESTART, stop_at=None))
    assert world.most_waiting <= capacity


@settings(max_examples=100, deadline=None)
@given(plan=plans("note", "boom", "wait", "quick"))
def test_a_restart_keeps_the_mailbox_and_drops_the_poison_alone(plan: Plan) -> None:
    world = run_virtual(play(plan, capacity=1000, overflow=Overflow.REJECT, directive=Directive.RESTART, stop_at=None))
    assert sorted(world.begun) == sorted(world.told)
    assert [letter.message.does for letter in world.dead] == ["boom"] * len(world.dead)
    assert len(world.dead) == sum(item.does == "boom" for item in world.told)
