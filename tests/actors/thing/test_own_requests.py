"""What a thing asks for by itself becomes a need like those that the hub notices, under the same rules."""

from typing import Any

from firm import OWNER, PRINTER, granted, registration, told
from world import World

from actors.dialogue import EndRequest, Reject, RequestNeed, order_address, owner_address, thing_address
from actors.model.ids import OrderKey
from actors.model.machine import DeclineCode, Declined, RequestEnding, RequestTaken, Wanted
from actors.model.mandates import Verdict
from actors.model.needs import NeedKind
from actors.model.orders import OrderState

ADDRESS = thing_address(PRINTER)


def registered() -> World:
    world = World()
    world.send(ADDRESS, registration())
    return world


def ask(world: World, subject: str = "black", **wanted: Any) -> RequestTaken | Declined:
    reply: RequestTaken | Declined = world.send(ADDRESS, RequestNeed(wanted=Wanted(subject=subject, **wanted)))
    return reply


def asked(world: World, subject: str = "black", **wanted: Any) -> OrderKey:
    taken = ask(world, subject, **wanted)
    assert isinstance(taken, RequestTaken)
    return taken.key


def end(world: World, *, met: bool, subject: str = "black") -> Any:
    return world.send(ADDRESS, EndRequest(ending=RequestEnding(subject=subject, met=met)))


def code(reply: Any) -> DeclineCode:
    assert isinstance(reply, Declined)
    return reply.code


def test_each_subject_needs_its_own_ability_of_the_mandate() -> None:
    world = registered()
    keys = {subject: asked(world, subject) for subject in ("black", "drum", "jam")}
    kinds = {subject: world.state(order_address(key)).order.need.kind for subject, key in keys.items()}
    assert kinds == {"black": NeedKind.SUPPLY, "drum": NeedKind.REPLACEMENT, "jam": NeedKind.SERVICE}


def test_without_a_mandate_the_order_is_blocked_with_the_owners_reason() -> None:
    world = registered()
    key = asked(world, "drum")
    order = world.state(order_address(key))
    assert (order.state, order.blocked_by) == (OrderState.BLOCKED, Verdict.NO_MANDATE)
    assert not world.jobs


def test_asking_twice_is_one_order() -> None:
    world = registered()
    first = asked(world)
    again = ask(world)
    assert again == RequestTaken(key=first, subject="black", already=True)


def test_a_need_that_the_hub_noticed_first_is_the_same_order() -> None:
    world = registered()
    world.send(ADDRESS, told("b:1", ink=9.0))
    assert ask(world) == RequestTaken(key=world.state(ADDRESS).needs["black"].key, subject="black", already=True)


def test_a_thing_chooses_among_what_its_profile_allows_and_adds_nothing() -> None:
    world = registered()
    assert code(ask(world, sku="GOLD")) is DeclineCode.UNKNOWN_ITEM
    key = asked(world, sku="INK-2", quantity=3)
    need = world.state(order_address(key)).order.need
    assert ([choice.sku for choice in need.skus], need.quantity) == (["INK-2"], 3)


def test_an_unknown_subject_is_told_with_what_there_is() -> None:
    reply = ask(registered(), "blac")
    assert code(reply) is DeclineCode.UNKNOWN_SUBJECT
    assert isinstance(reply, Declined)
    assert "did you mean 'black'?" in reply.detail


def test_what_is_met_by_the_things_own_word_can_be_asked_for_anew() -> None:
    world = registered()
    first = asked(world, "jam")
    end(world, met=True, subject="jam")
    assert world.state(order_address(first)).state is OrderState.CANCELLED  # nothing had been sent
    second = asked(world, "jam")
    assert second != first


def test_what_nobody_asked_for_cannot_be_ended() -> None:
    assert code(end(registered(), met=True)) is DeclineCode.NOT_OPEN


def test_what_a_person_refused_is_not_asked_for_again() -> None:
    world = registered()
    world.send(owner_address(OWNER), granted(approval_kinds=(NeedKind.SERVICE,)))
    key = asked(world, "jam")
    world.send(order_address(key), Reject(by="anna", reason="not now"))
    assert code(ask(world, "jam")) is DeclineCode.DISMISSED
    assert code(end(world, met=True, subject="jam")) is DeclineCode.NOT_OPEN


def test_the_chain_begins_with_the_things_request() -> None:
    world = registered()
    asked(world, reason="the panel was pressed")
    assert world.notes[0].sentence == "printer-1 asked by itself for black"
    assert world.notes[0].facts["wanted"].reason == "the panel was pressed"
