"""What ends at nearly the same time is told together, with the turns that follow: it shares a commit."""

import asyncio
from typing import Any

from desk_bench import PLACE, Work, working
from fake_crm import FakeCrm

from actors.dialogue import TakeTurn, TurnGiven
from actors.model.ids import OwnerId, ThingId
from actors.model.orders import PurchaseOrder
from actors.testing import virtual_time


class SlowCrm(FakeCrm):
    """Answers each order after a time of its own."""

    def __init__(self, *seconds: float) -> None:
        super().__init__()
        self._seconds = list(seconds)

    async def place_order(self, order: PurchaseOrder) -> Any:
        await asyncio.sleep(self._seconds.pop(0))
        return await super().place_order(order)


def _told(work: Work) -> list[tuple[str, str, float]]:
    reports = zip(work.office.reports, work.office.times, strict=True)
    return [(address, type(message).__name__, round(at, 4)) for (address, message), at in reports]


@virtual_time
async def test_outcomes_are_told_together_and_with_them_the_turn_that_they_make_room_for() -> None:
    async with working(SlowCrm(1.0, 1.004, 30.0), parallel=3, gather_s=0.005) as work:
        began = asyncio.get_running_loop().time()
        for name in "abc":
            work.give(PLACE, f"order/{name}")
        await asyncio.sleep(0.1)
        work.give(TakeTurn(after_s=0.0, reason="", owner_id=OwnerId("o"), thing_id=ThingId("t")), "order/d")
        await work.reports(3)
        together = round(began + 1.005, 4)
        assert _told(work)[:3] == [
            ("order/a", "PlaceReported", together),
            ("order/b", "PlaceReported", together),
            ("order/d", TurnGiven.__name__, together),
        ]


@virtual_time
async def test_an_outcome_for_which_there_is_none_to_wait_is_told_at_once() -> None:
    async with working(SlowCrm(1.0), gather_s=0.005) as work:
        began = asyncio.get_running_loop().time()
        work.give(PLACE)
        await work.reports(1)
        assert _told(work) == [("order/a", "PlaceReported", round(began + 1.0, 4))]


@virtual_time
async def test_a_desk_that_ends_tells_what_it_gathered_and_gives_no_turn_any_more() -> None:
    async with working(SlowCrm(1.0, 30.0), parallel=2, gather_s=5.0) as work:
        work.give(PLACE, "order/a")
        work.give(PLACE, "order/b")
        await asyncio.sleep(0.1)
        work.give(TakeTurn(after_s=0.0, reason="", owner_id=OwnerId("o"), thing_id=ThingId("t")), "order/c")
        await asyncio.sleep(2.0)
        assert work.office.reports == []
    assert [(address, name) for address, name, _ in _told(work)] == [("order/a", "PlaceReported")]
