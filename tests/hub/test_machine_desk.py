"""The machine interface of the real hub: only the thing itself, and answers that come from what is on disk."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fake_crm import FakeCrm
from firm import OWNER, PRINTER, PROFILE, granted, registration
from small_hub import RunningClock, SmallHub, small_hub

from actors.dialogue import SwitchOff, owner_address, thing_address
from actors.model.advice import Abstention, Topic
from actors.model.ids import OrderKey, ThingId
from actors.model.machine import DeclineCode, Declined, OffersFound, RequestEnding, RequestTaken, ThingOrder, Wanted
from actors.model.orders import OrderState
from actors.model.readings import Principal, PrincipalKind
from actors.thing.asking import NoModels
from hub.machine import MachineDesk
from hub.record_watch import RecordWatch
from hub.registry import Registry

SELF = Principal(kind=PrincipalKind.THING, name=PRINTER, thing_id=PRINTER, owner_id=OWNER)
OTHER = Principal(kind=PrincipalKind.THING, name="other", thing_id=ThingId("other"), owner_id=OWNER)
OPERATOR = Principal(kind=PrincipalKind.OPERATOR, name="operator")
BLACK = Wanted(subject="black")


class Counter:
    """The machine interface of a small hub."""

    def __init__(self, hub: SmallHub, desk: MachineDesk) -> None:
        self.hub = hub
        self.desk = desk

    async def requested(self, subject: str = "black") -> OrderKey:
        taken = await self.desk.request(SELF, Wanted(subject=subject))
        assert isinstance(taken, RequestTaken), taken
        return taken.key

    async def reached(self, key: OrderKey, state: OrderState) -> ThingOrder:
        def there() -> bool:
            order = self.desk.order(SELF, key)
            return isinstance(order, ThingOrder) and order.state is state

        await self.hub.until(there)
        order = self.desk.order(SELF, key)
        assert isinstance(order, ThingOrder)
        return order


@asynccontextmanager
async def counter(path: Path, crm: FakeCrm | None = None, *, shards: int = 1) -> AsyncIterator[Counter]:
    async with small_hub(path, crm or FakeCrm(), shards=shards) as hub:
        registry = Registry({"printer": PROFILE}, {}, hub.journal)
        hub.engine.on_records(registry.follow)
        watch = RecordWatch()
        hub.engine.on_records(watch.follow)
        desk = MachineDesk(hub.engine, registry, hub.journal, NoModels(), RunningClock(), watch)
        await hub.engine.ask(thing_address(PRINTER), registration())
        await hub.engine.ask(owner_address(OWNER), granted())
        yield Counter(hub, desk)


def code(reply: Any) -> DeclineCode:
    assert isinstance(reply, Declined), reply
    return reply.code


async def test_a_thing_orders_and_sees_what_came_of_it(tmp_path: Path) -> None:
    async with counter(tmp_path) as it:
        key = await it.requested()
        order = await it.reached(key, OrderState.CONFIRMED)
        assert (order.subject, order.sku, order.seller) == ("black", "INK-1", "Shop")
        assert it.desk.orders(SELF) == [order]


async def test_with_four_shards_it_is_the_same(tmp_path: Path) -> None:
    async with counter(tmp_path, shards=4) as it:
        assert isinstance(await it.desk.search_offers(SELF, BLACK), OffersFound)
        await it.reached(await it.requested(), OrderState.CONFIRMED)


async def test_nobody_but_the_thing_itself_is_served(tmp_path: Path) -> None:
    async with counter(tmp_path) as it:
        key = await it.requested()
        assert code(await it.desk.request(OPERATOR, BLACK)) is DeclineCode.FOREIGN_THING
        assert code(await it.desk.search_offers(OPERATOR, BLACK)) is DeclineCode.FOREIGN_THING
        assert code(await it.desk.ask_peers(OTHER, "black")) is DeclineCode.UNKNOWN_THING
        assert code(it.desk.order(OTHER, key)) is DeclineCode.UNKNOWN_THING
        assert code(it.desk.order(SELF, OrderKey("I2CNOTMINE"))) is DeclineCode.UNKNOWN_ORDER


async def test_a_thing_that_is_off_orders_nothing_and_reads_why(tmp_path: Path) -> None:
    crm = FakeCrm()
    async with counter(tmp_path, crm) as it:
        await it.hub.engine.ask(owner_address(OWNER), SwitchOff(thing_id=PRINTER, by="anna"))
        order = await it.reached(await it.requested(), OrderState.BLOCKED)
        assert order.code == "thing_off"
        assert code(await it.desk.search_offers(SELF, BLACK)) is DeclineCode.NOT_PERMITTED
        assert not crm.records


async def test_an_answer_is_given_again_while_it_is_fresh(tmp_path: Path) -> None:
    async with counter(tmp_path) as it:
        first = await it.desk.search_offers(SELF, BLACK)
        assert isinstance(first, OffersFound)
        assert await it.desk.search_offers(SELF, BLACK) == first
        other = await it.desk.search_offers(SELF, Wanted(subject="drum"))
        assert code(other) is DeclineCode.TOO_OFTEN
        assert isinstance(other, Declined)
        assert other.retry_after_s


async def test_peers_answer_the_thing_itself(tmp_path: Path) -> None:
    async with counter(tmp_path) as it:
        advice = await it.desk.ask_peers(SELF, "black")
        assert isinstance(advice, Abstention)
        assert advice.reason == "no_evidence"
        assert code(await it.desk.ask_peers(SELF, "drum")) is DeclineCode.NO_COMMUNITY
        about_a_fault = await it.desk.ask_peers(SELF, "jam")
        assert isinstance(about_a_fault, Abstention)
        assert (about_a_fault.topic, about_a_fault.reason) == (Topic.REMEDY, "no_evidence")


async def test_who_watches_hears_every_state_until_it_looks_away(tmp_path: Path) -> None:
    async with counter(tmp_path) as it:
        seen: list[OrderState] = []
        leave = it.desk.watch_orders(PRINTER, lambda order: seen.append(order.state))
        await it.reached(await it.requested(), OrderState.CONFIRMED)
        assert await it.hub.until(lambda: seen[-1] is OrderState.CONFIRMED)  # told just after it can be read
        assert seen[0] is OrderState.DRAFTED
        leave()
        heard = len(seen)
        await it.desk.end_request(SELF, RequestEnding(subject="black", met=True))
        await asyncio.sleep(0)
        assert len(seen) == heard


async def test_a_need_that_is_met_fulfils_its_order(tmp_path: Path) -> None:
    async with counter(tmp_path) as it:
        key = await it.requested()
        await it.reached(key, OrderState.CONFIRMED)
        await it.desk.end_request(SELF, RequestEnding(subject="black", met=True))
        assert (await it.reached(key, OrderState.FULFILLED)).is_ended
