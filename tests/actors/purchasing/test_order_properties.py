"""What holds for an order whatever it is told, in whatever order, and however often."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from buying import OFFER, SHOP
from fake_crm import offer, time_slot
from firm import INSTALLATION, NOW, raised, settings
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from world import WRITES, World

from actors.dialogue import (
    AdviceGiven,
    Approve,
    BookReported,
    Cancel,
    CancelReported,
    ClearanceAnswered,
    CloseNeed,
    DeadlinePassed,
    DeskWaits,
    LookUpReported,
    MandateChanged,
    OffersReported,
    OrderProgressed,
    PlaceReported,
    Reject,
    ReservationAnswered,
    TimesReported,
    TurnGiven,
    order_address,
)
from actors.model.advice import Abstention, Topic
from actors.model.ids import CommunityId, CorrelationId, MandateId
from actors.model.mandates import Verdict
from actors.model.needs import NeedKind
from actors.model.orders import TERMINAL, OrderState, RecordKind
from actors.model.outcomes import (
    Absent,
    Ambiguous,
    AuthFailed,
    Conflict,
    Created,
    CrmRecord,
    Duplicate,
    Found,
    Offers,
    Permanent,
    RecordStatus,
    Throttled,
    TimeSlots,
    Transient,
    Unsupported,
)
from actors.purchasing.choosing import key_of, qualified

_DAY_S = 86400.0
_SLOW = settings(
    connections={"shop": SHOP, "maker": SHOP},
    blocked_s=_DAY_S,
    status_s=_DAY_S,
    times_s=_DAY_S,
    source_again_s=_DAY_S,
    longest_again_s=_DAY_S,
)
_OPEN_ENDS = {OrderState.CONFIRMED, OrderState.DEAD_LETTER}
_SUPPLY, _SERVICE = raised(community=CommunityId("office")), raised(NeedKind.SERVICE)
_MAKER = offer(connection="maker", minor=1500, expires_at=NOW + timedelta(days=2))
_FAILURES = [
    Transient(reason="refused"),
    Throttled(retry_after_s=float("inf"), reason="limit"),
    Conflict(reason="locked"),
    Ambiguous(reason="reset"),
    Permanent(code="BAD", message="no such product", field="sku"),
    AuthFailed(reason="expired"),
    Unsupported(capability="orders"),
]


def _records(kind: RecordKind) -> list[CrmRecord]:
    need = _SERVICE if kind is RecordKind.SERVICE else _SUPPLY
    return [
        CrmRecord(record_id="R-1", kind=kind, key=key_of(INSTALLATION, need.need), fingerprint=mark, status=status)
        for status in RecordStatus
        for mark in ("ours", "theirs", None)
    ]


_OURS = [record for kind in RecordKind for record in _records(kind) if record.fingerprint == "ours"]
_USUAL = [
    (
        Offers(offers=(OFFER,)),
        Created(record=record),
        Found(record=record),
        TimeSlots(slots=(time_slot(0), time_slot(1))),
    )
    for record in _OURS
]


def _messages() -> st.SearchStrategy[Callable[[World, str], Any]]:
    """Return messages as functions of the world, so that some of them can fit what it waits for."""
    records = st.sampled_from([record for kind in RecordKind for record in _records(kind)])
    outcomes = st.one_of(st.sampled_from(_FAILURES), records.map(lambda r: Created(record=r)), _duplicates(records))
    finds = st.one_of(st.sampled_from(_FAILURES), st.just(Absent()), records.map(lambda r: Found(record=r)))
    times = st.sampled_from([*_FAILURES, TimeSlots(slots=()), TimeSlots(slots=(time_slot(0), time_slot(1)))])
    sold = st.sampled_from([*_FAILURES, Offers(offers=()), Offers(offers=(OFFER,)), Offers(offers=(_MAKER,))])
    verdicts = st.sampled_from(Verdict)
    plain = st.one_of(
        st.sampled_from([_SUPPLY, _SERVICE, Approve(by="Ada"), Reject(by="Ada", reason="no")]),
        st.sampled_from([Cancel(by="Ada", reason="no"), MandateChanged(reason="granted"), _advice()]),
        st.sampled_from([CloseNeed(reason="refilled"), CloseNeed(reason="retired", dismissed=True)]),
        st.builds(OffersReported, connection=st.sampled_from(["shop", "maker", "nobody"]), outcome=sold),
        st.builds(
            ReservationAnswered, verdict=verdicts, sentence=st.just("so"), mandate_id=_mandates(), offer_id=_ids()
        ),
        st.builds(ClearanceAnswered, verdict=verdicts, sentence=st.just("so")),
        st.builds(TurnGiven, connection=st.just("shop")),
        st.builds(DeskWaits, reason=st.just("down"), next_try_at=st.just(NOW)),
        st.builds(PlaceReported, attempt=st.integers(0, 3), outcome=outcomes),
        st.builds(BookReported, attempt=st.integers(0, 3), outcome=outcomes),
        st.builds(LookUpReported, kind=st.sampled_from(RecordKind), outcome=finds),
        st.builds(TimesReported, outcome=times),
        st.builds(CancelReported, outcome=finds),
        st.builds(
            DeadlinePassed, name=st.sampled_from("advice offers source_again status times blocked expiry".split())
        ),
    )
    fitting = st.builds(_Fitting, outcomes=st.tuples(sold, outcomes, finds, times), pick=st.integers(0, 5))
    usual = st.builds(_Fitting, outcomes=st.sampled_from(_USUAL), pick=st.just(0))
    return st.integers(0, 9).flatmap(lambda n: plain.map(_constant) if n < 2 else fitting if n < 4 else usual)


def _duplicates(records: st.SearchStrategy[CrmRecord]) -> st.SearchStrategy[Duplicate]:
    return records.map(lambda record: Duplicate(record=record))


def _mandates() -> st.SearchStrategy[MandateId | None]:
    return st.sampled_from([None, MandateId("m1")])


def _ids() -> st.SearchStrategy[str]:
    return st.sampled_from([qualified(OFFER), qualified(_MAKER), "shop", "", "nobody's"])


def _advice() -> AdviceGiven:
    return AdviceGiven(
        advice=Abstention(
            correlation_id=CorrelationId("c"), topic=Topic.MATERIAL, subject="black", reason="no_evidence",
            sentence="nobody knows", answered_at=NOW,
        )
    )  # fmt: skip


def _constant(message: Any) -> Callable[[World, str], Any]:
    return lambda _world, _address: message


class _Fitting:
    """Answers one of the jobs that wait at the desk, with a record of ours where it is about records."""

    def __init__(self, outcomes: tuple[Any, Any, Any, Any], pick: int) -> None:
        self._outcomes = outcomes
        self._pick = pick

    def __call__(self, world: World, address: str) -> Any:
        if not world.jobs:
            return _willing(world, address)
        job = world.jobs.pop(self._pick % len(world.jobs))
        sold, placed, found, times = self._outcomes
        by_kind = {"FindOffers": sold, "PlaceRequest": placed, "BookTime": placed, "SearchTimes": times}
        outcome = by_kind.get(type(job.body).__name__, found)
        request = world.state(address).request
        if request is not None and getattr(getattr(outcome, "record", None), "fingerprint", "") == "ours":
            ours = {"fingerprint": request.fingerprint}
            outcome = type(outcome)(record=_replaced(outcome.record, **ours))
        return job.report(outcome)


def _replaced(record: CrmRecord, **changes: Any) -> CrmRecord:
    return CrmRecord(**({name: getattr(record, name) for name in record.__struct_fields__} | changes))


def _willing(world: World, address: str) -> Any:
    """Say yes to what the order last asked its owner, and something to what it asked its community."""
    data = world.state(address)
    if data.judging:
        offered = data.offers[0] if data.offers else None
        offer_id = qualified(offered) if offered else "shop"
        return ReservationAnswered(
            verdict=Verdict.ALLOWED, sentence="so", mandate_id=MandateId("m1"), offer_id=offer_id
        )
    return ClearanceAnswered(verdict=Verdict.ALLOWED, sentence="so") if data.clearing else _advice()


@given(st.sampled_from([_SUPPLY, _SERVICE]), st.lists(_messages(), min_size=8, max_size=30))
@hypothesis_settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
def test_an_order_breaks_no_law_and_ends_by_its_deadlines(need: Any, script: list[Any]) -> None:
    world, address = World(_SLOW), order_address(key_of(INSTALLATION, need.need))
    world.ask(address, need)
    for make in script:
        was_terminal, before = world.state(address).state in TERMINAL, world.state(address)
        at_desk = [job for job in world.jobs if isinstance(job.body, WRITES)]
        message = make(world, address)
        world.mail.clear()
        world.ask(address, message)
        check_step(world, address, message, before, at_desk)
        assert not was_terminal or world.state(address) == before, "terminal is terminal"

    end_by_deadlines(world, address)


def check_step(world: World, address: str, message: Any, before: Any, at_desk: list[Any]) -> None:
    sent = [job for job in world.jobs if isinstance(job.body, WRITES) and job not in at_desk]
    if sent:
        assert isinstance(message, ClearanceAnswered), "only a clearance lets a request leave"
        assert (message.verdict, before.clearing != "", len(sent)) == (Verdict.ALLOWED, True, 1)
        assert sent[0].body.attempt == before.attempt + 1
    data = world.state(address)
    assert data.code, "every state has its reason"
    assert data.sentence
    assert len(data.passages) <= 70


def end_by_deadlines(world: World, address: str) -> None:
    for _round in range(200):
        due = sorted((at, key) for key, (at, _) in world.reminders.items())
        world.mail.clear()
        if not due:
            break
        world.now, key = max(world.now, due[0][0]), due[0][1]
        world.ask(address, world.reminders.pop(key)[1])
    data = world.state(address)
    assert data.state in TERMINAL | _OPEN_ENDS
    heard = [message.state for _, message in world.told if isinstance(message, OrderProgressed)]
    assert [state for state in heard if state in TERMINAL] == [data.state][: data.state in TERMINAL], "told once"
