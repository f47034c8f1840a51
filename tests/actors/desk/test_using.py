"""A day's limit holds over restarts: what was sent is told, and a start counts what it may not have been told."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from desk_bench import KEY, Work, working
from fake_crm import FakeCrm

from actors.desk.desk import Desk
from actors.dialogue import Use, UseCounted, connection_address
from actors.model.orders import RecordKind
from actors.testing import virtual_time


class Told:
    """What a former life has told last."""

    def __init__(self, used: Sequence[Use]) -> None:
        self._used = used

    def of(self, connection: str) -> Sequence[Use]:
        assert connection == "shop"
        return self._used


def told(work: Work) -> list[UseCounted]:
    return [message for address, message in work.office.waits if address == connection_address("shop")]  # type: ignore[misc]


def looks(desk: Desk) -> Any:
    return desk.look(lambda adapter: adapter.find_by_key(KEY, RecordKind.ORDER))


async def sent_within(work: Work, seconds: float, wanted: int) -> int:
    """Return how many of so many wanted reads were sent in this time."""
    before = len(work.crm.calls)
    async with asyncio.TaskGroup() as group:
        reads = [group.create_task(looks(work.desk)) for _ in range(wanted)]
        await asyncio.sleep(seconds)
        for read in reads:
            read.cancel()
    return len(work.crm.calls) - before


@virtual_time
async def test_a_restart_in_the_middle_of_the_day_goes_on_counting() -> None:
    async with working(FakeCrm(), requests_per_day=10) as work:
        assert await sent_within(work, 60.0, 7) == 7
        used = told(work)[-1].used
    assert sum(use.count for use in used) == 7
    async with working(FakeCrm(), requests_per_day=10) as again:
        again.desk.recall(Told(used))
        assert await sent_within(again, 3600.0, 10) == 2  # one more may have been sent without being told
        assert await sent_within(again, 86_400.0, 10) == 10


@pytest.mark.parametrize("sent", range(1, 60, 7))
@virtual_time
async def test_a_death_at_any_moment_lets_no_day_have_more_than_its_limit(sent: int) -> None:
    async with working(FakeCrm(), requests_per_day=500) as work:
        assert await sent_within(work, 60.0, sent) == sent
        used = told(work)[-1].used
    async with working(FakeCrm(), requests_per_day=500) as again:
        again.desk.recall(Told(used))
        assert sent + await sent_within(again, 3600.0, 600) <= 500


@virtual_time
async def test_what_lies_a_day_back_counts_no_longer_and_a_clock_that_went_back_forgets_nothing() -> None:
    async with working(FakeCrm(), requests_per_day=10) as work:
        now = work.clock.now()
        old = Use(until=now - timedelta(hours=25), count=10)
        ahead = Use(until=now + timedelta(hours=1), count=4)
        work.desk.recall(Told((old, ahead)))
        assert await sent_within(work, 60.0, 10) == 5


@virtual_time
async def test_a_connection_without_a_limit_of_the_day_counts_nothing() -> None:
    async with working() as work:
        work.desk.recall(Told((Use(until=work.clock.now(), count=10**6),)))
        assert await sent_within(work, 60.0, 50) == 50
        assert told(work) == []


@virtual_time
async def test_what_is_told_stays_short_however_busy_the_day() -> None:
    async with working(FakeCrm(), requests_per_day=100_000) as work:
        for _ in range(300):
            assert await sent_within(work, 240.0, 40) == 40
        last = told(work)[-1].used
    assert sum(use.count for use in last) >= 300 * 40 - 1000
    assert len(last) <= 145
