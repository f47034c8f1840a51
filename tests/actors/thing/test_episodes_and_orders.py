"""A thing has one order a subject: the next episode opens when the last one's order has ended."""

from firm import INSTALLATION, NOW, PROFILES, registration, told
from small_hub import NoModels

from actors.dialogue import OrderProgressed
from actors.model.orders import OrderState
from actors.runtime.turns import Step
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
