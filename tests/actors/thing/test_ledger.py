"""Every recommendation is a row that closes with what became of it; the report counts what was right."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from firm import INSTALLATION, OWNER, PRINTER, PROFILE, granted, registration, told
from msgspec.structs import replace
from world import World

from actors.community.policy import ActPolicy
from actors.community.report import report
from actors.dialogue import AdviceGiven, AdviceOutcome, ComputeAdvice, owner_address, thing_address
from actors.model.advice import Evidence, ExperienceCard, Interval, Recommendation, Topic
from actors.model.ledger import LedgerRow, RowOutcome
from actors.model.profiles import FaultSpec
from actors.model.things import Purpose
from actors.runtime.cells import Kind
from actors.thing.core import ThingCore
from actors.thing.ledger import corrected_rows

THING = thing_address(PRINTER)
ANSWERED = range(5, 41)


class Published:
    """A community's model, as far as a thing asks it."""

    version = "hi1-a"
    policy = ActPolicy(threshold=20.0, needed=1, of=1)

    def features(self, *_: Any) -> Any:
        return np.zeros(3)

    def model(self, *_: Any) -> Any:
        return self


class Life:
    """A drum that lives cycle by cycle, and is told by its peers that it ends after 60."""

    def __init__(self, *, failure: str = "", shares: tuple[Purpose, ...] = (Purpose.HEALTH,)) -> None:
        drum = replace(PROFILE.components["drum"], failure=failure)
        dead = FaultSpec(code="fault", equals="DEAD", title="Drum dead", work="Look at it")
        able = replace(PROFILE, components={"drum": drum}, faults={**PROFILE.faults, "dead": dead})
        self.world = World(models=Published())
        self.world.kinds["thing"] = Kind(ThingCore({"printer@1": able}, Published(), INSTALLATION))  # type: ignore[arg-type]
        self.world.send(owner_address(OWNER), granted())
        self.world.send(THING, registration(shares=shares))
        self.messages = 0

    def message(self, **values: Any) -> None:
        self.messages += 1
        self.world.now += timedelta(hours=1)
        self.world.send(THING, told(f"m:{self.messages}", at=self.world.now, **values))

    def cycle(self, number: float, *, off: float = 0.0) -> None:
        """Live a cycle; peers answer what is left of 60, wrong by ``off``."""
        self.message(snapshot=(1.0, 2.0, 3.0), cycle=number)
        for asked in [work for work in self.world.other_work if isinstance(work, ComputeAdvice)]:
            self.world.other_work.remove(asked)
            if asked.question.topic is Topic.HEALTH:
                self.world.send(asked.reply_to, AdviceGiven(advice=self.said(asked, 60.0 - number + off)))

    def said(self, asked: ComputeAdvice, left: float) -> Recommendation:
        return Recommendation(
            correlation_id=asked.question.correlation_id,
            topic=Topic.HEALTH,
            subject="drum",
            action="none",
            estimate=left,
            unit="cycles",
            interval=Interval(level=0.8, low=left - 10, high=left + 10),
            evidence=Evidence(peers=9, owners=9),
            method="test",
            model_version="hi1-a",
            confidence=0.5,
            sentence="so it is",
            answered_at=self.world.now,
            expires_at=self.world.now + timedelta(days=1),
            index=left,
        )

    def lived_to(self, last: int, *, off: float = 0.0) -> "Life":
        for number in range(1, last + 1):
            self.cycle(float(number), off=off)
        return self

    def replaced(self) -> "Life":
        self.message(snapshot=(1.0, 2.0, 3.0), cycle=1.0)
        return self

    @property
    def rows(self) -> list[LedgerRow]:
        found = [body for (kind, _), body in self.world.records.items() if kind == "ledger"]
        return sorted(found, key=lambda row: row.given_at)

    @property
    def cards(self) -> list[ExperienceCard]:
        return [body for (kind, _), body in self.world.records.items() if kind == "card"]


