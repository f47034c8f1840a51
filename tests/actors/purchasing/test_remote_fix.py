"""A fault that the thing may end itself: it is told to try, and service is called only when that did not help."""

from typing import Any

import pytest
from firm import OWNER, PRINTER, PROFILE, granted, registration, told
from msgspec.structs import replace
from world import World

from actors.dialogue import (
    CarryOut,
    CommandReported,
    PlaceRequest,
    TakeTurn,
    device_address,
    owner_address,
    thing_address,
)
from actors.model.commands import Carried, CommandFailure, CommandOutcome, InvokeAction, NotCarried, TellOrder
from actors.model.ids import CommandId
from actors.model.orders import OrderState
from actors.model.profiles import ActionSpec
from actors.runtime.cells import Kind
from actors.thing.core import ThingCore

THING = thing_address(PRINTER)


def world(**changes: Any) -> World:
    """Return a firm whose printer can be reset, with a jam."""
    jam = replace(PROFILE.faults["jam"], remote_fix="reset", fix_within_s=30.0, fix_settles_s=60.0)
    able = replace(PROFILE, faults={"jam": jam}, actions={"reset": ActionSpec(title="Reset")}, **changes)
    it = World()
    core: Any = it.kinds["thing"].core
    it.kinds["thing"] = Kind(ThingCore({"printer@1": able}, core._models, core._installation))  # noqa: SLF001 - as made
    it.send(owner_address(OWNER), granted())
    it.send(THING, registration())
    it.send(THING, told("b:1", fault="E1"))
    return it


def fix(it: World) -> CommandId:
    (work,) = [work for work in it.other_work if isinstance(work, CarryOut)]
    assert work.command.body == InvokeAction(name="reset")
    return work.command.command_id


def end(it: World, outcome: CommandOutcome) -> None:
    it.send(device_address(PRINTER), CommandReported(command_id=fix(it), outcome=outcome))


def is_called(it: World) -> bool:
    return any(isinstance(job.body, TakeTurn | PlaceRequest) for job in it.jobs)


def test_nobody_is_called_while_the_thing_helps_itself() -> None:
    it = world()
    fix(it)
    assert not is_called(it)


def test_a_fault_that_ends_by_it_costs_nothing() -> None:
    it = world()
    end(it, Carried())
    it.send(THING, told("b:2", fault=""))
    it.advance(3600)
    assert not is_called(it)
    (view,) = [body for (kind, _), body in it.records.items() if kind == "order"]
    assert (view.state, view.code) == (OrderState.CANCELLED, "need_gone")


@pytest.mark.parametrize("code", [CommandFailure.REJECTED, CommandFailure.UNREACHABLE, CommandFailure.UNSUPPORTED])
def test_service_is_called_at_once_where_it_was_not_done(code: CommandFailure) -> None:
    it = world()
    end(it, NotCarried(code=code, detail="no"))
    assert is_called(it)


def test_service_is_called_when_it_did_not_help() -> None:
    it = world()
    end(it, Carried())
    it.advance(59)
    assert not is_called(it)
    it.advance(2)
    assert is_called(it)


def test_service_is_called_when_the_thing_says_nothing() -> None:
    it = world()
    it.advance(91)
    assert is_called(it)


def test_a_thing_that_wants_news_is_told_each_state_of_its_order_once() -> None:
    it = world(order_news=True)
    end(it, Carried())
    it.send(THING, told("b:2", fault=""))
    news = [work.command.body for work in it.other_work if isinstance(work.command.body, TellOrder)]
    assert [body.order.state for body in news] == [OrderState.CANCELLED]
    assert (news[0].order.subject, news[0].order.is_ended) == ("jam", True)
