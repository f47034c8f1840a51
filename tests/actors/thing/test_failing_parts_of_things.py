"""A thing that tells its errors asks which part fails next, orders where that pays, and lets go when it is settled."""

from datetime import timedelta
from typing import Any

import pytest
from firm import COMMUNITY, INSTALLATION, NOW, PRINTER, registration, told
from msgspec.structs import replace

from actors.community.component_failure import MachineEvents
from actors.community.report import report
from actors.dialogue import AdviceGiven, AskCommunity, CloseNeed, RaiseNeed, ShareHistory
from actors.model.advice import Abstention, Evidence, Question, Recommendation, Topic
from actors.model.ids import CorrelationId
from actors.model.ledger import LedgerRow, RowOutcome
from actors.model.needs import NeedKind
from actors.model.profiles import EventsSpec, PartSpec, PropertyKind, PropertySpec, SkuChoice, ThingProfile
from actors.model.things import Purpose
from actors.runtime.turns import Put, Tell
from actors.thing.asking import NoModels
from actors.thing.core import ThingCore
from actors.thing.state import ThingState

TEXT = PropertySpec(kind=PropertyKind.TEXT)
PROFILE = ThingProfile(
    name="press",
    title="Press",
    model="P-9",
    properties={"error": TEXT, "replaced": TEXT, "failed": TEXT, "hours": PropertySpec(unit="h")},
    events=EventsSpec(code="error", codes=("E1", "E2"), replaced="replaced", failed="failed", hours="hours"),
    parts={"pump": PartSpec(skus=(SkuChoice(sku="PUMP-1"),), false_order_cost=50.0, breakdown_cost=950.0)},
)


class Peers(NoModels):
    """A community that can be asked."""

    def failures(self, community_id: Any) -> Any:
        return self

    def features(self, machine: MachineEvents, now_h: float) -> tuple[float, ...]:
        return (now_h, *(float(len(machine.events.get(name, ()))) for name in ("E1", "E2")))


class Press:
    """A press with its hour meter."""

    def __init__(self, *shares: Purpose) -> None:
        self.core = ThingCore({"press@1": PROFILE}, Peers(), INSTALLATION)
        self.state = ThingState()
        self.number = 0
        self.ledger: dict[str, LedgerRow] = {}
        new = registration()
        record = replace(new.record, profile="press", shares=shares)
        self.step(replace(new, record=record, profile="press@1", communities=(COMMUNITY,)))

    def step(self, message: Any) -> list[Any]:
        step = self.core.step(self.state, message, NOW + timedelta(minutes=self.number))
        assert self.core.fold(self.state, message, step.events, NOW) == step.state
        self.state = step.state
        kept = [effect.body for effect in step.effects if isinstance(effect, Put) and effect.kind == "ledger"]
        self.ledger |= {row.key: row for row in kept}
        return [effect.message for effect in step.effects if isinstance(effect, Tell)]

    def hears(self, hours: float, **texts: str) -> list[Any]:
        self.number += 1
        return self.step(told(f"b:{self.number}", at=NOW + timedelta(minutes=self.number), hours=hours, **texts))

    def is_advised(self, chance: float | None) -> list[Any]:
        common: Any = {
            "correlation_id": CorrelationId("c"),
            "topic": Topic.FAILURE,
            "answered_at": NOW + timedelta(minutes=self.number),
        }
        if chance is None:
            silent = Abstention(**common, subject="pump", reason="drifted", sentence="no")
            return self.step(AdviceGiven(advice=silent))
        advice = Recommendation(
            **common,
            subject="pump",
            action="watch",
            estimate=chance,
            chances={"pump": chance},
            evidence=Evidence(peers=9, owners=9),
            method="m",
            model_version="v",
            confidence=0.9,
            sentence="Peers' pumps failed then.",
            expires_at=NOW + timedelta(days=1),
        )
        return self.step(AdviceGiven(advice=advice))


def questions(tells: list[Any]) -> list[Question]:
    return [tell.question for tell in tells if isinstance(tell, AskCommunity)]


def test_an_error_is_asked_about_at_once_then_from_time_to_time_and_five_days_later_no_more() -> None:
    press = Press()
    assert questions(press.hears(100.0)) == []
    (asked,) = questions(press.hears(101.0, error="E1"))
    assert (asked.topic, asked.features, asked.thing_id) == (Topic.FAILURE, (101.0, 1.0, 0.0), PRINTER)
    assert questions(press.hears(102.0)) == []
    assert len(questions(press.hears(104.0))) == 1
    assert len(questions(press.hears(104.5, error="E2"))) == 1
    assert questions(press.hears(230.0)) == []


def test_a_code_that_is_not_looked_at_is_no_event() -> None:
    press = Press()
    assert questions(press.hears(101.0, error="whatever")) == []
    assert press.state.happened is not None
    assert press.state.happened.events == {}


