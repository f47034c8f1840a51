"""After an outage a desk drains what waits: nobody starves, nothing is sent twice, no declared limit is passed."""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from random import Random
from typing import Any

from buying import Buying
from msgspec.structs import replace

from actors.desk.desk import Desk, DeskSettings, limited
from actors.desk.line import FairLine
from actors.desk.pace import DayQuota
from actors.dialogue import DeskWaits, GiveBackTurn, PlaceReported, PlaceRequest, TakeTurn, TurnGiven
from actors.model.ids import OrderKey, OwnerId, ThingId
from actors.model.orders import PurchaseOrder, RecordKind
from actors.model.outcomes import Absent, Capabilities, Created, CrmRecord, RecordStatus, Transient
from actors.ports import RefusesExtras
from actors.runtime.cells import encode
from actors.runtime.journal import OutboxRow
from actors.testing import VirtualClock, virtual_time

REQUEST = Buying().placing().world.job(PlaceRequest).body.request
assert isinstance(REQUEST, PurchaseOrder)
ORDERS = 10_000
GREEDY = OwnerId("greedy")
"""Nine of ten orders are this owner's, and all of its orders came first."""


class MeteredCrm(RefusesExtras):
    """Counts what comes, as a CRM does that ends the contract of who passes its limits."""

    capabilities = Capabilities()

    def __init__(self) -> None:
        self.is_down = True
        self.placed: list[OrderKey] = []
        self.times: list[float] = []
        self.most_at_once = 0
        self._at_once = 0

    async def place_order(self, order: PurchaseOrder) -> Any:
        return await self._answer(lambda: self._take(order))

    async def find_by_key(self, key: OrderKey, kind: RecordKind) -> Any:
        del key, kind
        return await self._answer(Absent)

    def _take(self, order: PurchaseOrder) -> Created:
        self.placed.append(order.key)
        held = CrmRecord(record_id=order.key, kind=RecordKind.ORDER, key=order.key, status=RecordStatus.CONFIRMED)
        return Created(record=held)

    async def _answer(self, usual: Callable[[], Any]) -> Any:
        self.times.append(asyncio.get_running_loop().time())
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        await asyncio.sleep(0.15)
        self._at_once -= 1
        return Transient(reason="down") if self.is_down else usual()

    def busiest(self, span_s: float) -> int:
        """Return how many requests came within any such span."""
        window: deque[float] = deque()
        most = 0
        for at in self.times:
            window.append(at)
            while window[0] <= at - span_s + 1e-6:
                window.popleft()
            most = max(most, len(window))
        return most


class Orders:
    """Plays the orders: each is checked once more when its turn comes; every fifth is wanted no longer."""

    def __init__(self, crm: MeteredCrm, settings: DeskSettings) -> None:
        self.desk = Desk("shop", crm, self, VirtualClock(), Random(1), settings)  # type: ignore[arg-type]
        self.turns: Counter[str] = Counter()
        self.ended: dict[str, Any] = {}
        self.waits: list[str] = []
        self.dropped = 0
        self._ids = iter(range(1, 10**6))

    def line_up(self, number: int) -> None:
        owner = GREEDY if number < ORDERS * 9 // 10 else OwnerId(f"owner-{number % 10}")
        job = TakeTurn(owner_id=owner, thing_id=ThingId(f"thing-{number % 97}"))
        self.give(job, f"order/{number:05}")

    def give(self, job: Any, address: str) -> None:
        row = OutboxRow(outbox_id=next(self._ids), relay="", address=address, body=encode(job), created_at=0)
        self.desk.work(row, recovered=False)

    def complete(self, outbox_id: int, address: str, message: Any) -> None:
        match message:
            case TurnGiven():
                self.turns[address] += 1
                is_wanted = int(address[-5:]) % 5 > 0
                request = replace(REQUEST, key=OrderKey(address))
                self.give(PlaceRequest(request=request, attempt=1) if is_wanted else GiveBackTurn(), address)
                self.dropped += not is_wanted
            case PlaceReported(outcome=Transient()):
                self.give(TakeTurn(), address)
            case PlaceReported(outcome=outcome):
                self.ended[address] = outcome

    def submit(self, address: str, message: Any, done: Callable[[Any], None], message_id: str = "") -> None:
        if isinstance(message, DeskWaits):
            self.waits.append(address)

    def discard(self, outbox_id: int) -> None:
        pass


