"""What a thing notices, and when it lets go: levels, forecasts, faults, components, people's decisions, its own end."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from firm import COMMUNITY, NOW, PRINTER, PROFILE, record, registration, told
from msgspec.structs import replace
from world import World

from actors.dialogue import (
    CloseNeed,
    JoinCommunity,
    LeaveCommunity,
    OrderProgressed,
    RaiseNeed,
    RetireThing,
    ShareExperience,
    thing_address,
)
from actors.model.money import Money
from actors.model.orders import OrderState
from actors.model.profiles import HealthSpec, SkuChoice
from actors.model.readings import DeviceMessage, Reading
from actors.thing.absorb import absorb
from actors.thing.plan import Plan
from actors.thing.state import NeedState, ThingState

ADDRESS = thing_address(PRINTER)
DAY = timedelta(days=1)


class Thing:
    """The printer, hearing its device."""

    def __init__(self) -> None:
        self.world = World()
        self.world.ask(ADDRESS, registration())
        self.world.mail.clear()
        self.number = 0

    @property
    def state(self) -> ThingState:
        state: ThingState = self.world.state(ADDRESS)
        return state

    def hears(self, *, later: timedelta = timedelta(0), **values: Any) -> "Thing":
        self.number += 1
        self.world.now += later
        return self.takes(told(f"b:{self.number}", at=self.world.now, **values))

    def takes(self, message: Any) -> "Thing":
        self.world.ask(ADDRESS, message)
        self.world.mail.clear()
        return self

    def need(self, subject: str = "black") -> NeedState:
        return self.state.needs.get(subject, NeedState())

    def follows(self, state: OrderState, subject: str = "black") -> "Thing":
        key = self.need(subject).key
        assert key is not None
        price = Money(minor=2000, currency="EUR")
        return self.takes(
            OrderProgressed(key=key, subject=subject, state=state, sentence="so", sku="INK-1", price=price)
        )

    def sent(self, kind: type) -> list[Any]:
        return [message for _, message in self.world.told if isinstance(message, kind)]


@pytest.mark.parametrize(("level", "opens"), [(16.0, False), (15.0, True), (0.0, True)])
def test_a_need_opens_at_the_limit_once(level: float, opens: bool) -> None:
    thing = Thing().hears(ink=level).hears(ink=level)
    assert (thing.need().is_open, len(thing.sent(RaiseNeed))) == (opens, int(opens))


def test_a_need_opens_before_the_limit_when_it_would_run_out_before_a_delivery() -> None:
    thing = Thing()
    for level in (100.0, 80.0, 60.0):
        thing.hears(later=DAY, ink=level)
    assert thing.need().is_open
    (raised,) = thing.sent(RaiseNeed)
    assert raised.need.evidence["empty_in_days"] == pytest.approx(3.0, abs=0.6)
    assert raised.need.due_at is not None


def test_slow_use_opens_nothing() -> None:
    thing = Thing()
    for level in (100.0, 99.5, 99.0, 98.5):
        thing.hears(later=DAY, ink=level)
    assert not thing.need().is_open


def test_a_refill_closes_the_need_and_after_a_known_piece_shares_how_long_it_lasted() -> None:
    thing = Thing().hears(ink=60.0, pages=0.0).hears(ink=9.0, pages=500.0).hears(ink=100.0, pages=500.0)
    assert (thing.need().is_open, len(thing.sent(CloseNeed)), thing.sent(ShareExperience)) == (False, 1, [])
    thing.follows(OrderState.FULFILLED).hears(ink=8.0, pages=1700.0).hears(ink=100.0, pages=1700.0)
    (shared,) = thing.sent(ShareExperience)
    assert (shared.card.sku, shared.card.lived, shared.card.price_minor) == ("INK-1", 1200.0, None)
    assert thing.need().episode == 2


@pytest.mark.parametrize("end", [OrderState.CANCELLED, OrderState.REJECTED, OrderState.EXPIRED])
def test_after_an_end_by_people_it_stays_quiet_until_a_refill(end: OrderState) -> None:
    thing = Thing().hears(ink=9.0).follows(end).hears(ink=5.0)
    assert (thing.need().is_open, thing.need().muted, len(thing.sent(RaiseNeed))) == (False, True, 1)
    thing.hears(ink=90.0).hears(ink=9.0)
    assert (thing.need().is_open, thing.need().episode, len(thing.sent(RaiseNeed))) == (True, 2, 2)


def test_news_of_a_former_order_change_nothing() -> None:
    thing = Thing().hears(ink=9.0)
    before = thing.state
    stranger = OrderProgressed(key="other", subject="black", state=OrderState.CANCELLED, sentence="so")  # type: ignore[arg-type]
    assert thing.takes(stranger).state == before


@pytest.mark.parametrize("age", [timedelta(0), timedelta(hours=1)])
def test_a_late_or_repeated_value_changes_nothing_but_the_count(age: timedelta) -> None:
    thing = Thing().hears(ink=60.0, observed_at=NOW)
    before = thing.state
    late = thing.hears(ink=5.0, observed_at=NOW - age).state
    assert (late.newest(), late.slots, late.needs, late.messages) == (before.newest(), before.slots, before.needs, 2)


@pytest.mark.parametrize("nonsense", [NOW.replace(year=1970), NOW.replace(year=2106), NOW + timedelta(minutes=6)])
def test_a_device_clock_that_cannot_be_right_gives_way_to_the_hubs(nonsense: Any) -> None:
    thing = Thing().hears(ink=60.0, observed_at=nonsense)
    assert thing.state.newest()["ink"].at == NOW.timestamp()
    assert thing.hears(later=DAY, ink=50.0, observed_at=NOW + DAY).state.newest()["ink"].value == 50.0


def test_a_fault_calls_for_service_and_its_end_closes_the_call() -> None:
    thing = Thing().hears(fault="E1").hears(fault="E1")
    (raised,) = thing.sent(RaiseNeed)
    assert (raised.need.kind, raised.need.work) == ("service", "Replace the roller")
    thing.hears(fault="")
    assert (thing.need("jam").is_open, len(thing.sent(CloseNeed))) == (False, 1)


def test_a_bad_reading_is_shown_and_decides_nothing() -> None:
    message = told("b:1", ink=3.0)
    bad = [{"name": "ink", "value": 3.0, "quality": "bad"}]

    thing = Thing().takes(
        msgspec.convert(msgspec.to_builtins(message) | {"readings": bad}, DeviceMessage, strict=False)
    )
    assert (thing.state.newest()["ink"].quality, thing.state.slots, thing.need().is_open) == ("bad", {}, False)


def test_cycles_are_counted_once_and_start_anew_with_a_new_part() -> None:
    thing = Thing()
    for cycle in (1.0, 2.0, 2.0, 3.0):
        thing.hears(snapshot=(1.0, 2.0, 3.0), cycle=cycle)
    assert (thing.state.components["drum"].cycle, thing.state.components["drum"].cycles) == (3.0, 3)
    thing.hears(snapshot=(1.0, 2.0, 3.0), cycle=1.0)
    assert (thing.state.components["drum"].cycle, thing.state.components["drum"].cycles) == (1.0, 1)


def test_a_snapshot_of_the_wrong_length_is_no_cycle() -> None:
    thing = Thing().hears(snapshot=(1.0,), cycle=1.0)
    assert thing.state.components["drum"].cycles == 0


def test_a_retired_thing_closes_its_needs_leaves_its_communities_and_notices_nothing_more() -> None:
    thing = Thing().hears(ink=9.0).takes(RetireThing(by="Ada"))
    assert (thing.need().is_open, thing.sent(CloseNeed)[0].dismissed) == (False, True)
    assert thing.sent(LeaveCommunity) == [LeaveCommunity(thing_id=PRINTER)]
    thing.hears(fault="E1", ink=90.0).hears(ink=2.0)
    assert len(thing.sent(RaiseNeed)) == 1


def test_registering_anew_leaves_the_communities_it_no_longer_belongs_to() -> None:
    thing = Thing()
    message = registration()
    thing.takes(message.__class__(record=record(serial="SN-2"), profile=message.profile, communities=()))
    assert thing.sent(JoinCommunity)[0].purposes == record().shares
    assert (thing.sent(LeaveCommunity), thing.state.communities) == ([LeaveCommunity(thing_id=PRINTER)], ())
    assert COMMUNITY in message.communities


def test_a_message_to_a_thing_that_nobody_registered_can_be_replayed() -> None:
    world = World()
    assert world.ask(ADDRESS, told("b:1", ink=3.0)) == "not registered"
    assert world.state(ADDRESS) == ThingState()


def test_every_cycle_of_a_pack_counts_whatever_the_order_of_its_values() -> None:
    def at(second: int) -> datetime:
        return NOW + timedelta(seconds=second - 60)

    snapshots = [Reading(name="snapshot", value=(float(n), 1.0, 2.0), observed_at=at(2 * n)) for n in range(1, 4)]
    cycles = [Reading(name="cycle", value=float(n), observed_at=at(2 * n + 1)) for n in range(1, 4)]
    message = DeviceMessage(
        thing_id=PRINTER, message_id="m", received_at=NOW, readings=(*snapshots, *cycles), protocol="opcua"
    )
    spec = HealthSpec(snapshot="snapshot", cycle="cycle", settings=1, sensors=2, skus=(SkuChoice(sku="M"),))
    profile = replace(PROFILE, components={"engine": spec})
    engine = absorb(ThingState(), message, Plan.of(profile)).components["engine"]
    assert (engine.cycles, engine.cycle) == (3, 3.0)
    assert engine.last == tuple((float(n), 1.0, 2.0) for n in range(1, 4))