@pytest.mark.parametrize(("chance", "orders"), [(0.04, 0), (0.06, 1), (None, 0)])
def test_a_part_is_ordered_where_that_costs_less_than_the_breakdown(chance: float | None, orders: int) -> None:
    press = Press()
    press.hears(101.0, error="E1")
    raised = [tell for tell in press.is_advised(chance) if isinstance(tell, RaiseNeed)]
    assert len(raised) == orders
    for each in raised:
        assert (each.need.kind, each.need.subject, each.need.skus[0].sku) == (NeedKind.PART, "pump", "PUMP-1")
        assert "chance of 6%; ordering pays above 5%" in each.need.reason
        assert "Peers' pumps failed then." in each.need.reason


def test_no_second_order_while_one_is_open_and_replacing_the_part_ends_it() -> None:
    press = Press()
    press.hears(101.0, error="E1")
    press.is_advised(0.9)
    assert not any(isinstance(tell, RaiseNeed) for tell in press.is_advised(0.9))
    (closed,) = [tell for tell in press.hears(125.0, failed="pump") if isinstance(tell, CloseNeed)]
    assert closed.reason == "replaced: at hour 125"
    assert not press.state.needs["pump"].is_open


def test_a_warning_that_was_wrong_is_settled_after_three_days() -> None:
    press = Press()
    press.hears(101.0, error="E1")
    press.is_advised(0.9)
    assert not any(isinstance(tell, CloseNeed) for tell in press.hears(173.0))
    (closed,) = [tell for tell in press.hears(174.0) if isinstance(tell, CloseNeed)]
    assert closed.reason.startswith("not failed within 72 h of the warning")


@pytest.mark.parametrize(
    ("chance", "hours", "texts", "outcome", "censored", "missed"),
    [
        (0.01, 120.0, {"failed": "pump"}, RowOutcome.FAILED_BEFORE, False, True),
        (0.9, 120.0, {"failed": "pump"}, RowOutcome.FAILED_BEFORE, False, False),
        (0.9, 150.0, {"failed": "pump"}, RowOutcome.FAILED_AFTER, False, False),
        (0.9, 120.0, {"replaced": "pump"}, RowOutcome.ORDERED, True, False),
        (0.9, 174.0, {}, RowOutcome.RETURNED_UNUSED, False, False),
        (0.01, 126.0, {}, RowOutcome.EXPIRED, False, False),
        (0.9, 3.0, {}, RowOutcome.EXPIRED, True, False),
        (0.9, 150.0, {}, None, False, False),
        (0.01, 125.0, {}, None, False, False),
    ],
)
def test_a_row_of_the_ledger_closes_with_what_became_of_the_part(
    chance: float, hours: float, texts: dict[str, str], outcome: RowOutcome | None, censored: bool, missed: bool
) -> None:
    press = Press()
    press.hears(101.0, error="E1")
    press.is_advised(chance)
    press.hears(hours, **texts)
    (row,) = press.ledger.values()
    assert (row.subject, row.topic, row.estimate, row.age) == ("pump", Topic.FAILURE, chance, 101.0)
    assert row.action == ("order_part" if chance > 0.05 else "watch")
    assert (row.outcome, row.censored, row.missed) == (outcome, censored, missed)


def test_a_part_has_one_row_open_and_beside_it_one_that_orders() -> None:
    press = Press()
    press.hears(101.0, error="E1")
    for chance in (0.01, 0.02, 0.9, 0.9):
        press.number += 1
        press.is_advised(chance)
    assert [row.estimate for row in press.ledger.values()] == [0.01, 0.9]
    press.hears(110.0, failed="pump")
    assert [(row.outcome, row.missed) for row in press.ledger.values()] == [(RowOutcome.FAILED_BEFORE, False)] * 2
    assert press.state.happened is not None
    assert not press.state.happened.rows


def test_the_report_compares_chances_with_what_happened_and_counts_false_orders_and_misses() -> None:
    rows: list[LedgerRow] = []
    for chance, texts in ((0.9, {"failed": "pump"}), (0.9, {}), (0.01, {}), (0.01, {"failed": "pump"})):
        press = Press()
        press.hears(101.0, error="E1")
        press.is_advised(chance)
        press.hears(120.0 if texts else 180.0, **texts)
        rows += press.ledger.values()
    (told,) = report(rows)
    assert (told.topic, told.orders, told.false_orders, told.misses) == ("failure", 2, 1, 1)
    assert told.failed_share == {"0.010": "1 of 2", "0.900": "1 of 2"}


def test_a_history_is_shared_only_by_consent_when_a_part_failed_and_once_in_thirty_days() -> None:
    silent, willing = Press(Purpose.HEALTH), Press(Purpose.TRAINING)
    for press in (silent, willing):
        press.hears(100.0, error="E1")
    assert not any(isinstance(tell, ShareHistory) for tell in silent.hears(124.0, failed="pump"))
    (shared,) = [tell for tell in willing.hears(124.0, failed="pump") if isinstance(tell, ShareHistory)]
    assert (shared.history.failed, shared.history.events) == ({"pump": (124.0,)}, {"E1": (100.0,)})
    assert PRINTER not in shared.history.history_id
    assert not any(isinstance(tell, ShareHistory) for tell in willing.hears(300.0, failed="pump"))
    assert any(isinstance(tell, ShareHistory) for tell in willing.hears(900.0, failed="pump"))