async def drained(crm: MeteredCrm, orders: Orders, count: int) -> float:
    """Let an outage end while so many orders wait; return how long the drain took."""
    async with asyncio.TaskGroup() as group:
        running = group.create_task(orders.desk.run())
        await asyncio.sleep(0)
        for number in range(count):
            orders.line_up(number)
        await asyncio.sleep(600)
        crm.is_down = False
        begin_s = asyncio.get_running_loop().time()
        while len(orders.ended) + orders.dropped < count:  # noqa: ASYNC110 - time is virtual: polling costs nothing
            await asyncio.sleep(10)
        running.cancel()
    return asyncio.get_running_loop().time() - begin_s


@virtual_time
async def test_ten_thousand_pending_orders_drain_inside_the_declared_limits() -> None:
    crm = MeteredCrm()
    orders = Orders(crm, DeskSettings(parallel=4, requests_per_s=20.0))
    took_s = await drained(crm, orders, ORDERS)
    assert len(crm.placed) == len(set(crm.placed)) == ORDERS * 4 // 5
    assert all(isinstance(outcome, Created) for outcome in orders.ended.values())
    assert (crm.busiest(1.0) <= 20, crm.most_at_once <= 4) == (True, True)
    assert took_s < 1.3 * len(crm.placed) / 20.0


@virtual_time
async def test_one_owners_thousands_do_not_stop_the_others() -> None:
    crm = MeteredCrm()
    await drained(crm, Orders(crm, DeskSettings(parallel=4, requests_per_s=20.0)), ORDERS)
    last: defaultdict[bool, int] = defaultdict(int)
    for place, key in enumerate(crm.placed):
        last[int(key[-5:]) < ORDERS * 9 // 10] = place
    assert last[False] < 1_000 < last[True]


@virtual_time
async def test_a_day_has_its_limit_and_the_rest_goes_the_next_day() -> None:
    crm = MeteredCrm()
    orders = Orders(crm, DeskSettings(parallel=4, requests_per_s=5.0, requests_per_day=500))
    took_s = await drained(crm, orders, 1_000)
    assert len(crm.placed) == 800
    assert 86_400 < took_s < 2 * 86_400
    assert crm.busiest(86_400.0) <= 500
    assert crm.busiest(1.0) <= 5


@virtual_time
async def test_reads_and_turns_are_let_through_alternately() -> None:
    crm = MeteredCrm()
    crm.is_down = False
    orders = Orders(crm, DeskSettings(requests_per_s=1.0))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(orders.desk.run())
        await asyncio.sleep(0)
        reads = [
            group.create_task(orders.desk.look(lambda adapter: adapter.find_by_key(REQUEST.key, RecordKind.ORDER)))
            for _ in range(50)
        ]
        for number in (1, 2, 3):
            orders.line_up(number)
        await asyncio.sleep(8)
        assert len(orders.ended) == 3
        running.cancel()
        for read in reads:
            read.cancel()


def test_owners_and_their_things_take_turns_and_who_had_one_comes_first() -> None:
    line: FairLine[str] = FairLine()
    for name in ("a1x", "a1y", "a1z", "a2x", "b1x"):
        line.add(name, name[0], name[:2])
    line.add("again", "a", "a1", first=True)
    assert [line.pop() for _ in range(len(line))] == ["again", "a1x", "b1x", "a2x", "a1y", "a1z"]


def test_a_day_is_any_24_hours() -> None:
    quota = DayQuota(2)
    assert [quota.take(at_s) for at_s in (0.0, 80_000.0, 86_399.0)] == [True, True, False]
    assert [quota.take(at_s) for at_s in (86_460.0, 86_461.0)] == [True, False]


def test_what_a_connection_declares_bounds_what_the_operator_sets() -> None:
    wanted = DeskSettings(parallel=8, requests_per_s=10.0)
    can = Capabilities(parallel=2, requests_per_s=50.0, requests_per_day=1000)
    found = limited(wanted, can)
    assert (found.parallel, found.requests_per_s, found.requests_per_day) == (2, 10.0, 1000)
    assert limited(wanted, Capabilities()) == wanted
