"""A desk decides when, never what: writes once, reads until they lead somewhere, waits told, turns in order."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from buying import service
from desk_bench import BOOK, KEY, PLACE, Work, working
from fake_crm import FakeCrm

from actors.desk.desk import DeskSettings
from actors.dialogue import (
    CancelRecord,
    ChangesReported,
    FindOffers,
    LookUp,
    PlaceReported,
    ReadChanges,
    SearchTimes,
    TakeTurn,
    TurnGiven,
)
from actors.model.offers import OfferQuery
from actors.model.orders import RecordKind
from actors.model.outcomes import (
    Absent,
    Ambiguous,
    AuthFailed,
    Changes,
    Created,
    Found,
    Permanent,
    Throttled,
    Transient,
    Unsupported,
)
from actors.testing import virtual_time


@virtual_time
async def test_a_write_that_a_former_process_may_have_begun_is_in_doubt_and_never_sent_again() -> None:
    async with working() as work:
        for job in (PLACE, BOOK):
            work.give(job, recovered=True)
        reports = await work.reports(2)
        assert all(isinstance(report.outcome, Ambiguous) for report in reports)
        assert work.crm.calls == []


@virtual_time
async def test_a_write_is_sent_once_whatever_comes_back() -> None:
    async with working() as work:
        work.crm.plan("place_order", Transient(reason="refused"))
        assert await work.outcome(PLACE) == Transient(reason="refused")
        assert len(work.crm.called("place_order")) == 1


@pytest.mark.parametrize("planned", [RuntimeError("a defect"), "hangs", TimeoutError()])
@virtual_time
async def test_a_write_without_a_clear_answer_is_in_doubt(planned: Any) -> None:
    async with working(request_s=30) as work:
        work.crm.plan("place_order", planned)
        assert isinstance(await work.outcome(PLACE), Ambiguous)
        assert len(work.crm.called("place_order")) == 1


@virtual_time
async def test_what_the_crm_cannot_do_is_not_sent() -> None:
    async with working(FakeCrm(orders=False, cancel=False)) as work:
        assert await work.outcome(PLACE) == Unsupported(capability="orders")
        assert await work.outcome(CancelRecord(key=KEY, kind=RecordKind.ORDER, reason="")) is not None
        assert work.crm.calls == []


@pytest.mark.parametrize("failure", [Transient(reason="down"), AuthFailed(reason="expired")])
@virtual_time
async def test_while_the_crm_is_down_nobody_gets_a_turn_and_only_look_ups_probe_it(failure: Any) -> None:
    async with working() as work:
        work.crm.plan("find_by_key", failure, failure, failure)
        work.crm.plan("place_order", failure)
        await work.outcome(PLACE)
        assert (work.desk.status().state, work.desk.status().reason) == ("down", failure.reason)
        work.give(TakeTurn(), "order/b")
        await work.reports(2)
        assert work.office.waits[0][0] == "order/b"
        assert (len(work.crm.called("place_order")), len(work.crm.called("find_by_key"))) == (1, 4)
        assert work.desk.status().state == "up"


@virtual_time
async def test_a_throttling_crm_is_left_alone_for_as_long_as_it_asks_even_when_it_asks_again() -> None:
    async with working() as work:
        work.crm.plan("place_order", Throttled(retry_after_s=100, reason="limit"))
        work.crm.plan("find_offers", Throttled(retry_after_s=300, reason="limit"))
        await work.outcome(PLACE)
        work.give(FindOffers(query=OfferQuery(skus=("INK-1",), quantity=1, currency="EUR")), "order/b")
        await work.reports(2)
        work.give(TakeTurn(), "order/c")
        await work.reports(3)
        assert 299.9 <= work.office.times[-1] - work.office.times[1] < 330
        assert len(work.crm.called("find_by_key")) == 1


@pytest.mark.parametrize("after_s", [float("nan"), float("inf"), -5.0, 1e300])
@virtual_time
async def test_a_nonsensical_wait_stops_no_desk(after_s: float) -> None:
    async with working() as work:
        work.crm.plan("place_order", Throttled(retry_after_s=after_s, reason="limit"))
        await work.outcome(PLACE)
        work.give(TakeTurn())
        assert isinstance((await work.reports(2))[-1], TurnGiven)


@virtual_time
async def test_turns_are_given_in_the_order_they_were_asked_and_no_faster_than_hands_are_free() -> None:
    async with working(parallel=2, turn_grace_s=5.0) as work:
        names = [f"order/{number}" for number in range(6)]
        for name in names:
            work.give(TakeTurn(), name)
        await work.reports(6)
        assert [address for address, _ in work.office.reports] == names
        assert work.office.times[3] - work.office.times[0] >= 4.9
        assert work.office.times[1] - work.office.times[0] < 1.0


@virtual_time
async def test_a_turn_asked_for_later_is_given_later() -> None:
    async with working() as work:
        work.give(TakeTurn(after_s=50), "order/late")
        work.give(TakeTurn(), "order/now")
        await work.reports(2)
        assert [address for address, _ in work.office.reports] == ["order/now", "order/late"]
        assert work.office.times[1] >= 49.9


@virtual_time
async def test_an_absent_record_proves_nothing_before_late_commits_have_settled_whatever_the_clock_says() -> None:
    for jumped in (timedelta(), timedelta(hours=1), timedelta(hours=-1)):
        async with working(FakeCrm(settle_s=120)) as work:
            job = LookUp(key=KEY, kind=RecordKind.ORDER, placed_at=work.clock.now() - jumped)
            begun_s = work.clock.monotonic()
            assert await work.outcome(job) == Absent()
            assert 119.9 <= work.clock.monotonic() - begun_s < 123
            assert work.crm.called("find_by_key")


@virtual_time
async def test_a_commit_that_comes_late_is_found() -> None:
    async with working(FakeCrm(settle_s=120)) as work:
        work.give(LookUp(key=KEY, kind=RecordKind.ORDER, placed_at=work.clock.now()))
        await asyncio.sleep(60)
        assert isinstance(await work.crm.place_order(PLACE.request), Created)
        (report,) = await work.reports()
        assert isinstance(report.outcome, Found)


@pytest.mark.parametrize(
    ("job", "method"),
    [
        (LookUp(key=KEY, kind=RecordKind.ORDER), "find_by_key"),
        (CancelRecord(key=KEY, kind=RecordKind.ORDER, reason="sold"), "cancel"),
    ],
)
@virtual_time
async def test_reads_go_on_through_an_outage_and_the_wait_is_told_once(job: Any, method: str) -> None:
    async with working() as work:
        work.crm.plan(method, *[Transient(reason="down")] * 5, Throttled(retry_after_s=5, reason="limit"))
        assert await work.outcome(job) == Absent()
        assert len(work.office.waits) == 1
        assert work.desk.status().state == "up"


@virtual_time
async def test_an_adapter_that_raises_on_a_read_is_told_as_a_refusal_with_its_name() -> None:
    async with working() as work:
        work.crm.plan("search_appointments", ZeroDivisionError("defect"))
        query = service().placed().world.job(SearchTimes).body
        outcome = await work.outcome(query)
        assert isinstance(outcome, Permanent)
        assert "ZeroDivisionError" in outcome.message


@virtual_time
async def test_what_comes_before_the_desk_runs_is_kept_for_it() -> None:
    work = Work(FakeCrm(), DeskSettings())
    work.give(PLACE)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(work.desk.run())
        assert isinstance((await work.reports())[0], PlaceReported)
        running.cancel()


@virtual_time
async def test_it_ends_at_once_with_a_request_under_way_and_reports_nothing_false() -> None:
    async with working() as work:
        work.crm.plan("place_order", "hangs")
        work.give(PLACE)
        await asyncio.sleep(1)
    assert work.office.reports == []


@virtual_time
async def test_changes_are_read_one_question_at_a_time_and_a_second_one_is_dropped() -> None:
    async with working() as work:
        for _ in range(2):
            work.give(ReadChanges(cursor="c1", within_s=6.0), "connection/shop")
        assert await work.reports() == [ChangesReported(connection="shop", outcome=Changes(records=(), cursor="c1"))]
        assert work.office.discarded == [2]
        assert work.office.times[0] <= 6.5


@virtual_time
async def test_a_connection_is_not_told_of_waiting() -> None:
    async with working() as work:
        work.crm.plan("changes_since", Transient(reason="down"))
        work.give(ReadChanges(cursor=""), "connection/shop")
        await work.reports()
        assert work.office.waits == []
