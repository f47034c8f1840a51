"""A command is sent once under its id, and ends acknowledged, with a reason, or at its deadline."""

from datetime import timedelta
from typing import Any

import pytest
from firm import NOW, OWNER, PRINTER
from world import World

from actors.device.commanding import MOST_PENDING
from actors.device.state import MOST_REMEMBERED
from actors.dialogue import CarryOut, CommandReported, CommandThing, device_address
from actors.model.commands import (
    Carried,
    CommandFailure,
    CommandOutcome,
    CommandView,
    InvokeAction,
    NotCarried,
    ThingCommand,
)
from actors.model.ids import CommandId, CorrelationId

ADDRESS = device_address(PRINTER)


def command(command_id: str = "c1", within_s: float = 60.0) -> ThingCommand:
    return ThingCommand(
        command_id=CommandId(command_id),
        thing_id=PRINTER,
        owner_id=OWNER,
        correlation_id=CorrelationId("printer-1.jam.1"),
        body=InvokeAction(name="reset"),
        reason="a remote fix is tried first",
        issued_at=NOW,
        deadline=NOW + timedelta(seconds=within_s),
    )


def send(world: World, sent: ThingCommand | None = None) -> Any:
    return world.send(ADDRESS, CommandThing(command=sent or command()))


def report(world: World, outcome: CommandOutcome, command_id: str = "c1") -> None:
    world.send(ADDRESS, CommandReported(command_id=CommandId(command_id), outcome=outcome))


def shown(world: World, command_id: str = "c1") -> CommandView:
    view: CommandView = world.records["command", f"{PRINTER}/{command_id}"]
    return view


def test_a_command_goes_to_the_relay_once_however_often_it_is_given() -> None:
    world = World()
    replies = [send(world), send(world)]
    assert world.other_work == [CarryOut(command=command())]
    assert [reply.already for reply in replies] == [False, True]


def test_an_acknowledged_command_ends_as_carried_and_is_known_afterwards() -> None:
    world = World()
    send(world)
    report(world, Carried(detail="done"))
    assert shown(world).outcome == Carried(detail="done")
    assert send(world).outcome == Carried(detail="done")
    assert len(world.other_work) == 1


def test_a_command_without_an_answer_ends_late_at_its_deadline() -> None:
    world = World()
    send(world)
    world.advance(59)
    assert shown(world).outcome is None
    world.advance(2)
    outcome = shown(world).outcome
    assert isinstance(outcome, NotCarried)
    assert outcome.code is CommandFailure.LATE


def test_an_answer_after_the_deadline_changes_nothing() -> None:
    world = World()
    send(world)
    world.advance(61)
    before = shown(world)
    report(world, Carried())
    assert shown(world) == before


def test_an_answer_in_time_leaves_no_deadline_behind() -> None:
    world = World()
    send(world)
    report(world, Carried())
    assert not world.reminders


@pytest.mark.parametrize("within_s", [0.0, -5.0])
def test_a_command_that_comes_after_its_deadline_is_never_sent(within_s: float) -> None:
    world = World()
    assert send(world, command(within_s=within_s)).outcome.code is CommandFailure.LATE
    assert not world.other_work


def test_what_is_too_much_for_a_thing_is_refused_with_the_reason() -> None:
    world = World()
    replies = [send(world, command(f"c{number}")) for number in range(MOST_PENDING + 1)]
    assert replies[-1].outcome.code is CommandFailure.TOO_MANY
    assert len(world.other_work) == MOST_PENDING


def test_who_asked_hears_how_it_ended() -> None:
    world = World()
    world.send(ADDRESS, CommandThing(command=command(), reply_to="device/other"))
    world.ask(ADDRESS, CommandReported(command_id=CommandId("c1"), outcome=Carried(detail="done")))
    address, ended = world.told[-1]
    assert (address, ended.command, ended.outcome) == ("device/other", command(), Carried(detail="done"))


def test_only_the_last_commands_are_kept() -> None:
    world = World()
    for number in range(MOST_REMEMBERED + 3):
        send(world, command(f"c{number}"))
        report(world, Carried(), f"c{number}")
    kept = [key for kind, key in world.records if kind == "command"]
    assert len(kept) == MOST_REMEMBERED
    assert f"{PRINTER}/c0" not in kept


def test_the_chain_tells_the_command_and_its_end() -> None:
    world = World()
    send(world)
    report(world, NotCarried(code=CommandFailure.REJECTED, detail="busy printing"))
    told = [(note.step, note.sentence) for note in world.notes]
    assert told == [
        ("command", "printer-1 shall do reset: a remote fix is tried first"),
        ("command_ended", "printer-1 did not acknowledge it (rejected): busy printing"),
    ]
