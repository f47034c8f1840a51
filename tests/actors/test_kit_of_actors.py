import asyncio
import threading
import time
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from msgspec import Struct

from actors.ports import Clock
from actors.runtime import Actor, ActorSystem, Context, DeadReason, Kind
from actors.runtime.turns import Step
from actors.testing import (
    EPOCH,
    CoreTrial,
    Deadlock,
    FixedClock,
    Probe,
    VirtualClock,
    expect_dead_letters,
    run_virtual,
    virtual_time,
)


def test_virtual_time_jumps_over_waits() -> None:
    began = time.process_time()

    async def a_year() -> float:
        await asyncio.sleep(365 * 86400)
        return asyncio.get_running_loop().time()

    assert run_virtual(a_year()) == pytest.approx(365 * 86400)
    assert time.process_time() - began < 1


def test_waiting_for_what_never_comes_is_found() -> None:
    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Deadlock):
        run_virtual(wait())


@virtual_time
async def test_time_stands_still_while_a_thread_works() -> None:
    release = threading.Event()
    loop = asyncio.get_running_loop()
    timer = loop.call_later(0, release.set)
    async with asyncio.timeout(1000):
        await asyncio.to_thread(release.wait, 10)
    assert loop.time() < 1
    timer.cancel()


@virtual_time
async def test_timers_fire_in_order_of_time() -> None:
    order: list[int] = []
    async with asyncio.TaskGroup() as group:
        for wait_s in (3, 1, 2):
            group.create_task(_note(order, wait_s))
    assert order == [1, 2, 3]


async def _note(order: list[int], wait_s: int) -> None:
    await asyncio.sleep(wait_s)
    order.append(wait_s)


def test_a_fixed_clock_moves_only_when_told() -> None:
    clock = FixedClock()
    port: Clock = clock
    assert (port.now(), port.monotonic()) == (EPOCH, 0.0)
    assert clock.advance(1.5) == EPOCH + timedelta(seconds=1.5)
    assert clock.monotonic() == 1.5
    with pytest.raises(ValueError, match="back"):
        clock.advance(-1)


@virtual_time
async def test_a_virtual_clock_follows_the_loop() -> None:
    clock: Clock = VirtualClock()
    await asyncio.sleep(60)
    assert clock.now() == EPOCH + timedelta(seconds=60)
    assert clock.monotonic() == 60


@virtual_time
async def test_a_probe_fails_on_the_wrong_message_on_none_and_on_too_many() -> None:
    async with ActorSystem(chance=Random(1)) as actors:
        probe = Probe(actors)
        probe.ref.tell("a")
        with pytest.raises(AssertionError, match="expected 'b', got 'a'"):
            await probe.expect("b")
        with pytest.raises(AssertionError, match="nothing within 3"):
            await probe.expect("b")
        probe.ref.tell("c")
        with pytest.raises(AssertionError, match="expected nothing"):
            await probe.expect_none()


@virtual_time
async def test_dead_letters_that_do_not_come_or_come_too_often_fail_the_test() -> None:
    class Deaf(Actor[Any]):
        def receive(self, ctx: Context, message: Any) -> None:
            """Hear nothing."""

    async with ActorSystem(chance=Random(1)) as actors:
        deaf = actors.spawn(Kind(name="deaf", make=lambda _: Deaf()))
        with pytest.raises(AssertionError, match="expected 1"), expect_dead_letters(actors, count=1):
            deaf.tell("x")
        await actors.settled()
        actors.stop_actor(deaf)
        with pytest.raises(AssertionError, match="got 2"), expect_dead_letters(actors, count=1):
            deaf.tell("x"), deaf.tell("y")
        with expect_dead_letters(actors, count=1, reason=DeadReason.STOPPED, containing="z") as found:
            deaf.tell("z")
        assert found[0].recipient == "/$1"


class Noted(Struct, frozen=True, tag="noted"):
    number: float


class Notes(Struct, frozen=True):
    numbers: tuple[float, ...] = ()


class NotesCore:
    """Adds what it is told; ``flaw`` breaks one law."""

    kind, schema = "notes", 1
    state_type, message_type, event_type = Notes, Noted, Noted

    def __init__(self, flaw: str = "") -> None:
        self.flaw = flaw

    def initial(self, name: str) -> Notes:
        return Notes()

    def records(self, message: Any) -> bool:
        return False

    def step(self, state: Notes, message: Noted, now: datetime) -> Step[Notes]:
        after = Notes((*state.numbers, message.number))
        return Step(after, () if self.flaw == "silent" else (message,), reply=len(after.numbers))

    def fold(self, state: Notes, message: Any, events: tuple[Any, ...], at: datetime) -> Notes:
        return Notes(
            tuple(event.number for event in events) if self.flaw == "forgets" else (*state.numbers, message.number)
        )


def test_a_trial_keeps_state_and_replies_of_a_lawful_core() -> None:
    trial = CoreTrial(NotesCore())
    assert [trial.turn(Noted(1)), trial.turn(Noted(2))] == [1, 2]
    assert trial.state == Notes((1, 2))


@pytest.mark.parametrize(
    ("flaw", "number", "complaint"),
    [
        ("silent", 1.0, "nothing is recorded"),
        ("forgets", 1.0, "the fold leads to"),
        ("", float("nan"), "comes back from the journal"),
    ],
)
def test_a_trial_finds_a_core_that_breaks_a_law(flaw: str, number: float, complaint: str) -> None:
    trial = CoreTrial(NotesCore(flaw))
    with pytest.raises(AssertionError, match=complaint):
        trial.turn(Noted(number)), trial.turn(Noted(2))
