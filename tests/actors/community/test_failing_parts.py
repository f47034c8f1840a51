"""Which part fails next: learned from shared histories, published, and answered with what moved it, or not at all."""

from datetime import UTC, datetime

import numpy as np
import pytest
from msgspec.structs import replace

from actors.community.answers import AnswerRules
from actors.community.component_failure import MachineEvents
from actors.community.failing import FAILING, PublishedFailures
from actors.community.failing_advice import advise_failing
from actors.community.history_training import TrainedFailures, beats, train_histories
from actors.model.advice import Abstention, Advice, Question, Recommendation, Topic
from actors.model.histories import EventHistory
from actors.model.ids import CommunityId, CorrelationId, OwnerId, ThingId, fingerprint

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LONG_H = 1500.0


def history(number: int, *, owners: int = 12) -> EventHistory:
    """A machine that is hot a day before its pump fails, and odd without any meaning."""
    chance = np.random.default_rng(number)
    hot = np.sort(chance.choice(np.arange(50, 1400, 60), 6, replace=False)).astype(np.float64)
    odd = np.sort(chance.uniform(0, LONG_H, 6))
    return EventHistory(
        history_id=f"h{number}",
        owner_id=OwnerId(f"owner-{number % owners}"),
        kind="press",
        age_years=3.0,
        since_h=0.0,
        until_h=LONG_H,
        events={"hot": tuple(hot.tolist()), "odd": tuple(odd.tolist())},
        failed={"pump": tuple((hot + 24).tolist())},
    )


HISTORIES = [history(number) for number in range(12)]


@pytest.fixture(scope="module")
def trained() -> TrainedFailures:
    return train_histories(HISTORIES, seed=1)


def machine(hot_h: tuple[float, ...], kind: str = "press") -> MachineEvents:
    return MachineEvents(
        machine_id="", kind=kind, age_years=3.0, events={"hot": np.array(hot_h)}, replaced={"pump": np.array([100.0])}
    )


def ask(model: PublishedFailures | None, it: MachineEvents, at_h: float, owner: str = "me") -> Advice:
    question = Question(
        correlation_id=CorrelationId("c"),
        community_id=CommunityId("presses"),
        topic=Topic.FAILURE,
        thing_id=ThingId("p1"),
        owner_id=OwnerId(owner),
        subject=FAILING,
        features=model.features(it, at_h) if model else (),
        asked_at=NOW,
    )
    return advise_failing(model, question, rules=AnswerRules(), answered_at=NOW)


def test_the_failing_part_is_named_with_its_chance_and_what_moved_it(trained: TrainedFailures) -> None:
    said = ask(trained.published, machine((900.0,)), 903.0)
    assert isinstance(said, Recommendation)
    assert said.subject == "pump"
    assert said.chances["pump"] > 0.9
    assert said.signals[0].name == "hot"
    assert "hot" in said.sentence
    assert "12 peers of 12 owners" in said.sentence


def test_a_quiet_machine_has_nothing_to_fear(trained: TrainedFailures) -> None:
    said = ask(trained.published, machine((900.0,)), 1010.0)
    assert isinstance(said, Recommendation)
    assert (said.action, said.signals) == ("none", ())
    assert said.chances["pump"] < 0.05


def test_chances_are_those_of_machines_held_out(trained: TrainedFailures) -> None:
    raw = trained.published.curves["pump"][0]
    assert raw.min() < 0.1
    assert raw.max() > 0.9
    assert (np.diff(trained.published.curves["pump"][1]) >= 0).all()


def reason(said: Advice) -> str:
    assert isinstance(said, Abstention), said
    return said.reason


def test_nothing_is_said_without_a_model_or_of_what_no_peer_knew(trained: TrainedFailures) -> None:
    often = tuple(900.0 - each for each in range(40, 0, -1))
    assert reason(ask(None, machine(()), 900.0)) == "no_model"
    assert reason(ask(trained.published, machine((900.0,), kind="lathe"), 903.0)) == "out_of_range"
    assert reason(ask(trained.published, machine(often), 903.0)) == "drifted"


def test_four_other_owners_are_too_few_but_the_own_fleet_counts(trained: TrainedFailures) -> None:
    few = replace(trained.published, owners=tuple(fingerprint(f"owner-{number}") for number in range(4)))
    assert reason(ask(few, machine((900.0,)), 903.0)) == "too_few_owners"
    own = replace(trained.published, owners=(fingerprint("owner-0"),))
    assert isinstance(ask(own, machine((900.0,)), 903.0, owner="owner-0"), Recommendation)
    assert reason(ask(own, machine((900.0,)), 903.0)) == "too_few_owners"


def test_a_model_survives_being_stored_and_equal_ones_have_one_version(trained: TrainedFailures) -> None:
    stored = PublishedFailures.from_bytes(trained.published.to_bytes())
    assert stored.version == trained.published.version == train_histories(HISTORIES, seed=1).published.version
    assert ask(stored, machine((900.0,)), 903.0) == ask(trained.published, machine((900.0,)), 903.0)


def test_a_model_that_foretells_no_better_does_not_take_over(trained: TrainedFailures) -> None:
    assert not beats(replace_loss(trained, 9.0), trained.published, HISTORIES)
    assert beats(replace_loss(trained, 0.0), trained.published, HISTORIES)


def replace_loss(trained: TrainedFailures, log_loss: float) -> TrainedFailures:
    return replace(trained, log_loss=log_loss)


def test_too_little_is_refused_with_what_is_missing() -> None:
    with pytest.raises(ValueError, match="at least 8 histories expected for training, got 3"):
        train_histories(HISTORIES[:3], seed=1)
    with pytest.raises(ValueError, match="at least 10 failures of one part"):
        train_histories([replace(each, failed={}) for each in HISTORIES], seed=1)
