"""A thing has one order a subject: the next episode opens when the last one's order has ended."""

from firm import INSTALLATION, NOW, PROFILES, registration, told
from msgspec.structs import replace

from actors.dialogue import OrderProgressed
from actors.dialogue.placement import slot_of
from actors.model.orders import OrderState
from actors.runtime.turns import Claim, Release, Step
from actors.thing.asking import NoModels
from actors.thing.core import ThingCore
from actors.thing.state import ThingState

CORE = ThingCore(PROFILES, NoModels(), INSTALLATION)


def play(*messages: object) -> Step[ThingState]:
    step = Step(CORE.initial("printer-1"))
    for message in messages:
        step = CORE.step(step.state, message, NOW)  # type: ignore[arg-type]
    return step


LIVES = (registration(), told("b:1", ink=60.0), told("b:2", ink=9.0), told("b:3", ink=100.0), told("b:4", ink=8.0))


def test_a_refilled_thing_waits_for_the_end_of_its_last_order() -> None:
    need = play(*LIVES).state.needs["black"]
    assert (need.episode, need.is_open) == (1, False)


def test_the_next_reading_opens_the_need_that_waited() -> None:
    key = play(*LIVES).state.needs["black"].key
    assert key is not None
    over = OrderProgressed(key=key, subject="black", state=OrderState.FULFILLED, sentence="refilled")
    need = play(*LIVES, over, told("b:5", ink=7.0)).state.needs["black"]
    assert (need.episode, need.is_open) == (2, True)
    assert need.key != key


def names(step: Step[ThingState]) -> list[object]:
    return [effect for effect in step.effects if isinstance(effect, Claim | Release)]


def ended(state: OrderState) -> OrderProgressed:
    key = play(*LIVES).state.needs["black"].key
    assert key is not None
    return OrderProgressed(key=key, subject="black", state=state, sentence="so")


def test_the_name_of_the_one_open_order_is_held_from_the_need_to_the_end_of_its_order() -> None:
    key = play(*LIVES).state.needs["black"].key
    assert names(play(*LIVES[:3])) == [Claim("open/printer-1/black", str(key))]
    assert names(play(*LIVES, ended(OrderState.CONFIRMED))) == []
    assert names(play(*LIVES, ended(OrderState.FULFILLED))) == [Release("open/printer-1/black")]


def test_news_of_a_former_order_frees_no_name() -> None:
    again = (*LIVES, ended(OrderState.FULFILLED), told("b:5", ink=7.0))
    assert names(play(*again, ended(OrderState.FULFILLED))) == []


def test_a_thing_keeps_the_slot_that_it_was_registered_with() -> None:
    record = play(registration()).reply
    assert record.slot == slot_of("printer-1")
    moved = CORE.step(replace(play(registration()).state, record=replace(record, slot=77)), registration(), NOW)
    assert moved.reply.slot == 77


def test_a_thing_of_an_older_hub_gets_its_slot_when_it_is_registered_again() -> None:
    old = replace(play(registration()).state, record=replace(play(registration()).reply, slot=None))
    assert CORE.step(old, registration(), NOW).reply.slot == slot_of("printer-1")
