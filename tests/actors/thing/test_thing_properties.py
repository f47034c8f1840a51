"""Whatever a device says and whenever: no turn fails, replay agrees, and no subject has two open needs."""

from datetime import timedelta
from typing import Any

from firm import NOW, PRINTER, registration
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from world import World

from actors.dialogue import OrderProgressed, RaiseNeed, RetireThing, thing_address
from actors.model.orders import OrderState
from actors.model.readings import DeviceMessage, Quality, Reading

ADDRESS = thing_address(PRINTER)
_TIMES = st.one_of(st.none(), st.integers(-90, 90).map(lambda hours: NOW + timedelta(hours=hours)))
_VALUES = st.one_of(
    st.tuples(st.just("ink"), st.floats(0, 100)),
    st.tuples(st.just("pages"), st.floats(0, 1e9)),
    st.tuples(st.just("fault"), st.sampled_from(["", "E1", "E2"])),
    st.tuples(st.just("cycle"), st.integers(0, 20).map(float)),
    st.tuples(st.just("snapshot"), st.lists(st.floats(allow_nan=False), max_size=4).map(tuple)),
)
_READINGS = st.builds(
    lambda told, at, quality: Reading(name=told[0], value=told[1], observed_at=at, quality=quality),
    _VALUES,
    _TIMES,
    st.sampled_from(Quality),
)
_STEPS = st.one_of(
    st.lists(_READINGS, min_size=1, max_size=4).map(tuple),
    st.lists(_READINGS, min_size=1, max_size=4).map(tuple),
    st.sampled_from([*OrderState, "register", "retire"]),
)


def _message(step: Any, number: int, world: World) -> Any:
    if isinstance(step, tuple):
        return DeviceMessage(
            thing_id=PRINTER, message_id=str(number), received_at=world.now, readings=step, protocol="http"
        )
    if step == "register":
        return registration()
    if step == "retire":
        return RetireThing(by="Ada")
    keys = [need.key for need in world.state(ADDRESS).needs.values() if need.key]
    return OrderProgressed(key=keys[0] if keys else "none", subject="black", state=step, sentence="so")  # type: ignore[arg-type]


@given(st.lists(st.tuples(_STEPS, st.integers(0, 48)), max_size=30))
@hypothesis_settings(max_examples=100, deadline=None)
def test_no_turn_of_a_thing_fails_and_replay_agrees(script: list[tuple[Any, int]]) -> None:
    world = World()
    world.ask(ADDRESS, registration())
    for number, (step, hours) in enumerate(script):
        world.now += timedelta(hours=hours)
        world.mail.clear()
        world.ask(ADDRESS, _message(step, number, world))
    raised = [message for _, message in world.told if isinstance(message, RaiseNeed)]
    episodes = [(need.need.subject, need.need.episode) for need in raised]
    assert len(episodes) == len(set(episodes)), "an episode is raised once"
