"""A need whose order was fulfilled waits for the thing to show it, and ends with that reason when it does not."""

from datetime import timedelta

import pytest
from buying import OFFER, OWNER_ADDRESS
from firm import INSTALLATION, NOW, PROFILE, PROFILES, granted, registration, told
from msgspec.structs import replace
from world import World

from actors.dialogue import FindOffers, NotSeenInTime, PlaceRequest, RecordHeard, TakeTurn, order_address, thing_address
from actors.model.orders import OrderState, RecordKind
from actors.model.outcomes import Created, CrmRecord, Offers, RecordStatus
from actors.owner.core import OwnerLimits
from actors.runtime.turns import Remind
from actors.thing.asking import NoModels
from actors.thing.core import ThingCore
from actors.thing.state import NeedEnd, NeedState

THING = thing_address("printer-1")
DAY_S = 86400.0


class Fulfilled:
    """A printer whose ink was ordered and, says the shop, delivered; it still reports that it is low."""

    def __init__(self, limits: OwnerLimits | None = None) -> None:
        self.world = World(limits=limits)
        self.world.send(OWNER_ADDRESS, granted())
        self.world.send(THING, registration())
        self.world.send(THING, told("b:1", ink=60.0))
        self.told("b:2", ink=9.0)
        self.world.advance(6.0)  # the community says nothing
        self.first = self.order()
        self.world.send(order_address(self.first), self._heard(RecordStatus.FULFILLED))

    def told(self, message_id: str, **values: float) -> None:
        self.world.send(THING, told(message_id, at=self.world.now, **values))

    def order(self) -> str:
        """Let the shop take the order of the open need; return its key."""
        self.world.answer(FindOffers, Offers(offers=(OFFER,)))
        self.world.answer(TakeTurn)
        self.world.answer(PlaceRequest, Created(record=self._record(RecordStatus.CONFIRMED)))
        return str(self.need.key)

    @property
    def need(self) -> NeedState:
        need: NeedState = self.world.state(THING).needs["black"]
        return need

    def end(self, episode: int = 1) -> NeedEnd:
        end: NeedEnd = self.world.records["need_end", f"printer-1.black.{episode}"]
        return end

    def _record(self, status: RecordStatus) -> CrmRecord:
        request = self.world.state(order_address(str(self.need.key))).request
        told = {"kind": RecordKind.ORDER, "key": request.key, "fingerprint": request.fingerprint, "status": status}
        return CrmRecord(record_id=f"OR-{self.need.episode}", **told)

    def _heard(self, status: RecordStatus) -> RecordHeard:
        return RecordHeard(connection="shop", record=self._record(status))


def test_a_fulfilled_order_leaves_its_need_open_until_the_thing_shows_it() -> None:
    printer = Fulfilled()
    printer.world.advance(13 * DAY_S)
    assert (printer.need.is_open, printer.need.order_state) == (True, OrderState.FULFILLED)
    printer.told("b:3", ink=100.0)
    assert not printer.need.is_open
    assert printer.end().code == "met"
    assert not [name for address, name in printer.world.reminders if address == THING]


def test_what_is_not_seen_in_time_ends_with_a_reason_and_a_next_step() -> None:
    printer = Fulfilled()
    printer.world.advance(14 * DAY_S + 1)
    assert not printer.need.is_open
    assert printer.end().code == "fulfilled_not_seen"
    assert "fulfilled, not seen at the thing" in printer.end().reason
    assert "arrived" in printer.end().next_step
    note = next(note for note in printer.world.notes if note.step == "need_closed")
    assert (note.correlation_id, note.facts["code"]) == ("printer-1.black.1", "fulfilled_not_seen")


def test_a_thing_that_is_still_low_afterwards_needs_it_anew_and_orders_once_more() -> None:
    printer = Fulfilled()
    printer.told("b:3", ink=8.0)
    assert printer.need.episode == 1
    printer.world.advance(14 * DAY_S + 1)
    printer.told("b:4", ink=7.0)
    printer.told("b:5", ink=6.0)
    printer.world.advance(6.0)
    assert (printer.need.episode, printer.need.is_open) == (2, True)
    assert printer.order() != printer.first


def test_a_need_that_opens_anew_is_held_to_the_limits_of_all_orders() -> None:
    printer = Fulfilled(OwnerLimits(max_orders_per_7_days=9, min_between_orders=timedelta(days=30)))
    printer.world.advance(14 * DAY_S + 1)
    printer.told("b:4", ink=7.0)
    printer.world.advance(6.0)
    order = printer.world.state(order_address(str(printer.need.key)))
    assert (order.state, order.code) == (OrderState.BLOCKED, "too_soon")


def test_the_wait_of_a_former_need_ends_no_later_one() -> None:
    printer = Fulfilled()
    printer.told("b:3", ink=100.0)
    printer.told("b:4", ink=7.0)
    printer.world.send(THING, NotSeenInTime(subject="black", key=printer.first))
    assert (printer.need.episode, printer.need.is_open) == (2, True)


@pytest.mark.parametrize(("days", "profile"), [(3.0, PROFILE), (14.0, replace(PROFILE, seen_within_days=3.0))])
def test_how_long_is_waited_is_the_hubs_or_the_profiles_word(days: float, profile: object) -> None:
    printer = Fulfilled()
    core = ThingCore({"printer@1": profile}, NoModels(), INSTALLATION, seen_within_days=days)  # type: ignore[dict-item]
    needs = {"black": replace(printer.need, seen_by=0.0)}
    step = core.step(replace(printer.world.state(THING), needs=needs), told("b:9", ink=8.0), NOW)
    (reminder,) = [effect for effect in step.effects if isinstance(effect, Remind)]
    assert reminder.due == NOW + timedelta(days=3)


def test_needs_of_older_hubs_are_waited_for_from_the_things_next_message_on() -> None:
    printer = Fulfilled()
    state = printer.world.state(THING)
    older = replace(state, needs={"black": replace(printer.need, seen_by=0.0)})
    core = ThingCore(PROFILES, NoModels(), INSTALLATION)
    step = core.step(older, told("b:9", ink=8.0), NOW)
    assert step.state.needs["black"].seen_by == (NOW + timedelta(days=14)).timestamp()
    assert not [each for each in core.step(step.state, told("b:10", ink=8.0), NOW).effects if isinstance(each, Remind)]
