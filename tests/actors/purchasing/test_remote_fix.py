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
    RevokeMandate,
    SwitchOff,
    SwitchOn,
    TakeTurn,
    device_address,
    owner_address,
    thing_address,
)
from actors.model.commands import Carried, CommandFailure, CommandOutcome, InvokeAction, NotCarried, TellOrder
from actors.model.ids import CommandId, MandateId, ThingId
from actors.model.mandates import Verdict
from actors.model.orders import OrderState
from actors.model.profiles import ActionSpec
from actors.runtime.cells import Kind
from actors.thing.core import ThingCore

THING = thing_address(PRINTER)
OWNED = owner_address(OWNER)
of_one_and_of_all = pytest.mark.parametrize("switched", [PRINTER, None], ids=["thing", "all"])


def world(**changes: Any) -> World:
    """Return a firm whose printer can be reset, with a jam."""
    it = quiet(**changes)
    it.send(THING, told("b:1", fault="E1"))
    return it


def quiet(**changes: Any) -> World:
    """Return the firm before the jam."""
    jam = replace(PROFILE.faults["jam"], remote_fix="reset", fix_within_s=30.0, fix_settles_s=60.0)
    able = replace(PROFILE, faults={"jam": jam}, actions={"reset": ActionSpec(title="Reset")}, **changes)
    it = World()
    core: Any = it.kinds["thing"].core
    it.kinds["thing"] = Kind(ThingCore({"printer@1": able}, core._models, core._installation))  # noqa: SLF001 - as made
    it.send(OWNED, granted())
    it.send(THING, replace(registration(), communities=()))
    return it


def fix(it: World) -> CommandId:
    (work,) = [work for work in it.other_work if isinstance(work, CarryOut)]
    assert work.command.body == InvokeAction(name="reset")
    return work.command.command_id


def end(it: World, outcome: CommandOutcome) -> None:
    it.send(device_address(PRINTER), CommandReported(command_id=fix(it), outcome=outcome))


def switched_off(switched: ThingId | None = PRINTER) -> World:
    """Return the firm with a jam that came while the printer was switched off."""
    it = quiet()
    it.send(OWNED, SwitchOff(thing_id=switched, by="anna"))
    it.send(THING, told("b:1", fault="E1"))
    return it


def order(it: World) -> Any:
    (view,) = [body for (kind, _), body in it.records.items() if kind == "order"]
    return view


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
    assert (order(it).state, order(it).code) == (OrderState.CANCELLED, "need_gone")


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


@of_one_and_of_all
def test_a_thing_that_is_switched_off_is_told_nothing_and_its_order_is_blocked_with_the_reason(
    switched: ThingId | None,
) -> None:
    it = switched_off(switched)
    verdict = Verdict.THING_OFF if switched else Verdict.ALL_OFF
    assert (it.other_work, is_called(it)) == ([], False)
    assert (order(it).state, order(it).code) == (OrderState.BLOCKED, verdict)
    (why,) = [note.sentence for note in it.notes if note.step == "remote_fix"]
    assert why == "reset is not tried while the thing is switched off"


@of_one_and_of_all
def test_what_was_held_back_is_tried_when_the_thing_is_switched_on_again(switched: ThingId | None) -> None:
    it = switched_off(switched)
    it.advance(7200)
    assert it.other_work == []
    it.send(OWNED, SwitchOn(thing_id=switched, by="anna"))
    end(it, Carried())
    assert not is_called(it)
    it.advance(61)
    assert is_called(it)


def test_a_switch_that_is_turned_back_before_the_order_hears_of_it_costs_no_visit() -> None:
    it = quiet()
    it.tell(OWNED, SwitchOff(thing_id=PRINTER, by="anna"))
    it.ask(THING, told("b:1", fault="E1"))
    it.turn(OWNED)
    (address,) = [address for address in it.mail if address.startswith("order/")]
    it.turn(address)
    it.turn(OWNED)
    it.ask(OWNED, SwitchOn(thing_id=PRINTER, by="anna"))
    it.drain()
    fix(it)
    assert not is_called(it)


def test_a_fault_that_ends_while_the_thing_is_switched_off_costs_nothing_afterwards() -> None:
    it = switched_off()
    it.send(THING, told("b:2", fault=""))
    it.send(OWNED, SwitchOn(thing_id=PRINTER, by="anna"))
    it.advance(7200)
    assert (it.other_work, is_called(it)) == ([], False)
    assert (order(it).state, order(it).code) == (OrderState.CANCELLED, "need_gone")


def test_a_fix_needs_no_mandate_and_is_not_tried_again_when_one_is_granted() -> None:
    it = quiet()
    it.send(OWNED, RevokeMandate(mandate_id=MandateId("m1"), by="anna"))
    it.send(THING, told("b:1", fault="E1"))
    end(it, NotCarried(code=CommandFailure.REJECTED, detail="no"))
    assert (order(it).state, order(it).code) == (OrderState.BLOCKED, Verdict.MANDATE_REVOKED)
    it.send(OWNED, granted())
    fix(it)
    assert is_called(it)


def test_a_need_that_closes_before_the_owner_answers_leaves_nothing_to_do() -> None:
    it = quiet()
    it.ask(THING, told("b:1", fault="E1"))
    (address,) = [address for address in it.mail if address.startswith("order/")]
    it.turn(address)
    it.ask(THING, told("b:2", fault=""))
    it.turn(address)
    it.drain()
    assert (it.other_work, order(it).state) == ([], OrderState.CANCELLED)
    assert it.state(OWNED).blocked == ()


@pytest.mark.parametrize("outcome", [Carried(), NotCarried(code=CommandFailure.REJECTED, detail="no")])
def test_a_thing_switched_off_while_its_fix_is_under_way_calls_nobody(outcome: CommandOutcome) -> None:
    it = world()
    it.send(OWNED, SwitchOff(thing_id=PRINTER, by="anna"))
    end(it, outcome)
    it.advance(91)
    fix(it)
    assert not is_called(it)
    assert (order(it).state, order(it).code) == (OrderState.BLOCKED, Verdict.THING_OFF)


def test_a_fix_that_waits_for_a_thing_switched_off_meanwhile_ends_at_its_deadline() -> None:
    it = world()
    it.send(OWNED, SwitchOff(thing_id=PRINTER, by="anna"))
    (work,) = it.other_work
    assert (work.command.deadline - it.now).total_seconds() == 30
    it.advance(31)
    assert it.state(device_address(PRINTER)).commands == {}
    assert (order(it).state, is_called(it)) == (OrderState.BLOCKED, False)


def test_a_fix_that_was_taken_back_is_tried_once_more_under_another_id_when_the_thing_is_on() -> None:
    it = world()
    first = fix(it)
    it.send(OWNED, SwitchOff(thing_id=PRINTER, by="anna"))
    end(it, NotCarried(code=CommandFailure.RECALLED, detail="taken back"))
    assert (order(it).state, order(it).code, is_called(it)) == (OrderState.BLOCKED, Verdict.THING_OFF, False)
    it.other_work.clear()
    it.send(OWNED, SwitchOn(thing_id=PRINTER, by="anna"))
    assert fix(it) != first
    end(it, Carried())
    it.advance(61)
    assert is_called(it)