def test_an_answer_opens_a_row_and_the_same_answer_soon_after_none() -> None:
    life = Life().lived_to(35)
    assert [(row.age, row.action, row.outcome) for row in life.rows] == [(5.0, "none", None), (30.0, "none", None)]


def test_a_part_that_failed_without_advice_is_a_miss_with_what_was_really_left() -> None:
    life = Life().lived_to(35).replaced()
    assert [(row.outcome, row.left, row.missed) for row in life.rows] == [
        (RowOutcome.FAILED_AFTER, 30.0, False),
        (RowOutcome.FAILED_BEFORE, 5.0, True),
    ]
    (figures,) = report(life.rows)
    assert (figures.failures, figures.misses, figures.orders) == (1, 1, 0)


def test_a_part_replaced_on_advice_is_censored_not_failed() -> None:
    life = Life().lived_to(45).replaced()
    assert [row.action for row in life.rows] == ["none", "none", "order_replacement"]
    assert {(row.outcome, row.censored) for row in life.rows} == {(RowOutcome.ORDERED, True)}
    (figures,) = report(life.rows)
    assert (figures.orders, figures.false_orders, figures.failures, figures.misses) == (1, 0, 0, 0)
    (calibration,) = figures.calibration
    assert (calibration.known, calibration.censored, calibration.share) == (0, 3, None)


def test_a_reported_failure_counts_although_it_was_advised() -> None:
    life = Life(failure="dead").lived_to(45)
    life.message(fault="DEAD")
    life.replaced()
    assert {row.outcome for row in life.rows} == {RowOutcome.FAILED_AFTER, RowOutcome.FAILED_BEFORE}
    (figures,) = report(life.rows)
    assert (figures.failures, figures.misses) == (1, 0)


@pytest.mark.parametrize(("off", "share"), [(0.0, 1.0), (30.0, 0.0)])
def test_calibration_is_the_share_of_true_remaining_lives_inside(off: float, share: float) -> None:
    life = Life(failure="dead").lived_to(39, off=off)
    for number in range(40, 61):
        life.cycle(float(number), off=off)
    life.message(fault="DEAD")
    life.replaced()
    (figures,) = report(life.rows)
    assert figures.inside_share == {"0.80": share}


def test_a_part_that_came_back_unused_makes_a_false_order() -> None:
    life = Life().lived_to(45)
    closed = corrected_rows(life.rows, RowOutcome.RETURNED_UNUSED, "anna", life.world.now)
    life.world.send(THING, AdviceOutcome(subject="drum", rows=closed))
    life.replaced()
    (order,) = [row for row in life.rows if row.action == "order_replacement"]
    assert (order.outcome, order.by) == (RowOutcome.RETURNED_UNUSED, "anna")
    (figures,) = report(life.rows)
    assert (figures.orders, figures.false_orders, figures.false_share) == (1, 1, 1.0)


@pytest.mark.parametrize(("last", "censored"), [(35, False), (45, True)])
def test_peers_learn_from_a_life_that_ended_and_whether_it_was_ended_early(last: int, censored: bool) -> None:
    life = Life().lived_to(last).replaced()
    (card,) = life.cards
    assert (card.censored, card.lived, card.model_version, len(card.curve)) == (censored, float(last), "hi1-a", 63)
    if not censored:
        assert card.curve[20] == pytest.approx(15.0, abs=2.0)  # at index 40, cycle 20, it had 15 left


def test_without_consent_a_life_is_told_to_nobody() -> None:
    assert Life(shares=()).lived_to(35).replaced().cards == []


def test_versions_and_subjects_are_counted_apart() -> None:
    rows = Life().lived_to(35).replaced().rows
    other = [replace(row, model_version="hi1-b", outcome=None) for row in rows]
    assert [(each.model_version, each.given, each.still_open) for each in report([*rows, *other])] == [
        ("hi1-a", 2, 0),
        ("hi1-b", 2, 2),
    ]
